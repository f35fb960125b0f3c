"""Where answers are collected until all are there: text that grows, or parts of a Parquet table.

Each output knows after which rows it can be taken up again, so that a killed run goes on.
"""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bertworks.batch.answers import Told, Writer, beside
from bertworks.batch.texts import Given

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET = "parquet"
PART_ROWS = 16_384
"""Rows of a part of a Parquet table, which is a row group of the whole."""


class Output(Protocol):
    """Collects answers in a folder.

    Attributes:
        place: How much of it is on the disk: bytes, or parts.
    """

    place: int

    @property
    def told(self) -> Told:
        """What was counted."""

    def write(self, given: Given, answer: Mapping[str, object]) -> None:
        """Takes one row's answer."""

    def settle(self, last: bool = False) -> bool:
        """Brings to the disk what is due; True: all rows that were written are there."""

    def head(self, names: Sequence[str], answer: Mapping[str, object]) -> None:
        """Begins an output that gets no rows: the input's columns, and any answer of the agent's."""

    def finish(self, path: Path) -> None:
        """Writes the whole file to `path`."""


class TextOutput:
    """jsonl, csv or tsv, packed where asked for.

    Args:
        folder: Where the text grows.
        format_: jsonl, csv or tsv.
        names: Columns that any of the rows may have; those of the first when empty.
        keep_formulas: As for `Writer`.
        packed: Whether the text is gzip; each chunk is a member of its own, which readers join.
        place: Bytes from an earlier run to go on from.
        told: What it had counted.
    """

    def __init__(
        self,
        folder: Path,
        format_: str,
        names: Sequence[str] = (),
        keep_formulas: bool = False,
        packed: bool = False,
        place: int = 0,
        told: Told | None = None,
    ) -> None:
        self._file, self._packed = folder / "answers", packed
        self._writer = Writer(format_, names, keep_formulas, told=told)
        self._chunk = io.StringIO(newline="")
        self._file.touch()
        os.truncate(self._file, place)
        self.place = place

    @property
    def told(self) -> Told:
        """What was counted."""
        return self._writer.told

    def write(self, given: Given, answer: Mapping[str, object]) -> None:
        """Takes one row's answer."""
        self._writer.write(self._chunk, given, answer)

    def settle(self, last: bool = False) -> bool:
        """Appends what was written."""
        content = self._chunk.getvalue().encode("utf-8")
        self._chunk = io.StringIO(newline="")
        if content:
            content = gzip.compress(content, mtime=0) if self._packed else content
            with self._file.open("ab") as stream:
                stream.write(content)
            self.place += len(content)
        return True

    def head(self, names: Sequence[str], answer: Mapping[str, object]) -> None:
        """Writes the header of a table."""
        self._writer.head(self._chunk, names, answer)

    def finish(self, path: Path) -> None:
        """Moves the text to `path`, on the same disk."""
        if self._packed and not self.place:
            self._file.write_bytes(gzip.compress(b"", mtime=0))
        os.rename(self._file, path)


class ParquetOutput:
    """A Parquet table.

    Args:
        folder: Where its parts are.
        types: Of the input's columns, where they are known.
        place: Parts of an earlier run to go on from.
        told: What it had counted.
    """

    def __init__(
        self,
        folder: Path,
        types: Mapping[str, pa.DataType] | None = None,
        place: int = 0,
        told: Told | None = None,
    ) -> None:
        self._folder, self._types = folder, types or {}
        self._empty: pa.Schema | None = None
        self._rows: list[dict[str, object]] = []
        self._told, self.place = told or Told(), place

    @property
    def told(self) -> Told:
        """What was counted."""
        return self._told

    def write(self, given: Given, answer: Mapping[str, object]) -> None:
        """Takes one row's answer."""
        self._told.count(answer)
        self._rows.append({**beside(given.record, answer), **answer})

    def settle(self, last: bool = False) -> bool:
        """Writes a part when there is enough for one."""
        if self._rows and (last or len(self._rows) >= PART_ROWS):
            import pyarrow.parquet as pq

            pq.write_table(_table(self._rows, self._types), self._part(self.place))
            self._rows = []
            self.place += 1
        return not self._rows

    def head(self, names: Sequence[str], answer: Mapping[str, object]) -> None:
        """Keeps the columns and types that a row would have; of tables that tell none, text."""
        given = {name: None if name in self._types else "" for name in names}
        row = {**beside(given, answer), **answer}
        types = beside(self._types, answer)
        self._empty = _table([row], types).schema

    def finish(self, path: Path) -> None:
        """Joins the parts, a row group each, under the columns and types that fit them all."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        parts = [self._part(number) for number in range(self.place)]
        schemas = [pq.read_schema(part) for part in parts]
        schema = _together(schemas or ([self._empty] if self._empty is not None else []))
        with pq.ParquetWriter(path, schema) as writer:
            for part in parts:
                table = pq.read_table(part)
                columns = [_cast(table, field) for field in schema]
                writer.write_table(pa.table(columns, schema=schema))

    def _part(self, number: int) -> Path:
        return self._folder / f"part-{number:06}.parquet"


def output_for(
    folder: Path, out: Path, *, names: Sequence[str] = (), keep_formulas: bool = False,
    types: Mapping[str, Any] | None = None, place: int = 0, told: Told | None = None,
) -> Output:  # fmt: skip
    """The output for a file's ending; see the classes for the arguments."""
    format_, packed = format_of(out)
    told = None if told is None else replace(told, columns=list(told.columns))
    if format_ == PARQUET:
        return ParquetOutput(folder, types, place, told)
    return TextOutput(folder, format_, names, keep_formulas, packed, place, told)


def format_of(out: Path) -> tuple[str, bool]:
    """The format that a file's ending says, and whether it is packed by gzip."""
    packed = out.suffix.lower() == ".gz"
    return Path(out.stem if packed else out.name).suffix.lower().lstrip("."), packed


def _table(rows: Sequence[Mapping[str, object]], types: Mapping[str, pa.DataType]) -> pa.Table:
    import pyarrow as pa

    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: _array([row.get(name) for row in rows], types.get(name)) for name in names}
    return pa.table(columns)


def _array(values: list[Any], kind: pa.DataType | None) -> pa.Array:
    """A column; one whose values are not of one type becomes text, what is no text as JSON."""
    import pyarrow as pa

    if kind is None and _are_scores(values):
        pairs = [None if value is None else list(value.items()) for value in values]
        return pa.array(pairs, pa.map_(pa.string(), pa.float64()))
    for type_ in dict.fromkeys((kind, None)):
        try:
            made = pa.array(values, type_)
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            continue
        if _fits_parquet(made.type):
            return made
    return pa.array([_text(value) for value in values], pa.string())


def _fits_parquet(kind: pa.DataType) -> bool:
    """Whether Parquet has such a type: Arrow has some more, such as unions and runs of a value."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        pq.ParquetWriter(io.BytesIO(), pa.schema([("", kind)])).close()
    except pa.ArrowException:
        return False
    return True


def _are_scores(values: list[Any]) -> bool:
    """Whether they are labels with their scores: a map, as every label would be a column of a struct."""
    given = [value for value in values if value is not None]
    return bool(given) and all(
        isinstance(value, dict)
        and all(isinstance(name, str) and isinstance(one, float) for name, one in value.items())
        for value in given
    )


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value and value.encode("utf-8", "backslashreplace").decode("utf-8")
    return json.dumps(value, ensure_ascii=False, default=str)


def _together(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """A schema that holds all of them: a column that is of several types becomes text."""
    import pyarrow as pa

    fields: dict[str, pa.Field] = {}
    for schema in schemas:
        for field in schema:
            known = fields.get(field.name)
            if known is None or known.type == field.type:
                fields.setdefault(field.name, field)
                continue
            both = [pa.schema([one]) for one in (known, field)]
            try:
                fields[field.name] = pa.unify_schemas(both, promote_options="permissive").field(0)
            except pa.ArrowException:
                fields[field.name] = pa.field(field.name, pa.string())
    return pa.schema(list(fields.values()))


def _cast(table: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    import pyarrow as pa

    if field.name not in table.column_names:
        return pa.nulls(table.num_rows, field.type)
    column = table.column(field.name)
    if column.type == field.type:
        return column
    if pa.types.is_string(field.type):
        return pa.array([_text(value) for value in column.to_pylist()], pa.string())
    return column.cast(field.type)
