"""A situation as numbers, for policies that are learned. All lie in 0 to 1."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from bertworks.dialogue.actions import Situation
from bertworks.dialogue.acts import DONT_CARE, USER
from bertworks.dialogue.domain import Domain

Vector = NDArray[np.float32]

_SLOT = ("none", "dontcare", "value", "probability", "doubt", "sure", "asked", "spread")
_COUNTS = (0, 1, 2, 4, 8)
_SYSTEM = ("ask", "confirm", "offer", "inform", "no_offer", "no_other", "again")
_TURNS = 20.0
_MANY = 4.0


def names(domain: Domain) -> tuple[str, ...]:
    """What each number is, in order."""
    slots = [f"{slot}.{one}" for slot in domain.informable for one in _SLOT]
    counts = [f"matches>{one}" for one in _COUNTS]
    heard = [f"heard.{one}" for one in USER]
    said = [f"said.{one}" for one in _SYSTEM]
    rest = ("log_matches", "turn", "offered", "requested", "refused", "repeats", "closing", "least")
    return (*slots, *counts, *heard, *said, *rest)


def vector(situation: Situation) -> Vector:
    """A situation as numbers, (features,)."""
    state, knowledge = situation.state, situation.knowledge
    found: list[float] = []
    count = situation.count
    for slot in situation.domain.informable:
        belief = state.belief(slot)
        value = belief.value
        second = belief.values[1][1] if len(belief.values) > 1 else 0.0
        spread = knowledge.spread(situation.left, slot) if count > 1 and not value else 0
        found += [
            not value,
            value == DONT_CARE,
            bool(value) and value != DONT_CARE,
            belief.probability,
            second,
            belief.sure,
            min(belief.asked / _MANY, 1.0),
            spread / count if spread else 0.0,
        ]
    found += [count > one for one in _COUNTS]
    heard = {one.act.intent: one.confidence for one in state.heard}
    found += [heard.get(one, 0.0) for one in USER]
    said = {one.intent for one in state.said}
    found += [one in said for one in _SYSTEM]
    found += [
        math.log1p(count) / math.log1p(len(knowledge)),
        min(state.turn / _TURNS, 1.0),
        bool(state.offered),
        min(len(state.requested) / _MANY, 1.0),
        min(len(state.refused) / _MANY, 1.0),
        min(state.repeats / _MANY, 1.0),
        state.closing,
        min(heard.values(), default=0.0),
    ]
    return np.array(found, np.float32)
