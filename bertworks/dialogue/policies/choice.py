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
        score: How good it seems, 0 to 1; all scores of a choice sum to 1. Its probability, where actions
            are drawn. Of a document its cosine.
    """

    action: str
    score: float


@dataclass(frozen=True)
class Choice:
    """What a policy chose.

    Attributes:
        action: One of `actions.names`; or `matching.QUOTE`.
        by: What chose: "rule: ask for what is open", "graph: 3f2a…", "matching: faq/1".
        candidates: The possible actions, best first; of `QUOTE` the nearest documents.
        probability: Of the action, as it was chosen: 1 where none is drawn. What logs are judged by;
            None where no policy chose, and in traces of before it was kept.
    """

    action: str
    by: str
    candidates: tuple[Candidate, ...]
    probability: float | None = None

    def to_json(self) -> dict[str, Any]:
        """For the trace."""
        return {
            "action": self.action,
            "by": self.by,
            "candidates": [[one.action, one.score] for one in self.candidates],
            "probability": self.probability,
        }


class Policy(Protocol):
    """Chooses an action; the same situation gives the same probabilities.

    Attributes:
        name: What tells it from others on record.
    """

    @property
    def name(self) -> str: ...

    def probabilities(self, situation: Situation) -> NDArray[np.float64]:
        """How probable each action of `actions.names` is here, (actions,); 0 where impossible."""
        ...

    def choose(self, situation: Situation) -> Choice:
        """The action that is taken here."""
        ...


def chosen(
    situation: Situation,
    place: int,
    shares: NDArray[np.float64],
    by: str,
    probability: float | None = None,
) -> Choice:
    """A choice with its candidates.

    Args:
        situation: Where.
        place: The action's place in `actions.names`.
        shares: The candidates' scores, (actions,).
        by: What chose.
        probability: Of the action; None: its score is that.
    """
    known = names_of(situation)
    possible = np.flatnonzero(situation.possible)
    ordered = sorted(possible, key=lambda one: (-shares[one], one))
    candidates = tuple(Candidate(known[i], float(shares[i])) for i in ordered)
    drawn = float(shares[place]) if probability is None else probability
    return Choice(known[place], by, candidates, drawn)
