"""Rows out of one file, one at a time: csv, tsv, jsonl, parquet, conll, lines.

Every reader yields `Row`s and `Refusal`s and never holds more than one row (parquet: one batch). A
row longer than `limit` bytes is skipped in blocks, without being held. Bytes that break the encoding
become `MARK` and are found by the mapping, so that they cost only their own row.
"""

from __future__ import annotations

import bz2
import codecs
import difflib
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from bertworks.errors import DataError
from bertworks.sources.conll import read_sentences
from bertworks.sources.csv_rows import read_records
from bertworks.sources.fetch import Fetched
from bertworks.sources.lines import Lines
from bertworks.spec import Source

MARK = "\udcff"
_PARQUET_BATCH = 1024
_ENDINGS = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".json": "jsonl", ".parquet": "parquet", ".pq": "parquet", ".conll": "conll", ".bio": "conll",
    ".iob": "conll", ".txt": "lines", ".text": "lines",
}  # fmt: skip
_PACKED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}

codecs.register_error("bertworks.mark", lambda error: (MARK, getattr(error, "end", 1)))


@dataclass(frozen=True, slots=True)
class Row:
    """A row as read: its line number (parquet: row number), from 1, and its columns."""

    number: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that cannot be used: where, the rule that it breaks, and what was received."""

    number: int
    rule: str
    value: str


def read_rows(
    file: Fetched, source: Source, needed: Sequence[str], limit: int
) -> Iterator[Row | Refusal]:
    """Yields the rows of one file.

    Args:
        file: The file.
        source: Its format, encoding and columns.
        needed: Columns that must be there (csv, tsv and parquet say so before the first row).
        limit: Longest row, in bytes.

    Raises:
        DataError: An empty file, an unknown format or encoding, or a missing column.
    """
    if file.path.stat().st_size == 0:
        raise DataError(f"{file.name} is empty.", "Give a file with rows, or take the source out.")
    kind = source.format if source.format != "auto" else _guess(file.name)
    if kind == "parquet":
        return _whole(file, source, _parquet(file, source, needed))
    lines = _lines(file, source, limit, kind in ("csv", "tsv"))
    if kind in ("csv", "tsv"):
        delimiter = source.delimiter or ("\t" if kind == "tsv" else ",")
        rows = _csv(file, source, needed, lines, delimiter)
    elif kind == "jsonl":
        rows = _jsonl(lines)
    elif kind == "conll":
        rows = _conll(lines, source)
    else:
        rows = _plain(lines, source)
    return _whole(file, source, rows)


def missing_column(
    name: str, column: str, found: Sequence[str], constants: Sequence[str] = ()
) -> DataError:
    """The error for a column that a file does not have: names those it has, and the nearest."""
    columns = [*found, *constants]
    near = difflib.get_close_matches(column, columns, n=1, cutoff=0.5)
    fix = _reading_setting(found)
    hint = f" Did you mean {near[0]!r}?" if near and not fix else ""
    shown = ", ".join(map(repr, columns[:50])) or "none"
    return DataError(
        f"{name} has no column {column!r}. Its columns: {shown}.{hint}",
        fix
        or "Name the right column in the source's `columns` or `where`, or add it under "
        "`constants`.",
    )


def _reading_setting(header: Sequence[str]) -> str:
    """What to set when the column names look as if the file was read in the wrong way; else ""."""
    if any("\0" in name for name in header):
        first = header[0][:1]  # "utf-16" needs the byte order mark, which is no ASCII
        kind = "utf-16" if not first.isascii() else "utf-16-be" if first == "\0" else "utf-16-le"
        return f"The names hold NUL bytes: set the source's encoding: {kind}."
    found = next((one for one in ";\t,|" if len(header) == 1 and one in header[0]), None)
    return f"Set the source's delimiter: {json.dumps(found)}." if found else ""


def _whole(file: Fetched, source: Source, rows: Iterator[Row | Refusal]) -> Iterator[Row | Refusal]:
    """The rows; a file that turns out to be damaged on the way is an error, not a short file."""
    try:
        yield from rows
    except UnicodeError as error:
        raise DataError(
            f"{file.name} cannot be read as {source.encoding}: {error}",
            "Set the source's `encoding`.",
        ) from None
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise DataError(
            f"{file.name} is a damaged compressed file: {error}", "Fetch or make it again."
        ) from None


def _guess(name: str) -> str:
    path = Path(name.lower().removesuffix("?***"))  # a masked web query is no ending
    path = path.with_suffix("") if path.suffix in _PACKED else path
    if (kind := _ENDINGS.get(path.suffix)) is None:
        raise DataError(
            f"{name}: the format cannot be told from the ending {path.suffix!r}.",
            "Set the source's format: csv, tsv, jsonl, parquet, conll or lines.",
        )
    return kind


def _lines(file: Fetched, source: Source, limit: int, quoted: bool) -> Lines:
    opener = _PACKED.get(Path(file.name.removesuffix("?***")).suffix.lower(), open)
    stream: IO[bytes] = opener(file.path, "rb")
    newline = "" if quoted else "\n"
    try:
        encoding = codecs.lookup(source.encoding).name
        encoding = "utf-8-sig" if encoding == "utf-8" else encoding  # a byte order mark is no text
        text = io.TextIOWrapper(stream, encoding, errors="bertworks.mark", newline=newline)
    except LookupError:
        stream.close()
        raise DataError(
            f"{file.name}: {source.encoding!r} is not a text encoding that Python knows.",
            "Write for example utf-8, latin-1, cp1252, gb18030 or utf-16.",
        ) from None
    return Lines(text, limit, source.quote if quoted else "")


def _csv(
    file: Fetched, source: Source, needed: Sequence[str], lines: Lines, delimiter: str
) -> Iterator[Row | Refusal]:
    names = source.names
    records = read_records(file.name, lines, delimiter, source.quote)
    if source.header:
        cells = next(records, (0, None, ""))[1]
        if cells is None:
            raise DataError(f"{file.name} has no header row.", "Set `header: false` and `names`.")
        names = [name.strip() for name in cells]
    elif not names:
        raise DataError(
            f"{file.name}: `header: false` needs `names`.", "List the columns' names in `names`."
        )
    for column in needed:
        if column not in names and column not in source.constants:
            raise missing_column(file.name, column, names, list(source.constants))
        if names.count(column) > 1:
            raise DataError(
                f"{file.name} has {names.count(column)} columns {column!r}.",
                "Rename all but one of them in the file.",
            )
    for number, cells, fault in records:
        if cells is None:
            yield Refusal(number, fault, lines.sample)
        elif len(cells) != len(names):
            rule = f"{len(names)} columns expected, {len(cells)} found"
            yield Refusal(number, rule, delimiter.join(cells)[:300])
        else:
            yield Row(number, dict(zip(names, cells, strict=True)))


def _jsonl(lines: Lines) -> Iterator[Row | Refusal]:
    for number, line in lines.each():
        if line is None:
            yield Refusal(number, "longer than max_row_bytes", lines.sample)
        elif line.strip():
            try:
                values = json.loads(line)
            except (ValueError, RecursionError) as error:
                yield Refusal(number, f"not JSON: {error}"[:200], line[:300])
                continue
            if isinstance(values, dict):
                yield Row(number, values)
            else:
                yield Refusal(number, "not a JSON object", line[:300])


def _plain(lines: Lines, source: Source) -> Iterator[Row | Refusal]:
    pattern = re.compile(source.pattern) if source.pattern else None
    for number, line in lines.each():
        if line is None:
            yield Refusal(number, "longer than max_row_bytes", lines.sample)
            continue
        line = line.rstrip("\r\n")
        if not line.strip():
            continue
        if pattern is None:
            yield Row(number, {source.columns.text: line})
        elif (match := pattern.search(line)) is None:
            yield Refusal(number, "does not match the source's pattern", line[:300])
        else:
            yield Row(number, match.groupdict())


def _conll(lines: Lines, source: Source) -> Iterator[Row | Refusal]:
    names = source.columns
    for number, tokens, tags, fault in read_sentences(
        lines.each(), source.token_column, source.tag_column
    ):
        if fault is not None:
            yield Refusal(number, *fault)
        else:
            yield Row(number, {names.tokens: tokens, names.tags: tags})


def _parquet(file: Fetched, source: Source, needed: Sequence[str]) -> Iterator[Row | Refusal]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(file.path)
    except (pa.ArrowException, OSError) as error:
        raise _not_parquet(file, error) from None
    names = table.schema_arrow.names
    for column in needed:
        if column not in names and column not in source.constants:
            raise missing_column(file.name, column, names, list(source.constants))
    wanted = [column for column in dict.fromkeys(needed) if column in names]
    number = 0
    try:
        for batch in table.iter_batches(batch_size=_PARQUET_BATCH, columns=wanted):
            for values in batch.to_pylist():
                number += 1
                yield Row(number, values)
    except (pa.ArrowException, OSError) as error:
        raise _not_parquet(file, error) from None


def _not_parquet(file: Fetched, error: Exception) -> DataError:
    return DataError(
        f"{file.name} is not a whole Parquet file: {error}", "Check the file, or set `format`."
    )
