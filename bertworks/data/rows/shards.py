"""Parquet shards of bounded size, written row by row."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import pyarrow as pa
import pyarrow.parquet as pq

from bertworks.contracts.examples import Example
from bertworks.spec import Task
from bertworks.tasks import for_task

_PART_ROWS = 100_000
_BATCH_ROWS = 8192
_BATCH_CHARACTERS = 16 << 20

CORPUS_SCHEMA = pa.schema([("id", pa.string()), ("text", pa.string())])
OUTSIDE_SCHEMA = CORPUS_SCHEMA.append(pa.field("source", pa.string()))
DOCUMENTS_SCHEMA = CORPUS_SCHEMA.append(pa.field("seen", pa.int64()))


def examples_schema(task: Task, extra: list[str]) -> pa.Schema:
    """The columns of the examples artifact for a task (docs/artifacts.md)."""
    handler, text = for_task(task), pa.string()
    fields = [("id", text), *handler.form.fields(), handler.target.field()]
    return pa.schema([*fields, ("source", text), *((name, text) for name in extra)])


class ShardWriter:
    """Writes `part-NNNNN.parquet` files into a folder; at least one, if only to carry the schema."""

    def __init__(self, folder: Path, schema: pa.Schema) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._schema = folder, schema
        self._batch: list[Example] = []
        self._characters = self._part = self._part_rows = 0
        self._writer: pq.ParquetWriter | None = None
        self.rows = 0

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._flush(at_least_one=not self.rows)
        if self._writer is not None:
            self._writer.close()

    def add(self, row: Example) -> None:
        """Adds a row; keys that the schema does not name are left out."""
        self._batch.append(row)
        self.rows += 1
        self._characters += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(self._batch) >= _BATCH_ROWS or self._characters >= _BATCH_CHARACTERS:
            self._flush()

    def _flush(self, at_least_one: bool = False) -> None:
        if not self._batch and not at_least_one:
            return
        if self._writer is None:
            file = self._folder / f"part-{self._part:05d}.parquet"
            self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")
        self._writer.write_table(pa.Table.from_pylist(self._batch, schema=self._schema))
        self._part_rows += len(self._batch)
        self._batch, self._characters = [], 0
        if self._part_rows >= _PART_ROWS:
            self._writer.close()
            self._writer, self._part, self._part_rows = None, self._part + 1, 0
