"""Splits csv and tsv lines into cells, one line at a time, strictly or as forgiving as can be."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

_ESCAPED = re.compile(r'\\(["\\])')


class State(Enum):
    """How a record stands after a line: complete, inside a quoted cell, or against the rules."""

    DONE, OPEN, BROKEN = range(3)


@dataclass(frozen=True)
class Dialect:
    """How cells are written.

    Attributes:
        delimiter: One character.
        quote: Quote character, doubled inside quotes; "": quotes are plain text.
        escape: Whether a backslash before a quote escapes it, as MySQL and Spark write it.
    """

    delimiter: str
    quote: str = '"'
    escape: bool = False

    @cached_property
    def inside(self) -> re.Pattern[str]:
        """The inside of a quoted cell, up to the quote that closes it. Linear: it never goes back."""
        quote = re.escape(self.quote)
        plain, pair = (rf"[^{quote}\\]*+", rf"(?:{quote}{quote}|\\.?)") if self.escape else (
            rf"[^{quote}]*+", quote + quote
        )  # fmt: skip
        return re.compile(f"{plain}(?:{pair}{plain})*+", re.DOTALL)

    def text_of(self, inside: str) -> str:
        """The text of a quoted cell, its quotes and escapes resolved."""
        text = inside.replace(self.quote * 2, self.quote)
        return _ESCAPED.sub(r"\1", text) if self.escape else text


@dataclass
class Record:
    """The cells of one record, built line by line.

    Attributes:
        cells: Cells that are complete.
        quoted: How many of them were quoted and hold what only quotes allow: a delimiter, a quote.
    """

    dialect: Dialect
    cells: list[str] = field(default_factory=list)
    quoted: int = 0
    _open: list[str] | None = None

    def feed(self, line: str) -> State:
        """Adds a line, its newline included."""
        place = self._cell(line, 0) if self._open is None else self._inside(line, 0)
        while True:
            if self._open is not None:
                return State.OPEN
            if place < 0:
                return State.BROKEN
            if place >= len(line) or line[place] in "\r\n":
                return State.DONE
            place = self._cell(line, place + 1)

    def _cell(self, line: str, place: int) -> int:
        """Reads the cell that begins at `place`; returns the place behind it, or -1."""
        if self.dialect.quote and line.startswith(self.dialect.quote, place):
            self._open = []
            return self._inside(line, place + 1)
        return self._plain(line, place)

    def _inside(self, line: str, place: int) -> int:
        """Reads on inside quotes; returns the place behind them, or -1 where text follows them."""
        assert self._open is not None
        found = self.dialect.inside.match(line, place)
        assert found is not None  # it matches the empty text
        self._open.append(found[0])
        after = found.end() + 1
        if after > len(line):
            return len(line)
        inside = "".join(self._open)
        self._open = None
        if after < len(line) and line[after] not in (self.dialect.delimiter, "\r", "\n"):
            return -1
        self.quoted += self.dialect.delimiter in inside or self.dialect.quote in inside
        self.cells.append(self.dialect.text_of(inside))
        return after

    def _plain(self, line: str, place: int) -> int:
        end = line.find(self.dialect.delimiter, place)
        if end < 0:
            self.cells.append(line[place:].rstrip("\r\n"))
            return len(line)
        self.cells.append(line[place:end])
        return end


def forgiving(line: str, dialect: Dialect, width: int) -> list[str]:
    """The cells of a line on its own, where quotes that csv does not allow are plain text.

    Args:
        line: One line, with or without its newline.
        dialect: How the other lines are written.
        width: Cells that a record should have; chooses between two readings of text after quotes.
    """
    plain = _forgiving(line.rstrip("\r\n"), dialect, guard=False)
    if len(plain) == width:
        return plain
    guarded = _forgiving(line.rstrip("\r\n"), dialect, guard=True)
    return guarded if len(guarded) == width else plain


def _forgiving(line: str, dialect: Dialect, guard: bool) -> list[str]:
    """`guard`: a delimiter between a cell's first quotes separates nothing, whatever follows them."""
    cells, place, end = [], 0, len(line)
    while place <= end:
        start = place
        if dialect.quote and line.startswith(dialect.quote, place):
            found = dialect.inside.match(line, place + 1)
            assert found is not None
            after = found.end() + 1
            if after <= end and (after == end or line[after] == dialect.delimiter):
                cells.append(dialect.text_of(found[0]))
                place = after + 1
                continue
            place = after if guard and after <= end else place
        stop = line.find(dialect.delimiter, place)
        stop = end if stop < 0 else stop
        cells.append(line[start:stop])
        place = stop + 1
    return cells
