"""How good rankings of documents are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertworks.tasks.matching.documents import Documents
from bertworks.tasks.measuring import ratio
from bertworks.tasks.predictions import Predictions
from bertworks.tasks.scores import Measure, RowMean, Scores

DEPTH = 10
"""Places of a ranking that count."""


class RankingScores(Scores):
    """Recall at 1, 5 and 10, MRR at 10 and nDCG at 10, each a mean over queries.

    Recall at k is the share of a query's documents among the first k; where it has more than k of
    them, of k (capped recall as in BEIR, Thakur et al. 2021, section 4.2), so that 1 can be reached.
    nDCG has gains of 0 and 1 (Järvelin and Kekäläinen 2002).

    Args:
        documents: What may be found, where it is known: for slices and for people.
    """

    def __init__(self, documents: Documents | None = None) -> None:
        self._documents = documents

    def measure(self, answers: Predictions) -> Measure:
        """Means of `of_rankings`."""
        columns = of_rankings(answers.truth, answers.prediction)

        def measure(weights: np.ndarray) -> Mapping[str, np.ndarray]:
            total = weights.sum(axis=1)
            return {name: ratio(weights @ values, total) for name, values in columns.items()}

        return measure

    def confidence(self, answers: Predictions) -> np.ndarray:
        """The cosine of the first document."""
        if answers.probabilities is None:
            return np.full(len(answers), np.nan)
        return np.array([row[0] if len(row) else np.nan for row in answers.probabilities], float)

    def badness(self, answers: Predictions) -> np.ndarray:
        """Of rows whose first document is wrong how near it was; without scores 1."""
        wrong = np.array(
            [
                not self.agree(true, given)
                for true, given in zip(answers.truth, answers.prediction, strict=True)
            ],
            bool,
        )
        near = np.clip(np.nan_to_num(self.confidence(answers), nan=1.0), 1e-6, None)
        return np.asarray(np.where(wrong, near, 0.0))

    def means(self, answers: Predictions) -> list[RowMean]:
        """Every metric."""
        one = np.ones(len(answers))
        found = of_rankings(answers.truth, answers.prediction)
        return [RowMean(name, values, one) for name, values in found.items()]

    def label_slices(self, answers: Predictions) -> list[Any] | None:
        """Whether the documents of a row belonged to training rows too."""
        known = self._documents
        if known is None:
            return None
        return [
            "documents that were trained on"
            if all(known.was_seen(name) for name in row)
            else "documents that were not trained on"
            for row in answers.truth
        ]

    def agree(self, truth: Any, prediction: Any) -> bool:
        """Whether the first document is one of those that are right."""
        return bool(len(prediction)) and prediction[0] in truth

    def readable(self, value: Any, text: str) -> Any:
        """The documents' texts, shortened, where they are known; else their ids."""
        if self._documents is None:
            return " | ".join(map(str, value))
        return " | ".join(self._documents.shown(name) for name in value[:3])

    def cases(self, named: Any) -> set[tuple[int, str]]:
        """The documents."""
        return {(0, str(name)) for name in named}

    def changed(self, answers: Predictions, before: Predictions) -> int | None:
        """Rows whose first document is another."""
        pairs = zip(answers.prediction, before.prediction, strict=True)
        return sum(list(one[:1]) != list(other[:1]) for one, other in pairs)


def of_rankings(truth: Sequence[Any], rankings: Sequence[Any]) -> dict[str, np.ndarray]:
    """Every metric of each row, (rows,).

    Args:
        truth: The documents that are right, a list a row.
        rankings: The documents that were found, nearest first, likewise.
    """
    hits = np.zeros((len(truth), DEPTH))
    right = np.ones(len(truth))
    for row, (true, found) in enumerate(zip(truth, rankings, strict=True)):
        wanted = set(true)
        right[row] = max(1, len(wanted))
        first = list(found)[:DEPTH]
        hits[row, : len(first)] = [name in wanted for name in first]
    place = np.arange(1, DEPTH + 1)
    gains = 1 / np.log2(place + 1)
    ideal = np.cumsum(gains)[np.minimum(right, DEPTH).astype(int) - 1]
    recall = {
        f"recall_at_{k}": hits[:, :k].sum(axis=1) / np.minimum(right, k) for k in (1, 5, DEPTH)
    }
    return {
        **recall,
        "mrr_at_10": (hits / place).max(axis=1),
        "ndcg_at_10": (hits @ gains) / ideal,
    }
