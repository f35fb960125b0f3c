"""Metrics with intervals, the confusion matrix and the per-label report."""

from __future__ import annotations

import math

from bertworks.contracts.metrics import Confusion, LabelReport, Metric
from bertworks.errors import DataError
from bertworks.evaluation import bootstrap
from bertworks.evaluation.measures import measure_of
from bertworks.tasks.predictions import Predictions


def score(predictions: Predictions, resamples: int, seed: int) -> list[Metric]:
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
        Metric(name, got.value, got.low, got.high, rows=len(predictions))
        for name, got in found.items()
        if math.isfinite(got.value)
    ]


def confusion(predictions: Predictions) -> Confusion | None:
    """How often which label was taken for which; None for regression and multi-label.

    Tagging counts words by tag, O included.
    """
    return predictions.handler.scores.confusion(predictions)


def classification_report(predictions: Predictions) -> LabelReport:
    """Precision, recall, F1 and support: `labels` (for tagging: tags), and `entities` by type.

    Each table also has the rows "micro average", "macro average" and "weighted average". Both are
    empty for regression.
    """
    return predictions.handler.scores.report(predictions)
