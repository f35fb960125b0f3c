"""The floor: a linear model on word counts, trained on the same rows as the encoder.

It takes seconds and no pretraining; what the encoder scores above it is what the encoder buys.
"""

from __future__ import annotations

from bertworks.evaluation.data import Columns
from bertworks.tasks.handler import TaskHandler
from bertworks.tasks.predictions import Predictions


def floor_predictions(
    handler: TaskHandler, train: Columns, test: Columns, seed: int
) -> Predictions:
    """Trains the floor on the train rows and answers the test rows.

    Args:
        handler: The task, with the labels in the model's order, or its documents.
        train: Columns of the train rows, as in the examples artifact.
        test: Columns of the test rows, with `truth` as in `Predictions.truth`.
        seed: Of the linear model.
    """
    given = handler.floor(train, test, seed)
    labels = list(handler.labels)
    return Predictions(handler.task, labels, test["id"], test["truth"], given, of=handler)
