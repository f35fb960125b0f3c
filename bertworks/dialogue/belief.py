"""What the user wants in one slot, as far as it was understood.

The "focus" tracker of the second Dialog State Tracking Challenge (Henderson, Thomson and Williams 2014,
section 5): what was heard in a turn is believed as much as the understanding is sure of it, and what was
believed before keeps the rest. A correction replaces by itself; one word that was misheard does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

BELIEVED = 0.3
"""A value counts as said from this probability on."""
_KEPT = 5
_LEAST = 0.01


@dataclass(frozen=True, slots=True)
class Belief:
    """Values of a slot with their probabilities; what they lack to 1 is that none was said.

    Attributes:
        values: (value, probability), the most probable first.
        confirmed: The value that the user said yes to; "" where there is none.
        asked: How often the slot was asked for.
        unwanted: Values that the user has said not to want, and has not asked for since.
        also: Values that do as well as the most probable one: "north or south".
    """

    values: tuple[tuple[str, float], ...] = ()
    confirmed: str = ""
    asked: int = 0
    unwanted: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    @property
    def value(self) -> str:
        """What counts as said; "" for nothing."""
        return self.values[0][0] if self.values and self.values[0][1] >= BELIEVED else ""

    @property
    def probability(self) -> float:
        """Of the most probable value."""
        return self.values[0][1] if self.values else 0.0

    @property
    def wanted(self) -> tuple[str, ...]:
        """All values of which any will do, the one that counts as said first; none where none does."""
        return (self.value, *self.also) if self.value else ()

    @property
    def sure(self) -> bool:
        """Whether what counts as said was confirmed."""
        return bool(self.value) and self.value == self.confirmed

    def heard(self, value: str, confidence: float, also: tuple[str, ...] = ()) -> Belief:
        """After the user said a value, with the understanding so sure of it.

        Args:
            value: It.
            confidence: 0 to 1.
            also: What they said to take as well.
        """
        kept = {one: share * (1 - confidence) for one, share in self.values}
        kept[value] = kept.get(value, 0.0) + confidence
        unwanted = tuple(one for one in self.unwanted if one not in (value, *also))
        found = replace(self, unwanted=unwanted)._of(kept)
        top = found.values[0][0] if found.values else ""
        if top == value:
            return replace(found, also=also)
        return found if top == self.value else replace(found, also=())

    def denied(self, value: str, confidence: float) -> Belief:
        """After the user said that it is not this value; what does as well takes its place."""
        kept = dict(self.values)
        if value in kept:
            kept[value] *= 1 - confidence
        also = self.also
        if also and value in self.wanted and confidence >= BELIEVED:
            first, *others = [one for one in self.wanted if one != value]
            kept[first] = max(kept.get(first, 0.0), self.probability)
            also = tuple(others)
        found = replace(self, also=also)._of(kept)
        return replace(found, confirmed="") if self.confirmed == value else found

    def refused(self, value: str, confidence: float) -> Belief:
        """After the user said not to want this value."""
        found = self.denied(value, confidence)
        if confidence < BELIEVED or value in self.unwanted:
            return found
        return replace(found, unwanted=(*self.unwanted, value))

    def affirmed(self, value: str, confidence: float) -> Belief:
        """After the user said yes to a value that was read to them."""
        found = self.heard(value, confidence)
        return replace(found, confirmed=value) if confidence >= BELIEVED else found

    def _of(self, kept: Mapping[str, float]) -> Belief:
        ordered = sorted(kept.items(), key=lambda one: (-one[1], one[0]))
        values = tuple(one for one in ordered if one[1] >= _LEAST)[:_KEPT]
        return replace(self, values=values)

    def to_json(self) -> dict[str, Any]:
        """{"values": [[value, probability], ...], "confirmed": "", "asked": 0}; "unwanted", "also"."""
        return {
            "values": [list(one) for one in self.values],
            "confirmed": self.confirmed,
            "asked": self.asked,
            **({"unwanted": list(self.unwanted)} if self.unwanted else {}),
            **({"also": list(self.also)} if self.also else {}),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Belief:
        """Reads what `to_json` wrote."""
        values = tuple((str(one), float(share)) for one, share in record["values"])
        unwanted = tuple(map(str, record.get("unwanted", ())))
        also = tuple(map(str, record.get("also", ())))
        return cls(values, str(record["confirmed"]), int(record["asked"]), unwanted, also)
