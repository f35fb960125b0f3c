"""From a text to acts: what an understanding is, and a simple one that needs no training.

`Keywords` knows the values of the knowledge base and lists of words. It is the fall-back where no
trained understanding is named, and says so in every trace.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from bertworks.dialogue.acts import DONT_CARE, THIS, Act, Heard
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge import Knowledge, normal, words
from bertworks.dialogue.state import State

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


ENGLISH: Mapping[str, tuple[str, ...]] = {
    "affirm": ("yes", "yeah", "yep", "right", "correct", "sure", "ok", "okay", "exactly"),
    "negate": ("no", "nope", "wrong", "not that"),
    "another": (
        "another", "another one", "anything else", "something else", "any others",
        "what else", "other options", "different one",
    ),
    "greet": ("hello", "hi", "hey", "good morning", "good evening"),
    "bye": ("bye", "goodbye", "thank you", "thanks", "that is all", "that's all", "cheers"),
    "dontcare": (
        "any", "anything", "anywhere", "do not care", "don't care", "doesn't matter",
        "does not matter", "don't mind", "do not mind", "no preference", "whatever",
    ),
    "not": ("not", "no", "other than", "anything but", "except"),
}  # fmt: skip
"""What says an intent in English. `dontcare` and `not` go with the words beside them."""

_SURE, _LIKELY = 0.95, 0.8


class Keywords:
    """Finds values of the knowledge base and words of lists in a text, the longest first.

    Args:
        domain: The dialogue's slots.
        slots: Slot to words that ask for it, or say which slot a "don't care" is of: "phone number".
        values: Slot to value to other words for it: {"area": {"centre": ["center", "downtown"]}}.
        intents: See `ENGLISH`, which it replaces key by key.
    """

    name = "keywords"

    def __init__(
        self,
        domain: Domain,
        slots: Mapping[str, Sequence[str]] | None = None,
        values: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
        intents: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        self._domain = domain
        self._lists: dict[tuple[str, ...], tuple[str, str, str]] = {}
        for intent, phrases in {**ENGLISH, **(intents or {})}.items():
            for phrase in phrases:
                self._lists[words(phrase)] = ("intent", intent, "")
        for slot in domain.columns:
            for phrase in (slot, *(slots or {}).get(slot, ())):
                self._lists[words(phrase)] = ("slot", slot, "")
        for slot, others in (values or {}).items():
            for value, phrases in others.items():
                for phrase in phrases:
                    self._lists[words(phrase)] = ("value", slot, normal(value))
        self._of: tuple[str, dict[tuple[str, ...], tuple[str, str, str]], int] = ("", {}, 0)

    def understand(self, text: str, state: State, knowledge: Knowledge) -> Sequence[Heard]:
        """See `Understanding.understand`."""
        if (answer := _answered(text, state, knowledge)) is not None:
            return (Heard(answer, _SURE),)
        found = list(self._parts(text, knowledge))
        acts: list[Act] = []
        negated, free, slots = False, False, []
        any_of = self._any_of(found)
        for kind, name, value in found:
            if kind == "value":
                acts.append(Act("deny" if negated else "inform", name, value))
                negated = False
            elif kind == "slot":
                slots.append(name)
            elif name == "dontcare":
                free = True
            elif name == "not":
                negated = True
            else:
                acts.append(Act(name))
        asks = [one.slot for one in state.said if one.intent in ("ask", "confirm")]
        if negated and not any(one.intent == "deny" for one in acts):
            acts.append(Act("negate"))
        if free:
            acts += [Act("inform", slot, DONT_CARE) for slot in any_of or ([THIS] if asks else [])]
        said = {one.slot for one in acts}
        acts += [
            Act("request", slot)
            for slot in slots
            if slot in self._domain.told and slot not in said and slot not in asks
        ]
        acts = _settled(acts)
        if not acts:
            return (Heard(Act("unclear"), 1.0),)
        return tuple(
            Heard(one, _SURE if one.value and one.value != DONT_CARE else _LIKELY)
            for one in dict.fromkeys(acts)
        )

    def _any_of(self, found: Sequence[tuple[str, str, str]]) -> list[str]:
        """The slots that a "don't care" goes with: those behind it, else those before it."""
        kept: list[str] = []
        for place, (_, name, _) in enumerate(found):
            if name != "dontcare":
                continue
            behind = list(itertools.takewhile(self._is_slot, found[place + 1 :]))
            before = list(itertools.takewhile(self._is_slot, reversed(found[:place])))
            kept += [slot for _, slot, _ in behind or before]
        return list(dict.fromkeys(kept))

    def _is_slot(self, part: tuple[str, str, str]) -> bool:
        return part[0] == "slot" and part[1] in self._domain.informable

    def _parts(self, text: str, knowledge: Knowledge) -> Iterator[tuple[str, str, str]]:
        """What is recognized, from left to right, each word once and in the longest phrase."""
        if self._of[0] != knowledge.digest:
            self._of = self._with_values(knowledge)
        _, known, longest = self._of
        said = words(text)
        place = 0
        while place < len(said):
            for length in range(min(longest, len(said) - place), 0, -1):
                if (part := known.get(said[place : place + length])) is not None:
                    yield part
                    place += length
                    break
            else:
                place += 1

    def _with_values(
        self, knowledge: Knowledge
    ) -> tuple[str, dict[tuple[str, ...], tuple[str, str, str]], int]:
        known: dict[tuple[str, ...], tuple[str, str, str]] = {}
        for slot in (self._domain.key, *self._domain.informable):
            for value in knowledge.values(slot):
                if parts := words(value):
                    known[parts] = ("value", slot, normal(value))
        known |= self._lists  # A restaurant called "any" is found by no list.
        return knowledge.digest, known, max(map(len, known))


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
