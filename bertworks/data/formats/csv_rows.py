"""csv and tsv records: bounded memory, the number of each record's first line, no row lost to a quote.

csv lets a quote begin a cell and swallow lines until the next one. In files that were written without
quoting, or by hand, a quote is often text: an inch mark, the beginning of a dialogue. Such a quote shows
itself: text follows the quote that would close it, the file ends inside, or each of the lines that it
swallows is a row of its own. Then each line is read on its own, the quote as text, and counted. Where
two quotes could as well be a cell's, csv's rules hold, and how many lines such cells take is counted.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from bertworks.data.formats.csv_cells import Dialect, Record, State, forgiving
from bertworks.data.formats.csv_profile import Profile
from bertworks.data.formats.lines import BoundedLines
from bertworks.data.rows.spots import Spot
from bertworks.data.rows.tally import Kind, Tally
from bertworks.errors import DataError

STRAY_QUOTE = Kind(
    "stray_quote",
    "{count} rows hold a quote that is not closed, or has text behind it; it was read as plain text "
    "(first: {first})",
    "warning",
    "If no cell of the file is quoted, set the source's `quote: ''`.",
)
SPANS_LINES = Kind(
    "spans_lines",
    "{count} quoted cells take {total} lines that could be rows of their own, the longest {most} lines "
    "(first: {first})",
    "warning",
    "If quotes are plain text there, set the source's `quote: ''`.",
)
MANY_LINES = Kind(
    "many_lines",
    "{count} quoted cells hold line breaks and take {total} lines, the longest {most} lines "
    "(first: {first})",
)
ESCAPES = Kind(
    "escaped_quotes",
    'quotes are escaped with a backslash (\\"): {count} files or rows were read so (first: {first})',
)
SEP_LINE = Kind(
    "sep_line", "{count} files begin with a line that names the delimiter (first: {first})"
)
NO_CLOSING = "a quote that is neither closed nor doubled"
TOO_LONG = "longer than max_row_bytes"

Line = tuple[int, str | None]

_SEP = re.compile(r'^"?sep=(.)"?[\r\n]*$', re.IGNORECASE)
_SAMPLE_LINES = 1000
_SURE = 10  # rows that must have been seen before a new label makes a line no row


@dataclass(frozen=True, slots=True)
class CsvRecord:
    """A record: the number of its first line, from 1, and its cells, or None and why not."""

    number: int
    cells: list[str] | None
    fault: str = ""
    sample: str = ""


class CsvReader:
    """Reads the records of one file.

    Args:
        name: The file's name in messages.
        lines: Opened with newline="" and the quote character.
        dialect: Delimiter and quote; a first line `sep=;` overrides the delimiter unless `given`.
        given: Whether the user named the delimiter.
        width: Cells a record, where no header row says so.
        tally: Takes what is guessed.

    Attributes:
        dialect: As found.
    """

    def __init__(
        self,
        name: str,
        lines: BoundedLines,
        dialect: Dialect,
        *,
        given: bool = False,
        width: int = 0,
        tally: Tally | None = None,
    ) -> None:
        self._name, self._lines, self._width = name, lines, width
        self._tally = tally or Tally()
        self._ahead: deque[Line] = deque()
        self._physical = lines.each()
        self._torn = False
        self.dialect = dialect
        first = self._next()
        if first is not None and (found := _SEP.match(first[1] or "")):
            self._tally.add(SEP_LINE, Spot(name, line=1), found[0].strip())
            self.dialect = dialect if given else Dialect(found[1], dialect.quote)
        elif first is not None:
            self._ahead.append(first)
        self._profile = self._look_ahead()

    def records(self) -> Iterator[CsvRecord]:
        """Yields the records, the header row included.

        Raises:
            DataError: A quote is never closed within `max_row_bytes`, and what it swallows are no rows.
        """
        while (first := self._next()) is not None:
            number, line = first
            if line is None:
                record = self._skip(number)
            elif not self.dialect.quote or self.dialect.quote not in line:
                stripped = line.rstrip("\r\n")
                if not stripped:
                    continue
                record = CsvRecord(number, stripped.split(self.dialect.delimiter))
                self._torn &= len(record.cells or ()) != self._width
            else:
                record = self._quoted(number, line)
            self._width = self._width or len(record.cells or ())
            yield record

    def _next(self) -> Line | None:
        """The next line and its number; the line is None where it is over the limit."""
        return self._ahead.popleft() if self._ahead else next(self._physical, None)

    def _look_ahead(self) -> Profile:
        """Reads the first lines, to know what the columns hold and how quotes are written."""
        held = 0
        while len(self._ahead) < _SAMPLE_LINES and held < self._lines.limit:
            if (line := next(self._physical, None)) is None:
                break
            self._ahead.append(line)
            held += len(line[1] or "")
            if line[1] is None:
                break  # what `BoundedLines` knows of it is lost with the next one
        sample = [line for _, line in self._ahead if line is not None]
        if self._escapes(sample):
            self.dialect = Dialect(self.dialect.delimiter, self.dialect.quote, escape=True)
            place = next((n for n, line in self._ahead if '\\"' in (line or "")), 1)
            self._tally.add(ESCAPES, Spot(self._name, line=place))
        return Profile(sample, self.dialect, self._width)

    def _escapes(self, sample: list[str]) -> bool:
        """Whether backslashes escape quotes: more lines are whole when read so than otherwise."""
        if self.dialect.quote != '"':
            return False
        escaped = Dialect(self.dialect.delimiter, self.dialect.quote, escape=True)
        lines = [line for line in sample if '\\"' in line]
        whole = [Record(one) for one in (self.dialect, escaped) for _ in lines]
        states = [record.feed(line) for record, line in zip(whole, lines * 2, strict=True)]
        done = [state is State.DONE for state in states]
        return sum(done[len(lines) :]) > sum(done[: len(lines)])

    def _quoted(self, number: int, line: str) -> CsvRecord:
        """The record that begins with this line, which holds a quote."""
        record, size = Record(self.dialect), len(line)
        lines: list[Line] = [(number, line)]
        state = record.feed(line)
        too_long = False
        while state is State.OPEN and not too_long:
            if (following := self._next()) is None:
                break
            lines.append(following)
            size += len(following[1] or "")
            too_long = following[1] is None or size > self._lines.limit
            state = record.feed(following[1] or "")
        if state is State.DONE and not too_long:
            if len(lines) == 1:
                return self._checked(number, line, record)
            if not self._are_rows(lines):
                self._tell_lines(lines, len(lines))
                return CsvRecord(number, record.cells, sample=line[:300])
        # Where the quote is never closed, lines that are all as wide as a row are rows.
        elif state is not State.BROKEN and not (
            self._are_rows(lines) or (not too_long and self._are_wide(lines))
        ):
            return self._swallows(number, lines, too_long)
        self._ahead.extendleft(reversed(lines[1:]))
        return self._alone(number, line)

    def _checked(self, number: int, line: str, record: Record) -> CsvRecord:
        """A record of one line that keeps to the rules; the end of one that did not is refused."""
        torn, self._torn = self._torn, False
        if torn and any(_ends_quoted(cell, self.dialect.quote) for cell in record.cells):
            return CsvRecord(number, None, NO_CLOSING, line[:300])
        if len(record.cells) != self._width and (cells := self._unescaped(line)):
            self._tally.add(ESCAPES, Spot(self._name, line=number))
            return CsvRecord(number, cells, sample=line[:300])
        return CsvRecord(number, record.cells, sample=line[:300])

    def _unescaped(self, line: str) -> list[str] | None:
        """The cells if backslashes escape quotes; None where that gives no whole record."""
        if not self._width or '\\"' not in line or self.dialect.escape:
            return None
        record = Record(Dialect(self.dialect.delimiter, self.dialect.quote, escape=True))
        done = record.feed(line) is State.DONE
        return record.cells if done and len(record.cells) == self._width else None

    def _are_rows(self, lines: list[Line]) -> bool:
        """Whether each line that a quoted cell spans could as well be a row."""
        return self._profile.are_rows([line for _, line in lines if line], self._width)

    def _are_wide(self, lines: list[Line]) -> bool:
        return self._profile.are_wide([line for _, line in lines if line], self._width)

    def _tell_lines(self, lines: list[Line], count: int) -> None:
        """Counts the lines that a quoted cell takes, the first of which are given."""
        number, first = lines[0]
        shown = [line for _, line in lines if line]
        kind = SPANS_LINES if self._profile.may_be_rows(shown, self._width) else MANY_LINES
        self._tally.add(kind, Spot(self._name, line=number), (first or "").strip(), amount=count)

    def _alone(self, number: int, line: str) -> CsvRecord:
        """A line read on its own, a quote that csv does not allow being text."""
        if cells := self._unescaped(line):
            self._tally.add(ESCAPES, Spot(self._name, line=number))
            return CsvRecord(number, cells, sample=line[:300])
        cells = forgiving(line, self.dialect, self._width)
        if self._width and (len(cells) != self._width or not self._profile.fits(cells, _SURE)):
            self._torn = True
            return CsvRecord(number, None, NO_CLOSING, line[:300])
        self._tally.add(STRAY_QUOTE, Spot(self._name, line=number), line.strip())
        return CsvRecord(number, cells, sample=line[:300])

    def _swallows(self, number: int, lines: list[Line], too_long: bool) -> CsvRecord:
        """A record over the limit: skipped to its end without being held."""
        if not too_long:
            raise self._unclosed(number, lines)
        quotes = sum((line or "").count(self.dialect.quote) for _, line in lines)
        quotes += self._lines.quotes if lines[-1][1] is None else 0
        last = lines[-1]
        while quotes % 2:
            if (following := self._next()) is None:
                raise self._unclosed(number, [*lines, last])
            last = following
            quotes += (
                self._lines.quotes
                if following[1] is None
                else following[1].count(self.dialect.quote)
            )
        self._tell_lines(lines, last[0] - number + 1)
        return CsvRecord(number, None, TOO_LONG, (lines[0][1] or "")[:300])

    def _skip(self, number: int) -> CsvRecord:
        """A record whose first line is over the limit; it may go on in further lines."""
        sample, quotes = self._lines.sample, self._lines.quotes
        last = number
        while quotes % 2:
            if (following := self._next()) is None:
                break
            last = following[0]
            quotes += (
                self._lines.quotes
                if following[1] is None
                else following[1].count(self.dialect.quote)
            )
        if last > number:
            self._tell_lines([(number, sample)], last - number + 1)
        return CsvRecord(number, None, TOO_LONG, sample)

    def _unclosed(self, number: int, lines: list[Line]) -> DataError:
        return DataError(
            f"{self._name}, line {number}: a quote that opens here is never closed; it swallows the "
            f"{lines[-1][0] - number} lines that follow. Received: {(lines[0][1] or '')[:80]!r}",
            "Mend the line, or set the source's `quote: ''` if quotes are plain text.",
        )


def _ends_quoted(cell: str, quote: str) -> bool:
    return cell.endswith(quote) and not cell.startswith(quote)
