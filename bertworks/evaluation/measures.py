"""Each task's metrics as functions of row weights, so that one resample costs a matrix product.

Every function here takes `Predictions` and returns a `Measure` (see bootstrap.py). With weights of
one the values are scikit-learn's; entity scores are seqeval's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bertworks.evaluation.bootstrap import Measure
from bertworks.evaluation.entities import counts
from bertworks.evaluation.predictions import Predictions
from bertworks.spec import LOWER_IS_BETTER

__all__ = [
    "BINS", "LOWER_IS_BETTER", "classification", "measure_of", "multi_label", "regression", "tagging",
]  # fmt: skip

BINS = 15
"""Confidence bins of the calibration error, as in Guo et al. 2017, section 2."""

Values = Mapping[str, np.ndarray]


def measure_of(predictions: Predictions) -> Measure:
    """The metrics of the predictions' task."""
    if predictions.task.type == "tagging":
        return tagging(predictions)
    if predictions.task.type == "regression":
        return regression(predictions)
    return multi_label(predictions) if predictions.task.multi_label else classification(predictions)


def classification(predictions: Predictions) -> Measure:
    """accuracy, macro_f1, micro_f1, mcc, and with probabilities roc_auc and calibration_error.

    roc_auc is that of the second label for two labels, else the mean of one-versus-rest over labels
    that occur. With one label a row micro F1 equals accuracy. MCC for many classes is R_K of Gorodkin
    (2004).
    """
    truth, prediction = predictions.truth, predictions.prediction
    wide = len(predictions.labels)
    actual, given = np.eye(wide)[truth], np.eye(wide)[prediction]
    table = np.concatenate([actual * given, given, actual], axis=1)
    extra = _probability_measures(predictions, actual)

    def measure(weights: np.ndarray) -> Values:
        right, guessed, real = np.split(weights @ table, 3, axis=1)
        total, hits = weights.sum(axis=1), right.sum(axis=1)
        found = {
            "accuracy": _ratio(hits, total),
            "macro_f1": _macro_f1(right, guessed, real),
            "micro_f1": _ratio(hits, total),
            "mcc": _mcc(hits, total, guessed, real),
        }
        return found | {name: function(weights) for name, function in extra.items()}

    return measure


def multi_label(predictions: Predictions) -> Measure:
    """accuracy (all labels of the row right), micro_f1, macro_f1, and roc_auc with probabilities."""
    actual, given = predictions.truth.astype(float), predictions.prediction.astype(float)
    table = np.concatenate([actual * given, given, actual], axis=1)
    exact = (actual == given).all(axis=1).astype(float)
    auc = (
        None
        if predictions.probabilities is None
        else _mean_auc(predictions.probabilities, actual, range(actual.shape[1]))
    )

    def measure(weights: np.ndarray) -> Values:
        right, guessed, real = np.split(weights @ table, 3, axis=1)
        found = {
            "accuracy": _ratio(weights @ exact, weights.sum(axis=1)),
            "micro_f1": _f1(right.sum(axis=1), guessed.sum(axis=1), real.sum(axis=1)),
            "macro_f1": _macro_f1(right, guessed, real),
        }
        return found if auc is None else found | {"roc_auc": auc(weights)}

    return measure


def tagging(predictions: Predictions) -> Measure:
    """Entity precision, recall, F1 (micro and macro over types), and the same for single tokens.

    Token scores count the outside tag O as a tag like the others, so token micro F1 is token
    accuracy. Resamples draw whole rows: words of one sentence are not independent.
    """
    entities = _stack([counts(*pair) for pair in _pairs(predictions)])
    tokens = _stack([_token_counts(*pair) for pair in _pairs(predictions)])

    def measure(weights: np.ndarray) -> Values:
        right, guessed, real = np.split(weights @ entities, 3, axis=1)
        sums = right.sum(axis=1), guessed.sum(axis=1), real.sum(axis=1)
        hit, said, true = np.split(weights @ tokens, 3, axis=1)
        return {
            "entity_f1": _f1(*sums),
            "entity_precision": _ratio(sums[0], sums[1]),
            "entity_recall": _ratio(sums[0], sums[2]),
            "entity_macro_f1": _macro_f1(right, guessed, real),
            "token_f1": _f1(hit.sum(axis=1), said.sum(axis=1), true.sum(axis=1)),
            "token_accuracy": _ratio(hit.sum(axis=1), true.sum(axis=1)),
            "token_macro_f1": _macro_f1(hit, said, true),
        }

    return measure


def regression(predictions: Predictions) -> Measure:
    """pearson, spearman, mae and rmse, the last two in the score's own unit."""
    truth = np.asarray(predictions.truth, dtype=float)
    given = np.asarray(predictions.prediction, dtype=float)
    miss = given - truth
    ranks = _ranker(truth), _ranker(given)

    def measure(weights: np.ndarray) -> Values:
        total = weights.sum(axis=1)
        return {
            "pearson": _correlation(weights, truth[None], given[None]),
            "spearman": _correlation(weights, ranks[0](weights), ranks[1](weights)),
            "mae": _ratio(weights @ np.abs(miss), total),
            "rmse": np.sqrt(_ratio(weights @ miss**2, total)),
        }

    return measure


def _probability_measures(
    predictions: Predictions, actual: np.ndarray
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    if predictions.probabilities is None:
        return {}
    columns = [1] if actual.shape[1] == 2 else range(actual.shape[1])
    sure = predictions.confidence()
    right = (predictions.truth == predictions.prediction).astype(float)
    bins = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.eye(BINS)[bins] * (right - sure)[:, None]
    return {
        "roc_auc": _mean_auc(predictions.probabilities, actual, columns),
        "calibration_error": lambda weights: _ratio(
            np.abs(weights @ gaps).sum(axis=1), weights.sum(axis=1)
        ),
    }


def _mean_auc(
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
        return _ratio(total, defined, empty=np.nan)

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
        return _ratio(pairs.sum(axis=1), above.sum(axis=1) * below.sum(axis=1), empty=np.nan)

    return measure


def _ranker(values: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
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


def _correlation(weights: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Weighted Pearson correlation; NaN where one side does not vary."""
    total = weights.sum(axis=1, keepdims=True)
    a = left - (weights * left).sum(axis=1, keepdims=True) / total
    b = right - (weights * right).sum(axis=1, keepdims=True) / total
    spread = np.sqrt((weights * a * a).sum(axis=1) * (weights * b * b).sum(axis=1))
    return _ratio((weights * a * b).sum(axis=1), spread, empty=np.nan)


def _macro_f1(right: np.ndarray, guessed: np.ndarray, real: np.ndarray) -> np.ndarray:
    """Mean F1 over the labels that occur in truth or prediction."""
    present = (guessed + real) > 0
    return _ratio(_f1(right, guessed, real).sum(axis=1), present.sum(axis=1))


def _f1(right: np.ndarray, guessed: np.ndarray, real: np.ndarray) -> np.ndarray:
    return _ratio(2 * right, guessed + real)


def _mcc(hits: np.ndarray, total: np.ndarray, guessed: np.ndarray, real: np.ndarray) -> np.ndarray:
    above = hits * total - (guessed * real).sum(axis=1)
    below = (total**2 - (guessed**2).sum(axis=1)) * (total**2 - (real**2).sum(axis=1))
    return _ratio(above, np.sqrt(below))


def _ratio(above: np.ndarray, below: np.ndarray, empty: float = 0.0) -> np.ndarray:
    """above / below, and `empty` where there is nothing to divide by."""
    above, below = np.broadcast_arrays(np.asarray(above, float), np.asarray(below, float))
    return np.divide(above, below, out=np.full(above.shape, empty), where=below > 0)


def _pairs(predictions: Predictions) -> list[tuple[list[str], list[str]]]:
    return list(zip(predictions.truth, predictions.prediction, strict=True))


def _token_counts(truth: list[str], prediction: list[str]) -> dict[str, tuple[int, int, int]]:
    return {
        tag: (
            sum(a == b == tag for a, b in zip(truth, prediction, strict=True)),
            prediction.count(tag),
            truth.count(tag),
        )
        for tag in {*truth, *prediction}
    }


def _stack(rows: list[dict[str, tuple[int, int, int]]]) -> np.ndarray:
    """Per-row counts side by side: all `right`, then all `guessed`, then all `real` columns."""
    names = sorted({name for row in rows for name in row}) or [""]
    table = np.zeros((len(rows), 3, len(names)))
    for index, row in enumerate(rows):
        for name, values in row.items():
            table[index, :, names.index(name)] = values
    return table.reshape(len(rows), -1)
