"""A source's `where`: which rows are read, and which of its values no row has."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bertworks.data.rows.values import plain
from bertworks.look_alike import appearance, told_apart

_KEPT = 1000
"""Different values of a column that are kept for messages."""
_SHOWN = 5


class Filter:
    """Keeps rows whose columns have one of the values that are asked for.

    Args:
        where: Column to the values; they are compared as text.
    """

    def __init__(self, where: Mapping[str, Sequence[str]]) -> None:
        self._allowed = {
            column: {plain(value.strip()): value for value in values}
            for column, values in where.items()
        }
        self._missed = {column: dict(values) for column, values in self._allowed.items()}
        self._seen: dict[str, Counter[str]] = {column: Counter() for column in where}

    def passes(self, values: Mapping[str, Any]) -> bool:
        """Whether a row is wanted."""
        wanted = True
        for column, allowed in self._allowed.items():
            if column not in values:
                wanted = False
                continue
            value = plain(values[column]).strip()
            seen = self._seen[column]
            if value in seen or len(seen) < _KEPT:
                seen[value] += 1
            self._missed[column].pop(value, None)
            wanted = wanted and value in allowed
        return wanted

    def missed(self) -> list[str]:
        """One sentence for each value that no row had, with the values that there are."""
        return [
            f"no row has {column} {told_apart([value], self._seen[column])[0]}; "
            + self.values_of(column, value)
            for column, values in self._missed.items()
            for value in values.values()
        ]

    def values_of(self, column: str, near: str = "") -> str:
        """The values of a column, those that are most like `near` first, then the most frequent."""
        seen = self._seen[column]
        if not seen:
            return f"no row has the column {column!r}"
        likes = {value: appearance(value).casefold() for value in seen}
        wanted = appearance(near).casefold()
        close = difflib.get_close_matches(wanted, likes.values(), n=_SHOWN, cutoff=0.6)
        first = sorted(
            (value for value in seen if likes[value] in close),
            key=lambda one: close.index(likes[one]),
        )
        names = [*first, *(value for value, _ in seen.most_common() if value not in first)]
        shown = zip(told_apart(names[:_SHOWN], [near]), names, strict=False)
        rest = len(names) - _SHOWN
        return (
            f"{column!r} holds "
            + ", ".join(f"{name} ({seen[value]:,})" for name, value in shown)
            + (f" and {rest:,} more" if rest > 0 else "")
        )
