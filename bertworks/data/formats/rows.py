"""Rows out of one file, one at a time: csv, tsv, jsonl, parquet, arrow, conll, lines, Rasa's YAML.

Every reader yields `Row`s and `Refusal`s and never holds more than one row (tables: one batch). A
row longer than `limit` bytes is skipped in blocks, without being held. Bytes that break the encoding
are kept apart (`undecoded`) and are found by the mapping, so that they cost only their own row.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from bertworks import bounded_yaml
from bertworks.data.formats import tables
from bertworks.data.formats.annotators import RASA, rasa_json, rasa_yaml
from bertworks.data.formats.columns import Refusal, Row, check_once, missing_column, one_hot_fix
from bertworks.data.formats.conll import Sentences
from bertworks.data.formats.csv_cells import Dialect
from bertworks.data.formats.csv_rows import TOO_LONG, CsvReader
from bertworks.data.formats.json_rows import (
    COMMA,
    JsonRow,
    Shape,
    parse_object,
    read_spanning,
    spans_lines,
)
from bertworks.data.formats.json_tables import LONGEST, may_be_table, table_in
from bertworks.data.formats.lines import BoundedLines
from bertworks.data.formats.nested import reached
from bertworks.data.formats.table_rows import read_table
from bertworks.data.labels.patterns import Pattern, Slow
from bertworks.data.rows.spots import Spot
from bertworks.data.rows.tally import Kind, Tally
from bertworks.data.rows.undecoded import ERRORS, is_marked
from bertworks.data.rows.values import plain
from bertworks.data.sources.encodings import encoding_advice
from bertworks.data.sources.fetch import Fetched
from bertworks.data.sources.first_bytes import (
    check_text,
    open_bytes,
    refuse_packed,
    table_format,
    unpacked_name,
)
from bertworks.errors import DataError
from bertworks.shortened import shortened
from bertworks.spec import Source

ENDINGS = {
    ".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".json": "jsonl", **tables.ENDINGS, ".conll": "conll", ".bio": "conll", ".iob": "conll",
    ".txt": "lines", ".text": "lines", ".yml": "yaml", ".yaml": "yaml",
}  # fmt: skip
_HEAD = 65_536
_RASA = re.compile(r'\s*\{\s*"rasa_nlu_data"\s*:')
OLD_MAC = Kind(
    "carriage_returns",
    "{count} files end their lines with carriage returns alone; they were read so (first: {first})",
)
HEADERS = Kind(
    "headers",
    "{count} rows repeat the header, as where files were joined; they were left out (first: {first})",
)
COMMENTS = Kind("comments", "{count} comment lines were skipped (first: {first})")
JSON_TABLE = Kind(
    "json_table",
    "{count} files are one JSON object that holds all rows; they were read (first: {first})",
)
JSON_ARRAY = Kind("json_array", "{count} files hold JSON over several lines (first: {first})")


def read_rows(
    file: Fetched, source: Source, needed: Sequence[str], limit: int, tally: Tally | None = None
) -> Iterator[Row | Refusal]:
    """Yields the rows of one file.

    Args:
        file: The file.
        source: Its format, encoding and columns.
        needed: Columns that must be there (csv, tsv and tables say so before the first row).
        limit: Longest row, in bytes.
        tally: Takes what is guessed while reading.

    Raises:
        DataError: An empty file, an unknown format or encoding, bytes of another kind of file, or a
            missing column.
    """
    if file.path.stat().st_size == 0:
        raise DataError(f"{file.name} is empty.", "Give a file with rows, or take the source out.")
    kind = format_of(file, source)
    tally = tally or Tally()
    encoding = _encoding(file, source)
    if kind in tables.FORMATS:
        return _whole(file, source, read_table(file, source, kind, needed, tally, encoding))
    check_text(file.path, file.name, encoding)
    if kind in ("csv", "tsv"):
        delimiter = source.delimiter or ("\t" if kind == "tsv" else ",")
        rows = _csv(file, source, needed, Dialect(delimiter, source.quote), limit, tally)
        return _whole(file, source, rows)
    if kind == "jsonl":
        table = _table(file, encoding, source, needed, tally)
        return _whole(file, source, table or _json(file, source, encoding, needed, limit, tally))
    if kind == "yaml":
        return _whole(file, source, _yaml(file, encoding, source, tally))
    if kind == "utterances":
        return _whole(file, source, _utterances(file, source, tally))
    if kind == "document":
        return _whole(file, source, _document(file, encoding, source, limit))
    newline = "\n"
    if _old_mac(file, encoding):
        newline = "\r"
        tally.add(OLD_MAC, Spot(file.name))
    lines = BoundedLines(_text(file, encoding, newline), limit)
    rows = _conll(file, lines, source, tally) if kind == "conll" else _plain(lines, source)
    return _whole(file, source, rows)


def _whole(file: Fetched, source: Source, rows: Iterator[Row | Refusal]) -> Iterator[Row | Refusal]:
    """The rows; a file that turns out to be damaged on the way is an error, not a short file."""
    try:
        yield from rows
    except UnicodeError as error:
        raise DataError(
            f"{file.name} cannot be read as {source.encoding}: {error}",
            encoding_advice(file.path, file.name, source.encoding)
            or "Set the source's `encoding`.",
        ) from None
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise DataError(
            f"{file.name} is a damaged compressed file: {error}", "Fetch or make it again."
        ) from None


def format_of(file: Fetched, source: Source) -> str:
    """The format that a file is read as: the source's, or by the file's ending.

    Raises:
        DataError: The ending says nothing, nor do the first bytes tell a table.
    """
    if source.format != "auto":
        return source.format
    path = Path(file.name.lower().removesuffix("?***"))  # a masked web query is no ending
    path = Path(unpacked_name(str(path)))
    if (kind := ENDINGS.get(path.suffix) or table_format(file.path)) == "":
        refuse_packed(file.path, file.name)
        raise DataError(
            f"{file.name}: the format cannot be told from the ending {path.suffix!r}.",
            "Set the source's format: csv, tsv, jsonl, parquet, arrow, conll, lines or document.",
        )
    return kind


def _encoding(file: Fetched, source: Source) -> str:
    try:
        encoding = codecs.lookup(source.encoding).name
        "".encode(encoding)  # some codecs are of bytes to bytes
    except LookupError:
        raise DataError(
            f"{file.name}: {source.encoding!r} is not a text encoding that Python knows.",
            "Write for example utf-8, latin-1, cp1252, gb18030 or utf-16.",
        ) from None
    return "utf-8-sig" if encoding == "utf-8" else encoding  # a byte order mark is no text


def _text(file: Fetched, encoding: str, newline: str | None) -> io.TextIOWrapper:
    stream = open_bytes(file.path, file.name)
    return io.TextIOWrapper(stream, encoding, errors=ERRORS, newline=newline)


def _head(file: Fetched, encoding: str) -> str:
    try:
        with _text(file, encoding, "") as stream:
            return stream.read(_HEAD)
    except (UnicodeError, OSError, EOFError, zlib.error, lzma.LZMAError):
        return ""  # says so itself when it is read


def _old_mac(file: Fetched, encoding: str) -> bool:
    """Whether lines end with carriage returns alone: else the whole file would be one line."""
    head = _head(file, encoding)
    return "\r" in head and "\n" not in head


def _csv(
    file: Fetched,
    source: Source,
    needed: Sequence[str],
    dialect: Dialect,
    limit: int,
    tally: Tally,
) -> Iterator[Row | Refusal]:
    names = source.names
    if not source.header and not names:
        raise DataError(
            f"{file.name}: `header: false` needs `names`.", "List the columns' names in `names`."
        )
    lines = BoundedLines(_text(file, _encoding(file, source), ""), limit, source.quote)
    reader = CsvReader(
        file.name, lines, dialect, given=source.delimiter is not None,
        width=0 if source.header else len(names), tally=tally,
    )  # fmt: skip
    records = reader.records()
    if source.header:
        header = next(records, None)
        if header is None or header.cells is None:
            raise DataError(f"{file.name} has no header row.", "Set `header: false` and `names`.")
        names = [name.strip() for name in header.cells]
    for column in needed:
        if column not in names and column not in source.constants:
            sample = [record.cells for record in islice(records, 50) if record.cells]
            hint = _no_header(names, needed, sample) if source.header else ""
            if column == source.columns.label and not hint:
                hint = _one_hot_columns(names, sample)
            raise missing_column(file.name, column, names, list(source.constants), hint)
        check_once(file.name, column, names)
    for record in records:
        if record.cells is None:
            yield Refusal(record.number, record.fault, record.sample)
        elif source.header and len(names) > 1 and _is_header(record.cells, names):
            tally.add(HEADERS, Spot(file.name, line=record.number))
        elif len(record.cells) != len(names):
            rule = f"{len(names)} columns expected, {len(record.cells)} found"
            yield Refusal(
                record.number, rule, shortened(reader.dialect.delimiter.join(record.cells), 300)
            )
        else:
            yield Row(record.number, dict(zip(names, record.cells, strict=True)))


def _is_header(cells: Sequence[str], names: Sequence[str]) -> bool:
    return [cell.lstrip("\ufeff").strip() for cell in cells] == names


def _no_header(names: Sequence[str], needed: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """What to do with a file whose first row is no header; "" where it may be one.

    A label in the first row stands in its column again, which the name of a column does not.
    """
    if names and names[0].startswith("#") and len(names) == 1:
        return "It begins with a comment: take such lines out, for example: grep -v '^#' FILE > rows.csv"
    whole = [row for row in rows if len(row) == len(names)]
    again = any(
        name and any(row[place] == name for row in whole) for place, name in enumerate(names)
    )
    if len(names) < 2 or not again:
        return ""
    shown = ", ".join([*needed, *(f"column_{n}" for n in range(1, len(names) + 1))][: len(names)])
    return (
        "Its first row looks like the others: if it is no header, set the source's `header: false` and "
        f"name its {len(names)} columns in their order, for example: names: [{shown}]."
    )


def _one_hot_columns(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """What to set when no column holds labels but some hold 0 and 1."""
    flags = [
        name
        for place, name in enumerate(names)
        if rows and all(len(row) == len(names) and plain(row[place]) in ("0", "1") for row in rows)
    ]
    return one_hot_fix(flags)


def _table(
    file: Fetched, encoding: str, source: Source, needed: Sequence[str], tally: Tally
) -> Iterator[Row | Refusal] | None:
    """The rows of a file that is one JSON object of them all; None where it is none."""
    columns = [name for name in needed if name not in source.constants]
    lists = source.columns.tokens in columns
    head = _head(file, encoding)
    if not may_be_table(head, columns, lists) and not _RASA.match(head):
        return None
    try:
        with _text(file, encoding, "") as stream:
            text = stream.read(LONGEST + 1)
    except (UnicodeError, OSError, EOFError, zlib.error, lzma.LZMAError):
        return None  # says so itself when it is read
    try:
        value = json.loads(text) if len(text) <= LONGEST else None
    except (ValueError, RecursionError):
        return None
    found: Iterator[Mapping[str, Any]] | None = rasa_json(value, source.columns)
    kind = JSON_TABLE if found is None else RASA
    found = table_in(value, columns, lists) if found is None else found
    if found is None:
        return None
    tally.add(kind, Spot(file.name))
    whole = not is_marked(text)
    return (Row(None, reached(dict(values), needed), whole) for values in found)


def _yaml(file: Fetched, encoding: str, source: Source, tally: Tally) -> Iterator[Row | Refusal]:
    """The examples of Rasa's training data."""
    with _text(file, encoding, "") as stream:
        text = stream.read(bounded_yaml.MAX_CHARACTERS + 1)
    examples = rasa_yaml(text, file.name, source.columns)
    tally.add(RASA, Spot(file.name))
    for number, row, said in examples:
        if row is None:
            yield Refusal(number, "an example that does not begin with a dash", said[:300])
        else:
            yield Row(number, row)


def _json(
    file: Fetched, source: Source, encoding: str, needed: Sequence[str], limit: int, tally: Tally
) -> Iterator[Row | Refusal]:
    shape = Shape(needed, source.columns.text, source.names)
    found: Iterator[JsonRow]
    if spans_lines(_head(file, encoding)):
        tally.add(JSON_ARRAY, Spot(file.name))
        found = read_spanning(_text(file, encoding, ""), file.name, limit, shape)
    else:
        newline = "\r" if _old_mac(file, encoding) else "\n"
        lines = BoundedLines(_text(file, encoding, newline), limit)
        found = (
            JsonRow(number, None, TOO_LONG, lines.sample)
            if line is None
            else parse_object(line, number, shape)
            for number, line in lines.each()
            if line is None or line.strip()
        )
    for row in found:
        if row.comma:
            tally.add(COMMA, Spot(file.name, line=row.number), row.sample)
        if row.values is None:
            yield Refusal(row.number, row.fault, row.sample, row.fix)
        elif not source.names or list(row.values.values()) != source.names:  # else: a header
            yield Row(row.number, reached(row.values, needed), row.whole)


def _plain(lines: BoundedLines, source: Source) -> Iterator[Row | Refusal]:
    pattern = Pattern(source.pattern, "pattern") if source.pattern else None
    for number, line in lines.each():
        if line is None:
            yield Refusal(number, TOO_LONG, lines.sample)
            continue
        line = line.rstrip("\r\n")
        if not line.strip():
            continue
        if pattern is None:
            yield Row(number, {source.columns.text: line})
            continue
        try:
            match = pattern.search(line)
        except Slow:
            yield Refusal(number, pattern.rule, shortened(line, 300))
            continue
        if match is None:
            yield Refusal(number, "does not match the source's pattern", shortened(line, 300))
        else:
            yield Row(number, match.groupdict())


def _utterances(file: Fetched, source: Source, tally: Tally) -> Iterator[Row]:
    """What a setting for masked utterances asks for; told once, by the source that is trained on."""
    from bertworks.data.utterances.making import rows_of

    told = tally if source.split in ("auto", "train") and not source.out_of_scope else None
    for row in rows_of(file.path, file.name, told):
        yield Row(None, row)


def _document(file: Fetched, encoding: str, source: Source, limit: int) -> Iterator[Row | Refusal]:
    """The one text that a whole file is."""
    with _text(file, encoding, None) as stream:
        text = stream.read(limit + 1)
    if len(text) > limit:
        yield Refusal(1, TOO_LONG, shortened(text, 300))
    elif text.strip():
        yield Row(1, {source.columns.text: text})


def _conll(
    file: Fetched, lines: BoundedLines, source: Source, tally: Tally
) -> Iterator[Row | Refusal]:
    names = source.columns
    sentences = Sentences(
        lines.each(), source.token_column, source.tag_column, lines.limit, file.name,
        on_comment=lambda number, text: tally.add(COMMENTS, Spot(file.name, line=number), text),
    )  # fmt: skip
    for number, tokens, tags, fault in sentences:
        if fault is not None:
            yield Refusal(number, *fault)
        else:
            yield Row(number, {names.tokens: tokens, names.tags: tags})
