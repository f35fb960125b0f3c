"""A knowledge base as it was at one moment: what it holds never changes."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from bertworks.dialogue.acts import DONT_CARE
from bertworks.dialogue.domain import Domain
from bertworks.errors import DataError
from bertworks.text.scripts import CHINESE

Entity = Mapping[str, str]
"""Column to value; an empty value is one that is not known."""


_HALF = {
    full: full - 0xFEE0
    for first, last in (("０", "９"), ("Ａ", "Ｚ"), ("ａ", "ｚ"), ("－", "．"))
    for full in range(ord(first), ord(last) + 1)
}
"""Full-width digits, letters, hyphen and point, as East Asian keyboards have them, to the plain ones."""
_WORD = re.compile(  # a Chinese character is a word, and so are "c++", "c#", "$$" and "5*"
    rf"[{CHINESE}]|(?:(?![{CHINESE}])[\w\u0300-\u036f\u0900-\u0963])+[+#*]*|[$€£¥*]+"
)
_SIGNS = {
    "?": re.compile("[?？؟]"),
    ".": re.compile(r"[.;:!…。；：！।]|\s[-–—]+\s"),
    ",": re.compile("[,，、،]"),
}


@lru_cache(maxsize=100_000)
def normal(value: str) -> str:
    """A value as it is compared: composed (NFC), without case or full width, and with single spaces."""
    return " ".join(unicodedata.normalize("NFC", value).translate(_HALF).casefold().split())


@lru_cache(maxsize=100_000)
def words(text: str) -> tuple[str, ...]:
    """The words of a text, small."""
    return tuple(_WORD.findall(normal(text)))


def clauses(text: str) -> tuple[tuple[str, ...], dict[int, str]]:
    """The words of a text, and where a sign parts them.

    Returns:
        Its `words`; and place to sign: "," where a comma stands before the word there, "?" and "." where
        a stronger sign does. The place behind the last word may have one, too.
    """
    found = [*_WORD.finditer(whole := normal(text))]
    starts = [one.start() for one in found[1:]] + [len(whole)]
    signs = {}
    for place, (before, start) in enumerate(zip(found, starts, strict=bool(found)), 1):
        between = whole[before.end() : start]
        for sign, pattern in _SIGNS.items():
            if pattern.search(between):
                signs[place] = sign
                break
    return tuple(one.group() for one in found), signs


@dataclass(frozen=True)
class Line:
    """A row of a file, for messages.

    Attributes:
        where: "restaurants.csv:12".
        values: Column to value.
    """

    where: str
    values: Entity


class Knowledge:
    """Entities and an index over what they can be chosen by.

    A query is a bit for each entity, so that one over thousands takes microseconds.

    Args:
        domain: Its columns.
        rows: The entities, in their order.
        shown: The file's name in messages.

    Raises:
        DataError: A row without a key, two of one key, a value that has a meaning of its own, that
            nobody can say or that differs from another one in signs alone, or no rows at all.

    Attributes:
        domain: As given.
        entities: In the order of the file.
        digest: Of all that is in it: 16 hex digits.
    """

    def __init__(self, domain: Domain, rows: Sequence[Line], shown: str = "knowledge base") -> None:
        if not rows:
            raise DataError(f"{shown} has no rows.", "Give a knowledge base with entities in it.")
        self.domain = domain
        self.entities: tuple[Entity, ...] = tuple(dict(one.values) for one in rows)
        self._by_key: dict[str, int] = {}
        self._spoken: dict[tuple[str, tuple[str, ...]], tuple[str, str]] = {}
        self._index: dict[str, dict[str, int]] = {slot: {} for slot in domain.informable}
        for place, row in enumerate(rows):
            self._add(place, row, rows)
        self._all = (1 << len(rows)) - 1
        self._values = {
            column: tuple({normal(one[column]): one[column] for one in self.entities}.values())
            for column in domain.columns
        }
        text = json.dumps([domain.columns, *(list(one.items()) for one in self.entities)])
        self.digest = hashlib.sha256(text.encode()).hexdigest()[:16]

    def _add(self, place: int, row: Line, rows: Sequence[Line]) -> None:
        key = normal(row.values[self.domain.key])
        if not key:
            raise DataError(
                f"{row.where}: `{self.domain.key}` is empty, or a word for that (none, null, nan, n/a, "
                f"?), and names the {self.domain.entity}.",
                "Give each row a name of its own, or name another column as `key`.",
            )
        if key in self._by_key:
            raise DataError(
                f"{row.where}: `{self.domain.key}` must differ in every row, and "
                f"{rows[self._by_key[key]].where} has the same. "
                f"Received: {row.values[self.domain.key]!r:.80}",
                "Take one of the rows out, or name a column as `key` in which no two are alike.",
            )
        self._by_key[key] = place
        for column in self.domain.columns:
            if normal(row.values[column]) == DONT_CARE:
                raise DataError(
                    f"{row.where}: `{column}` may not be {DONT_CARE!r}, which stands for any value.",
                    "Leave the cell empty where the value is not known.",
                )
        for slot, index in self._index.items():
            if value := normal(row.values[slot]):
                index[value] = index.get(value, 0) | 1 << place
        for column in (self.domain.key, *self.domain.informable):
            self._told_apart(column, row)

    def _told_apart(self, column: str, row: Line) -> None:
        """Refuses a value that cannot be heard, or not be told from another one."""
        value = normal(row.values[column])
        if not value:
            return
        parts = words(value)
        if not parts:
            raise DataError(
                f"{row.where}: `{column}` has no letter or digit, so nobody can say it. "
                f"Received: {row.values[column]!r:.80}",
                "Write it in words, or leave the cell empty where the value is not known.",
            )
        other, where = self._spoken.setdefault((column, parts), (value, row.where))
        if other != value:
            raise DataError(
                f"{row.where}: `{column}` differs from that of {where} in signs alone, which are not "
                f"heard. Received: {row.values[column]!r:.80} and {other!r:.80}",
                "Write them in words that differ, or both in one way.",
            )

    def __len__(self) -> int:
        return len(self.entities)

    def entity(self, key: str) -> Entity | None:
        """The entity of a key; None where there is none."""
        place = self._by_key.get(normal(key))
        return None if place is None else self.entities[place]

    def value(self, key: str, slot: str) -> str:
        """A value as the file writes it; "" where the entity, the column or the value is not known."""
        found = self.entity(key)
        return found.get(slot, "") if found is not None else ""

    def values(self, column: str) -> tuple[str, ...]:
        """The values of a column, each once, as they are first written; without the empty one."""
        return tuple(one for one in self._values.get(column, ()) if normal(one))

    def spoken(self, column: str, text: str) -> str:
        """The value that a text is by its words, of the key's or an informable column; "" for none."""
        return self._spoken.get((column, words(text)), ("", ""))[0]

    def is_value(self, column: str, value: str) -> bool:
        """Whether an entity has this value there."""
        if column in self._index:
            return normal(value) in self._index[column]
        if column == self.domain.key:
            return normal(value) in self._by_key
        return any(normal(value) == normal(one) for one in self.values(column))

    def matching(
        self, constraints: Mapping[str, str], also: Mapping[str, Sequence[str]] | None = None
    ) -> int:
        """A bit for each entity that meets all constraints.

        Args:
            constraints: Slot to value; `DONT_CARE` and the key's column may be among them.
            also: Informable slot to values that do as well as that of `constraints`.
        """
        found = self._all
        for slot, value in constraints.items():
            if value == DONT_CARE:
                continue
            if slot == self.domain.key:
                place = self._by_key.get(normal(value))
                found &= 0 if place is None else 1 << place
            else:
                found &= self.having({slot: (value, *(also or {}).get(slot, ()))})
        return found

    def having(self, values: Mapping[str, Sequence[str]]) -> int:
        """A bit for each entity that has one of these values: informable slot to values."""
        found = 0
        for slot, some in values.items():
            for value in some:
                found |= self._index[slot].get(normal(value), 0)
        return found

    def bits(self, keys: Sequence[str]) -> int:
        """A bit for each of these entities that there is."""
        places = (self._by_key.get(normal(key)) for key in keys)
        return sum(1 << place for place in set(places) if place is not None)

    def fits(
        self,
        key: str,
        constraints: Mapping[str, str],
        also: Mapping[str, Sequence[str]] | None = None,
    ) -> bool:
        """Whether an entity is there and meets all constraints; see `matching`."""
        return bool(self.bits([key]) & self.matching(constraints, also))

    def of(self, bits: int) -> Iterator[Entity]:
        """The entities of a query, in the order of the file."""
        while bits:
            lowest = bits & -bits
            yield self.entities[lowest.bit_length() - 1]
            bits ^= lowest

    def spread(self, bits: int, slot: str) -> int:
        """How many different values the entities of a query have in an informable slot."""
        return sum(1 for found in self._index[slot].values() if found & bits)
