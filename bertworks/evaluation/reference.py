"""What a bundle learned from and answers, counted for reference.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from bertworks.contracts.reference import Chance, Expected, Reference
from bertworks.data.divergence import raw_divergence
from bertworks.runtime.drift import Buckets, names_of

TOKENS = 1000
"""Most frequent tokens that are counted one by one."""
ROWS = 10_000
"""Training rows that are counted, at most: more change no distribution that matters."""
_SIZES = (50, 200, 1000, 5000)
_DRAWS, _SEED = 60, 1991
_TAIL = 3.719  # the normal distribution's quantile at one in 10,000
_SCORES = 10


def reference(
    rows: Sequence[npt.NDArray[Any]],
    answers: Sequence[Mapping[str, Any]],
    marks: Sequence[int],
    unknown: int,
    labelled: bool,
) -> Reference:
    """Counts rows and answers, and measures what chance does to samples of them.

    Args:
        rows: Token ids of training rows.
        answers: The bundle's own, to validation rows.
        marks: Ids that stand in every row.
        unknown: Id of the unknown token.
        labelled: Whether answers are labels or tags; else scores.
    """
    words = np.concatenate([np.zeros(0, np.int64), *rows]).astype(np.int64)
    words = words[~np.isin(words, marks)]
    counts = np.bincount(words) if len(words) else np.zeros(1, np.int64)
    order = np.argsort(-counts, kind="stable")[:TOKENS]
    names = sorted({name for answer in answers for name in names_of(answer)}) if labelled else []
    edges = [] if labelled else _edges([float(answer["score"]) for answer in answers])
    empty = Reference(
        rows=len(rows), answered=len(answers), tokens=[int(one) for one in order if counts[one]],
        unknown=int(unknown), marks=sorted({int(one) for one in marks}), labels=names, edges=edges,
    )  # fmt: skip
    buckets = Buckets(empty)
    of_rows = [buckets.tokens(ids) for ids in rows]
    places = {name: [row[name] for row in of_rows] for name in ("tokens", "lengths", "unknown")}
    places["labels"] = [buckets.answer(answer) for answer in answers]
    expected = {
        name: _expected(row_places, buckets.sizes[name])
        for name, row_places in places.items()
        if sum(map(len, row_places))
    }
    return Reference(**{**empty.__dict__, "expected": expected})


def _expected(places: Sequence[npt.NDArray[np.int64]], size: int) -> Expected:
    """Counts, and what chance makes of samples of whole rows, drawn as a bootstrap draws them.

    Both sides are drawn (Efron and Tibshirani 1993, chapter 6): the reference is a sample as well. The
    high value is a gamma distribution's with the draws' mean and variance, by Wilson and Hilferty
    (1931): sixty draws tell these two, but no quantile so far out.
    """
    flat = np.concatenate(places)
    row = np.repeat(np.arange(len(places)), [len(one) for one in places])
    generator = np.random.default_rng(_SEED)
    even = np.full(len(places), 1 / len(places))

    def drawn(rows: int) -> npt.NDArray[np.float64]:
        weights = generator.multinomial(rows, even)
        return np.bincount(flat, weights=weights[row], minlength=size).astype(np.float64)

    means, highs = [], []
    for rows in _SIZES:
        gaps = []
        for _ in range(_DRAWS):
            sides = np.stack([drawn(len(places)), drawn(rows)])
            gaps.append(raw_divergence(sides) if sides.sum(1).all() else 0.0)
        mean, spread = max(float(np.mean(gaps)), 1e-9), max(float(np.std(gaps)), 1e-10)
        ninth = (spread / mean) ** 2 / 9  # one over nine times the shape
        means.append(round(mean, 9))
        highs.append(round(mean * (1 - ninth + _TAIL * ninth**0.5) ** 3, 9))
    counts = np.bincount(flat, minlength=size)
    return Expected([int(one) for one in counts], Chance(list(_SIZES), means, highs))


def _edges(scores: Sequence[float]) -> list[float]:
    """Buckets with about equally many scores."""
    if not scores:
        return []
    inner = np.quantile(scores, np.linspace(0, 1, _SCORES + 1)[1:-1])
    return [round(float(edge), 6) for edge in np.unique(inner)]
