"""A model's answers on rows that are tokenized already, with the evaluation's own measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bertworks.evaluation.measures import measure_of
from bertworks.evaluation.predictions import Predictions, decode
from bertworks.tasks.handler import Logits, TaskHandler
from bertworks.tasks.tagging import truth_of

# Only these look at probabilities, and a thousand resamples of them take long.
_OF_PROBABILITIES = frozenset({"roc_auc", "calibration_error"})


def answers_on_tokens(
    handler: TaskHandler, targets: Any, logits: Logits, ids: Sequence[str] | None = None
) -> Predictions:
    """Truth and answers of rows of a tokens artifact.

    Words that were cut count as answered with "O" where `targets` knows them (`Rows.truth`).

    Args:
        handler: The task.
        targets: Its target column, a value a row; in tagging a `Truth` a row, or tags on pieces.
        logits: As for `TaskHandler.decode`.
        ids: The rows' ids; their numbers when None.
    """
    names = [str(row) for row in range(len(targets))] if ids is None else list(ids)
    rows: dict[str, list[Any]] = {"id": names, "truth": list(targets)}
    labels = list(handler.labels)
    if handler.task.type == "tagging":
        told = [truth_of(row) for row in targets]
        rows["starts"] = [row.starts.tolist() for row in told]
        rows["kept"] = [row.words.tolist() for row in told]
        rows["truth"] = [[labels[index] for index in row.tags] for row in told]
    elif handler.task.type == "regression":
        scale = handler.score or {"mean": 0.0, "std": 1.0}
        rows["truth"] = (np.asarray(targets, float) * scale["std"] + scale["mean"]).tolist()
        logits = np.reshape(np.asarray(logits), (-1, 1))
    score = None if handler.score is None else dict(handler.score)
    return decode(handler.task, labels, rows, [np.asarray(row) for row in logits], score)


def for_metric(predictions: Predictions, metric: str) -> Predictions:
    """The same answers without what the metric does not look at."""
    return predictions if metric in _OF_PROBABILITIES else replace(predictions, probabilities=None)


def value_on_tokens(handler: TaskHandler, metric: str, targets: Any, logits: Logits) -> float:
    """A metric's value on rows of a tokens artifact; 0 where it is not defined on them."""
    answers = for_metric(answers_on_tokens(handler, targets, logits), metric)
    value = measure_of(answers)(np.ones((1, len(answers))))[metric][0]
    return float(np.nan_to_num(value))
