"""How good sets of labels are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bertworks.contracts.metrics import LabelReport
from bertworks.tasks import measuring
from bertworks.tasks.measuring import ratio
from bertworks.tasks.predictions import Predictions
from bertworks.tasks.scores import Measure, RowMean, Scores


class MultiLabelScores(Scores):
    """accuracy (all labels of the row right), micro_f1, macro_f1, and roc_auc with probabilities."""

    of_probabilities = frozenset({"roc_auc"})
    macro = "macro_f1"

    def measure(self, answers: Predictions) -> Measure:
        """roc_auc is the mean over the labels that some rows have and others not."""
        actual, given = answers.truth.astype(float), answers.prediction.astype(float)
        table = np.concatenate([actual * given, given, actual], axis=1)
        exact = (actual == given).all(axis=1).astype(float)
        auc = (
            None
            if answers.probabilities is None
            else measuring.mean_auc(answers.probabilities, actual, range(actual.shape[1]))
        )

        def measure(weights: np.ndarray) -> Mapping[str, np.ndarray]:
            right, guessed, real = np.split(weights @ table, 3, axis=1)
            found = {
                "accuracy": ratio(weights @ exact, weights.sum(axis=1)),
                "micro_f1": measuring.f1(right.sum(axis=1), guessed.sum(axis=1), real.sum(axis=1)),
                "macro_f1": measuring.macro_f1(right, guessed, real),
            }
            return found if auc is None else found | {"roc_auc": auc(weights)}

        return measure

    def confidence(self, answers: Predictions) -> np.ndarray:
        """The least certain of the row's yes/no answers."""
        if answers.probabilities is None:
            return np.full(len(answers), np.nan)
        return np.asarray(_sides(answers).min(axis=1))

    def badness(self, answers: Predictions) -> np.ndarray:
        """The surest of the row's wrong answers; without probabilities 1."""
        wrong = np.asarray(answers.truth) != np.asarray(answers.prediction)
        if answers.probabilities is None:
            return np.asarray(wrong.any(axis=1).astype(float))
        return np.asarray(np.where(wrong, _sides(answers), 0.0).max(axis=1))

    def means(self, answers: Predictions) -> list[RowMean]:
        """Accuracy and mean confidence."""
        one = np.ones(len(answers))
        right = (np.asarray(answers.truth) == np.asarray(answers.prediction)).all(axis=1)
        means = [RowMean("accuracy", right.astype(float), one)]
        if answers.probabilities is not None:
            means.append(RowMean("mean_confidence", answers.confidence(), one))
        return means

    def label_slices(self, answers: Predictions) -> list[Any]:
        """A row is in the slice of each of its labels."""
        return [value or ["none"] for value in super().label_slices(answers) or []]

    def report(self, answers: Predictions) -> LabelReport:
        """By label."""
        actual, given = answers.truth, answers.prediction
        counts = np.stack([(actual * given).sum(0), given.sum(0), actual.sum(0)], axis=1)
        return LabelReport(measuring.label_report(answers.labels, counts))


def _sides(answers: Predictions) -> np.ndarray:
    """The probability of each yes or no that was answered."""
    given = np.asarray(answers.probabilities, dtype=float)
    return np.where(np.asarray(answers.prediction) == 1, given, 1.0 - given)
