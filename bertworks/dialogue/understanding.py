"""From a text to acts: what an understanding is, and a simple one that needs no training.

`Keywords` knows the values of the knowledge base and lists of words. It is the fall-back where no
trained understanding is named, and says so in every trace.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Protocol

from bertworks.dialogue.acts import DONT_CARE, THIS, Act, Heard
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge import Knowledge
from bertworks.dialogue.meaning import meaning
from bertworks.dialogue.state import State
from bertworks.dialogue.wording import Part, Wording

LONGEST = 2_000
"""Characters of a turn that are read; what is beyond is left out, and the trace says so."""


def says_something(text: str) -> bool:
    """Whether a text has a letter or digit: of signs and emoji alone no model can tell what is meant.

    >>> says_something("ok"), says_something("好"), says_something("!!! 👍")
    (True, True, False)
    """
    return any(one.isalnum() for one in text)


class Understanding(Protocol):
    """Understands what a user says.

    Attributes:
        name: For the trace: "keywords", or a bundle's name and version.
    """

    @property
    def name(self) -> str: ...

    def understand(self, text: str, state: State, knowledge: Knowledge) -> Sequence[Heard]:
        """The acts of a text.

        Args:
            text: What the user said, `LONGEST` characters at most; may be empty.
            state: Before this turn: what the agent asked last makes sense of short answers.
            knowledge: As it is in this turn.

        Returns:
            One act or more; `unclear` where nothing was understood.
        """
        ...


SURE, LIKELY = 0.95, 0.8
"""Confidence of what lists of words found: of a value, and of anything else."""


class Keywords:
    """Finds values of the knowledge base and words of lists in a text, the longest first.

    Args:
        domain: The dialogue's slots.
        slots: Slot to words that ask for it, or say which slot a "don't care" is of: "phone number".
        values: Slot to value to other words for it: {"area": {"centre": ["center", "downtown"]}}.
        own: Replaces lists of `wording.INTENTS` and `wording.CUES` key by key.
        orders: Informable slot to its values from the least to the most.

    Attributes:
        wording: All its phrases.
    """

    name = "keywords"

    def __init__(
        self,
        domain: Domain,
        slots: Mapping[str, Sequence[str]] | None = None,
        values: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
        own: Mapping[str, Sequence[str]] | None = None,
        orders: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._domain = domain
        self.wording = Wording(domain, slots, values, own, orders)

    def understand(self, text: str, state: State, knowledge: Knowledge) -> Sequence[Heard]:
        """See `Understanding.understand`."""
        if (answer := _answered(text, state, knowledge)) is not None:
            return (Heard(answer, SURE),)
        reading = self.wording.read(text, knowledge)
        found = meaning(reading, self.wording, state, knowledge)
        acts = list(found.acts)
        asks = [one.slot for one in state.said if one.intent in ("ask", "confirm")]
        if found.denies and not any(one.intent == "deny" for one in acts):
            acts.insert(0, Act("negate"))
        if found.anything:
            free = self._any_of(reading.parts, found.anything) or ([THIS] if asks else [])
            acts += [Act("inform", slot, DONT_CARE) for slot in free]
        said = {one.slot for one in acts}
        acts += [
            Act("request", part.name)
            for part in reading.parts
            if part.kind == "slot"
            and part.name in self._domain.told
            and part.name not in said
            and part.name not in asks
        ]
        acts = _settled(acts)
        if not acts:
            return (Heard(Act("unclear"), 1.0),)
        return tuple(
            Heard(one, SURE if one.value and one.value != DONT_CARE else LIKELY)
            for one in dict.fromkeys(acts)
        )

    def _any_of(self, parts: Sequence[Part], anything: Sequence[int]) -> list[str]:
        """The slots that a "don't care" goes with: those behind it, else those before it."""
        kept: list[str] = []
        for place in anything:
            behind = list(itertools.takewhile(self._is_slot, parts[place + 1 :]))
            before = list(itertools.takewhile(self._is_slot, reversed(parts[:place])))
            kept += [one.name for one in behind or before]
        return list(dict.fromkeys(kept))

    def _is_slot(self, part: Part) -> bool:
        return part.kind == "slot" and part.name in self._domain.informable


def _answered(text: str, state: State, knowledge: Knowledge) -> Act | None:
    """The value that a text is of the slot that was asked for, whatever else such words say: "no"."""
    for one in state.said:
        if one.intent == "ask" and (value := knowledge.spoken(one.slot, text)):
            return Act("inform", one.slot, value)
    return None


def _settled(acts: Sequence[Act]) -> list[Act]:
    """Without what contradicts itself: "no, thanks" is a goodbye, "no, another one" wants another."""
    intents = {one.intent for one in acts}
    drop = set()
    if intents & {"another", "inform", "deny"}:
        drop |= {"greet"}
    if "another" in intents or "bye" in intents:
        drop |= {"negate", "affirm"}
    if intents & {"inform", "deny", "request", "another"}:
        drop |= {"bye"}  # "I'd like the phone number, thanks"
    return [one for one in acts if one.intent not in drop]
