"""Policies by chance: a floor to compare with, and one that tries things out so that logs say more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bertworks.dialogue.actions import Situation
from bertworks.dialogue.policies.choice import Choice, Policy, chosen


class Chance:
    """Any possible action, each as probable.

    Args:
        seed: Same seed, same choices.
    """

    name = "chance"

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def probabilities(self, situation: Situation) -> NDArray[np.float64]:
        """The same for all that are possible."""
        return np.asarray(situation.possible / situation.possible.sum())

    def choose(self, situation: Situation) -> Choice:
        """One of them."""
        shares = self.probabilities(situation)
        place = int(self._random.choice(len(shares), p=shares))
        return chosen(situation, place, shares, "chance")


class Softened:
    """Another policy that now and then takes any possible action (epsilon-soft).

    Its logs can judge policies that were never in use: `off_policy`.

    Args:
        policy: The other.
        share: How often by chance, 0 to 1.
        seed: Same seed, same choices.
    """

    def __init__(self, policy: Policy, share: float, seed: int) -> None:
        self._policy, self._share = policy, share
        self.name = f"{policy.name}, {share:g} by chance"
        self._random = np.random.default_rng(seed)

    def probabilities(self, situation: Situation) -> NDArray[np.float64]:
        """Of both together."""
        even = situation.possible / situation.possible.sum()
        own = self._policy.probabilities(situation)
        return np.asarray((1 - self._share) * own + self._share * even)

    def choose(self, situation: Situation) -> Choice:
        """An action drawn so."""
        shares = self.probabilities(situation)
        place = int(self._random.choice(len(shares), p=shares / shares.sum()))
        by = self._policy.choose(situation)
        if by.candidates and chosen(situation, place, shares, "").action == by.action:
            return chosen(situation, place, shares, by.by)
        return chosen(situation, place, shares, "chance, to learn from")
