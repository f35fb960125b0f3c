"""Where a row stands in its file, the same in all messages and records."""

from __future__ import annotations

from typing import NamedTuple


class Spot(NamedTuple):
    """Where a row stands, or what was found while a file was read.

    >>> print(Spot("a.csv", 3, 7), "and", Spot("a.jsonl", 3, 3), "and", Spot("a.csv", line=1))
    a.csv row 3 (line 7) and a.jsonl row 3 and a.csv line 1

    Attributes:
        file: The file's name in messages.
        row: The row's number among the file's rows, from 1, refused ones and those that are left out
            counted, a header not; None: it is of no row, or not known.
        line: The line where it begins, from 1; None: the file has none, or it is of the whole file.
    """

    file: str
    row: int | None = None
    line: int | None = None

    def __str__(self) -> str:
        if self.row is None:
            return self.file if self.line is None else f"{self.file} line {self.line}"
        line = "" if self.line in (None, self.row) else f" (line {self.line})"
        return f"{self.file} row {self.row}{line}"
