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

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bertworks.dialogue.acts import DONT_CARE, THIS, USER, Act, Heard
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge import Knowledge, normal
from bertworks.dialogue.state import State
from bertworks.dialogue.understanding import says_something
from bertworks.tasks.understanding.frames import Frame, frame_of

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
            if slot.name in (self._domain.key, *self._domain.informable):
                intent = DENY if frame.intent == DENY else "inform"
                value = self._said.get((slot.name, normal(slot.value)), normal(slot.value))
                yield Act(intent, slot.name, value), slot.score
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


class Learned(Hearing):
    """Understands turns by a trained agent.

    Args:
        agent: It.
        name: For the trace: its name and version.
        domain: See `Hearing`.
        values: Likewise.
        context: Whether the agent also reads what was said before the turn: the answer to the last one.
    """

    def __init__(
        self,
        agent: Answering,
        name: str,
        domain: Domain,
        values: Mapping[str, Mapping[str, Sequence[str]]] | None = None,
        *,
        context: bool = False,
    ) -> None:
        super().__init__(domain, values)
        self._agent, self.name, self._context = agent, name, context

    def understand(self, text: str, state: State, knowledge: Knowledge) -> Sequence[Heard]:
        """See `Understanding.understand`."""
        if not says_something(text):
            return (Heard(Act("unclear")),)
        (answer,) = self._agent.predict([(text, state.answer) if self._context else text])
        return self.heard(frame_of(answer))
