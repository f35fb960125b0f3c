"""Whether an agent's scores can be read as probabilities; told where they cannot."""

from __future__ import annotations

import numpy as np

from bertworks.notices import Notice
from bertworks.tasks.classification.scores import BINS
from bertworks.tasks.predictions import Predictions

# A score that is off by a tenth misleads whoever sets a threshold by it.
TOLERATED = 0.1


def notices(answers: Predictions, error: float | None) -> list[Notice]:
    """A notice where the calibration error is large, with what to do.

    Args:
        answers: Of classification with one label a row.
        error: Their calibration error, see `tasks.classification.scores`; None: it was not measured.
    """
    if error is None or error <= TOLERATED + by_chance(answers.confidence()):
        return []
    sure = float(answers.confidence().mean())
    right = float((np.asarray(answers.truth) == np.asarray(answers.prediction)).mean())
    if sure < right:
        course = "the agent is right more often than it is sure"
        advice = "train longer (finetune.epochs) or lower finetune.label_smoothing"
    else:
        course = "the agent is sure more often than it is right"
        advice = (
            "set finetune.label_smoothing: 0.1, train shorter (finetune.epochs) or give more rows"
        )
    return [
        Notice(
            f"The scores are not probabilities: calibration error {error:.2f} on {len(answers):,} rows "
            f"(mean score {sure:.2f}, right {right:.2f} of the time): {course}. Choose thresholds "
            f"on rows of your own; to improve it {advice}.",
            "warning",
            count=len(answers),
        )
    ]


def by_chance(confidence: np.ndarray) -> float:
    """The calibration error that a perfectly calibrated agent would be expected to have.

    In each bin the number of right answers scatters about the sum of the scores; the mean absolute
    deviation of a normal variable is sqrt(2 / pi) of its standard deviation.
    """
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    variance = np.bincount(bins, confidence * (1 - confidence), BINS)
    return float(np.sqrt(2 / np.pi * variance).sum() / len(confidence))
