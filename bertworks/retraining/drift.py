"""How far new rows have moved from those that the champion knows, and whether that is chance.

The measure is the Jensen-Shannon divergence of validate's drift check (Lin 1991). Words of one row are
not independent, so chance is measured with whole rows: a permutation test (Good 2005, "Permutation,
parametric and bootstrap tests of hypotheses", chapter 3) shuffles the rows between the two sides.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bertworks.contracts.retraining import Drift
from bertworks.data.divergence import raw_divergence
from bertworks.data.validation.profile.rows import SPLITS, ExamplesBatch, batches
from bertworks.data.validation.profile.scan import VOCABULARY_BUCKETS
from bertworks.data.validation.profile.words import split_words
from bertworks.spec import Task
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import for_task

MOST_ROWS = 4000
"""Rows of each side that are compared, at most; ids are hashes, so the smallest are a fair sample."""

FEWEST_ROWS = 20
"""New rows below which nothing is called a drift: a few odd ones are outliers."""

_DRAWS, _SEED, _CHANCE = 200, 1991, 0.99
_SCORE_BUCKETS = 10


def measure_drift(
    task: Task,
    before: Artifact,
    now: Artifact,
    ids: tuple[Collection[str], Collection[str]],
    limits: tuple[float, float],
) -> list[Drift]:
    """The drift of text and of labels (or scores).

    Args:
        task: What the rows hold.
        before: The examples artifact with the rows that the champion knows.
        now: The examples artifact with the new rows.
        ids: The rows to compare, of each.
        limits: For the text and for the labels, in bits.
    """
    sides = [
        _read(task, one, set(heapq.nsmallest(MOST_ROWS, chosen)))
        for one, chosen in zip((before, now), ids, strict=True)
    ]
    names = sorted({label for side in sides for row in side.labels for label in row})
    place = {name: index for index, name in enumerate(names)}
    edges = _edges(sides[0].scores)
    if for_task(task).target.numeric:
        targets = [_scores(side.scores, edges) for side in sides]
    else:
        targets = [_labels(side.labels, place) for side in sides]
    return [
        _drift("text", sides[0].words, sides[1].words, limits[0]),
        _drift("labels", targets[0], targets[1], limits[1]),
    ]


@dataclass
class _Side:
    """words: sparse (rows, VOCABULARY_BUCKETS); labels: of each row; scores: float64 (rows,)."""

    words: Any
    labels: list[tuple[str, ...]]
    scores: npt.NDArray[np.float64]


def _read(task: Task, examples: Artifact, wanted: set[str]) -> _Side:
    from scipy import sparse

    words, labels, scores = [sparse.csr_matrix((0, VOCABULARY_BUCKETS))], [], []
    target = for_task(task).target
    for batch, columns in _chosen(task, examples, wanted, target.column):
        found = split_words(batch)
        rows = np.repeat(np.arange(len(batch)), found.lengths)
        buckets = (found.hashes % np.uint64(VOCABULARY_BUCKETS)).astype(np.int64)
        shape = (len(batch), VOCABULARY_BUCKETS)
        words.append(sparse.csr_matrix((np.ones(len(rows)), (rows, buckets)), shape=shape))
        for value in columns.to_pylist():
            labels.append(target.names(value))
            scores.append(value if target.numeric else 0.0)
    return _Side(sparse.vstack(words, format="csr"), labels, np.array(scores, np.float64))


def _chosen(
    task: Task, examples: Artifact, wanted: set[str], column: str
) -> Iterator[tuple[pa.StringArray, pa.Array]]:
    """Texts and targets of the wanted rows."""
    values = pa.array(sorted(wanted), pa.string())
    for split in SPLITS:
        for batch in batches(examples, task, split, [column]):
            here = pc.is_in(batch.ids, value_set=values)
            if pc.any(here).as_py():
                yield batch.text.filter(here), _column(batch, column).filter(here)


def _column(batch: ExamplesBatch, name: str) -> pa.Array:
    return batch.columns.column(name)


def _labels(rows: list[tuple[str, ...]], place: dict[str, int]) -> Any:
    from scipy import sparse

    where = [
        (row, place[label]) for row, labels in enumerate(rows) for label in labels if label != "O"
    ]
    lines, columns = ([one[side] for one in where] for side in (0, 1))
    return sparse.csr_matrix((np.ones(len(where)), (lines, columns)), shape=(len(rows), len(place)))


def _edges(scores: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Buckets with about equally many of the old scores."""
    if not len(scores):
        return np.zeros(0)
    return np.unique(np.quantile(scores, np.linspace(0, 1, _SCORE_BUCKETS + 1)[1:-1]))


def _scores(scores: npt.NDArray[np.float64], edges: npt.NDArray[np.float64]) -> Any:
    from scipy import sparse

    buckets, rows = np.searchsorted(edges, scores, side="right"), np.arange(len(scores))
    return sparse.csr_matrix(
        (np.ones(len(scores)), (rows, buckets)), shape=(len(scores), len(edges) + 1)
    )


def _drift(name: str, before: Any, now: Any, limit: float) -> Drift:
    from scipy import sparse

    both = sparse.vstack([before, now], format="csr")
    total = np.asarray(both.sum(axis=0)).ravel()

    def gap(part: Any) -> float:
        one = np.asarray(part.sum(axis=0)).ravel()
        sides = np.stack([total - one, one])
        return raw_divergence(sides) if sides.sum(axis=1).all() else 0.0

    seen, count = gap(now), now.shape[0]
    random = np.random.default_rng(_SEED)
    shuffled = [gap(both[random.permutation(both.shape[0])[:count]]) for _ in range(_DRAWS)]
    value = min(max(seen - float(np.mean(shuffled)), 0.0), 1.0)
    return Drift(name, value, limit, seen <= float(np.quantile(shuffled, _CHANCE)))
