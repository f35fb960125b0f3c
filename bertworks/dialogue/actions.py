"""What may be done next: a fixed list for a domain, and the acts that each stands for in a state.

A policy chooses among actions, never among values: values come from the state and from the knowledge
base, so that nothing can be said that is not there (the summary space of Young et al. 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bertworks.dialogue.acts import DONT_CARE, UNSURE, Act
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge import Knowledge
from bertworks.dialogue.state import State

OFFER, ANSWER, NO_OFFER, AGAIN, BYE = "offer", "answer", "no_offer", "again", "bye"
MAX_ASKED = 3
CLEAR = 0.8
"""Confidence of a goodbye that is answered with one. A 17th of what `simulation.errors` mishears has it,
and two thirds of what it hears."""


def names(domain: Domain) -> tuple[str, ...]:
    """All actions of a domain, in the order of a policy's outputs."""
    asks = [f"{intent}:{slot}" for intent in ("ask", "confirm") for slot in domain.informable]
    return (*asks, OFFER, ANSWER, NO_OFFER, AGAIN, BYE)


class Situation:
    """A state before the agent speaks, beside the knowledge base of this turn.

    Args:
        state: After `state.listened`.
        knowledge: As it is in this turn.

    Attributes:
        state: As given.
        knowledge: As given.
        domain: The knowledge base's.
    """

    def __init__(self, state: State, knowledge: Knowledge) -> None:
        self.state, self.knowledge = state, knowledge
        self.domain = knowledge.domain

    @cached_property
    def matches(self) -> int:
        """A bit for each entity that meets what was said."""
        return self.knowledge.matching(self.state.constraints, self.state.also)

    @cached_property
    def left(self) -> int:
        """The same without those that were turned down, or that have what is not wanted.

        Where nothing else is left, what is not wanted is better than nothing, and than to say that there
        is none.
        """
        left = self.matches & ~self.knowledge.bits(self.state.refused)
        return left & ~self.knowledge.having(self.state.unwanted) or left

    @cached_property
    def count(self) -> int:
        """How many entities may be offered."""
        return self.left.bit_count()

    @cached_property
    def possible(self) -> NDArray[np.bool_]:
        """Whether each action of `names` may be taken; one of them always may."""
        state, slots = self.state, self.domain.informable
        if state.gone:  # The user is told before anything else.
            first = OFFER if self.count else NO_OFFER
            return np.array([one == first for one in names_of(self)])
        if self._clearly_over:
            return np.array([one == BYE for one in names_of(self)])
        found = []
        for slot in slots:
            belief = state.belief(slot)
            found.append(not belief.value and belief.asked < MAX_ASKED)
        for slot in slots:
            belief = state.belief(slot)
            value = belief.value
            known = value == DONT_CARE or self.knowledge.is_value(slot, value)
            found.append(bool(value) and known and not belief.sure)
        entity = bool(state.offered)
        found += [
            entity or (self.count > 0 and self._something_said),
            entity and bool(state.requested),
            self.count == 0 and not entity,
        ]
        again = not self._only_greeted or not any(found)
        return np.array([*found, again, state.closing or (entity and not state.requested)], bool)

    @property
    def _clearly_over(self) -> bool:
        """Whether the user said goodbye and no more: whatever policy it is, it asks nothing then."""
        heard = self.state.heard
        return (
            self.state.closing
            and all(one.act.intent == "bye" for one in heard)
            and max((one.confidence for one in heard), default=0.0) >= CLEAR
        )

    @property
    def _only_greeted(self) -> bool:
        """Whether the user said hello and no more: nobody is asked to say that again."""
        heard = self.state.heard
        return bool(heard) and all(
            one.act.intent == "greet" and one.confidence >= UNSURE for one in heard
        )

    @property
    def _something_said(self) -> bool:
        """Whether an offer has a reason: a wish was understood, or every slot was asked for in vain."""
        beliefs = [self.state.belief(slot) for slot in self.domain.informable]
        return any(one.value for one in beliefs) or all(one.asked for one in beliefs)

    def acts(self, action: str) -> tuple[Act, ...]:
        """What an action says here.

        Args:
            action: One of `names`, possible here.

        Raises:
            ValueError: It is not possible here.
        """
        intent, _, slot = action.partition(":")
        if not self.possible[names_of(self).index(action)]:
            raise ValueError(f"{action} is not possible here")
        if intent == "ask":
            return (Act("ask", slot),)
        if intent == "confirm":
            return (Act("confirm", slot, self.state.belief(slot).value),)
        if action == OFFER:
            return (*self._told_gone(), *self._offer())
        if action == ANSWER:
            return self._facts(self.state.offered, self.state.requested)
        if action == NO_OFFER:
            return (*self._told_gone(), *self._no_offer())
        return (Act(intent),)

    def _told_gone(self) -> tuple[Act, ...]:
        gone = self.state.gone
        return (Act("gone", self.domain.key, gone),) if gone else ()

    def _offer(self) -> tuple[Act, ...]:
        key = self.state.offered or next(self.knowledge.of(self.left))[self.domain.key]
        wanted = [slot for slot, one in self.state.constraints.items() if one != DONT_CARE]
        more = [slot for slot in self.state.requested if slot not in wanted]
        return (Act("offer", self.domain.key, key), *self._facts(key, (*wanted, *more))[1:])

    def _facts(self, key: str, slots: Sequence[str]) -> tuple[Act, ...]:
        found = [Act("inform", self.domain.key, key)]
        for slot in slots:
            value = self.knowledge.value(key, slot)
            found.append(Act("inform", slot, value) if value else Act("unknown", slot))
        return tuple(found)

    def _no_offer(self) -> tuple[Act, ...]:
        if self.matches:  # All that fit were turned down: the last one is still there to be had.
            last = next(
                one
                for one in reversed(self.state.refused)
                if self.knowledge.bits([one]) & self.matches
            )
            return (Act("no_other", self.domain.key, last),)
        wanted = {
            slot: [one for one in belief.wanted if self.knowledge.is_value(slot, one)]
            for slot, belief in self.state.beliefs.items()
            if belief.value not in ("", DONT_CARE)
        }
        if unlisted := [slot for slot, values in wanted.items() if not values]:
            return tuple(Act("unlisted", slot) for slot in unlisted)
        return tuple(
            Act("no_offer", slot, one) for slot, values in wanted.items() for one in values
        )


def names_of(situation: Situation) -> tuple[str, ...]:
    """All actions of a situation's domain."""
    return _NAMES.setdefault(situation.domain, names(situation.domain))


_NAMES: dict[Domain, tuple[str, ...]] = {}
