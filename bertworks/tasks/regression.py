"""Regression: a number a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertworks.encoder.config import Head
from bertworks.tasks.handler import Logits, Metric, TaskHandler


class Regression(TaskHandler):
    """A number for each row; the model learns the scaled score, logits are (rows, 1)."""

    default_metric = "pearson"
    target_column = "scaled"

    def head(self) -> Head:
        """A sequence head with one output."""
        return Head("sequence", ("score",), "regression")

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """pearson; mae and rmse in the score's own unit."""
        return {"pearson": _pearson, "mae": self._mae, "rmse": self._rmse}

    def decode(
        self, logits: Logits, word_starts: Sequence[Sequence[int]] | None = None
    ) -> list[dict[str, Any]]:
        """`{"score"}` for each row, in the data's own unit."""
        scale = self.score or {"mean": 0.0, "std": 1.0}
        values = _flat(logits) * scale["std"] + scale["mean"]
        return [{"score": float(value)} for value in values]

    def _unit(self) -> float:
        return self.score["std"] if self.score else 1.0

    def _mae(self, targets: Any, logits: Logits) -> float:
        return self._unit() * float(np.abs(_flat(logits) - np.asarray(targets)).mean())

    def _rmse(self, targets: Any, logits: Logits) -> float:
        return self._unit() * float(np.sqrt(np.square(_flat(logits) - np.asarray(targets)).mean()))


def _flat(logits: Logits) -> np.ndarray:
    return np.asarray(logits, np.float64).reshape(-1)


def _pearson(targets: Any, logits: Logits) -> float:
    """Correlation; 0 where one side does not vary."""
    left, right = np.asarray(targets, np.float64), _flat(logits)
    left, right = left - left.mean(), right - right.mean()
    spread = np.sqrt((left @ left) * (right @ right))
    return float(left @ right / spread) if spread > 0 else 0.0
