"""Values of a knowledge base in a text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from bertworks.dialogue.knowledge import Knowledge, words

_starts: WeakKeyDictionary[Knowledge, dict[str, list[tuple[str, tuple[str, ...]]]]] = (
    WeakKeyDictionary()
)


@dataclass(frozen=True)
class Reading:
    """A text read for values, from left to right, at each place the longest one.

    Attributes:
        values: (column, value) in the order of the text; no column where one was only expected.
        rest: The words that belong to none.
    """

    values: tuple[tuple[str, str], ...]
    rest: tuple[str, ...]


def read_values(text: str, knowledge: Knowledge, expected: Iterable[str] = ()) -> Reading:
    """The values in a text.

    The longest counts: "modern european" does not say "european".

    Args:
        text: As it was said.
        knowledge: Whose values. Names of one word are passed over unless expected: a restaurant called
            "ask" stands in many sentences.
        expected: More values to look for.
    """
    starts, said = _of(knowledge), words(text)
    wanted = [("", words(one)) for one in set(expected)]
    found, rest, place = [], [], 0
    while place < len(said):
        known = [*starts.get(said[place], ()), *wanted]
        here = [one for one in known if one[1] and said[place : place + len(one[1])] == one[1]]
        if here:
            longest = max(here, key=lambda one: len(one[1]))
            found.append((longest[0], " ".join(longest[1])))
            place += len(longest[1])
        else:
            rest.append(said[place])
            place += 1
    return Reading(tuple(found), tuple(rest))


def _of(knowledge: Knowledge) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
    """First word to the values that begin with it."""
    if knowledge not in _starts:
        starts: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
        for column in knowledge.domain.columns:
            for value in knowledge.values(column):
                parts = words(value)
                if parts and not (column == knowledge.domain.key and len(parts) == 1):
                    starts.setdefault(parts[0], []).append((column, parts))
        _starts[knowledge] = starts
    return _starts[knowledge]
