"""Rows read as ingest reads them, in small: what a spec's sources come to before a run begins."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from bertworks import progress
from bertworks.data.inspection.decisions import evenly
from bertworks.data.inspection.sampling import MOST_FILES, MOST_ROWS, Sample
from bertworks.data.rows.reading import Reader
from bertworks.data.rows.rejected import RejectedLog
from bertworks.data.rows.tally import Tally
from bertworks.errors import DataError
from bertworks.spec import Clean, Source, Task
from bertworks.storage import temporary
from bertworks.tasks import for_task
from bertworks.tasks.handler import TaskHandler

KEPT_TEXTS = 4_000
_LIMIT = 1_000_000


@dataclass
class Read:
    """What a place's rows came to.

    Attributes:
        sample: The place.
        targets: Content id to its targets, as text, one a row.
        texts: Content id to the row's texts, of the ids that are smallest: a fair sample.
        labels: Label to rows.
        rows: Good rows.
        refused: Refused ones.
        rules: Rule to how many rows broke it.
        advice: The settings that mend the most frequent rules.
        filtered: Rows that the source's filter left out.
        firsts: Rule to the first row that broke it, where whole files are read.
        tally: What reading guessed, where whole files are read: pieces cut quoted cells.
    """

    sample: Sample
    targets: dict[str, list[str]] = field(default_factory=dict)
    texts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    labels: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    refused: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    advice: str = ""
    filtered: int = 0
    firsts: dict[str, str] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    _below: str = "g"  # behind all ids, which are hexadecimal

    @property
    def split(self) -> str:
        """The official split of the place; "" where there is none."""
        return self.sample.place.split


def read(
    sample: Sample, source: Mapping[str, Any], task: Task, clean: Clean, separator: str
) -> Read:
    """Reads the rows of a place by ingest's own reader.

    Args:
        sample: The place, and the pieces of it to look at where it is large.
        source: The source's settings in the spec.
        task: What is learned.
        clean: How texts are cleaned.
        separator: Between several labels.

    Raises:
        DataError: It lacks a column, or has no rows.
    """
    handler = for_task(task)
    found = Read(sample)
    with (
        temporary.scratch() as place,
        progress.quiet(),
        RejectedLog(place, place / "kept.jsonl") as log,
    ):
        reader = Reader(task, clean, Path(), log, _LIMIT, separator)
        for one in _sources(sample, source):
            for row in islice(reader.examples([one]), MOST_ROWS - found.rows):
                _add(found, row.example, handler)
        found.refused, found.rules = reader.rejected, log.rules
        found.filtered = reader.filtered
        found.advice = log.advice()
        if not sample.stand_in:
            found.firsts = {rule: _place(log.first(rule)) for rule in log.rules}
            found.tally = log.tally
    return found


def _sources(sample: Sample, source: Mapping[str, Any]) -> list[Source]:
    """The place's files as sources: the pieces of large ones, else the files themselves."""
    files = sample.stand_in or sample.place.files
    own = {key: value for key, value in source.items() if key not in ("uri", "sha256")}
    own = {"format": _format(sample), **own}
    shown = [file for file in evenly(files, MOST_FILES) if file.path.stat().st_size]
    return [Source.model_validate({**own, "uri": str(file.path.absolute())}) for file in shown]


def _place(first: str) -> str:
    """A file's own name and the row, of the first row that broke a rule; its value is left out."""
    found = re.match(r"(?:.*?/)?([^/]*? row \d+(?: \(line \d+\))?): ", first, re.DOTALL)
    return found[1] if found else ""


def _format(sample: Sample) -> str:
    return "auto" if sample.shape.format == "yaml" else sample.shape.format


def _add(found: Read, example: Mapping[str, Any], handler: TaskHandler) -> None:
    identity, target = example["id"], handler.target
    stored = example[target.column]
    found.rows += 1
    found.targets.setdefault(identity, []).append(target.text(stored))
    if not target.numeric:
        found.labels.update(target.counted(stored))
    if identity < found._below:
        found.texts[identity] = tuple(handler.form.corpus_texts(example))
        if len(found.texts) > 4 * KEPT_TEXTS:
            ordered = sorted(found.texts)
            found._below = ordered[KEPT_TEXTS]
            for other in ordered[KEPT_TEXTS:]:
                del found.texts[other]


def texts_of(reads: list[Read]) -> list[tuple[str, ...]]:
    """The texts of a fair sample of all rows."""
    merged = {key: texts for one in reads for key, texts in one.texts.items()}
    return [merged[key] for key in sorted(merged)[:KEPT_TEXTS]]


def too_few(rows: int) -> DataError:
    """The error for rows that cannot be split."""
    return DataError(
        f"{rows} row{'' if rows == 1 else 's'} with a text and a label of their own "
        f"{'is' if rows == 1 else 'are'} too few to train, validate and test an agent on.",
        "Give more rows: some hundred a label are a beginning, 20 in all the least.",
    )
