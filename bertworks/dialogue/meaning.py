"""How the values of a text are meant: wished for, not wanted, compared, corrected, or asked about.

A value's words say what it is; the words beside it say what of it (`wording.CUES`). What is read here is
the same whoever found the value, a trained agent or lists of words.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from bertworks.dialogue.acts import DONT_CARE, Act
from bertworks.dialogue.knowledge import Knowledge, normal
from bertworks.dialogue.state import State
from bertworks.dialogue.wording import Part, Reading, Wording

DENIES = ("not", "without", "non", "nothing", "is_not")
"""Cues that say of a value that it is not wanted."""
_COMPARES = ("less", "more", "least", "most")
_NEAR = 1
"""Words between a comparing word and the value that it goes with: "not so very expensive"."""


@dataclass
class Meaning:
    """What a text says.

    Attributes:
        acts: Of its values and intents, in its order; "don't care" and questions for columns apart.
        told: Slots of which more is said than that their values are wished for, one each.
        denies: It says no, of no value.
        corrects: It corrects what was said before.
        anything: Places of the parts that say that anything will do.
    """

    acts: list[Act] = field(default_factory=list)
    told: set[str] = field(default_factory=set)
    denies: bool = False
    corrects: bool = False
    anything: tuple[int, ...] = ()


def meaning(reading: Reading, wording: Wording, state: State, knowledge: Knowledge) -> Meaning:
    """What a text says of its values.

    Args:
        reading: The text.
        wording: Whose phrases were read.
        state: Before this turn: what is offered may be asked about, and compared with.
        knowledge: As it is in this turn.
    """
    return _Reader(reading, wording, state, knowledge).read()


class _Reader:
    """Goes through a text's parts."""

    def __init__(
        self, reading: Reading, wording: Wording, state: State, knowledge: Knowledge
    ) -> None:
        self._reading, self._parts, self._wording = reading, reading.parts, wording
        self._state, self._knowledge = state, knowledge
        self._found = Meaning()
        self._mood: Part | None = None
        """The cue that tells how the next value is meant."""
        self._about = self._corrected = False
        self._asked = self._asked_of_names()

    def read(self) -> Meaning:
        place = 0
        while place < len(self._parts):
            part = self._parts[place]
            if part.sign:
                self._ends()
            if part.kind == "value":
                place = self._values(place)
                continue
            if part.kind == "cue":
                self._cue(place)
            elif part.kind == "intent" and part.name != "dontcare":
                self._found.acts.append(Act(part.name))
            elif part.kind == "slot" and self._mood and self._near(part, 0):
                acts = self._compared(self._mood.name, part.name, "")
                self._say(part.name, acts, told=bool(acts))
                self._mood = None if acts else self._mood
            place += 1
        self._ends()
        self._found.denies = self._found.denies and not self._found.corrects
        self._found.anything = tuple(self._anything())
        return self._found

    def _anything(self) -> Iterator[int]:
        """What says that anything will do: "any", but not in "I don't want any", "I don't mind thai"."""
        for place, part in enumerate(self._parts):
            if (part.kind, part.name) != ("intent", "dontcare"):
                continue
            before, after = self._parts[:place][-1:], self._parts[place + 1 :][:1]
            denied = any(one.name in DENIES and one.end == part.start for one in before)
            valued = any(one.kind == "value" and not one.sign for one in after)
            if not denied and not (valued and part.words in self._wording.concedes):
                yield place

    def _asked_of_names(self) -> set[int]:
        """Places of names that a question is about, and of values that it asks for of them.

        These are those of the name's clause, and what follows in the sentence.
        """
        found: set[int] = set()
        for place, part in enumerate(self._parts):
            if part.kind != "value" or part.name != self._knowledge.domain.key:
                continue
            first = place
            while first and not self._parts[first].sign and not self._turns(self._parts[first - 1]):
                first -= 1
            others = any(one.name in (*DENIES, "another") for one in self._parts[first:place])
            opens = part.start - 1 in self._reading.asking  # "isn't Golden Lantern cheap"
            if not self._reading.asks_of(part) or (others and not opens):
                continue
            onward = itertools.takewhile(
                lambda at: (
                    self._parts[at].sign not in (".", "?") and not self._turns(self._parts[at])
                ),
                range(place + 1, len(self._parts)),
            )
            found |= {*range(first, place + 1), *onward}
        return found

    def _turns(self, part: Part) -> bool:
        return part.kind == "cue" and part.name in ("but", "correct")

    def _ends(self) -> None:
        """A clause ends; a "no" that found no value in it says no."""
        self._found.denies |= self._mood is not None and self._mood.name == "not"
        self._mood, self._about = None, False

    def _cue(self, place: int) -> None:
        part = self._parts[place]
        if part.name == "correct":
            self._mood, self._corrected, self._found.corrects = None, True, True
        elif part.name == "but":
            self._ends()
        elif part.name == "about":
            self._about = bool(self._state.offered)
        elif part.name == "is_not" and self._denies_before(place):
            return
        elif part.name in (*DENIES, *_COMPARES):
            self._mood = part

    def _denies_before(self, place: int) -> bool:
        """ "chinese is not what I want": of the value before, where none follows in the clause."""
        part, before = self._parts[place], self._parts[place - 1] if place else None
        after = self._parts[place + 1] if place + 1 < len(self._parts) else None
        if part.sign or before is None or before.end != part.start or not self._found.acts:
            return False
        if after is not None and after.kind == "value" and not after.sign:
            return False
        last = self._found.acts[-1]
        if before.kind not in ("value", "slot") or last.intent != "inform":
            return False
        self._found.acts[-1] = Act("deny", last.slot, last.value)
        self._found.told.add(last.slot)
        return True

    def _values(self, place: int) -> int:
        """Says a slot's values that stand together; returns the place behind them."""
        run, joined = self._run(place)
        first = self._parts[place]
        mood, slot = self._mood, first.name
        acts: list[Act] = []
        asked = place in self._asked
        about = self._about or asked
        for number, part in enumerate(run):
            named = mood.name if mood and (not number or joined) and not asked else ""
            if about and slot != self._knowledge.domain.key:
                acts.append(Act("request", slot))
            elif part.degree or (named in _COMPARES and self._near(first, _NEAR)):
                acts += self._compared(part.degree or named, slot, part.value) or [
                    self._uncompared(part.degree or named, slot, part.value)
                ]
            elif named in DENIES and self._refuses(mood, part, joined):
                acts.append(Act("deny", slot, part.value))
            else:
                acts.append(Act("inform", slot, part.value))
        plain = [Act("inform", slot, first.value)]
        told = acts != plain or bool(first.degree) or asked
        self._say(slot, acts, told=told)
        behind = self._parts.index(run[-1]) + 1
        after = self._parts[behind] if behind < len(self._parts) else None
        if (
            after is None or after.name != "or" or after.sign in (".", "?")
        ):  # "no chinese or expensive"
            self._mood = None
        return behind

    def _run(self, place: int) -> tuple[list[Part], bool]:
        """Values of one slot with nothing between but commas, "or" and the slot's name.

        Returns:
            They, and whether they belong together: "not north or south", "not north, south".
        """
        found, slot = [self._parts[place]], self._parts[place].name
        joined = pending = False
        for part in self._parts[place + 1 :]:
            if part.sign in (".", "?"):
                break
            if part.kind == "cue" and part.name in ("or", "and"):
                pending = True
            elif part.kind == "value" and part.name == slot:
                found.append(part)
                joined, pending = pending, False
            elif part.kind != "slot" or part.name != slot:
                break
        return found, joined

    def _say(self, slot: str, acts: list[Act], *, told: bool) -> None:
        if acts and self._corrected:  # What was named before in this turn was a slip.
            wished = [one for one in self._found.acts if one.intent == "inform"]
            self._found.acts = [
                one for one in self._found.acts if one not in wished or one.slot != slot
            ]
            told = True
        self._found.acts += [one for one in acts if one not in self._found.acts]
        if told:
            self._found.told.add(slot)

    def _near(self, part: Part, words: int) -> bool:
        return self._mood is not None and part.start - self._mood.end <= words

    def _refuses(self, mood: Part | None, part: Part, joined: bool) -> bool:
        """Whether a cue denies a value; "nothing cheap?" asks for it.

        Nor does the "no" of an answer deny it: "no south", where another area was understood.
        """
        if mood is None or (mood.name == "nothing" and self._reading.asks(part)):
            return False
        if mood.name == "non" and not joined and part.start > mood.end:  # "non smoking, cheap"
            return False
        if joined or mood.words not in self._wording.answers:
            return True
        known, offered = self._state.belief(part.name).value, self._offered(part.name)
        return known in ("", DONT_CARE, part.value) or offered == part.value

    def _offered(self, slot: str) -> str:
        return normal(self._knowledge.value(self._state.offered, slot))

    def _compared(self, degree: str, slot: str, value: str) -> list[Act]:
        """Wishes for what is beyond what is compared with, the nearest first; none without an order."""
        if degree not in _COMPARES or slot not in self._knowledge.domain.informable:
            return []
        order = self._wording.order(slot, self._knowledge)
        if len(order) < 2 or (value and value not in order):
            return []
        rises = degree in ("more", "most")
        counts = self._wording.counts(slot)
        if value and not counts:  # More of what is little is less: "cheaper".
            twice = 2 * order.index(value) - (len(order) - 1)
            if not twice:
                return []
            rises = rises == (twice > 0)
        onward = order if rises else order[::-1]
        if degree in ("least", "most"):
            return [Act("inform", slot, onward[-1])]
        against = value if value and counts else self._present(slot)
        if against not in order:
            against = value if degree == "less" else ""
        if not against:
            return []
        beyond = onward[onward.index(against) + 1 :] or onward[-1:]
        return [Act("inform", slot, one) for one in beyond]

    def _present(self, slot: str) -> str:
        """What the user compares with: what the offer has, else what they wished for."""
        return self._offered(slot) or self._state.belief(slot).value

    def _uncompared(self, degree: str, slot: str, value: str) -> Act:
        """Without an order, or without anything to compare with."""
        return Act("deny" if degree in ("less", "least") else "inform", slot, value)
