"""Training rows that are like a text: by the tokens that both have, rare ones counting more.

Cosines of TF-IDF vectors over the agent's own token ids (Salton and Buckley 1988; logarithmic counts,
inverse frequencies, plus 1 before their logarithm). It needs nothing but what the bundle has, and every
hit can be seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bertworks.contracts.shown import SHOWN, ShownExample
from bertworks.runtime.agent import Agent
from bertworks.tasks.forms.form import Row

MOST = 5
"""Rows that are shown."""


@dataclass(frozen=True)
class Neighbour:
    """A row that is like another.

    Attributes:
        text: As a person reads it.
        label: What is true of it.
        similarity: 0 (no token is shared) to 1 (all are).
    """

    text: str
    label: str
    similarity: float


class Similar:
    """The rows of a bundle that may be shown, found by their tokens.

    Args:
        agent: Whose tokens count.
        examples: The rows.
    """

    def __init__(self, agent: Agent, examples: Sequence[ShownExample]) -> None:
        self._agent, self._examples = agent, list(examples)
        # The tokens of nothing: marks that stand in every row and say nothing of it.
        self._marks = set(agent.encode([("", "") if agent.form.two_texts else ""]).ids[0])
        counted = self._counted([_row(agent, one.texts) for one in examples])
        frequency = Counter(token for row in counted for token in row)
        rows = len(counted)
        self._unknown = np.log(1 + rows)
        self._rarity = {token: np.log(1 + rows / n) for token, n in frequency.items()}
        postings: dict[int, list[tuple[int, float]]] = {}
        for place, counts in enumerate(counted):
            for token, weight in self._weighed(counts).items():
                postings.setdefault(token, []).append((place, weight))
        self._postings = {
            token: (np.array([place for place, _ in found]), np.array([w for _, w in found]))
            for token, found in postings.items()
        }

    @classmethod
    def of_bundle(cls, agent: Agent, folder: Path) -> Similar | None:
        """Of the rows that a bundle keeps; None: it keeps none.

        Raises:
            ArtifactError: The file that holds them is damaged.
        """
        if not (folder / SHOWN.name).is_file():
            return None
        return cls(agent, SHOWN.read(folder))

    def __len__(self) -> int:
        return len(self._examples)

    def like(self, row: Row, most: int = MOST) -> list[Neighbour]:
        """The rows that are most like a row, the likest first; those that share nothing are not there.

        Args:
            row: As the agent's task takes it.
            most: How many, at most.
        """
        (counts,) = self._counted([row])
        found = np.zeros(len(self._examples))
        for token, weight in self._weighed(counts).items():
            if token in self._postings:
                places, weights = self._postings[token]
                found[places] += weight * weights
        best = np.argsort(-found, kind="stable")[:most]
        return [
            Neighbour(
                " / ".join(self._examples[place].texts)
                if self._agent.form.two_texts
                else " ".join(self._examples[place].texts),
                self._examples[place].truth,
                float(min(found[place], 1.0)),
            )
            for place in best
            if found[place] > 0
        ]

    def _counted(self, rows: Sequence[Row]) -> list[Counter[int]]:
        found = self._agent.encode(rows).ids if rows else []
        return [Counter(one for one in ids if one not in self._marks) for ids in found]

    def _weighed(self, counts: Counter[int]) -> dict[int, float]:
        """A row's vector of length 1; tokens that no kept row has count towards its length."""
        weights = {
            token: (1 + np.log(count)) * self._rarity.get(token, self._unknown)
            for token, count in counts.items()
        }
        length = float(np.sqrt(sum(weight**2 for weight in weights.values())))
        return {token: weight / length for token, weight in weights.items()}


def _row(agent: Agent, texts: Sequence[str]) -> Row:
    return list(texts) if agent.form.two_texts or agent.form.pretokenized else texts[0]
