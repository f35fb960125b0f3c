"""Whether the first row of a table names its columns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bertworks.data.inspection import names

_NUMBER = re.compile(r"^[+-]?\d+(?:[.,]\d+)*(?:[eE][+-]?\d+)?$")
_LONGEST_NAME = 60
_ENOUGH = 0.5


def is_header(records: Sequence[Sequence[str]]) -> bool:
    """Whether the first record names the columns of the others.

    A value of a column stands in it again, a name does not; a number is no name; a column's name is
    shorter than its texts; and some names are known.

    Args:
        records: The first rows, of one width.
    """
    first, rest = [one.strip().lstrip("\ufeff") for one in records[0]], records[1:]
    if any(len(cell) > _LONGEST_NAME or "\n" in cell for cell in first):
        return False
    said = [cell for cell in first if cell]
    if not said or all(_NUMBER.match(cell) for cell in said):
        return False
    if len(set(said)) < len(said):
        return not rest or (all(row != records[0] for row in rest) and _known(said) > 0)
    speaks = 0.0
    for place, name in enumerate(first):
        body = [row[place].strip() for row in rest]
        speaks += _speaks(name, body)
    return speaks + 1.5 * _known(said) > (0 if rest else _ENOUGH)


def _known(cells: Sequence[str]) -> float:
    """How many of the cells are names that are known."""
    whole = [cell for cell in cells if len(names.parts(cell)) <= 4]
    return sum(
        max(names.worth(cell, names.TEXT), names.worth(cell, names.LABEL)) >= 0.6
        or names.is_learned_seldom(cell)
        for cell in whole
    )


def _speaks(name: str, body: Sequence[str]) -> float:
    """How much one column speaks for a header; negative: against."""
    filled = [value for value in body if value]
    if not filled:
        return 0.0
    numbers = sum(_NUMBER.match(value) is not None for value in filled) / len(filled)
    if numbers > 0.9:
        return -2.0 if _NUMBER.match(name) else 1.5 if name else 0.5
    if name and name in set(filled):
        return -2.0
    few = len(set(filled)) <= max(2, len(filled) // 4)
    if few and name:
        return 0.6
    mean = sum(map(len, filled)) / len(filled)
    if mean > 15 and len(name) < mean / 3 and len(name.split()) <= 3:
        return 0.7
    if len(name.split()) > 5 or _NUMBER.match(name):
        return -1.5
    return 0.1
