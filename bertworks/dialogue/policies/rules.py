"""A policy of rules: the first one that applies, and whose action is possible, decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bertworks.dialogue.actions import AGAIN, ANSWER, BYE, NO_OFFER, OFFER, Situation, names_of
from bertworks.dialogue.acts import DONT_CARE, UNSURE, not_understood
from bertworks.dialogue.policies.choice import Choice, chosen


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        when: One of `CONDITIONS`.
        do: What is done then: an action's name, or `ask` or `confirm` for the slot that needs it most.
        limit: What the condition compares with, where it has one.
    """

    when: str
    do: str
    limit: float | None = None

    @property
    def name(self) -> str:
        """For the trace: "many_matches (1): ask"."""
        limit = "" if self.limit is None else f" ({self.limit:g})"
        return f"{self.when}{limit}: {self.do}"


def _unclear(situation: Situation, limit: float) -> bool:
    return not_understood(situation.state.heard, limit)


def _doubtful(situation: Situation, limit: float) -> bool:
    return next(_doubts(situation, limit), None) is not None


def _doubts(situation: Situation, limit: float) -> Iterator[str]:
    """Slots whose value is less probable than that and not confirmed, the least probable first."""
    beliefs = [(slot, situation.state.belief(slot)) for slot in situation.domain.informable]
    found = [(one.probability, slot) for slot, one in beliefs if one.value and not one.sure]
    yield from (slot for probability, slot in sorted(found) if probability < limit)


def _open(situation: Situation) -> Iterator[str]:
    """Slots of which nothing is known, in the order of the spec, those asked least first."""
    beliefs = [(slot, situation.state.belief(slot)) for slot in situation.domain.informable]
    found = [(one.asked, slot) for slot, one in beliefs if not one.value]
    yield from (slot for _, slot in sorted(found, key=lambda one: one[0]))


CONDITIONS: Mapping[str, tuple[Callable[[Situation, float], bool], float | None]] = {
    "always": (lambda situation, _: True, None),
    "goodbye": (lambda situation, _: situation.state.closing, None),
    "unclear": (_unclear, UNSURE),
    "doubtful": (_doubtful, 0.6),
    "requested": (lambda situation, _: bool(situation.state.requested), None),
    "nothing_matches": (lambda situation, _: situation.count == 0, None),
    "many_matches": (lambda situation, limit: situation.count > limit, 1.0),
    "offered": (lambda situation, _: bool(situation.state.offered), None),
    "open_slots": (lambda situation, _: next(_open(situation), None) is not None, None),
    "anything_goes": (
        lambda situation, _: all(v == DONT_CARE for v in situation.state.constraints.values()),
        None,
    ),
}
"""Condition to its test and the limit that it compares with unless a rule names another."""

DEFAULT = (
    Rule("goodbye", BYE),
    Rule("unclear", AGAIN, UNSURE),
    Rule("doubtful", "confirm", 0.6),
    Rule("requested", ANSWER),
    Rule("nothing_matches", NO_OFFER),
    Rule("offered", OFFER),
    Rule("many_matches", "ask", 1.0),
    Rule("always", OFFER),
    Rule("always", AGAIN),
)
"""The rules of a spec that has none: understand, answer, narrow down, offer."""


IMPOSSIBLE = frozenset(
    [
        ("nothing_matches", OFFER),  # what was offered before fits, or it is not spoken of any more
        ("nothing_matches", ANSWER),
        ("many_matches", NO_OFFER),
        ("offered", NO_OFFER),
    ]
)
"""(condition, deed): where the one is so, the other is never possible."""
DEEDS = ("ask", "confirm", OFFER, ANSWER, NO_OFFER, AGAIN, BYE)


class Idle(NamedTuple):
    """A rule that never decides anything.

    Attributes:
        place: Its number, from 0.
        why: Why, as the end of a sentence.
        fix: What to do about it.
    """

    place: int
    why: str
    fix: str


def idle(rules: Sequence[Rule]) -> Idle | None:
    """The first rule that never decides anything; None: each may."""
    for place, rule in enumerate(rules):
        if (rule.when, rule.do) in IMPOSSIBLE:
            can = [one for one in DEEDS if (rule.when, one) not in IMPOSSIBLE]
            why = f"never decides: where {rule.when} holds, {rule.do} is not possible"
            return Idle(
                place, why, f"With `when: {rule.when}` these can be done: {', '.join(can)}."
            )
        for before, first in enumerate(rules[:place]):
            if _covers(first, rule):
                why = f"never decides: rules.{before} ({first.name}) does so wherever it could"
                return Idle(place, why, f"Take it out, or put it before rules.{before}.")
    return None


def _covers(first: Rule, later: Rule) -> bool:
    """Whether a rule decides wherever a later one could."""
    if (first.when, first.do) == ("always", AGAIN):  # which is possible wherever there is a choice
        return True
    if first.do != later.do or first.when not in ("always", later.when):
        return False
    if first.when == "many_matches":
        return _limit(first) <= _limit(later)
    return first.when == "always" or _limit(first) >= _limit(later)


def _limit(rule: Rule) -> float:
    usual = CONDITIONS[rule.when][1]
    return rule.limit if rule.limit is not None else usual or 0.0


class Rules:
    """A policy of rules.

    Args:
        rules: In the order in which they are tried.

    Attributes:
        name: For records: all of them.
    """

    def __init__(self, rules: Sequence[Rule] = DEFAULT) -> None:
        self._rules = tuple(rules)
        self.name = f"rules: {'; '.join(one.name for one in self._rules)}"

    def probabilities(self, situation: Situation) -> NDArray[np.float64]:
        """1 for the action of the rule that applies."""
        place, _ = self._find(situation)
        found = np.zeros(len(situation.possible))
        found[place] = 1.0
        return found

    def choose(self, situation: Situation) -> Choice:
        """The action of the first rule that applies."""
        place, by = self._find(situation)
        shares = np.zeros(len(situation.possible))
        shares[place] = 1.0
        return chosen(situation, place, shares, f"rule: {by}")

    def _find(self, situation: Situation) -> tuple[int, str]:
        possible, known = situation.possible, names_of(situation)
        for rule in self._rules:
            test, _ = CONDITIONS[rule.when]
            limit = _limit(rule)
            if not test(situation, limit):
                continue
            for action in _actions(rule, situation, limit):
                place = known.index(action)
                if possible[place]:
                    return place, rule.name
        # Rules may leave a gap: the user is asked to say it again, or told what must be told first.
        place = known.index(AGAIN)
        place = place if possible[place] else int(np.flatnonzero(possible)[0])
        return place, "none applies"


def _actions(rule: Rule, situation: Situation, limit: float) -> Iterator[str]:
    if rule.do == "ask":
        yield from (f"ask:{slot}" for slot in _open(situation))
    elif rule.do == "confirm":
        least = limit if rule.when == "doubtful" else 2.0
        yield from (f"confirm:{slot}" for slot in _doubts(situation, least))
    else:
        yield rule.do
