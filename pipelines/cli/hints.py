"""What to ask a new agent, in the command that a good run ends with."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bertworks.spec import Task
from bertworks.tasks import form_of
from bertworks.tasks.forms.form import RowForm

LOOKED_AT = 500
LONGEST = 90  # characters of a text that fits into a line


def question(task: Mapping[str, Any], examples: Path) -> str:
    """The arguments for `bertworks predict`: a row of the agent's own test data, or what to put there.

    Args:
        task: The spec's task.
        examples: The examples artifact.
    """
    form = form_of(Task.model_validate(task))
    asked = next((row for row in _rows(form, examples) if all(map(_fits, row))), form.placeholder)
    return " ".join(f'"{text}"' if _plain(text) else shlex.quote(text) for text in asked)


def _fits(text: str) -> bool:
    """Whether a text can be read and copied as it stands, and is one."""
    fits = len(text) <= LONGEST and text.isprintable() and not text.startswith("-")
    return fits and any(map(str.isalpha, text))


def _plain(text: str) -> bool:
    return not set(text) & set('"\\$`!')


def _rows(form: RowForm, examples: Path) -> Iterator[tuple[str, ...]]:
    """The first test rows, as `predict` takes them; those of one word or two come last."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = list(form.columns)
    found: list[tuple[str, ...]] = []
    try:
        for file in sorted((examples / "test").glob("part-*.parquet"))[:1]:
            with pq.ParquetFile(file) as table:
                batch = next(table.iter_batches(batch_size=LOOKED_AT, columns=columns), None)
            for row in batch.to_pylist() if batch is not None else []:
                values = [row[name] for name in columns]
                found.append(tuple(v if isinstance(v, str) else " ".join(v or []) for v in values))
    except (OSError, ValueError, KeyError, pa.ArrowException):
        return
    yield from sorted(found, key=lambda row: any(len(text.split()) < 3 for text in row))
