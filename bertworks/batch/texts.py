"""What `bertworks predict` reads: texts from arguments, stdin or a file, with their columns."""

from __future__ import annotations

import gzip
import json
import lzma
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, cast

from bertworks.batch.rows import (
    CONLL,
    BadRow,
    Followed,
    ending_of,
    file_lines,
    json_records,
    read_records,
    undecoded,
)
from bertworks.data.formats import tables
from bertworks.data.formats.csv_rows import SPANS_LINES
from bertworks.data.formats.nested import reached
from bertworks.data.rows.spots import Spot
from bertworks.data.rows.tally import Tally
from bertworks.data.rows.undecoded import is_marked
from bertworks.data.rows.values import is_blank
from bertworks.errors import DataError
from bertworks.tasks import form_of
from bertworks.tasks.forms import form_named
from bertworks.tasks.forms.form import RowForm

_PLAIN_QUOTES = "If quotes are plain text there, give the texts one a line in a .txt file."
_HALF = re.compile("[\ud800-\udfff]")
ENDINGS = (".txt", ".csv", ".tsv", ".jsonl", ".json", *tables.ENDINGS, *CONLL)


class Given(NamedTuple):
    """A row as the agent takes it, the columns that it came with, and where it stands in a file."""

    row: Any
    record: Mapping[str, object]
    spot: Spot | None = None


@dataclass(frozen=True)
class Form:
    """What an agent takes.

    Attributes:
        form: The form of its rows.
        columns: The form's roles ("text", "tokens", …) to the names that the spec's sources have for
            them, which files to predict for probably have too.
    """

    form: RowForm = field(default_factory=lambda: form_named("text"))
    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, agent: Any) -> Form:
        """The form of a loaded agent."""
        return cls(form_of(agent.task), agent.info.columns or {})


def read(texts: Sequence[str], file: Path | None, form: Form) -> Iterator[Given]:
    """The rows of arguments, of a file, or of stdin.

    Raises:
        DataError: The file or a row of it cannot be read; it names the row and what to do.
    """
    for item in read_all(texts, file, form):
        if isinstance(item, BadRow):
            raise item.error
        yield item


def read_all(
    texts: Sequence[str], file: Path | None, form: Form, followed: Followed | None = None
) -> Iterator[Given | BadRow]:
    """As `read`, with the rows of a file that cannot be read in their places.

    Raises:
        DataError: The file as a whole cannot be read.
    """
    found: Iterator[Given | BadRow]
    if texts:
        found = _arguments(texts, form)
    elif file is None:
        if sys.stdin.isatty():
            print("reading texts from the keyboard, one a line; end with Ctrl-D", file=sys.stderr)
        found = _lines(_stdin_lines(), "stdin line", form)
    else:
        found = _file(file, form, followed or Followed())
    yield from _telling_of_blanks(found, form.form)


def _telling_of_blanks(found: Iterator[Given | BadRow], form: RowForm) -> Iterator[Given | BadRow]:
    """The rows; how many show nothing is said on stderr: the agent has learned from no such row."""
    blank, first, number = 0, "", 0
    for number, given in enumerate(found, 1):
        if isinstance(given, BadRow):
            yield given
            continue
        row = form.turn(given.row)
        parts = [row] if isinstance(row, str) else row
        shown = [not is_blank(part) for part in parts]
        if not (all(shown) if isinstance(row, tuple) else any(shown)):
            blank, first = blank + 1, first or str(given.spot or f"row {number}")
        yield given
    if blank:
        print(
            f"note: {blank} of {number} rows have no text (first: {first}); their answers are "
            "what the agent says of nothing",
            file=sys.stderr,
        )
    if not number:
        print("note: no rows were given, so there are no answers", file=sys.stderr)


def column_names(file: Path | None) -> list[str]:
    """The columns of all rows of a file whose rows need not have the same; else none."""
    if file is None or ending_of(file) not in (".json", ".jsonl"):
        return []
    records = (one.record for one in json_records(file, Tally()))
    whole = (one for one in records if not isinstance(one, BadRow))
    return list(dict.fromkeys(name for record in whole for name in record))


def _arguments(texts: Sequence[str], form: Form) -> Iterator[Given]:
    together = form.form.of_lines(texts)
    if together is None:
        yield from _lines(texts, "argument", form)
    else:
        for row in together:
            yield Given(row, form.form.named(row))


def _stdin_lines() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(
                f"stdin line {number} is not UTF-8: {error.reason}. Received: {line[:100]!r}",
                "Convert the text to UTF-8.",
            ) from None


def _lines(lines: Iterable[str], where: str, form: Form) -> Iterator[Given]:
    for number, line in enumerate(lines, 1):
        yield _of_line(line, f"{where} {number}", form)


def _of_line(line: str, where: str, form: Form) -> Given:
    _check_whole(line, where)
    record = form.form.of_line(line, where)
    texts = tuple(record.values())
    return Given(texts if len(texts) > 1 else texts[0], record)


def _file(file: Path, form: Form, followed: Followed) -> Iterator[Given | BadRow]:
    """The file's rows; what was guessed while reading is said on stderr."""
    try:
        if ending_of(file) == ".txt":
            yield from _good_and_bad(file, form, followed)
            return
        columns, tally = _Columns(file, form), Tally()
        words = form.form.pretokenized
        for spot, record in read_records(file, tally, words, followed):
            yield record if isinstance(record, BadRow) else columns.given(record, spot)
        for line in guessed(tally):
            print(line, file=sys.stderr)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise DataError(
            f"{file} is a damaged compressed file: {error}", "Fetch or make it again."
        ) from None
    except OSError as error:
        raise DataError(
            f"{file} cannot be read: {error.strerror or error}.", "Check the path and its rights."
        ) from None


def guessed(tally: Tally) -> Iterator[str]:
    """What was guessed while reading, in lines; there are no settings of a source to advise."""
    for kind in sorted(tally.counts, key=lambda kind: kind.level != "warning"):
        advice = f". {_PLAIN_QUOTES}" if kind is SPANS_LINES else ""
        yield f"{kind.level}: {tally.text(kind)}{advice}"


def _good_and_bad(file: Path, form: Form, followed: Followed) -> Iterator[Given | BadRow]:
    """The rows of lines; a line need not hold what the agent takes."""
    for number, line in enumerate(file_lines(file, followed), 1):
        spot = Spot(str(file), number, number)
        if is_marked(line):
            yield undecoded(file, spot, line)
            continue
        try:
            yield _of_line(line, str(spot), form)._replace(spot=spot)
        except DataError as error:
            yield BadRow(error, line, spot)


class _NoColumn(DataError):
    """No row of the file has what the agent takes: its first has no column for it."""


class _Columns:
    """The columns of a file that hold what the agent takes, decided by its first row for all of them."""

    def __init__(self, file: Path, form: Form) -> None:
        self._file, self._form = file, form
        self._found: dict[str, str | None] = {}

    def given(self, record: Mapping[str, object], spot: Spot) -> Given | BadRow:
        """The record with what the agent takes of it.

        Raises:
            DataError: The file has no column for what the agent takes.
        """
        try:
            return Given(self.row(record, spot), record, spot)
        except DataError as error:
            if isinstance(error, _NoColumn):
                raise
            return BadRow(error, record, spot)

    def row(self, record: Mapping[str, object], spot: Spot) -> Any:
        """What the agent takes of a record: a text, a pair, or a list of words."""
        where = str(spot)
        record = reached(record, [name for names in self._form.columns.values() for name in names])
        return self._form.form.of_record(
            record,
            lambda role: self._column(record, role, where),
            lambda role: self._text(record, role, where),
        )

    def _column(self, record: Mapping[str, object], role: str, where: str) -> str | None:
        """The column that holds what the agent takes as `role`: by the spec's names, by ours."""
        if role not in self._found:
            names = (*self._form.columns.get(role, ()), role)
            column = next((name for name in names if name in record), None)
            if column is None and role == "text" and len(record) == 1:
                column = next(iter(record))
            self._found[role] = column
            if role != "tokens" and column not in (role, None):
                print(
                    f"{self._file}: reading the texts from its column {column[:100]!r}",
                    file=sys.stderr,
                )
        column = self._found[role]
        if column is not None and column not in record:
            raise DataError(
                f"{where}: no column {column!r}, which the first row has. Its columns: "
                f"{', '.join(map(repr, record))}",
                "Give every row the same columns.",
            )
        if role == "tokens" and column is not None and isinstance(record[column], list):
            for word in cast("list[object]", record[column]):
                if not isinstance(word, str):
                    raise _not_text(where, column, word)
                _check_whole(word, where)
        return column

    def _text(self, record: Mapping[str, object], role: str, where: str) -> str:
        """A cell's text."""
        column = self._column(record, role, where)
        if column is None:
            form = self._form
            names = " or ".join(map(repr, dict.fromkeys((*form.columns.get(role, ()), role))))
            raise _NoColumn(
                f"{where}: no column {names}. Its columns: {', '.join(map(repr, record))}",
                f"Name the column {form.form.wanted}, or as the spec's "
                "data.sources[].columns did when the agent was made.",
            )
        value = record[column]
        if value is None:  # a cell that is not there; rows without text are told when all are read
            return ""
        if not isinstance(value, str):
            raise _not_text(where, column, value)
        _check_whole(value, where)
        return value


def _check_whole(text: str, where: str) -> None:
    """Refuses what is no text, as ingest and the server do: nothing was learned from such a row."""
    if not text.isascii() and _HALF.search(text):
        raise DataError(
            f"{where} holds half a character (a lone surrogate). Received: {text[:100]!r}",
            "Write the whole character; such escapes come of texts that were cut in the middle of one.",
        )


def _not_text(where: str, column: str, value: object) -> DataError:
    shown = json.dumps(value, ensure_ascii=False, default=str)
    return DataError(
        f"{where}: column {column!r} is not text. Received: {shown[:100]}",
        'Give one text a row, or a text a word; one without any is "".',
    )
