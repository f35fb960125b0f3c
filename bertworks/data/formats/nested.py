"""Columns inside objects: `payload.body` is what stands as `body` in a row's object `payload`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

DEEPEST = 4
MOST = 60
"""Columns that objects may have inside; with more they map names to values."""
_SHARE = 0.2
"""Of the rows, at least, that have a column inside of an object."""

Values = Mapping[str, Any]


def reached(values: Values, names: Collection[str]) -> Values:
    """The row, with the named columns that are inside its objects beside them."""
    inside = {
        name: found
        for name in names
        if "." in name and name not in values
        for found in _reach(values, name)
    }
    return {**values, **inside} if inside else values


def _reach(values: Values, name: str) -> Iterator[Any]:
    """The value that a name with dots leads to; keys may have dots themselves."""
    for place in (at for at, character in enumerate(name) if character == "."):
        inner, rest = values.get(name[:place]), name[place + 1 :]
        if isinstance(inner, dict):
            found = [inner[rest]] if rest in inner else list(_reach(inner, rest))
            if found:
                yield found[0]
                return


def outer(name: str, known: Collection[str]) -> str | None:
    """The known column that a name with dots begins with; None: there is none."""
    places = [at for at, character in enumerate(name) if character == "."]
    return next((name[:place] for place in places if name[:place] in known), None)


def names_inside(values: Values) -> list[str]:
    """The columns inside a row's objects, as `reached` takes them."""
    return [name for _, name, _ in _leaves(values) if name not in values]


def flattened(rows: Sequence[Values]) -> list[Values] | None:
    """The rows with what is inside objects as columns of their own; None where nothing is.

    An object whose names differ from row to row stays as it is: they are values.
    """
    counts: Counter[str] = Counter()
    of_object: dict[str, set[str]] = {}
    for values in rows:
        for first, name, _ in _leaves(values):
            if name not in values:
                counts[name] += 1
                of_object.setdefault(first, set()).add(name)
    kept = {
        name
        for inside in of_object.values()
        if len(inside) <= MOST
        for name in inside
        if counts[name] >= _SHARE * len(rows)
    }
    if not kept:
        return None
    gone = {first for first, inside in of_object.items() if inside & kept}
    return [
        {name: value for name, value in reached(values, kept).items() if name not in gone}
        for values in rows
    ]


def _leaves(values: Values, depth: int = DEEPEST) -> Iterator[tuple[str, str, Any]]:
    """What is no object: the column that it is in, the names that lead to it, and its value."""
    for name, value in values.items():
        if isinstance(value, dict) and value and depth:
            for _, inner, leaf in _leaves(value, depth - 1):
                yield name, f"{name}.{inner}", leaf
        else:
            yield name, name, value
