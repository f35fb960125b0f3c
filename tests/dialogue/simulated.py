"""Simulated users who talk with a room, as real ones would, and say how it went."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from bertworks.dialogue.sessions import Room
from bertworks.dialogue.simulation.agenda import User
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.simulation.goals import Habits, sample
from bertworks.dialogue.trace import Trace
from tests.dialogue.helpers import TOWN


def talk(here: Room, number: int, errors: Errors, *, tells: bool) -> bool:
    """One dialogue from its first turn to its last; whether it ended well.

    Args:
        here: Answers.
        number: Seeds the user, and names the dialogue.
        errors: How they are misunderstood.
        tells: Whether they press a button in the end.
    """
    random = np.random.default_rng([4, number])
    user = User(sample(TOWN, Habits(), random), Habits(), TOWN, random)
    said, ended = user.speaks(), False
    while not ended:
        found = here.turn("", str(number), errors.hear(said, TOWN, random))
        ended = found.ended or user.done
        said = user.speaks(Trace.from_json(found.trace).acts)
    met = bool(user.accepted) and user.goal.met_by(user.accepted, TOWN) and not user.missing
    well = met and not user.gave_up
    if tells:
        here.judge("", str(number), float(well))
    return well


def talks(here: Room, numbers: Iterable[int], errors: Errors) -> list[bool]:
    """Dialogues whose users all tell how it went."""
    return [talk(here, number, errors, tells=True) for number in numbers]
