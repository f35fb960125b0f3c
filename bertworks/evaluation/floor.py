"""The floor: a linear model on word counts, trained on the same rows as the encoder.

It takes seconds and no pretraining; what the encoder scores above it is what the encoder buys.
"""

from __future__ import annotations

from bertworks.evaluation.data import Columns
from bertworks.spec import Task
from bertworks.tasks import for_task
from bertworks.tasks.predictions import Predictions


def floor_predictions(
    task: Task, labels: list[str], train: Columns, test: Columns, seed: int
) -> Predictions:
    """Trains the floor on the train rows and answers the test rows.

    Args:
        task: What is asked.
        labels: Label names, in the model's order.
        train: Columns of the train rows, as in the examples artifact.
        test: Columns of the test rows, with `truth` as in `Predictions.truth`.
        seed: Of the linear model.
    """
    given = for_task(task, labels).floor(train, test, seed)
    return Predictions(task, labels, test["id"], test["truth"], given)
