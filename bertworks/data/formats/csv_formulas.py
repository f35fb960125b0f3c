"""Cells that a spreadsheet would run as formulas: written with a ' before them, and read back.

A text of strangers in a table is opened by somebody else: `=HYPERLINK(...)` there is run, not shown
(OWASP, "CSV injection").
"""

from __future__ import annotations

import re

# What spreadsheets take for a formula where a cell begins with it; full-width forms count as well.
_FORMULA = re.compile(r"[ \u00a0]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+|(?=\.\d))(?:\.\d*)?(?:[eE][+-]?\d+)?%?")
MARK = "'"


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would run a cell; numbers with a sign are none."""
    return bool(_FORMULA.match(text)) and not _NUMBER.fullmatch(text)


def marked(text: str) -> str:
    """The text as a cell that is shown and not run, and that `unmarked` gives back whatever it is.

    Example:
        >>> marked("=1+1"), marked("'=1+1"), marked("-5")
        ("'=1+1", "''=1+1", '-5')
    """
    return MARK + text if is_formula(text.lstrip(MARK)) else text


def unmarked(cell: str) -> str:
    """What was written as this cell by `marked`."""
    return cell[1:] if cell.startswith(MARK) and is_formula(cell.lstrip(MARK)) else cell
