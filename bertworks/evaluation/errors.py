"""The worst errors: where the model was surest and wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from bertworks.evaluation.predictions import Predictions
from bertworks.shortened import shortened
from bertworks.tasks.tagging import spans

LONGEST = 500
"""Characters of a text that are kept."""


def worst(predictions: Predictions, texts: list[str], most: int) -> list[dict[str, Any]]:
    """The wrong rows, worst first.

    Args:
        predictions: Truth and answers.
        texts: The rows' texts, in the same order.
        most: How many rows at most.

    Returns:
        `{"id", "text", "truth", "prediction", "score"}`; score is the probability given to the wrong
        answer (tagging: to the row's surest wrong tag), for regression the distance from the truth.
        Tagging adds `spans`: of truth and prediction each entity as [type, first word, one past the
        last], words being what stands between spaces in the text.
    """
    badness = _badness(predictions)
    order = [row for row in np.argsort(-badness, kind="stable") if badness[row] > 0][:most]
    return [
        {
            "id": predictions.ids[row],
            "text": shortened(texts[row], LONGEST),
            "truth": readable(predictions, predictions.truth, row, texts[row]),
            "prediction": readable(predictions, predictions.prediction, row, texts[row]),
            "score": round(float(badness[row]), 6),
            **both_spans(predictions, row),
        }
        for row in order
    ]


def both_spans(predictions: Predictions, row: int) -> dict[str, Any]:
    """In tagging `spans`, the entities of a row's truth and prediction; else nothing."""
    if predictions.task.type != "tagging":
        return {}
    sides = {"truth": predictions.truth, "prediction": predictions.prediction}
    return {
        "spans": {name: [list(span) for span in spans(side[row])] for name, side in sides.items()}
    }


def readable(predictions: Predictions, values: Any, row: int, text: str) -> Any:
    """A row's truth or prediction for people: tags become entities, such as "PER: Ada Lovelace"."""
    value = predictions.named(values, row)
    if predictions.task.type == "regression":
        return round(value, 4)
    if predictions.task.type != "tagging":
        return value
    words = text.split(" ")
    return [f"{kind}: {' '.join(words[start:end])}" for kind, start, end in spans(value)]


def _badness(predictions: Predictions) -> np.ndarray:
    """0 where the row is right; a model without probabilities counts as sure of all it says."""
    if predictions.task.type == "regression":
        return np.abs(np.asarray(predictions.prediction) - np.asarray(predictions.truth))
    if predictions.task.type == "tagging":
        return np.array([_surest_wrong(predictions, row) for row in range(len(predictions))])
    wrong = np.asarray(predictions.truth) != np.asarray(predictions.prediction)
    if predictions.probabilities is None:
        return (wrong.any(axis=1) if predictions.task.multi_label else wrong).astype(float)
    given = np.asarray(predictions.probabilities)
    if predictions.task.multi_label:
        sides = np.where(np.asarray(predictions.prediction) == 1, given, 1 - given)
        return np.asarray(np.where(wrong, sides, 0.0).max(axis=1))
    return np.where(wrong, predictions.confidence(), 0.0)


def _surest_wrong(predictions: Predictions, row: int) -> float:
    truth, given = predictions.truth[row], predictions.prediction[row]
    sure = predictions.probabilities[row] if predictions.probabilities else [1.0] * len(truth)
    misses = [s for a, b, s in zip(truth, given, sure, strict=True) if a != b]
    return float(max(misses, default=0.0))
