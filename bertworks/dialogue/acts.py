"""Dialogue acts: an intent, and where it has them a slot and a value (Young 2007, CUED's act scheme).

inform(food=chinese)    request(phone)    affirm()    offer(name=curry garden)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from bertworks.errors import DataError

DONT_CARE = "dontcare"
"""The value of a slot for which the user takes anything."""
THIS = "this"
"""The slot of a value that answers the last question: "I don't mind"."""
UNSURE = 0.3
"""Below this confidence an act counts as not understood."""


class Shape(NamedTuple):
    """What an intent comes with."""

    slot: bool
    value: bool


USER: Mapping[str, Shape] = {
    "inform": Shape(True, True),
    "deny": Shape(True, True),  # "not chinese"
    "request": Shape(True, False),
    "affirm": Shape(False, False),
    "negate": Shape(False, False),
    "another": Shape(False, False),  # something else than what was offered
    "greet": Shape(False, False),
    "bye": Shape(False, False),
    "unclear": Shape(False, False),  # nothing that belongs here was understood
}
SYSTEM: Mapping[str, Shape] = {
    "ask": Shape(True, False),
    "confirm": Shape(True, True),
    "offer": Shape(True, True),
    "inform": Shape(True, True),
    "unknown": Shape(True, False),  # the knowledge base has no value there
    "no_offer": Shape(True, True),  # nothing fits this, together with its neighbours
    "unlisted": Shape(True, False),  # no entity has what the user named there
    "no_other": Shape(True, True),  # nothing else fits than this
    "gone": Shape(True, True),  # what was offered is not in the knowledge base any more
    "quote": Shape(True, True),  # a document answers what the flow does not know
    "again": Shape(False, False),
    "greet": Shape(False, False),
    "bye": Shape(False, False),
}
_SHAPES = {**SYSTEM, **USER}


@dataclass(frozen=True, slots=True, order=True)
class Act:
    """One dialogue act.

    >>> str(Act("inform", "food", "chinese")), str(Act("bye"))
    ('inform(food=chinese)', 'bye()')

    Attributes:
        intent: One of `USER` or `SYSTEM`.
        slot: A column of the knowledge base, or `THIS`; empty where the intent has none.
        value: Likewise.
    """

    intent: str
    slot: str = ""
    value: str = ""

    def __str__(self) -> str:
        value = f"={self.value}" if self.value else ""
        return f"{self.intent}({self.slot}{value})"

    def to_json(self) -> list[str]:
        """[intent, slot, value], without empty ends."""
        parts = [self.intent, self.slot, self.value]
        while len(parts) > 1 and not parts[-1]:
            parts.pop()
        return parts

    @classmethod
    def from_json(cls, record: Any, shown: str = "act") -> Act:
        """Reads what `to_json` wrote, or a mapping with the same names.

        Args:
            record: A list or a mapping.
            shown: What it is called in messages.

        Raises:
            DataError: It is neither, or has not the slot and value that its intent wants.
        """
        if isinstance(record, Mapping):
            if unknown := sorted(set(map(str, record)) - {"intent", "slot", "value"}):
                raise DataError(
                    f"{shown}: an act has intent, slot and value. Received: {', '.join(unknown)}.",
                    'Write for example {"intent": "inform", "slot": "food", "value": "chinese"}.',
                )
            parts = [record.get(name, "") for name in ("intent", "slot", "value")]
        elif isinstance(record, list | tuple) and 1 <= len(record) <= 3:
            parts = [*record, "", ""][:3]
        else:
            parts = [record, "", ""] if isinstance(record, str) else [None]
        if not all(isinstance(one, str) for one in parts) or len(parts) != 3:
            raise DataError(
                f"{shown}: an act is a list of one to three texts. Received: {record!r:.80}",
                'Write for example ["inform", "food", "chinese"].',
            )
        return checked(cls(*parts), shown)


def checked(act: Act, shown: str = "act") -> Act:
    """The act, where it has what its intent comes with.

    Raises:
        DataError: An unknown intent, or a slot or value too few or too many.
    """
    shape = _SHAPES.get(act.intent)
    if shape is None:
        raise DataError(
            f"{shown}: there is no intent {act.intent!r:.40}.", f"Use one of {', '.join(_SHAPES)}."
        )
    for name, wanted in shape._asdict().items():
        if bool(getattr(act, name)) != wanted:
            has = "needs a" if wanted else "has no"
            raise DataError(
                f"{shown}: {act.intent} {has} {name}. Received: {act!s:.80}",
                f"Write for example {_example(act.intent, shape)}.",
            )
    return act


@dataclass(frozen=True, slots=True)
class Heard:
    """An act of the user's as it was understood.

    Attributes:
        act: The act.
        confidence: How sure the understanding is, 0 to 1.
    """

    act: Act
    confidence: float = 1.0

    def to_json(self) -> dict[str, Any]:
        """{"act": [...], "confidence": 0.9}"""
        return {"act": self.act.to_json(), "confidence": self.confidence}

    @classmethod
    def from_json(cls, record: Any, shown: str = "act") -> Heard:
        """Reads what `to_json` wrote; a bare act is certain.

        Raises:
            DataError: See `Act.from_json`; keys beside `act` that are not read; no intent of a user's;
                or a confidence outside of 0 to 1.
        """
        confidence: Any = 1.0
        if isinstance(record, Mapping) and "act" in record:
            if unknown := sorted(set(map(str, record)) - {"act", "confidence"}):
                raise DataError(
                    f"{shown}: beside `act` stands `confidence` alone; the act's slot and value stand "
                    f"in `act` itself. Received beside it: {', '.join(unknown):.80}",
                    'Write for example {"act": ["inform", "food", "chinese"], "confidence": 0.9}.',
                )
            confidence, record = record.get("confidence", 1.0), record["act"]
        act = Act.from_json(record, shown)
        if act.intent not in USER:
            raise DataError(
                f"{shown}: {act.intent} is an act of the agent's, not of the user's.",
                f"Use one of {', '.join(USER)}.",
            )
        number = isinstance(confidence, int | float) and not isinstance(confidence, bool)
        if not number or not 0 <= confidence <= 1:
            raise DataError(
                f"{shown}: `confidence` must be a number from 0 to 1. Received: {confidence!r:.40}",
                "Leave it out where the act is certain.",
            )
        return cls(act, float(confidence))


def not_understood(heard: Sequence[Heard], least: float = UNSURE) -> bool:
    """Whether nothing was understood that belongs to the dialogue, or nothing with that confidence."""
    return all(one.act.intent == "unclear" or one.confidence < least for one in heard)


def _example(intent: str, shape: Shape) -> str:
    parts = [intent, *(["food"] if shape.slot else []), *(["chinese"] if shape.value else [])]
    return str(parts).replace("'", '"')
