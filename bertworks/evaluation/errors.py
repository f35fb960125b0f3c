"""The worst errors: where the model was surest and wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from bertworks.contracts.metrics import Spans, WrongRow
from bertworks.shortened import shortened
from bertworks.tasks.predictions import Predictions

LONGEST = 500
"""Characters of a text that are kept."""


def worst(predictions: Predictions, texts: list[str], most: int) -> list[WrongRow]:
    """The wrong rows, worst first.

    Args:
        predictions: Truth and answers.
        texts: The rows' texts, in the same order.
        most: How many rows at most.

    Returns:
        Entries of errors.json.
    """
    badness = predictions.handler.scores.badness(predictions)
    order = [row for row in np.argsort(-badness, kind="stable") if badness[row] > 0][:most]
    return [
        WrongRow(
            id=predictions.ids[row],
            text=shortened(texts[row], LONGEST),
            truth=readable(predictions, predictions.truth, row, texts[row]),
            prediction=readable(predictions, predictions.prediction, row, texts[row]),
            score=round(float(badness[row]), 6),
            spans=both_spans(predictions, row),
        )
        for row in order
    ]


def both_spans(predictions: Predictions, row: int) -> Spans | None:
    """In tagging the entities of a row's truth and prediction; else None."""
    return predictions.handler.scores.spans(predictions, row)


def readable(predictions: Predictions, values: Any, row: int, text: str) -> Any:
    """A row's truth or prediction for people: tags become entities, such as "PER: Ada Lovelace"."""
    return predictions.handler.scores.readable(predictions.named(values, row), text)
