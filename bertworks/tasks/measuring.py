"""What tasks' measures are made of: scores as functions of row weights, and tables by label.

With weights of one the values are scikit-learn's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from bertworks.contracts.metrics import Confusion, LabelScores


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, in float64."""
    wide = np.asarray(logits, np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True, initial=-np.inf))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def mean_auc(
    probabilities: np.ndarray, actual: np.ndarray, columns: range | list[int]
) -> Callable[[np.ndarray], np.ndarray]:
    """The area under the ROC curve, averaged over the columns in which it is defined."""
    parts = [_auc(np.asarray(probabilities)[:, column], actual[:, column]) for column in columns]

    def measure(weights: np.ndarray) -> np.ndarray:
        total, defined = np.zeros(len(weights)), np.zeros(len(weights))
        for part in parts:
            area = part(weights)
            known = np.isfinite(area)
            total += np.where(known, area, 0.0)
            defined += known
        return ratio(total, defined, empty=np.nan)

    return measure


def _auc(scores: np.ndarray, positive: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The share of (positive, negative) pairs in the right order; equal scores count half."""
    order = np.argsort(scores, kind="stable")
    starts = _group_starts(scores[order])
    is_positive = positive[order]

    def measure(weights: np.ndarray) -> np.ndarray:
        sorted_weights = weights[:, order]
        above = np.add.reduceat(sorted_weights * is_positive, starts, axis=1)
        below = np.add.reduceat(sorted_weights * (1 - is_positive), starts, axis=1)
        pairs = above * (np.cumsum(below, axis=1) - below / 2)
        return ratio(pairs.sum(axis=1), above.sum(axis=1) * below.sum(axis=1), empty=np.nan)

    return measure


def ranker(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Mean ranks within each resample, from one sort of the values."""
    order = np.argsort(values, kind="stable")
    starts = _group_starts(values[order])
    group = np.zeros(len(values), dtype=int)
    group[starts[1:]] = 1
    place = np.empty(len(values), dtype=int)
    place[order] = np.cumsum(group)

    def ranks(weights: np.ndarray) -> np.ndarray:
        sizes = np.add.reduceat(weights[:, order], starts, axis=1)
        return np.asarray((np.cumsum(sizes, axis=1) - (sizes - 1) / 2)[:, place])

    return ranks


def _group_starts(ordered: np.ndarray) -> np.ndarray:
    return np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))


def correlation(weights: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Weighted Pearson correlation; NaN where one side does not vary."""
    total = weights.sum(axis=1, keepdims=True)
    a = left - (weights * left).sum(axis=1, keepdims=True) / total
    b = right - (weights * right).sum(axis=1, keepdims=True) / total
    spread = np.sqrt((weights * a * a).sum(axis=1) * (weights * b * b).sum(axis=1))
    return ratio((weights * a * b).sum(axis=1), spread, empty=np.nan)


def macro_f1(right: np.ndarray, guessed: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Mean F1 over the labels that occur in truth or prediction."""
    present = (guessed + real) > 0
    return ratio(f1(right, guessed, real).sum(axis=1), present.sum(axis=1))


def f1(right: np.ndarray, guessed: np.ndarray, real: np.ndarray) -> np.ndarray:
    """2 TP / (predicted + true), and 0 where both are none."""
    return ratio(2 * right, guessed + real)


def mcc(hits: np.ndarray, total: np.ndarray, guessed: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Matthews correlation; for many classes R_K of Gorodkin (2004)."""
    above = hits * total - (guessed * real).sum(axis=1)
    below = (total**2 - (guessed**2).sum(axis=1)) * (total**2 - (real**2).sum(axis=1))
    return ratio(above, np.sqrt(below))


BINS = 15
"""Confidence bins of the calibration error, as in Guo et al. 2017, section 2."""


def calibration_bins(sure: np.ndarray) -> np.ndarray:
    """The bin of each probability, 0 to BINS - 1."""
    return np.clip(np.ceil(np.asarray(sure) * BINS).astype(int) - 1, 0, BINS - 1)


def calibration_gaps(sure: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of each answer how much it was right beyond its probability, in its bin: (answers, BINS)."""
    return np.asarray(np.eye(BINS)[calibration_bins(sure)] * (right - sure)[:, None])


def calibration_error(gaps: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The mean over answers of the absolute sums of `calibration_gaps`' columns: (samples,).

    Args:
        gaps: Of `calibration_gaps`, (answers, BINS).
        weights: How often each sample has each answer, (samples, answers).
    """
    return ratio(np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1))


def ratio(above: np.ndarray, below: np.ndarray, empty: float = 0.0) -> np.ndarray:
    """above / below, and `empty` where there is nothing to divide by."""
    above, below = np.broadcast_arrays(np.asarray(above, float), np.asarray(below, float))
    return np.divide(above, below, out=np.full(above.shape, empty), where=below > 0)


_MEASURES = ("precision", "recall", "f1")


def confusion_matrix(labels: Sequence[str], truth: np.ndarray, given: np.ndarray) -> Confusion:
    """How often which label was taken for which, of label indexes."""
    wide = len(labels)
    cells = np.bincount(truth * wide + given, minlength=wide * wide).reshape(wide, wide)
    return Confusion(list(labels), cells.tolist())


def label_counts(truth: np.ndarray, given: np.ndarray, labels: int) -> np.ndarray:
    """Rightly predicted, predicted and true of each label, shape (labels, 3), of label indexes."""
    return np.stack(
        [np.bincount(one, minlength=labels) for one in (truth[truth == given], given, truth)],
        axis=1,
    )


def label_report(labels: Sequence[str], counts: np.ndarray) -> dict[str, LabelScores]:
    """Precision, recall, F1 and support of each label, and their averages.

    Args:
        labels: Names.
        counts: Shape (labels, 3): rightly predicted, predicted, true.
    """
    table = {label: _scores(*row) for label, row in zip(labels, counts, strict=True)}
    if not table:
        return {}
    support = counts[:, 2].sum()
    present = [one for one, row in zip(table.values(), counts, strict=True) if row[1:].sum() > 0]
    macro = [
        float(np.mean([getattr(one, name) for one in present])) for name in _MEASURES if present
    ]
    weights = counts[:, 2]
    weighted = [
        float(np.average([getattr(one, name) for one in table.values()], weights=weights))
        for name in _MEASURES
        if support
    ]
    return {
        **table,
        "micro average": _scores(*counts.sum(axis=0)),
        "macro average": _averaged(macro, int(support)),
        "weighted average": _averaged(weighted, int(support)),
    }


def _averaged(measures: Sequence[float], support: int) -> LabelScores:
    precision, recall, f1 = measures or (0.0, 0.0, 0.0)
    return LabelScores(precision, recall, f1, support)


def _scores(right: float, guessed: float, real: float) -> LabelScores:
    return LabelScores(
        precision=float(right / guessed) if guessed else 0.0,
        recall=float(right / real) if real else 0.0,
        f1=float(2 * right / (guessed + real)) if guessed + real else 0.0,
        support=int(real),
    )


def quarters(values: np.ndarray) -> list[str]:
    """Names the quarter of the values that each belongs to by its smallest and largest value."""
    edges = np.unique(np.quantile(values, [0.25, 0.5, 0.75], method="higher"))
    bins = np.searchsorted(edges, values, side="left")
    names = {}
    for part in np.unique(bins):
        ends = [f"{end:.4g}" for end in (values[bins == part].min(), values[bins == part].max())]
        names[part] = " to ".join(dict.fromkeys(ends))
    return [names[part] for part in bins]
