"""Rows of a knowledge base out of a CSV, JSON or SQLite file: all, or an error that names the row."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge.base import Knowledge, Line
from bertworks.errors import DataError

MAX_ROWS = 1_000_000
ENDINGS = (".csv", ".json", ".db", ".sqlite", ".sqlite3")
"""Of the files that knowledge bases mostly are."""
_LONGEST = 10_000
_SQLITE = b"SQLite format 3\x00"
_NOTHING = ("", "?", "none", "null", "n/a", "nan")


def read(
    file: Path, domain: Domain, table: str | None = None, shown: str | None = None
) -> Knowledge:
    """Reads a knowledge base.

    Args:
        file: SQLite by its first bytes, JSON (a list of objects) by its ending, else CSV with a header.
        domain: The columns that are needed; others are left out.
        table: SQLite: which table or view; None: the only one.
        shown: The file's name in messages.

    Returns:
        The knowledge base as it is now.

    Raises:
        DataError: It cannot be read, lacks a column, or a row breaks a rule; names file and row.
    """
    name = shown or str(file)
    try:
        with file.open("rb") as stream:
            beginning = stream.read(len(_SQLITE))
    except OSError as error:
        raise DataError(
            f"The knowledge base {name} cannot be read: {error.strerror}.",
            "Check the path, and that you may read it.",
        ) from None
    if beginning == _SQLITE:
        rows = _sqlite(file, name, domain.columns, table)
    elif table is not None:
        raise DataError(
            f"{name} is no SQLite file, so it has no table {table!r}.", "Leave `table` out."
        )
    elif Path(name).suffix.lower() == ".json" or file.suffix.lower() == ".json":
        rows = _json(file, name, domain.columns)
    else:
        rows = _csv(file, name, domain.columns)
    lines: list[Line] = []
    for where, record in rows:
        if len(lines) == MAX_ROWS:
            raise DataError(
                f"{name} has more than {MAX_ROWS:,} rows.", "Name a table or a file with fewer."
            )
        lines.append(Line(where, {one: _cell(record, one, where) for one in domain.columns}))
    return Knowledge(domain, lines, name)


def _cell(record: Mapping[str, Any], column: str, where: str) -> str:
    value = record.get(column)
    if isinstance(value, bool | list | dict | bytes):
        raise DataError(
            f"{where}: `{column}` must be a text or a number. Received: {value!r:.60}",
            "Write the value as a text, or name another column.",
        )
    text = "" if value is None else str(value).strip()
    if len(text) > _LONGEST:
        raise DataError(
            f"{where}: `{column}` has {len(text):,} characters; a value may have {_LONGEST:,}.",
            "Shorten it, or name another column.",
        )
    if any(ord(one) < 32 for one in text):
        raise DataError(
            f"{where}: `{column}` holds control characters. Received: {text!r:.60}",
            "Take them out.",
        )
    return "" if text.casefold() in _NOTHING else text


def _missing(name: str, columns: Sequence[str], known: Sequence[str]) -> DataError | None:
    lacking = [one for one in columns if one not in known]
    if not lacking:
        return None
    listed = ", ".join(map(repr, known[:30]))
    mark = next((one for one in ";\t|" if len(known) == 1 and one in known[0]), "")
    return DataError(
        f"{name} has no column {', '.join(map(repr, lacking))}. It has: {listed or 'none'}.",
        "Write the names in dialogue.knowledge.key, dialogue.ask and dialogue.tell as the file does."
        + (f" Its delimiter seems to be {mark!r}: save it with commas." if mark else ""),
    )


def _csv(file: Path, name: str, columns: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [one.strip() for one in next(reader, [])]
            if fault := _missing(name, columns, header):
                raise fault
            if twice := sorted({one for one in columns if header.count(one) > 1}):
                raise DataError(
                    f"{name}:1: two columns are called {twice[0]!r}.", "Rename one of them."
                )
            for cells in reader:
                if not any(one.strip() for one in cells):
                    continue
                where = f"{name}:{reader.line_num}"
                if len(cells) != len(header):
                    raise DataError(
                        f"{where}: the header has {len(header)} columns and this row {len(cells)}.",
                        "Put a value with commas in quotes; leave cells empty, not out.",
                    )
                yield where, dict(zip(header, cells, strict=True))
    except UnicodeDecodeError as error:
        raise DataError(
            f"{name} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}.",
            "Save it as UTF-8.",
        ) from None
    except csv.Error as error:
        raise DataError(
            f"{name}:{reader.line_num}: not CSV: {error}.", "Close the quotes of the row."
        ) from None


def _json(file: Path, name: str, columns: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        records = json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name} is not JSON: {error}.", "Mend it, or write CSV.") from None
    if not isinstance(records, list):
        raise DataError(
            f"{name} must hold a list of objects. Received: {type(records).__name__}.",
            'Write [{"name": "..."}, ...].',
        )
    for number, record in enumerate(records):
        if not isinstance(record, dict):
            raise DataError(
                f"{name}[{number}] must be an object. Received: {record!r:.60}",
                'Write {"name": "..."}.',
            )
    known = list(dict.fromkeys(key for record in records for key in record))
    if records and (fault := _missing(name, columns, known)):
        raise fault
    for number, record in enumerate(records):
        yield f"{name}[{number}]", record


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; a key that stands twice in it would be taken by its last value alone."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [key for key, _ in pairs]
        twice = next(one for one in names if names.count(one) > 1)
        raise ValueError(f"an object has the key {twice!r} twice")
    return found


def _sqlite(
    file: Path, name: str, columns: Sequence[str], table: str | None
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as base:
            base.execute("BEGIN")  # One moment, whoever writes meanwhile.
            found = base.execute(
                "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') "
                "AND name NOT LIKE 'sqlite_%' ORDER BY name"
            )
            tables = [str(row[0]) for row in found]
            chosen = table if table is not None else tables[0] if len(tables) == 1 else None
            if chosen is None or chosen not in tables:
                wrong = "several tables" if table is None else f"no table {table!r}"
                raise DataError(
                    f"{name} has {wrong if tables else 'no tables'}.",
                    f"Set `table` to one of: {', '.join(tables) or '-'}.",
                )
            quoted = '"' + chosen.replace('"', '""') + '"'
            cursor = base.execute(f"SELECT * FROM {quoted}")
            known = [one[0] for one in cursor.description]
            if fault := _missing(f"{name}: table {chosen}", columns, known):
                raise fault
            for number, cells in enumerate(cursor, start=1):
                yield f"{name}: {chosen} row {number}", dict(zip(known, cells, strict=True))
    except sqlite3.Error as error:
        raise DataError(
            f"{name} cannot be read as SQLite: {error}.",
            "Try again where a writer holds it; else make it anew.",
        ) from None
