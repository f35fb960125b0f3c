"""How good single labels are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from bertworks.contracts.metrics import Confusion, LabelReport
from bertworks.tasks import measuring
from bertworks.tasks.measuring import ratio
from bertworks.tasks.predictions import Predictions
from bertworks.tasks.scores import Measure, RowMean, Scores


class ClassificationScores(Scores):
    """accuracy, macro_f1, micro_f1, mcc, and with probabilities roc_auc and calibration_error."""

    of_probabilities = frozenset({"roc_auc", "calibration_error"})
    macro = "macro_f1"

    def measure(self, answers: Predictions) -> Measure:
        """With one label a row micro F1 equals accuracy.

        roc_auc is that of the second label for two labels, else the mean of one-versus-rest over
        labels that occur. MCC for many classes is R_K of Gorodkin (2004).
        """
        truth, prediction = answers.truth, answers.prediction
        wide = len(answers.labels)
        actual, given = np.eye(wide)[truth], np.eye(wide)[prediction]
        table = np.concatenate([actual * given, given, actual], axis=1)
        extra = _of_probabilities(answers, actual)

        def measure(weights: np.ndarray) -> Mapping[str, np.ndarray]:
            right, guessed, real = np.split(weights @ table, 3, axis=1)
            total, hits = weights.sum(axis=1), right.sum(axis=1)
            found = {
                "accuracy": ratio(hits, total),
                "macro_f1": measuring.macro_f1(right, guessed, real),
                "micro_f1": ratio(hits, total),
                "mcc": measuring.mcc(hits, total, guessed, real),
            }
            return found | {name: function(weights) for name, function in extra.items()}

        return measure

    def confidence(self, answers: Predictions) -> np.ndarray:
        """The probability of the label that was given."""
        if answers.probabilities is None:
            return np.full(len(answers), np.nan)
        given = np.asarray(answers.probabilities, dtype=float)
        return np.asarray(given[np.arange(len(answers)), np.asarray(answers.prediction)])

    def badness(self, answers: Predictions) -> np.ndarray:
        """The probability given to the wrong label; without probabilities 1."""
        wrong = np.asarray(answers.truth) != np.asarray(answers.prediction)
        if answers.probabilities is None:
            return wrong.astype(float)
        return np.where(wrong, answers.confidence(), 0.0)

    def means(self, answers: Predictions) -> list[RowMean]:
        """Accuracy and mean confidence."""
        one = np.ones(len(answers))
        right = np.asarray(answers.truth) == np.asarray(answers.prediction)
        means = [RowMean("accuracy", right.astype(float), one)]
        if answers.probabilities is not None:
            means.append(RowMean("mean_confidence", answers.confidence(), one))
        return means

    def confusion(self, answers: Predictions) -> Confusion:
        """Rows by true and given label."""
        return measuring.confusion_matrix(answers.labels, answers.truth, answers.prediction)

    def report(self, answers: Predictions) -> LabelReport:
        """By label."""
        counts = measuring.label_counts(answers.truth, answers.prediction, len(answers.labels))
        return LabelReport(measuring.label_report(answers.labels, counts))


def _of_probabilities(
    answers: Predictions, actual: np.ndarray
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    if answers.probabilities is None:
        return {}
    columns = [1] if actual.shape[1] == 2 else range(actual.shape[1])
    sure = answers.confidence()
    right = (answers.truth == answers.prediction).astype(float)
    gaps = measuring.calibration_gaps(sure, right)
    return {
        "roc_auc": measuring.mean_auc(answers.probabilities, actual, columns),
        "calibration_error": lambda weights: measuring.calibration_error(gaps, weights),
    }
