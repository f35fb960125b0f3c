"""What a simulated user wants, sampled from the knowledge base."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bertworks.dialogue.acts import DONT_CARE
from bertworks.dialogue.knowledge import Knowledge, normal


@dataclass(frozen=True)
class Habits:
    """How simulated users are.

    Attributes:
        constrained: How often a slot matters to them.
        impossible: How often nothing has what they want at first; they then take something else.
        named: How often they know the name of what they want.
        fickle: How often they change their mind about a slot on the way.
        choosy: How often they want to hear of another one first.
        attentive: How often they notice that an offer says nothing of a wish of theirs, and tell it.
        talkative: How probable it is that they say one more thing in a turn.
        most_requests: They ask for so many details at most; one at least.
        patience: Turns after which they give up, least and most.
        repeats: So many equal acts of the agent, one after another, make them give up too.
    """

    constrained: float = 0.75
    impossible: float = 0.2
    named: float = 0.1
    fickle: float = 0.15
    choosy: float = 0.15
    attentive: float = 0.8
    talkative: float = 0.4
    most_requests: int = 3
    patience: tuple[int, int] = (8, 14)
    repeats: int = 3


@dataclass(frozen=True)
class Goal:
    """What one user wants.

    Attributes:
        constraints: Informable slot to value, `DONT_CARE` among them; or the key's column alone.
        fallback: (slot, value) that they take where nothing has what they want at first.
        change: (turn, slot, value): in that turn they change their mind.
        requests: Slots that they want to know of what they choose.
        others: How many offers they turn down just to hear another.
        patience: Turns that they take part in.
    """

    constraints: Mapping[str, str]
    requests: tuple[str, ...]
    patience: int
    fallback: tuple[str, str] | None = None
    change: tuple[int, str, str] | None = None
    others: int = 0

    def instead(self, slot: str, value: str) -> Goal:
        """The goal after the user changed their mind."""
        return replace(self, constraints={**self.constraints, slot: value})

    def met_by(self, key: str, knowledge: Knowledge) -> bool:
        """Whether an entity is what they want, by the knowledge base."""
        return knowledge.fits(key, self.constraints)


def sample(knowledge: Knowledge, habits: Habits, random: np.random.Generator) -> Goal:
    """A goal that can be met, in the end.

    Args:
        knowledge: Where an entity is drawn, whose values become constraints.
        habits: How users are.
        random: Draws.
    """
    domain = knowledge.domain
    entity = knowledge.entities[int(random.integers(len(knowledge)))]
    known = [slot for slot in domain.informable if entity[slot]]
    count = int(random.integers(1, habits.most_requests + 1))
    low, high = habits.patience
    patience = int(random.integers(low, high + 1))
    if random.random() < habits.named or not known:
        wanted = {domain.key: entity[domain.key]}
        return Goal(wanted, _draw(random, domain.told, count), patience)
    cares = [slot for slot in known if random.random() < habits.constrained]
    cares = cares or [known[int(random.integers(len(known)))]]
    wanted = {
        slot: normal(entity[slot]) if slot in cares else DONT_CARE for slot in domain.informable
    }
    # What the user chose by is known to them.
    requests = _draw(random, [one for one in domain.told if one not in cares], count)
    goal = Goal(wanted, requests, patience)
    if random.random() < habits.impossible:
        goal = _impossible(goal, cares, knowledge, random)
    if random.random() < habits.choosy:
        goal = replace(goal, others=1)
    if random.random() < habits.fickle:
        goal = _fickle(goal, cares, knowledge, random)
    return goal


def _draw(random: np.random.Generator, among: object, count: int) -> tuple[str, ...]:
    slots = list(among)  # type: ignore[call-overload]
    places = random.permutation(len(slots))[:count]
    return tuple(slots[place] for place in sorted(places))


def _impossible(
    goal: Goal, cares: list[str], knowledge: Knowledge, random: np.random.Generator
) -> Goal:
    """Another value in one slot, such that nothing fits."""
    for place in random.permutation(len(cares)):
        slot = cares[place]
        values = [normal(one) for one in knowledge.values(slot)]
        for other in random.permutation(len(values)):
            asked = goal.instead(slot, values[other])
            if not knowledge.matching(asked.constraints):
                return replace(asked, fallback=(slot, goal.constraints[slot]))
    return goal


def _fickle(
    goal: Goal, cares: list[str], knowledge: Knowledge, random: np.random.Generator
) -> Goal:
    """Another value in one slot from some turn on, such that something fits in the end."""
    slot = cares[int(random.integers(len(cares)))]
    if goal.fallback is not None and goal.fallback[0] == slot:
        return goal
    final = goal.instead(*goal.fallback) if goal.fallback else goal
    values = [normal(one) for one in knowledge.values(slot)]
    for other in random.permutation(len(values)):
        value = values[other]
        if value != goal.constraints[slot] and knowledge.matching(
            final.instead(slot, value).constraints
        ):
            return replace(goal, change=(int(random.integers(2, 6)), slot, value))
    return goal
