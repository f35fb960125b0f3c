"""From a trained agent's frames to acts: an `understanding.Understanding` of task `understanding`.

What an agent's intents and slots are called says what they become:

    intent                                 acts
    inform, and any other                  inform(slot=value) of each slot that is filled
    deny                                   deny(slot=value) instead; negate where no slot is filled
    dontcare                               inform(COLUMN=dontcare) of each column that is mentioned, else
                                           inform(this=dontcare)
    affirm, negate, another, greet, bye    that act beside them; thank: bye where nothing else was said
    slot mention.COLUMN                    request(COLUMN)

A column is mentioned by words for it ("phone number"), which `data.utterances` tags so. Turns that are
out of scope, those of which nothing is left, and those without a letter or digit are `unclear`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bertworks.dialogue.acts import DONT_CARE, THIS, USER, Act, Heard
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge import Knowledge, normal, words
from bertworks.dialogue.meaning import DENIES, meaning
from bertworks.dialogue.state import State
from bertworks.dialogue.understanding import LIKELY, Keywords, says_something
from bertworks.dialogue.wording import Part, Reading
from bertworks.tasks.understanding.frames import Frame, Slot, frame_of

if TYPE_CHECKING:
    from bertworks.tasks.forms.form import Row

MENTION = "mention."
"""Begins the slots of words that name a column without a value."""
DENY, FREE, THANK = "deny", "dontcare", "thank"
_BARE = tuple(intent for intent, shape in USER.items() if not shape.slot and intent != "unclear")


class Answering(Protocol):
    """What answers turns: `bertworks.runtime.agent.Agent` of task `understanding`."""

    def predict(self, rows: Sequence[Row]) -> Sequence[Mapping[str, Any]]: ...


class Hearing:
    """Makes acts of frames, of understood ones as of labelled ones.

    Args:
        domain: The dialogue's slots; what else a frame has is left out.
        values: Slot to value to other words for it: {"area": {"centre": ["center", "downtown"]}}.
    """

    def __init__(
        self, domain: Domain, values: Mapping[str, Mapping[str, Sequence[str]]] | None = None
    ) -> None:
        self._domain = domain
        self._said = {
            (slot, normal(phrase)): normal(value)
            for slot, others in (values or {}).items()
            for value, phrases in others.items()
            for phrase in phrases
        }

    def heard(self, frame: Frame) -> tuple[Heard, ...]:
        """The acts of a frame; one or more."""
        if frame.out_of_scope:
            return (Heard(Act("unclear")),)
        found: dict[Act, float] = {}
        for act, sure in self._acts(frame):
            found[act] = max(sure, found.get(act, 0.0))
        if frame.intent == THANK and not found:
            found[Act("bye")] = frame.score
        if not found:  # "I am looking for a place to eat" begins a dialogue, as a greeting does
            found[Act("greet" if frame.intent == "inform" else "unclear")] = frame.score
        return tuple(Heard(act, min(max(sure, 0.0), 1.0)) for act, sure in found.items())

    def _acts(self, frame: Frame) -> Iterator[tuple[Act, float]]:
        mentioned = [slot for slot in frame.slots if slot.name.startswith(MENTION)]
        if frame.intent in _BARE:
            yield Act(frame.intent), frame.score
        for slot in frame.slots:
            if (act := self._value(frame, slot)) is not None:
                yield act, slot.score
        for slot in mentioned:
            column = slot.name.removeprefix(MENTION)
            if frame.intent == FREE and column in self._domain.informable:
                yield Act("inform", column, DONT_CARE), min(slot.score, frame.score)
            elif frame.intent != FREE and column in self._domain.told:
                yield Act("request", column), slot.score
        if frame.intent == FREE and not mentioned:
            yield Act("inform", THIS, DONT_CARE), frame.score
        if frame.intent == DENY and not frame.slots:
            yield Act("negate"), frame.score

    def _value(self, frame: Frame, slot: Slot) -> Act | None:
        """The act of a slot that is filled; None where the dialogue has no such slot."""
        if slot.name not in (self._domain.key, *self._domain.informable):
            return None
        value = self._said.get((slot.name, normal(slot.value)), normal(slot.value))
        return Act(DENY if frame.intent == DENY else "inform", slot.name, value)


class Learned(Hearing):
    """Understands turns by a trained agent.

    Args:
        agent: It.
        name: For the trace: its name and version.
        domain: See `Hearing`.
        values: Likewise.
        context: Whether the agent also reads what was said before the turn: the answer to the last one.
        keywords: Tell how values are meant by the words beside them, see `meaning`, and read what is
            told to be out of scope; None: a turn's intent says how all its values are meant.
    """

    def __init__(
        self,
        agent: Answering,
        name: str,
        domain: Domain,
        values: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
        *,
        context: bool = False,
        keywords: Keywords | None = None,
    ) -> None:
        super().__init__(domain, values)
        self._agent, self.name, self._context = agent, name, context
        self._keywords = keywords

    def understand(self, text: str, state: State, knowledge: Knowledge) -> Sequence[Heard]:
        """See `Understanding.understand`."""
        if not says_something(text):
            return (Heard(Act("unclear")),)
        (answer,) = self._agent.predict([(text, state.answer) if self._context else text])
        frame = frame_of(answer)
        heard = self.heard(frame)
        if self._keywords is None:
            return heard
        return self._as_worded(heard, frame, text, state, knowledge, self._keywords)

    def _as_worded(
        self,
        heard: Sequence[Heard],
        frame: Frame,
        text: str,
        state: State,
        knowledge: Knowledge,
        keywords: Keywords,
    ) -> Sequence[Heard]:
        """What was heard, each value as the words beside it say.

        One intent is learned a turn, so that "not north, south" would deny both. A turn that is told to
        be out of scope, and most of whose words are known, is taken as these say.
        """
        more = {
            words(slot.value): Part("value", act.slot, act.value)
            for slot in frame.slots
            for act in (self._value(frame, slot),)
            if act is not None
        }
        reading = keywords.wording.read(text, knowledge, more)
        if all(one.act.intent == "unclear" for one in heard):
            known = keywords.understand(text, state, knowledge)
            says = any(one.act.slot for one in known)
            says |= bool(state.offered) and any(one.act.intent == "another" for one in known)
            if (
                reading.others == 0
            ):  # nothing but words that the dialogue knows is of no other domain
                says |= any(one.act.intent in ("affirm", "negate", "bye") for one in known)
            return known if says and reading.known else heard
        found = meaning(reading, keywords.wording, state, knowledge)
        heard = [_asked_for(one, reading) for one in heard]
        sure = {
            one.act.slot: one.confidence for one in heard if one.act.value not in ("", DONT_CARE)
        }
        key = self._domain.key
        told = {
            slot
            for slot in found.told
            if slot in sure or slot == key or self._compares(reading, slot)
        }
        if frame.intent == DENY and _says_how(reading):
            told |= {one.slot for one in found.acts} & sure.keys()
        no = Act("negate")
        conceded = bool(found.acts) and not found.anything and _cares_not(reading)
        kept = [
            one
            for one in heard
            if not (one.act.value and one.act.slot in told)
            and not (one.act.value == DONT_CARE and conceded)
            and not (one.act == no and (found.corrects or told))
        ]
        new = [Heard(one, sure.get(one.slot, LIKELY)) for one in found.acts if one.slot in told]
        denies = found.denies and not any(one.act.intent == "deny" for one in new)
        first = [one for one in heard if one.act == no and denies and one not in kept]
        return [*first, *kept, *new] or heard

    def _compares(self, reading: Reading, slot: str) -> bool:
        """Whether a slot's values are compared by a word that no example of the training has."""
        return any(one.kind == "value" and one.name == slot and one.degree for one in reading.parts)


def _says_how(reading: Reading) -> bool:
    """Whether words that deny stand there, or such as look like it: "I wouldn't say no to chinese"."""
    pairs = itertools.pairwise(reading.parts)
    return any(one.name in DENIES for one in reading.parts) or any(
        one.name == "plain" and len(one.words) > 1 and after.kind == "value" and not after.sign
        for one, after in pairs
    )


def _cares_not(reading: Reading) -> bool:
    """Whether "don't care" stands there."""
    return any((one.kind, one.name) == ("intent", "dontcare") for one in reading.parts)


def _asked_for(heard: Heard, reading: Reading) -> Heard:
    """A value that is part of the words for its column is a question: "how expensive is it?"."""
    act, said = heard.act, words(heard.act.value)
    here = [one for one in reading.parts if one.name == act.slot]
    if not said or any(one.kind == "value" for one in here):
        return heard
    if any(one.kind == "slot" and set(said) < set(one.words) for one in here):
        return Heard(Act("request", act.slot), heard.confidence)
    return heard
