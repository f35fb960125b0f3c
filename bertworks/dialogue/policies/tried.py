"""Two policies, of which one has a dialogue from its first turn to its last."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bertworks.dialogue.actions import Situation
from bertworks.dialogue.policies.choice import Choice, Policy

CHALLENGER: Final = "challenger"
"""`State.arm` of a dialogue that the challenger has."""


class Tried:
    """The challenger where the state says so and it may still talk; else the champion.

    Args:
        champion: Talks now.
        challenger: Is tried.
        may_talk: Whether the challenger still may: one that was put back leaves its dialogues too.
    """

    def __init__(
        self, champion: Policy, challenger: Policy, may_talk: Callable[[], bool] = lambda: True
    ) -> None:
        self._champion, self._challenger, self._may_talk = champion, challenger, may_talk
        self.name = f"{champion.name}; tried: {challenger.name}"

    def probabilities(self, situation: Situation) -> NDArray[np.float64]:
        """See `Policy.probabilities`."""
        return self._of(situation).probabilities(situation)

    def choose(self, situation: Situation) -> Choice:
        """See `Policy.choose`."""
        return self._of(situation).choose(situation)

    def _of(self, situation: Situation) -> Policy:
        tried = situation.state.arm == CHALLENGER and self._may_talk()
        return self._challenger if tried else self._champion
