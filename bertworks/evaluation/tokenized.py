"""A model's answers on rows that are tokenized already, with the evaluation's own measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bertworks.evaluation.predictions import decode_by
from bertworks.tasks.handler import Logits, TaskHandler
from bertworks.tasks.predictions import Predictions


def answers_on_tokens(
    handler: TaskHandler, targets: Any, logits: Logits, ids: Sequence[str] | None = None
) -> Predictions:
    """Truth and answers of rows of a tokens artifact.

    Words that were cut count as answered with "O" where `targets` knows them (`LabelledRows.truth`).

    Args:
        handler: The task.
        targets: Its target column, a value a row; in tagging a `Truth` a row, or tags on pieces.
        logits: As for `TaskHandler.decode`.
        ids: The rows' ids; their numbers when None.
    """
    names = [str(row) for row in range(len(targets))] if ids is None else list(ids)
    rows, given = handler.on_tokens(targets, logits)
    if "asked" in rows:
        names = [names[place] for place in rows["asked"]]
    return decode_by(handler, {"id": names, **rows}, [np.asarray(row) for row in given])


def value_on_tokens(handler: TaskHandler, metric: str, targets: Any, logits: Logits) -> float:
    """A metric's value on rows of a tokens artifact; 0 where it is not defined on them."""
    answers = answers_on_tokens(handler, targets, logits).for_metric(metric)
    value = handler.scores.measure(answers)(np.ones((1, len(answers))))[metric][0]
    return float(np.nan_to_num(value))
