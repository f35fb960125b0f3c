"""A task's metrics as functions of row weights, so that one resample costs a matrix product."""

from __future__ import annotations

from bertworks.tasks.predictions import Predictions
from bertworks.tasks.scores import Measure


def measure_of(predictions: Predictions) -> Measure:
    """The metrics of the predictions' task. With weights of one the values are scikit-learn's;
    entity scores are seqeval's.
    """
    return predictions.handler.scores.measure(predictions)
