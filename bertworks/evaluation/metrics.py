"""Metrics with intervals, the confusion matrix and the per-label report."""

from __future__ import annotations

import math
from typing import Any

from bertworks.errors import DataError, SpecError
from bertworks.evaluation import bootstrap
from bertworks.evaluation.measures import measure_of
from bertworks.tasks.predictions import Predictions


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
    return predictions.handler.scores.confusion(predictions)


def classification_report(predictions: Predictions) -> dict[str, Any]:
    """Precision, recall, F1 and support: `labels` (for tagging: tags), and `entities` by type.

    Each table also has the rows "micro average", "macro average" and "weighted average". Both are
    empty for regression.
    """
    return predictions.handler.scores.report(predictions)
