"""What the first lines of a csv file tell of its columns, to know rows inside a quoted cell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from bertworks.data.formats.csv_cells import Dialect, Record, State, forgiving

_NUMBER = re.compile(r"^[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?$")
_FEW = 50  # different values of a column that holds labels or the like, at most
_MANY_LINES = 4
_SHARE = 0.8


class _Column:
    """The values that a column has had."""

    def __init__(self) -> None:
        self.count = self.numbers = 0
        self.values: Counter[str] | None = Counter()

    def add(self, value: str) -> None:
        self.count += 1
        self.numbers += _NUMBER.match(value) is not None
        if self.values is not None:
            self.values[value] += 1
            if len(self.values) > _FEW:
                self.values = None

    @property
    def is_number(self) -> bool:
        return self.count >= 3 and self.numbers >= _SHARE * self.count

    @property
    def is_label(self) -> bool:
        return self.values is not None and self.count >= max(4, 2 * len(self.values))

    def fits(self, value: str) -> bool:
        if self.is_number and _NUMBER.match(value):
            return True
        return self.is_label and self.values is not None and self.values[value] > 1


class Profile:
    """The columns of a file by its first lines.

    Args:
        sample: The first lines, the header's included.
        dialect: How the file is written.
        width: Cells a record; 0: as many as the first line has.

    Attributes:
        quotes: Whether cells are quoted as csv does it, where they hold a delimiter or a quote.
    """

    def __init__(self, sample: Sequence[str], dialect: Dialect, width: int) -> None:
        self._dialect = dialect
        self._columns: list[_Column] = []
        self.quotes = False
        state, record = State.DONE, Record(dialect)
        for number, line in enumerate(sample):
            if state is State.OPEN:
                # Lines that a quote swallows, rightly or not, tell nothing of the columns.
                state = record.feed(line)
                continue
            if not line.strip("\r\n"):
                continue
            record = Record(dialect)
            state = record.feed(line)
            self.quotes |= state is State.DONE and (
                record.quoted > 0 or (number == 0 and _is_all_quoted(line, dialect))
            )
            if state is State.DONE and not width:
                width = len(record.cells)  # the header's
            elif state is State.DONE and len(record.cells) == width:
                self._columns = self._columns or [_Column() for _ in record.cells]
                for column, cell in zip(self._columns, record.cells, strict=True):
                    column.add(cell)

    def fits(self, cells: Sequence[str], rows: int = 0) -> bool:
        """Whether a record has labels and numbers in the columns of labels and numbers.

        Args:
            cells: As many as columns.
            rows: Columns that were seen in fewer rows are not asked.
        """
        return all(
            column.fits(cells[place]) for place, column in self._known() if column.count >= rows
        )

    def _known(self) -> list[tuple[int, _Column]]:
        """The columns that hold labels or numbers."""
        return [
            (place, column)
            for place, column in enumerate(self._columns)
            if column.is_number or column.is_label
        ]

    def are_wide(self, lines: Sequence[str], width: int) -> bool:
        """Whether each of several lines has as many cells as a record."""
        return width > 1 and self._wide(lines, width) == len(lines)

    def may_be_rows(self, lines: Sequence[str], width: int) -> bool:
        """Whether lines inside one quoted cell could be rows, although nothing shows that they are.

        A quote that begins a line and one that ends a later line swallow what stands between, and the
        line of the second one often has a delimiter too many. Where the file quotes other cells, too,
        only lines that all are as wide as a record are suspect, and no lines of a single column: prose
        of several lines has no other shape.
        """
        if self.are_wide(lines, width):
            return True
        wide = self._wide(lines, width) if width and not self.quotes else 0
        return wide > 0 and wide >= _SHARE * len(lines)

    def _wide(self, lines: Sequence[str], width: int) -> int:
        """How many lines have as many cells as a record; a blank line has none."""
        return sum(
            bool(line.strip()) and len(forgiving(line, self._dialect, width)) == width
            for line in lines
        )

    def are_rows(self, lines: Sequence[str], width: int) -> bool:
        """Whether lines inside one quoted cell look like rows of their own.

        They do when nearly all have the right number of cells, and labels and numbers stand in the
        columns of labels and numbers. Without such columns, four lines of the right width are enough,
        unless the file is known to quote its cells.
        """
        if width < 2 or len(lines) < 2 or len(self._columns) not in (0, width):
            return False
        split = [forgiving(line, self._dialect, width) for line in lines]
        good = [len(cells) == width and self.fits(cells) for cells in split]
        if not (good[0] and good[-1]) or sum(good) < _SHARE * len(good):
            return False
        return bool(self._known()) or (len(lines) >= _MANY_LINES and not self.quotes)


def _is_all_quoted(line: str, dialect: Dialect) -> bool:
    quote = dialect.quote
    cells = line.strip("\r\n").split(dialect.delimiter) if quote else []
    return bool(cells) and all(
        len(cell) > 1 and cell[0] == quote == cell[-1] for cell in (one.strip() for one in cells)
    )
