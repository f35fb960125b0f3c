"""Multi-label classification: any number of labels a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertworks.encoder.config import Head
from bertworks.tasks.handler import Logits, Metric, TaskHandler, f1, macro_f1


class MultiLabel(TaskHandler):
    """Each label on its own; logits are (rows, labels), a label is given where its logit is > 0."""

    default_metric = "accuracy"
    target_column = "labels"

    def head(self) -> Head:
        """A sequence head with sigmoid outputs."""
        return Head("sequence", self.labels, "multi_label_classification")

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """accuracy (all labels of the row right), micro_f1 and macro_f1."""
        return {"accuracy": _accuracy, "micro_f1": _micro_f1, "macro_f1": _macro_f1}

    def decode(
        self, logits: Logits, word_starts: Sequence[Sequence[int]] | None = None
    ) -> list[dict[str, Any]]:
        """`{"labels": [those given], "scores": {label: probability}}` for each row."""
        wide = np.reshape(np.asarray(logits, np.float64), (-1, len(self.labels)))
        chances = 0.5 * (1.0 + np.tanh(0.5 * wide))
        return [
            {
                "labels": [name for name, on in zip(self.labels, row > 0, strict=True) if on],
                "scores": dict(zip(self.labels, chance.tolist(), strict=True)),
            }
            for row, chance in zip(wide, chances, strict=True)
        ]


def balanced_weights(targets: np.ndarray) -> np.ndarray:
    """For each label, the weight of rows that have it: rows without / rows with, at most 100."""
    having = np.maximum(targets.sum(axis=0), 1)
    return np.asarray(np.clip((len(targets) - having) / having, 0.01, 100.0), np.float32)


def _accuracy(targets: Any, logits: Logits) -> float:
    given = np.asarray(logits) > 0
    return float(np.mean((given == (np.asarray(targets) > 0)).all(axis=-1)))


def _counts(targets: Any, logits: Logits) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    actual, given = np.asarray(targets) > 0, np.asarray(logits) > 0
    return (actual & given).sum(axis=0), given.sum(axis=0), actual.sum(axis=0)


def _micro_f1(targets: Any, logits: Logits) -> float:
    return float(f1(*(np.asarray(counts.sum()) for counts in _counts(targets, logits))))


def _macro_f1(targets: Any, logits: Logits) -> float:
    return macro_f1(*_counts(targets, logits))
