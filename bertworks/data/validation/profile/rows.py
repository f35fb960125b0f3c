"""Reads the examples artifact in batches, one shape for every task."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bertworks.errors import DataError
from bertworks.spec import Task
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import form_of

SPLITS = ("train", "validation", "test")
BATCH_ROWS = 4096


@dataclass(frozen=True)
class ExamplesBatch:
    """Up to `BATCH_ROWS` rows of one split.

    Attributes:
        split: "train", "validation" or "test".
        first: Position of the first row within its split, from 0.
        columns: The Parquet columns.
        ids: string, one a row.
        text: string, one a row: the text; both texts of a pair or the words, joined with a space.
        fields: The string arrays that `text` was joined from: one text, the two texts of a pair,
            or the joined words.
        needed: Those of the fields that every row has to fill.
    """

    split: str
    first: int
    columns: pa.RecordBatch
    ids: pa.StringArray
    text: pa.StringArray
    fields: list[pa.StringArray]
    needed: list[pa.StringArray]

    def __len__(self) -> int:
        return len(self.ids)


def batches(
    examples: Artifact, task: Task, split: str, columns: list[str] | None = None
) -> Iterator[ExamplesBatch]:
    """The rows of a split, in the order of the files; memory holds one batch at a time.

    Args:
        examples: The opened examples artifact.
        task: Says which columns hold the text.
        split: "train", "validation" or "test"; a split without files has no rows.
        columns: Columns to read besides id and text; all when None.

    Raises:
        DataError: A column that the task needs is missing or is not text.
    """
    form = form_of(task)
    needed = ["id", *form.columns]
    first = 0
    for file in sorted((examples.path / split).glob("*.parquet")):
        with pq.ParquetFile(file) as parquet:
            for name in needed:
                if name not in parquet.schema_arrow.names:
                    raise DataError(
                        f"{file} has no column {name!r}, which a {task.kind.type} task needs. "
                        f"Columns: {', '.join(parquet.schema_arrow.names)}",
                        "Run the ingest step again with the task of this spec.",
                    )
            wanted = None if columns is None else [*needed, *columns]
            for columns_read in parquet.iter_batches(BATCH_ROWS, columns=wanted):
                fields = [_as_text(columns_read.column(name)) for name in needed[1:]]
                text = fields[0] if len(fields) == 1 else pc.binary_join_element_wise(*fields, " ")
                ids = columns_read.column("id").cast(pa.string())
                named = zip(needed[1:], fields, strict=True)
                filled = [field for name, field in named if name not in form.may_be_empty]
                yield ExamplesBatch(split, first, columns_read, ids, text, fields, filled)
                first += len(ids)


def texts_of(examples: Artifact, task: Task, ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """The split and the text of the rows with these ids, found in a second pass over the files."""
    found: dict[str, tuple[str, str]] = {}
    wanted = pa.array(sorted(set(ids)), pa.string())
    for split in SPLITS:
        if len(found) == len(wanted):
            break
        for batch in batches(examples, task, split, columns=[]):
            here = pc.is_in(batch.ids, value_set=wanted)
            hits = zip(batch.ids.filter(here), batch.text.filter(here), strict=True)
            found.update({row.as_py(): (split, text.as_py()) for row, text in hits})
            if len(found) == len(wanted):
                break
    return found


def _as_text(column: pa.Array) -> pa.StringArray:
    """A text column, or a list of words joined with spaces; null, or a list with one, is empty."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        column = pc.binary_join(column.cast(pa.list_(pa.string())), " ")
    return column.cast(pa.string()).fill_null("")
