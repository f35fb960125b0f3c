"""The rows of a file that `bertworks predict` is given: texts, pairs, or lists of words."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bertworks.errors import DataError
from bertworks.sources.csv_cells import Dialect
from bertworks.sources.csv_rows import CsvReader
from bertworks.sources.first_bytes import check_parquet, check_text
from bertworks.sources.json_rows import read_spanning, spans_lines
from bertworks.sources.lines import Lines
from bertworks.sources.tally import Tally

CHUNK_ROWS = 1024
_LONGEST_ROW = 2**31 - 1
_HEAD = 65_536
_OWN = ("text", "text_a", "text_b", "tokens")


def lines_of(lines: Iterable[str], where: str, pair: bool) -> Iterator[Any]:
    """Texts, one a line; for a pair agent two texts with a tab between.

    Raises:
        DataError: A line of a pair has no tab.
    """
    for number, line in enumerate(lines, 1):
        if not pair:
            yield line
            continue
        first, tab, second = line.partition("\t")
        if not tab:
            raise DataError(
                f"{where} {number}: this agent takes two texts with a tab between. "
                f"Received: {line[:100]!r}",
                "Separate the two texts with a tab.",
            )
        yield (first, second)


def read_rows(file: Path, *, pair: bool, words: bool) -> Iterator[Any]:
    """The file's rows, in order; what was guessed while reading is said on stderr.

    Raises:
        DataError: The file or a row of it cannot be read.
    """
    tally = Tally()
    try:
        if file.suffix.lower() == ".txt":
            yield from lines_of(_file_lines(file), f"{file} line", pair)
            return
        for number, record in enumerate(_records(file, tally), 1):
            yield _row(record, f"{file} row {number}", pair=pair, words=words)
        for kind in tally.counts:
            print(tally.text(kind), file=sys.stderr)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} is not UTF-8: {error}.",
            f"Convert it, for example: iconv -f WINDOWS-1252 -t UTF-8 {file}",
        ) from None
    except OSError as error:
        raise DataError(
            f"{file} cannot be read: {error.strerror or error}.", "Check the path and its rights."
        ) from None


def _records(file: Path, tally: Tally) -> Iterator[dict[str, Any]]:
    ending = file.suffix.lower()
    if ending == ".parquet":
        return _parquet_records(file)
    if ending in (".csv", ".tsv"):
        return _csv_records(file, "\t" if ending == ".tsv" else ",", tally)
    return _json_records(file)


def _file_lines(file: Path) -> Iterator[str]:
    """The lines, cut at newlines only, as from stdin: U+2028 and form feeds are text."""
    _check(file)
    head = _head(file)
    newline = "\r" if "\r" in head and "\n" not in head else "\n"
    with open(file, encoding="utf-8-sig", newline=newline) as stream:
        for line in stream:
            yield line.rstrip("\r\n")


def _check(file: Path) -> None:
    """Refuses what is no UTF-8 text by its first bytes."""
    try:
        check_text(file, str(file), "utf-8")
    except DataError as error:
        if "encoding:" in error.fix:
            kind = error.fix.rpartition(" ")[2].rstrip(".")
            error.fix = f"Convert it, for example: iconv -f {kind.upper()} -t UTF-8 {file}"
        raise


def _head(file: Path) -> str:
    with open(file, encoding="utf-8-sig", newline="") as stream:
        return stream.read(_HEAD)


def _csv_records(file: Path, delimiter: str, tally: Tally) -> Iterator[dict[str, Any]]:
    _check(file)
    with open(file, encoding="utf-8-sig", newline="") as stream:
        lines = Lines(stream, _LONGEST_ROW, '"')
        reader = CsvReader(str(file), lines, Dialect(delimiter), tally=tally)
        names: list[str] | None = None
        for record in reader.records():
            cells = record.cells
            if cells is None:
                raise DataError(
                    f"{file}, line {record.number}: {record.fault}. Received: {record.sample[:100]!r}",
                    "Mend the line.",
                )
            if names is None:
                names = _header([name.strip() for name in cells], file)
            elif len(cells) > len(names):
                raise DataError(
                    f"{file}, line {record.number}: {len(names)} columns expected, {len(cells)} "
                    f"found. Received: {reader.dialect.delimiter.join(cells)[:100]!r}",
                    "Quote cells that hold the delimiter.",
                )
            else:
                yield dict(zip(names, [*cells, *[None] * (len(names) - len(cells))], strict=True))


def _header(names: list[str], file: Path) -> list[str]:
    """The column names; says which column is read when a lone one has another name than `text`."""
    if len(names) == 1 and (found := next((one for one in ";\t" if one in names[0]), None)):
        raise DataError(
            f"{file} has a single column {names[0][:100]!r}: its delimiter seems to be {found!r}.",
            "Write it with commas as .csv, or with tabs as .tsv.",
        )
    _check_once(names, file)
    if len(names) == 1 and names[0] != "text":
        print(f"{file}: reading the texts from its column {names[0][:100]!r}", file=sys.stderr)
    return names


def _check_once(names: list[str], file: Path) -> None:
    if (double := next((one for one in _OWN if names.count(one) > 1), None)) is not None:
        raise DataError(
            f"{file} has {names.count(double)} columns {double!r}.",
            "Rename all but one of them in the file.",
        )


def _parquet_records(file: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_parquet(file, str(file))
    try:
        with pq.ParquetFile(file) as table:
            _check_once(table.schema_arrow.names, file)
            for batch in table.iter_batches(batch_size=CHUNK_ROWS):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise DataError(
            f"{file} is not a whole Parquet file: {error}", "Fetch or make it again."
        ) from None


def _json_records(file: Path) -> Iterator[dict[str, Any]]:
    _check(file)
    if spans_lines(_head(file)):
        with open(file, encoding="utf-8-sig") as stream:
            for row in read_spanning(stream, str(file), _LONGEST_ROW):
                if row.values is None:
                    raise DataError(
                        f"{file}:{row.number}: {row.fault}. Received: {row.sample[:100]!r}",
                        "Give one object a row.",
                    )
                yield row.values
        return
    for number, line in enumerate(_file_lines(file), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{file}:{number}: not JSON: {error}. Received: {line[:100]!r}",
                "Mend the line; each line is one JSON object.",
            ) from None
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            yield from ({"text": item} for item in value)
        else:
            yield value if isinstance(value, dict) else {"text": value}


def _row(record: dict[str, Any], where: str, *, pair: bool, words: bool) -> Any:
    """What the agent takes of a record: a text, a pair, or a list of words."""
    if pair:
        return _text(record, "text_a", where), _text(record, "text_b", where)
    if words and isinstance(record.get("tokens"), list):
        return [str(word) for word in record["tokens"]]
    lone = next(iter(record)) if len(record) == 1 else "text"
    return _text(record, lone, where)


def _text(record: dict[str, Any], column: str, where: str) -> str:
    """A cell's text; null and a cell that is not there (a short csv row) are the empty text."""
    if column not in record:
        raise DataError(
            f"{where}: no column {column!r}. Its columns: {', '.join(map(repr, record))}",
            "Name the column text (or text_a and text_b).",
        )
    value = record[column]
    if isinstance(value, list | dict):
        raise DataError(
            f"{where}: column {column!r} is not text. Received: {str(value)[:100]}",
            "Give one text a row.",
        )
    return "" if value is None else str(value)
