"""The files that `bertworks predict` is given, row by row, with all their columns.

What is wrong with a single row is a `BadRow` in its place; what is wrong with a file is raised.
"""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple

from bertworks.data.formats import tables
from bertworks.data.formats.conll import Sentences
from bertworks.data.formats.csv_cells import Dialect
from bertworks.data.formats.csv_rows import CsvReader, CsvRecord
from bertworks.data.formats.json_rows import COMMA, parse_line, read_spanning, spans_lines
from bertworks.data.formats.lines import BoundedLines
from bertworks.data.formats.tables import Table
from bertworks.data.rows.spots import Spot
from bertworks.data.rows.tally import Tally
from bertworks.data.rows.undecoded import ERRORS, is_marked, quoted, with_bytes
from bertworks.data.sources.encodings import Likely, likely_encoding, mending
from bertworks.data.sources.first_bytes import check_text, open_bytes, unpacked_name
from bertworks.errors import DataError

CHUNK_ROWS = 1024
_LONGEST_ROW = 2**31 - 1
_HEAD = 65_536
CONLL = (".conll", ".iob", ".iob2", ".bio")


class BadRow(NamedTuple):
    """A row that cannot be answered.

    Attributes:
        error: Where it stands, what is wrong with it, and what to do.
        received: The row as far as it could be read.
        spot: Where it stands, of a row of a file.
    """

    error: DataError
    received: object
    spot: Spot | None = None


class Read(NamedTuple):
    """What was read of a row, column to value, and where it stands."""

    spot: Spot
    record: Mapping[str, object] | BadRow


class Followed:
    """How far into a file its reader is."""

    def __init__(self) -> None:
        self._raw: IO[bytes] | None = None
        self._size = 0
        self._share: float | None = None

    def bytes_of(self, raw: IO[bytes], size: int) -> None:
        """Follows a stream of the file as it lies on the disk, packed or not."""
        self._raw, self._size = raw, size

    def part_of(self, share: float) -> None:
        """Notes the part of a table that was read, 0 to 1."""
        self._share = share

    @property
    def share(self) -> float | None:
        """The part that was read, 0 to 1; None before anything was."""
        if self._share is not None:
            return self._share
        if self._raw is None or not self._size:
            return None
        return 1.0 if self._raw.closed else self._raw.tell() / self._size


def read_records(
    file: Path, tally: Tally, words: bool, followed: Followed | None = None
) -> Iterator[Read]:
    """The rows of a file in order.

    Args:
        file: A file with one of the endings of `texts.ENDINGS` other than .txt.
        tally: Takes what was guessed while reading.
        words: Whether the agent takes lists of words.
        followed: Is told how far the reader is.

    Raises:
        DataError: The file cannot be read.
    """
    ending, followed = ending_of(file), followed or Followed()
    if ending in CONLL:
        return _conll_records(file, words, followed)
    if ending in tables.ENDINGS:
        return _table_records(file, followed)
    if ending in (".csv", ".tsv"):
        return _csv_records(file, "\t" if ending == ".tsv" else ",", tally, followed)
    return json_records(file, tally, followed)


def header_of(file: Path) -> list[str]:
    """The columns of a table, whether or not it has rows; of no table: none.

    Raises:
        DataError: The file cannot be read.
    """
    ending = ending_of(file)
    if ending in tables.ENDINGS:
        with open_table(file) as table:
            return table.names
    if ending not in (".csv", ".tsv"):
        return []
    with _open(file, "") as stream:
        lines = BoundedLines(stream, _LONGEST_ROW, '"')
        dialect = Dialect("\t" if ending == ".tsv" else ",")
        first = next(CsvReader(str(file), lines, dialect, tally=Tally()).records(), None)
    cells = None if first is None else first.cells
    return [] if cells is None else _header([name.strip() for name in cells], file)


def ending_of(file: Path) -> str:
    """The ending that says the format, behind which another may say how the file is packed."""
    return Path(unpacked_name(file.name)).suffix.lower()


def undecoded(file: Path, spot: Spot, received: str) -> BadRow:
    """The row of a line that is not UTF-8.

    Raises:
        DataError: So are others, and none with letters beyond ASCII is: the file is of another encoding.
    """
    about = file.stat()
    likely = _likely(file, about.st_size, about.st_mtime_ns)
    if likely.encoding and likely.broken > 1:
        raise DataError(
            f"{file} is not UTF-8, from line {spot.line} on. Received: {quoted(received[:100])}",
            f"Convert it, for example: {_iconv(likely.encoding, file)}{likely.doubt()}",
        )
    fix = f"Mend the line, or convert it: {_iconv(likely.encoding, file)}{likely.doubt()}"
    if likely.mixed:
        fix = f"{likely.said()} {mending(likely, str(file))}"
    elif not likely.encoding:
        fix = "Write its text in UTF-8."
    message = f"{spot} is not UTF-8. Received: {quoted(received[:100])}"
    return BadRow(DataError(message, fix), with_bytes(received), spot)


@lru_cache(maxsize=4)
def _likely(file: Path, size: int, changed: int) -> Likely:
    """Looked at once for all rows of a file as it is."""
    return likely_encoding(file, str(file))


def _iconv(encoding: str, file: Path) -> str:
    """The command that converts a file, with the name that iconv has for its encoding."""
    names = {"mac-roman": "MACINTOSH", "mac-latin2": "MACCENTRALEUROPE", "cp949": "UHC"}
    name = names.get(encoding, encoding.upper().replace("CP125", "WINDOWS-125"))
    return f"iconv -f {name} -t UTF-8 {shlex.quote(str(file))}"


def file_lines(file: Path, followed: Followed | None = None) -> Iterator[str]:
    """The lines, cut at newlines only, as from stdin: U+2028 and form feeds are text.

    Bytes that are not UTF-8 are kept apart (`data.rows.undecoded`).
    """
    _check(file)
    head = _head(file)
    newline = "\r" if "\r" in head and "\n" not in head else "\n"
    with _open(file, newline, followed) as stream:
        for line in stream:
            yield line.rstrip("\r\n")


def _check(file: Path) -> None:
    """Refuses what is no UTF-8 text by its first bytes."""
    with _named_by_ending(file):
        try:
            check_text(file, str(file), "utf-8")
        except DataError as error:
            if "encoding:" in error.fix:
                kind = error.fix.rpartition(" ")[2].rstrip(".")
                error.fix = f"Convert it, for example: iconv -f {kind.upper()} -t UTF-8 {file}"
            raise


@contextmanager
def _named_by_ending(file: Path) -> Iterator[None]:
    """Where a table has another ending, the advice is that of its own: no source says its format."""
    try:
        yield
    except DataError as error:
        if (said := re.search(r"`format: (\w+)`", error.fix)) is not None:
            inner = unpacked_name(file.name)
            unpack = "" if inner == file.name else "Unpack it first. "
            error.fix = f"{unpack}Name it so that its ending says so: {Path(inner).stem}.{said[1]}"
        raise


def _open(file: Path, newline: str | None, followed: Followed | None = None) -> io.TextIOWrapper:
    """The file's text, unpacked where its name says that it is packed."""
    follow = None if followed is None else followed.bytes_of
    stream = open_bytes(file, str(file), follow)
    return io.TextIOWrapper(stream, "utf-8-sig", errors=ERRORS, newline=newline)


def _head(file: Path) -> str:
    with _open(file, "") as stream:
        return stream.read(_HEAD)


def _csv_records(file: Path, delimiter: str, tally: Tally, followed: Followed) -> Iterator[Read]:
    _check(file)
    with _open(file, "", followed) as stream:
        lines = BoundedLines(stream, _LONGEST_ROW, '"')
        reader = CsvReader(str(file), lines, Dialect(delimiter), tally=tally)
        records = _with_own_advice(reader.records())
        if (header := next(records, None)) is None:
            return
        head = _cells(file, Spot(str(file), line=header.number), header, reader.dialect)
        if isinstance(head, BadRow):
            raise head.error
        names = _header([name.strip() for name in head], file)
        for number, record in enumerate(records, 1):
            spot = Spot(str(file), number, record.number)
            cells = _cells(file, spot, record, reader.dialect)
            if isinstance(cells, BadRow):
                yield Read(spot, cells)
            elif len(cells) > len(names):
                line = reader.dialect.delimiter.join(cells)
                bad = DataError(
                    f"{spot}: {len(names)} columns expected, {len(cells)} found. Received: "
                    f"{line[:100]!r}",
                    "Quote cells that hold the delimiter.",
                )
                yield Read(spot, BadRow(bad, line, spot))
            else:
                filled = [*cells, *[None] * (len(names) - len(cells))]
                yield Read(spot, dict(zip(names, filled, strict=True)))


def _cells(file: Path, spot: Spot, record: CsvRecord, dialect: Dialect) -> list[str] | BadRow:
    """The cells of a record, where it could be read."""
    if record.cells is None:
        bad = DataError(
            f"{spot}: {record.fault}. Received: {quoted(record.sample[:100])}", "Mend the line."
        )
        return BadRow(bad, with_bytes(record.sample), spot)
    if any(map(is_marked, record.cells)):
        return undecoded(file, spot, dialect.delimiter.join(record.cells))
    return record.cells


def _with_own_advice(records: Iterator[CsvRecord]) -> Iterator[CsvRecord]:
    """The records; a quote that is never closed is not answered with a setting of sources."""
    try:
        yield from records
    except DataError as error:
        raise DataError(
            error.message,
            "Close the quote, or give the texts one a line in a .txt file, where quotes are plain text.",
        ) from None


def _header(names: list[str], file: Path) -> list[str]:
    """The column names, those without one numbered."""
    if len(names) == 1 and (found := next((one for one in ";\t" if one in names[0]), None)):
        raise DataError(
            f"{file} has a single column {names[0][:100]!r}: its delimiter seems to be {found!r}.",
            "Write it with commas as .csv, or with tabs as .tsv.",
        )
    _check_once(names, file)
    return [name or f"column {number}" for number, name in enumerate(names, 1)]


def _check_once(names: list[str], file: Path) -> None:
    if (double := next((one for one in names if one and names.count(one) > 1), None)) is not None:
        raise DataError(
            f"{file} has {names.count(double)} columns {double!r}.",
            "Rename all but one of them in the file.",
        )


def open_table(file: Path) -> Table:
    """Opens a table (Parquet, Arrow).

    Raises:
        DataError: It is not what its ending says, or not whole.
    """
    with _named_by_ending(file):
        return Table(file, str(file), tables.ENDINGS[ending_of(file)], "Fetch or make it again.")


def _table_records(file: Path, followed: Followed) -> Iterator[Read]:
    with open_table(file) as table:
        _check_once(table.names, file)
        done = 0
        for batch in table.batches(rows=CHUNK_ROWS):
            followed.part_of(batch.share)
            for record in batch.rows:
                done += 1
                yield Read(Spot(str(file), done), record)


def json_records(file: Path, tally: Tally, followed: Followed | None = None) -> Iterator[Read]:
    """The rows of a JSON file: an object a line, or one array of them."""
    _check(file)
    if spans_lines(_head(file)):
        with _open(file, None, followed) as stream:
            for number, row in enumerate(read_spanning(stream, str(file), _LONGEST_ROW), 1):
                spot = Spot(str(file), number, row.number)
                if row.values is None:
                    bad = DataError(
                        f"{spot}: {row.fault}. Received: {row.sample[:100]!r}",
                        "Give one object a row.",
                    )
                    yield Read(spot, BadRow(bad, row.sample, spot))
                elif not row.whole:
                    shown = json.dumps(row.values, ensure_ascii=False)
                    yield Read(spot, undecoded(file, spot, shown))
                else:
                    yield Read(spot, row.values)
        return
    row_number = 0
    for number, line in enumerate(file_lines(file, followed), 1):
        if not line.strip():
            continue
        for record in _of_json_line(file, Spot(str(file), row_number + 1, number), line, tally):
            row_number += 1
            yield Read(Spot(str(file), row_number, number), record)


def _of_json_line(
    file: Path, spot: Spot, line: str, tally: Tally
) -> Sequence[Mapping[str, object] | BadRow]:
    """The row of a line; a list of texts is as many."""
    if is_marked(line):
        return [undecoded(file, spot, line)]
    try:
        value, comma = parse_line(line)
    except (ValueError, RecursionError) as error:
        bad = DataError(
            f"{spot}: not JSON: {error}. Received: {line[:100]!r}",
            "Mend the line; each line is one JSON object.",
        )
        return [BadRow(bad, line, spot)]
    if comma:
        tally.add(COMMA, spot, line)
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return [{"text": item} for item in value]
    return [value if isinstance(value, dict) else {"text": value}]


def _conll_records(file: Path, words: bool, followed: Followed) -> Iterator[Read]:
    """Sentences, a word a line in the first column; the last of several columns has its tag."""
    if not words:
        raise DataError(
            f"{file} holds sentences word by word, and this agent does no tagging.",
            "Write one text a line into a .txt file, or name another agent with --agent.",
        )
    first = next((line for line in file_lines(file) if line.strip() and line[:1] != "#"), "")
    bare = not re.search(r"\S[ \t]+\S", first)
    lines = (
        (number, f"{line}\tO" if bare and line.strip() else line)
        for number, line in enumerate(file_lines(file, followed), 1)
    )
    sentences = Sentences(lines, 0, -1, name=str(file))
    for number, (line, tokens, tags, fault) in enumerate(sentences, 1):
        spot = Spot(str(file), number, line)
        if fault is not None:
            bad = DataError(
                f"{spot}: {fault[0]}. Received: {quoted(fault[1][:100])}",
                "Mend the line: one word a line, a blank line after each sentence.",
            )
            yield Read(spot, BadRow(bad, with_bytes(fault[1]), spot))
        elif any(map(is_marked, (*tokens, *tags))):
            yield Read(spot, undecoded(file, spot, " ".join(tokens)))
        else:
            yield Read(spot, {"tokens": tokens} if bare else {"tokens": tokens, "tags": tags})
