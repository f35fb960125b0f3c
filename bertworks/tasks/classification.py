"""Classification: one label a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertworks.encoder.config import Head
from bertworks.tasks.handler import Logits, Metric, TaskHandler, macro_f1, softmax


class Classification(TaskHandler):
    """One of the labels for each row; logits are (rows, labels)."""

    default_metric = "accuracy"
    target_column = "label"

    def head(self) -> Head:
        """A sequence head with softmax outputs."""
        return Head("sequence", self.labels, "single_label_classification")

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """accuracy and macro_f1."""
        return {"accuracy": _accuracy, "macro_f1": _macro_f1}

    def decode(
        self, logits: Logits, word_starts: Sequence[Sequence[int]] | None = None
    ) -> list[dict[str, Any]]:
        """`{"label", "score", "scores": {label: probability}}` for each row."""
        chances = softmax(np.reshape(np.asarray(logits), (-1, len(self.labels))))
        best = chances.argmax(axis=-1).tolist()
        return [
            {
                "label": self.labels[index],
                "score": row[index],
                "scores": dict(zip(self.labels, row, strict=True)),
            }
            for index, row in zip(best, chances.tolist(), strict=True)
        ]


def balanced_weights(targets: np.ndarray, labels: int) -> np.ndarray:
    """Label weights rows / (labels * rows of the label): rare labels count as much as common ones."""
    counts = np.maximum(np.bincount(targets, minlength=labels), 1)
    return (len(targets) / (labels * counts)).astype(np.float32)


def _accuracy(targets: Any, logits: Logits) -> float:
    return float(np.mean(np.asarray(logits).argmax(axis=-1) == np.asarray(targets)))


def _macro_f1(targets: Any, logits: Logits) -> float:
    wide = np.asarray(logits).shape[-1]
    actual, given = np.asarray(targets), np.asarray(logits).argmax(axis=-1)
    right = np.bincount(actual[actual == given], minlength=wide)
    return macro_f1(right, np.bincount(given, minlength=wide), np.bincount(actual, minlength=wide))
