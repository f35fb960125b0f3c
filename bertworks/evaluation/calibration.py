"""Whether an agent's scores can be read as probabilities; told where they cannot."""

from __future__ import annotations

from typing import Literal

import numpy as np

from bertworks.notices import Notice
from bertworks.tasks.measuring import BINS, calibration_bins
from bertworks.tasks.predictions import Predictions

# A score that is off by a tenth misleads whoever sets a threshold by it.
TOLERATED = 0.1


Scored = Literal["model", "scaled", "plain"]
"""What gave the scores: an uncompressed model, a bundle with a temperature, one without."""


def notices(answers: Predictions, error: float | None, by: Scored = "plain") -> list[Notice]:
    """A notice where the calibration error is large, with what to do.

    Args:
        answers: Of classification with one label a row.
        error: Their calibration error, see `tasks.measuring`; None: it was not measured.
        by: What gave the scores.
    """
    if error is None or error <= TOLERATED + by_chance(answers.confidence()):
        return []
    sure = float(answers.confidence().mean())
    right = float((np.asarray(answers.truth) == np.asarray(answers.prediction)).mean())
    found = (
        f"calibration error {error:.2f} on {len(answers):,} rows (mean score {sure:.2f}, right "
        f"{right:.2f} of the time)"
    )
    if by == "model":
        text = f"{found} before compression; the bundle's scores are scaled (confidence.calibrate)."
        return [Notice(f"The scores are no probabilities yet: {text}", count=len(answers))]
    if sure < right:
        course = "the agent is right more often than it is sure"
        advice = "train longer (finetune.epochs) or lower finetune.label_smoothing"
    else:
        course = "the agent is sure more often than it is right"
        advice = (
            "set finetune.label_smoothing: 0.1, train shorter (finetune.epochs) or give more rows"
        )
    if by == "scaled":
        advice = "give more validation rows, of the same kind as the test rows (data.validation)"
    return [
        Notice(
            f"The scores are not probabilities: {found}: {course}. Choose thresholds on rows of your "
            f"own; to improve it {advice}.",
            "warning",
            count=len(answers),
        )
    ]


def by_chance(confidence: np.ndarray) -> float:
    """The calibration error that a perfectly calibrated agent would be expected to have.

    In each bin the number of right answers scatters about the sum of the scores; the mean absolute
    deviation of a normal variable is sqrt(2 / pi) of its standard deviation.
    """
    variance = np.bincount(calibration_bins(confidence), confidence * (1 - confidence), BINS)
    return float(np.sqrt(2 / np.pi * variance).sum() / len(confidence))
