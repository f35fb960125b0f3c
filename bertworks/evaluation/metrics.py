"""Metrics with intervals, the confusion matrix and the per-label report."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bertworks.errors import DataError, SpecError
from bertworks.evaluation import bootstrap, entities
from bertworks.evaluation.measures import LOWER_IS_BETTER, measure_of
from bertworks.evaluation.predictions import OUTSIDE, Predictions

__all__ = ["LOWER_IS_BETTER", "classification_report", "confusion", "entry", "score", "value_of"]


def score(predictions: Predictions, resamples: int, seed: int) -> list[dict[str, Any]]:
    """Every metric of the task over all rows, with its 95 % interval.

    Args:
        predictions: Truth and answers.
        resamples: Bootstrap resamples; 0 gives no intervals.
        seed: Of the resamples.

    Returns:
        Entries of metrics.json; a metric that is not defined on these rows (ROC-AUC of one class,
        correlation with a constant) is left out.

    Raises:
        DataError: There are no rows.
    """
    if not len(predictions):
        raise DataError(
            "The test split has no rows to evaluate on.",
            "Give more data, or raise data.test in the spec.",
        )
    found = bootstrap.estimate(measure_of(predictions), len(predictions), resamples, seed)
    return [
        entry(name, got.value, len(predictions), low=got.low, high=got.high)
        for name, got in found.items()
        if math.isfinite(got.value)
    ]


def entry(
    name: str, value: float, rows: int, *, part: str = "",
    low: float | None = None, high: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """One entry of metrics.json; `part` is the slice, "" for all rows."""
    return {
        "name": name, "value": value, "low": low, "high": high, "slice": part, "rows": rows,
    }  # fmt: skip


def value_of(metrics: list[dict[str, Any]], name: str) -> float:
    """The value of a metric over all rows.

    Raises:
        SpecError: The metric was not measured.
    """
    overall = {one["name"]: one["value"] for one in metrics if one["slice"] == ""}
    if name not in overall:
        raise SpecError(
            f"There is no metric {name!r} for this task.",
            f"Choose one of: {', '.join(sorted(overall))}.",
        )
    return float(overall[name])


def confusion(predictions: Predictions) -> dict[str, Any] | None:
    """`{"labels", "matrix"}`, rows are true labels; None for regression and multi-label.

    Tagging counts words by tag, O included.
    """
    if predictions.task.type == "regression" or predictions.task.multi_label:
        return None
    labels, truth, given = _flat(predictions)
    wide = len(labels)
    cells = np.bincount(truth * wide + given, minlength=wide * wide).reshape(wide, wide)
    return {"labels": labels, "matrix": cells.tolist()}


def classification_report(predictions: Predictions) -> dict[str, Any]:
    """Precision, recall, F1 and support: `labels` (for tagging: tags), and `entities` by type.

    Each table also has the rows "micro average", "macro average" and "weighted average". Both are
    empty for regression.
    """
    if predictions.task.type == "regression":
        return {"labels": {}, "entities": {}}
    if predictions.task.multi_label:
        actual, given = predictions.truth, predictions.prediction
        counts = np.stack([(actual * given).sum(0), given.sum(0), actual.sum(0)], axis=1)
        return {"labels": _report(predictions.labels, counts), "entities": {}}
    labels, truth, said = _flat(predictions)
    wide = len(labels)
    counts = np.stack(
        [
            np.bincount(truth[truth == said], minlength=wide),
            np.bincount(said, minlength=wide),
            np.bincount(truth, minlength=wide),
        ],
        axis=1,
    )
    return {"labels": _report(labels, counts), "entities": _entity_report(predictions)}


def _entity_report(predictions: Predictions) -> dict[str, Any]:
    if predictions.task.type != "tagging":
        return {}
    sums: dict[str, np.ndarray] = {}
    for truth, given in zip(predictions.truth, predictions.prediction, strict=True):
        for kind, found in entities.counts(truth, given).items():
            sums[kind] = sums.get(kind, np.zeros(3)) + np.array(found)
    kinds = sorted(sums)
    return _report(kinds, np.array([sums[kind] for kind in kinds]).reshape(-1, 3))


def _report(labels: list[str], counts: np.ndarray) -> dict[str, Any]:
    """`counts`, shape (labels, 3): rightly predicted, predicted, true."""
    table = {label: _scores(*row) for label, row in zip(labels, counts, strict=True)}
    if not table:
        return {}
    support = counts[:, 2].sum()
    present = [one for one, row in zip(table.values(), counts, strict=True) if row[1:].sum() > 0]
    macro = {
        name: float(np.mean([one[name] for one in present])) if present else 0.0
        for name in ("precision", "recall", "f1")
    }
    weighted = {
        name: float(
            np.average([one[name] for one in table.values()], weights=counts[:, 2])
            if support
            else 0.0
        )
        for name in ("precision", "recall", "f1")
    }
    return {
        **table,
        "micro average": _scores(*counts.sum(axis=0)),
        "macro average": {**macro, "support": int(support)},
        "weighted average": {**weighted, "support": int(support)},
    }


def _scores(right: float, guessed: float, real: float) -> dict[str, Any]:
    return {
        "precision": float(right / guessed) if guessed else 0.0,
        "recall": float(right / real) if real else 0.0,
        "f1": float(2 * right / (guessed + real)) if guessed + real else 0.0,
        "support": int(real),
    }


def _flat(predictions: Predictions) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Labels, and truth and prediction as label indexes: one a row, or one a word for tagging."""
    if predictions.task.type != "tagging":
        return predictions.labels, predictions.truth, predictions.prediction
    words = [tag for row in predictions.truth for tag in row]
    given = [tag for row in predictions.prediction for tag in row]
    labels = list(dict.fromkeys([*predictions.labels, OUTSIDE, *sorted({*words, *given})]))
    place = {name: index for index, name in enumerate(labels)}
    return (
        labels,
        np.array([place[tag] for tag in words], dtype=np.int64),
        np.array([place[tag] for tag in given], dtype=np.int64),
    )
