"""What a policy answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bertworks.dialogue.actions import Situation, names_of


@dataclass(frozen=True)
class Candidate:
    """An action that may be taken here.

    Attributes:
        action: Its name.
        score: Its probability under the policy, 0 to 1; all scores of a choice sum to 1.
    """

    action: str
    score: float


@dataclass(frozen=True)
class Choice:
    """What a policy chose.

    Attributes:
        action: One of `actions.names`.
        by: What chose: "rule: ask for what is open", "graph: 3f2a…".
        candidates: The possible actions, best first.
    """

    action: str
    by: str
    candidates: tuple[Candidate, ...]

    def to_json(self) -> dict[str, Any]:
        """For the trace."""
        return {
            "action": self.action,
            "by": self.by,
            "candidates": [[one.action, one.score] for one in self.candidates],
        }


class Policy(Protocol):
    """Chooses an action; the same situation gives the same probabilities."""

    def probabilities(self, situation: Situation) -> NDArray[np.float64]:
        """How probable each action of `actions.names` is here, (actions,); 0 where impossible."""
        ...

    def choose(self, situation: Situation) -> Choice:
        """The action that is taken here."""
        ...


def chosen(situation: Situation, place: int, shares: NDArray[np.float64], by: str) -> Choice:
    """A choice with its candidates.

    Args:
        situation: Where.
        place: The action's place in `actions.names`.
        shares: See `Policy.probabilities`.
        by: What chose.
    """
    known = names_of(situation)
    possible = np.flatnonzero(situation.possible)
    ordered = sorted(possible, key=lambda one: (-shares[one], one))
    return Choice(known[place], by, tuple(Candidate(known[i], float(shares[i])) for i in ordered))
