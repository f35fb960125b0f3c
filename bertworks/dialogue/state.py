"""What is known after a turn: a value that a dialogue can go on from, on any machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from bertworks.dialogue.acts import DONT_CARE, THIS, Act, Heard
from bertworks.dialogue.belief import BELIEVED, Belief
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge import Knowledge, normal
from bertworks.errors import DataError

FORMAT = 1


@dataclass(frozen=True)
class State:
    """A dialogue's state.

    Attributes:
        turn: How often the user has spoken.
        beliefs: Informable slot to what is believed of it.
        offered: Key of the entity that is spoken of; "" where there is none.
        refused: Keys of entities that were offered and turned down.
        requested: Slots that the user asked for and has no answer to.
        gone: Key of an entity that was offered and is not in the knowledge base any more.
        closing: The user said goodbye.
        ended: The agent said so too.
        repeats: How often the agent's last acts were the same, one after another.
        heard: What was understood in the last turn.
        said: The agent's last acts.
        answer: In which words; "" before it spoke.
        arm: Who talks, where two policies are tried: see `policies.Tried`.
    """

    turn: int = 0
    beliefs: Mapping[str, Belief] = field(default_factory=dict)
    offered: str = ""
    refused: tuple[str, ...] = ()
    requested: tuple[str, ...] = ()
    gone: str = ""
    closing: bool = False
    ended: bool = False
    repeats: int = 0
    heard: tuple[Heard, ...] = ()
    said: tuple[Act, ...] = ()
    answer: str = ""
    arm: str = ""

    @cached_property
    def constraints(self) -> dict[str, str]:
        """Slot to the value that counts as said, `DONT_CARE` among them."""
        return {slot: one.value for slot, one in self.beliefs.items() if one.value}

    @cached_property
    def also(self) -> dict[str, tuple[str, ...]]:
        """Slot to values that do as well as that of `constraints`."""
        return {slot: one.wanted[1:] for slot, one in self.beliefs.items() if one.wanted[1:]}

    @cached_property
    def unwanted(self) -> dict[str, tuple[str, ...]]:
        """Slot to values that the user has said not to want."""
        return {slot: one.unwanted for slot, one in self.beliefs.items() if one.unwanted}

    def belief(self, slot: str) -> Belief:
        """What is believed of a slot."""
        return self.beliefs.get(slot, _NOTHING)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads; plain JSON."""
        return {
            "format": FORMAT,
            "turn": self.turn,
            "beliefs": {slot: one.to_json() for slot, one in self.beliefs.items()},
            "offered": self.offered,
            "refused": list(self.refused),
            "requested": list(self.requested),
            "gone": self.gone,
            "closing": self.closing,
            "ended": self.ended,
            "repeats": self.repeats,
            "heard": [one.to_json() for one in self.heard],
            "said": [one.to_json() for one in self.said],
            "answer": self.answer,
            **({"arm": self.arm} if self.arm else {}),
        }

    @classmethod
    def from_json(cls, record: Any, shown: str = "state") -> State:
        """Reads what `to_json` wrote.

        Raises:
            DataError: It is damaged, or of another version.
        """
        try:
            if record["format"] != FORMAT:
                raise ValueError(f"its format is {record['format']!r}, and {FORMAT} is read")
            return cls(
                turn=int(record["turn"]),
                beliefs={
                    str(slot): Belief.from_json(one) for slot, one in record["beliefs"].items()
                },
                offered=str(record["offered"]),
                refused=tuple(map(str, record["refused"])),
                requested=tuple(map(str, record["requested"])),
                gone=str(record["gone"]),
                closing=bool(record["closing"]),
                ended=bool(record["ended"]),
                repeats=int(record["repeats"]),
                heard=tuple(Heard.from_json(one) for one in record["heard"]),
                said=tuple(Act.from_json(one) for one in record["said"]),
                answer=str(record.get("answer", "")),  # older ones have none
                arm=str(record.get("arm", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"{shown} is no state of a dialogue: {type(error).__name__}: {error}.",
                "Begin a new dialogue; an older version of bertworks may have written this one.",
            ) from None


_NOTHING = Belief()


def listened(state: State, heard: Sequence[Heard], domain: Domain, knowledge: Knowledge) -> State:
    """The state after the user spoke.

    Args:
        state: Before.
        heard: What was understood, in the order of the words.
        domain: The dialogue's slots.
        knowledge: As it is in this turn.
    """
    beliefs = dict(state.beliefs)
    turn = _Turn(state, beliefs, state.offered, state.refused, list(state.requested))
    turn.asks = any(
        one.act.intent == "request" and one.act.slot in domain.told and one.confidence >= BELIEVED
        for one in heard
    )
    turn.named = {
        one.act.slot
        for one in heard
        if one.act.intent == "inform" and one.act.value != DONT_CARE and one.confidence >= BELIEVED
    }
    for one in _together(heard, domain):
        turn.take(one, domain, knowledge)
    offered, gone = turn.offered, ""
    if offered and knowledge.entity(offered) is None:
        offered, gone = "", offered
    found = replace(
        state,
        turn=state.turn + 1,
        beliefs=beliefs,
        refused=turn.refused,
        requested=tuple(dict.fromkeys(turn.requested)),
        gone=gone,
        closing=turn.closing,
        heard=tuple(heard),
    )
    if offered and not knowledge.fits(offered, found.constraints, found.also):
        offered = ""  # The user wants something else now.
    return replace(found, offered=offered)


@dataclass(frozen=True)
class _Together(Heard):
    """A value with those of its slot that were said beside it: any of them will do."""

    also: tuple[str, ...] = ()


def _together(heard: Sequence[Heard], domain: Domain) -> Iterator[Heard]:
    """What was heard, with the values of a slot that one turn names in one: "north or south"."""
    named: dict[str, list[Heard]] = {}
    for one in heard:
        act = one.act
        wish = act.intent == "inform" and act.slot in domain.informable and act.value != DONT_CARE
        if wish and one.confidence >= BELIEVED:
            named.setdefault(act.slot, []).append(one)
    told = set()
    for one in heard:
        several = named.get(one.act.slot, [])
        if one not in several or len(several) == 1:
            yield one
        elif one.act.slot not in told:
            told.add(one.act.slot)
            first, *others = sorted(several, key=lambda other: -other.confidence)
            values = dict.fromkeys(normal(other.act.value) for other in others)
            also = tuple(value for value in values if value != normal(first.act.value))
            yield _Together(first.act, first.confidence, also)


@dataclass
class _Turn:
    """What one turn changes."""

    before: State
    beliefs: dict[str, Belief]
    offered: str
    refused: tuple[str, ...]
    requested: list[str]
    closing: bool = False
    named: set[str] = field(default_factory=set)
    """Slots with a value of their own in this turn."""
    asks: bool = False
    """It asks for facts: "no, just the address" turns down nothing."""

    def take(self, heard: Heard, domain: Domain, knowledge: Knowledge) -> None:
        act, sure = heard.act, heard.confidence
        if act.intent == "inform":
            also = heard.also if isinstance(heard, _Together) else ()
            self._inform(act, sure, also, domain, knowledge)
        elif act.intent == "deny" and act.slot == domain.key and sure >= BELIEVED:
            self._refuse(act.value, knowledge)
        elif act.intent == "deny" and act.slot in domain.informable:
            value = normal(act.value)
            self.beliefs[act.slot] = self.before_or_now(act.slot).refused(value, sure)
            if sure >= BELIEVED and normal(knowledge.value(self.offered, act.slot)) == value:
                self._turn_down()
        elif act.intent == "request" and act.slot in domain.told and sure >= BELIEVED:
            self.requested.append(act.slot)
        elif act.intent in ("affirm", "negate"):
            self._answer(act.intent, sure)
        elif act.intent == "another" and sure >= BELIEVED:
            self._turn_down()
        elif act.intent == "bye" and sure >= BELIEVED:
            self.closing = True

    def before_or_now(self, slot: str) -> Belief:
        return self.beliefs.get(slot, _NOTHING)

    def _inform(
        self,
        act: Act,
        sure: float,
        also: tuple[str, ...],
        domain: Domain,
        knowledge: Knowledge,
    ) -> None:
        slot = act.slot if act.slot != THIS else self._last_asked()
        if slot == domain.key:
            entity = knowledge.entity(act.value)
            if entity is not None and sure >= BELIEVED:
                self.offered = entity[domain.key]
                self.refused = tuple(one for one in self.refused if one != self.offered)
                for wanted in [
                    *self.beliefs
                ]:  # Whoever gives a name wants no other for a value's sake.
                    value = self.beliefs[wanted].value
                    if value not in ("", DONT_CARE, normal(entity[wanted])):
                        del self.beliefs[wanted]
        elif act.slot == THIS and act.value == DONT_CARE and slot in self.named:
            return  # "anything chinese" says which
        elif slot in domain.informable:
            value = act.value if act.value == DONT_CARE else normal(act.value)
            self.beliefs[slot] = self.before_or_now(slot).heard(value, sure, also)

    def _answer(self, intent: str, sure: float) -> None:
        confirmed = [one for one in self.before.said if one.intent == "confirm"]
        for act in confirmed:
            belief, value = self.before_or_now(act.slot), act.value
            answered = belief.affirmed if intent == "affirm" else belief.denied
            self.beliefs[act.slot] = answered(value, sure)
        if intent == "negate" and not confirmed and not self.asks and sure >= BELIEVED:
            self._turn_down()  # Whatever was asked of the offer since: "is it cheap?", "not this one"

    def _refuse(self, key: str, knowledge: Knowledge) -> None:
        """Takes an entity out that the user names and does not want."""
        entity = knowledge.entity(key)
        if entity is not None:
            name = entity[knowledge.domain.key]
            self.refused = (*dict.fromkeys([*self.refused, name]),)
            self.offered = "" if self.offered == name else self.offered

    def _turn_down(self) -> None:
        if self.offered:
            self.refused = (*dict.fromkeys([*self.refused, self.offered]),)
            self.offered = ""

    def _last_asked(self) -> str:
        asked = [one.slot for one in self.before.said if one.intent in ("ask", "confirm")]
        return asked[0] if asked else ""


def spoke(state: State, acts: Sequence[Act], answer: str = "") -> State:
    """The state after the agent spoke.

    Args:
        state: After `listened`.
        acts: What the agent says.
        answer: In which words.
    """
    beliefs, offered, refused = dict(state.beliefs), state.offered, state.refused
    answered: set[str] = set()
    for act in acts:
        if act.intent == "ask":
            belief = state.belief(act.slot)
            beliefs[act.slot] = replace(belief, asked=belief.asked + 1)
        elif act.intent in ("offer", "no_other"):
            offered = act.value
            refused = tuple(one for one in refused if one != offered)
        elif act.intent in ("inform", "unknown"):
            answered.add(act.slot)
    return replace(
        state,
        beliefs=beliefs,
        offered=offered,
        refused=refused,
        requested=tuple(one for one in state.requested if one not in answered),
        gone="" if _tells(acts, "gone") else state.gone,
        ended=state.ended or _tells(acts, "bye"),
        repeats=state.repeats + 1 if tuple(acts) == state.said else 0,
        said=tuple(acts),
        answer=answer,
    )


def _tells(acts: Iterable[Act], intent: str) -> bool:
    return any(act.intent == intent for act in acts)
