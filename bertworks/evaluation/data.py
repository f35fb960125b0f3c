"""The rows that an evaluation needs: labelled text and the same rows as tokens."""

from __future__ import annotations

from typing import Any

from bertworks.contracts.examples import OUTSIDE
from bertworks.contracts.tokens import TOKENS
from bertworks.errors import ArtifactError
from bertworks.spec import Task
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import for_task

Columns = dict[str, list[Any]]
"""Column name to values, one a row."""


def read_split(artifact: Artifact, split: str, columns: list[str] | None = None) -> Columns:
    """Reads all shards of a split, in order; only `columns` when given (those that exist)."""
    import pyarrow.parquet as pq

    found: Columns = {}
    for file in sorted((artifact / split).glob("*.parquet")):
        names = pq.read_schema(file).names
        wanted = names if columns is None else [name for name in columns if name in names]
        for name, values in pq.read_table(file, columns=wanted).to_pydict().items():
            found.setdefault(name, []).extend(values)
    return found


def test_rows(task: Task, examples: Artifact, tokens: Artifact, split: str = "test") -> Columns:
    """A split's rows, in the order of their ids: all columns of examples, `input_ids` and `length`.

    Adds `truth`, as in `Predictions.truth`, and `shown`, the text as a person reads it.

    Raises:
        ArtifactError: Examples and tokens do not hold the same rows.
    """
    rows, pieces = (
        read_split(examples, split),
        read_split(tokens, split, ["id", "input_ids", "length"]),
    )
    place = {name: row for row, name in enumerate(pieces.get("id", []))}
    ids = rows.get("id", [])
    if set(place) != set(ids):
        raise ArtifactError(
            f"{examples.path} has {len(ids)} {split} rows, {tokens.path} has {len(place)}, and they "
            "are not the same ones.",
            "Run the transform step again on these examples.",
        )
    order = [place[name] for name in ids]
    for name in ("input_ids", "length"):
        rows[name] = [pieces[name][row] for row in order]
    handler = for_task(task)
    rows["shown"] = handler.form.shown(rows)
    rows["truth"] = handler.truth(rows, TOKENS.read(tokens).labels)
    return rows


def outside_rows(examples: Artifact) -> Columns:
    """`text` and `source` of what the agent should not answer; no rows without such a source."""
    return {"text": [], "source": [], **read_split(examples, OUTSIDE, ["text", "source"])}


def labelled_rows(task: Task, examples: Artifact, labels: list[str]) -> Columns:
    """The test rows, in the order of their ids, with `truth`, as in `Predictions.truth`."""
    rows = read_split(examples, "test")
    return {**rows, "truth": for_task(task).truth(rows, labels)}
