"""Which documents a query is learned with: one of its own, and some that are easily taken for it.

The other queries' documents in the batch are negatives too (Henderson et al., "Efficient Natural
Language Response Suggestion for Smart Reply", 2017, section 4.4). Hard ones are mined by the encoder's
own vectors. A document that is nearly as close to the query as the true one may well be right too: what
is closer than 95 % of the true one's score is not taken (Moreira et al., "NV-Retriever", 2024, section
3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bertworks.tasks.matching.searching import best
from bertworks.tasks.matching.target import is_document
from bertworks.tasks.target import Company

NEAREST = 32
"""Documents, beside the query's own, that hard negatives are drawn from."""
TOO_NEAR = 0.95


class Documents(Company):
    """The documents among the rows.

    Args:
        targets: A row's documents by number; of a document's row its own, below 0.
    """

    def __init__(self, targets: Any) -> None:
        rows = [np.asarray(targets[row]) for row in range(len(targets))]
        places = {~int(row[0]): at for at, row in enumerate(rows) if is_document(row)}
        self.asked = len(rows) - sum(map(is_document, rows))
        self._documents = np.array(sorted(places.values()), np.int64)
        self._own = [
            np.array([places[number] for number in row.tolist() if number in places], np.int64)
            for row in rows[: self.asked]
        ]
        self._hard: list[np.ndarray] | None = None
        self._wanted = 0

    def mine(self, vectors: Sequence[np.ndarray], wanted: int) -> None:
        """Finds each query's hard negatives by all rows' vectors, (width,) each."""
        if not wanted or not len(self._documents):
            return
        queries = np.stack(vectors[: self.asked])
        documents = np.stack([vectors[place] for place in self._documents])
        most = NEAREST + max(map(len, self._own))
        places, scores = best(queries, documents, min(most, len(documents)))
        self._hard, self._wanted = [], wanted
        for row, own in enumerate(self._own):
            near = self._documents[places[row]]
            mine = queries[row] @ np.stack([vectors[place] for place in own]).T if len(own) else 1.0
            fits = ~np.isin(near, own) & (scores[row] < TOO_NEAR * np.max(mine))
            self._hard.append(near[fits][:NEAREST])

    def together(self, chosen: np.ndarray, seed: int, epoch: int) -> np.ndarray:
        """Queries, a document of each, and hard negatives where there are some: as many for each.

        Args:
            chosen: Rows; those that are documents are left out.
            seed: Equal seed, epoch and rows give equal documents.
            epoch: From 0.
        """
        queries = chosen[chosen < self.asked]
        queries = np.array([row for row in queries if len(self._own[row])], np.int64)
        stream = np.random.default_rng([seed, epoch, *queries[:1].tolist(), len(queries)])
        own = [int(stream.choice(self._own[row])) for row in queries]
        hard: list[int] = []
        if self._hard is not None:
            for row in queries:
                there = self._hard[row]
                if len(there) < self._wanted:  # few documents, or all too near: any will do
                    there = np.setdiff1d(self._documents, self._own[row])
                if len(there):
                    hard += stream.choice(there, self._wanted).tolist()
        return np.array([*queries, *own, *hard], np.int64)

    def split(self, together: np.ndarray, parts: int) -> list[np.ndarray]:
        """Parts of what belongs together, queries with theirs, for machines that share a step."""
        queries = together[together < self.asked]
        count = len(queries)
        if not count:
            return [together[:0]] * parts
        lines = together.reshape(-1, count) if len(together) % count == 0 else None
        if (
            lines is None
        ):  # some query has no negative: each part keeps the documents of its own queries
            lines = together[: 2 * count].reshape(2, count)
        return [part.ravel() for part in np.array_split(lines, parts, axis=1)]
