"""The profile of a data set, and how far another one has drifted from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bertworks.contracts.statistics import Histogram, Profile, Vocabulary
from bertworks.data.divergence import raw_divergence
from bertworks.data.validation.profile.scan import VOCABULARY_BUCKETS, Scan
from bertworks.spec import Task
from bertworks.tasks import for_task

LENGTH_EDGES = [0, 1, 2, 3, 4, 6, 8, 11, 16, 23, 32, 45, 64, 91, 128, 181, 256, 362, 512, 1024]
"""Lower ends of the length buckets, in words; the last one is open."""

_SCORE_BUCKETS = 20
_WORDS = 500
_NAMED_WORDS = 5
_CHANCE_DRAWS, _CHANCE_SEED = 8, 1991
_MOST_DRAWN = 4 * 10**8  # items a histogram; numpy draws from at most 10**9

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Divergence:
    """How far one side of the data has moved.

    Attributes:
        name: "length", "vocabulary" or "labels".
        bits: Jensen-Shannon divergence, 0 (same) to 1, above what chance explains.
        detail: What moved most, in words.
    """

    name: str
    bits: float
    detail: str


def build_profile(scan: Scan, task: Task) -> Profile:
    """The histograms that a later run compares its data with, over all splits together."""
    target = for_task(task).target
    scores = scan.numbers(target.column) if target.numeric else np.zeros(0)
    scores = scores[np.isfinite(scores)]
    of_scores = None
    if len(scores):
        edges = np.linspace(scores.min(), max(scores.max(), scores.min() + 1e-6), _SCORE_BUCKETS)
        of_scores = Histogram(edges.tolist(), _binned(scan, "score", edges.tolist()))
    return Profile(
        task=task,
        rows=scan.rows,
        lengths=Histogram(list(LENGTH_EDGES), _binned(scan, "row.words", LENGTH_EDGES)),
        vocabulary=Vocabulary(VOCABULARY_BUCKETS, scan.vocabulary.tolist()),
        words=dict(scan.words.most_common(_WORDS)),
        labels=dict(sorted(scan.labels.total().items())),
        scores=of_scores,
    )


def compare(baseline: Profile, profile: Profile, scan: Scan) -> list[Divergence]:
    """How far length, vocabulary and labels (or scores) are from the baseline's profile."""
    lengths = baseline.lengths
    found = [
        Divergence(
            "length",
            divergence(lengths.counts, _binned(scan, "row.words", lengths.edges)),
            f"mean of about {_mean(lengths):.1f} words before, {_mean(profile.lengths):.1f} now",
        ),
        Divergence(
            "vocabulary",
            divergence(baseline.vocabulary.counts, profile.vocabulary.counts),
            _moved(baseline.words, profile.words),
        ),
    ]
    before, now = baseline.labels, profile.labels
    if before and now:
        names = sorted({*before, *now})
        sides = [[side.get(name, 0) for name in names] for side in (before, now)]
        found.append(Divergence("labels", divergence(*sides), _moved(before, now)))
    if baseline.scores and profile.scores:
        counts = _binned(scan, "score", baseline.scores.edges)
        found.append(Divergence("scores", divergence(baseline.scores.counts, counts), ""))
    return found


def divergence(first: list[int], second: list[int]) -> float:
    """The Jensen-Shannon divergence of two histograms, in bits, less what chance explains.

    Lin 1991, "Divergence measures based on the Shannon entropy", section 4. Two samples of one and
    the same distribution differ too, small ones much: what both histograms differ by on average
    when their items are shuffled among them (a permutation test's null) is taken off.
    """
    counts = np.array([first, second], np.int64)
    if not counts.sum(1).all():
        return 0.0
    return min(max(raw_divergence(counts) - _chance(counts), 0.0), 1.0)


def _chance(counts: npt.NDArray[np.int64]) -> float:
    """The mean divergence after shuffling the items of both rows."""
    sizes = np.maximum(counts.sum(1)[:, None], _MOST_DRAWN)
    counts = counts * _MOST_DRAWN // sizes if sizes.max() > _MOST_DRAWN else counts
    together, size = counts.sum(0), int(counts[0].sum())
    generator = np.random.default_rng(_CHANCE_SEED)
    drawn = generator.multivariate_hypergeometric(together, size, _CHANCE_DRAWS, method="marginals")
    return float(np.mean([raw_divergence(np.stack([one, together - one])) for one in drawn]))


def _binned(scan: Scan, column: str, lower_edges: Sequence[float]) -> list[int]:
    """Counts a bucket; values below the first edge fall into the first, the last is open."""
    values = scan.numbers(column)
    places = np.searchsorted(lower_edges, values[np.isfinite(values)], side="right") - 1
    counts = np.bincount(np.clip(places, 0, None), minlength=len(lower_edges))
    return [int(count) for count in counts]


def _mean(histogram: Histogram) -> float:
    """The mean of a histogram, each bucket counted at its lower edge."""
    counts = np.array(histogram.counts)
    return float(np.dot(histogram.edges, counts) / max(counts.sum(), 1))


def _moved(before: dict[str, int], now: dict[str, int]) -> str:
    """The names whose share grew most and fell most."""
    sizes = max(sum(before.values()), 1), max(sum(now.values()), 1)
    changes = {
        name: now.get(name, 0) / sizes[1] - before.get(name, 0) / sizes[0]
        for name in {*before, *now}
    }
    ordered = sorted(changes, key=lambda name: (changes[name], name))
    fell = [name for name in ordered if changes[name] < 0][:_NAMED_WORDS]
    grew = [name for name in reversed(ordered) if changes[name] > 0][:_NAMED_WORDS]
    parts = [("more often: ", grew), ("less often: ", fell)]
    return "; ".join(text + ", ".join(names) for text, names in parts if names)
