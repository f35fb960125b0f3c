"""How good numbers are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bertworks.tasks.measuring import correlation, quarters, ranker, ratio
from bertworks.tasks.predictions import Predictions
from bertworks.tasks.scores import Measure, RowMean, Scores


class RegressionScores(Scores):
    """pearson, spearman, mae and rmse, the last two in the score's own unit."""

    def measure(self, answers: Predictions) -> Measure:
        """Correlations are NaN where one side does not vary."""
        truth, given = np.asarray(answers.truth, float), np.asarray(answers.prediction, float)
        miss = given - truth
        ranks = ranker(truth), ranker(given)

        def measure(weights: np.ndarray) -> Mapping[str, np.ndarray]:
            total = weights.sum(axis=1)
            return {
                "pearson": correlation(weights, truth[None], given[None]),
                "spearman": correlation(weights, ranks[0](weights), ranks[1](weights)),
                "mae": ratio(weights @ np.abs(miss), total),
                "rmse": np.sqrt(ratio(weights @ miss**2, total)),
            }

        return measure

    def confidence(self, answers: Predictions) -> np.ndarray:
        """The predicted number itself."""
        return np.asarray(answers.prediction, dtype=float)

    def badness(self, answers: Predictions) -> np.ndarray:
        """The distance from the truth."""
        return np.abs(np.asarray(answers.prediction) - np.asarray(answers.truth))

    def means(self, answers: Predictions) -> list[RowMean]:
        """Absolute and squared errors."""
        one = np.ones(len(answers))
        miss = np.asarray(answers.prediction) - np.asarray(answers.truth)
        return [RowMean("mae", np.abs(miss), one), RowMean("rmse", miss**2, one)]

    def of_means(self, values: dict[str, float]) -> dict[str, float]:
        """rmse is the root of the mean square."""
        return values | {"rmse": math.sqrt(values["rmse"])} if "rmse" in values else values

    def label_slices(self, answers: Predictions) -> list[Any]:
        """Quarters of the true numbers."""
        return quarters(np.asarray(answers.truth, dtype=float))

    def readable(self, value: Any, text: str) -> Any:
        """Four places."""
        return round(value, 4)

    def changed(self, answers: Predictions, before: Predictions) -> int | None:
        """Every number changes a little."""
        return None
