"""What every task can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bertworks.encoder.config import Head
from bertworks.errors import SpecError
from bertworks.spec import LOWER_IS_BETTER, Task, metrics_of

Logits = Sequence[np.ndarray] | np.ndarray
Metric = Callable[[Any, Logits], float]


class TaskHandler(ABC):
    """One task: what the head looks like, what a row's target is, how good logits are.

    Attributes:
        task: What was asked.
        labels: Label names in the order of the logits; empty for regression.
        score: Regression: mean, std, min and max of the training scores; else None.
        default_metric: What the task is judged by unless a caller names another metric.
        target_column: The tokens artifact's column that holds the targets.
    """

    default_metric: str
    target_column: str

    def __init__(
        self,
        task: Task,
        labels: Sequence[str],
        score: Mapping[str, float] | None = None,
        metric: str | None = None,
    ) -> None:
        self.task, self.labels, self.score = task, tuple(labels), score
        self.default_metric = metric or self.default_metric

    @abstractmethod
    def head(self) -> Head:
        """The head that this task puts on the encoder."""

    @property
    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """Metric name to function of (targets, logits), for those that training asks for most."""

    @abstractmethod
    def decode(
        self, logits: Logits, word_starts: Sequence[Sequence[int]] | None = None
    ) -> list[dict[str, Any]]:
        """Turns logits into JSON-ready predictions, one a row.

        Args:
            logits: (rows, outputs), or for tagging one (length, labels) array a row.
            word_starts: Tagging: the position of each word's first piece, a list a row; words that
                were cut off have none.
        """

    def metric(self, name: str | None, targets: Any, logits: Logits) -> float:
        """A metric's value; None names the task's default.

        Args:
            name: One of `bertworks.spec.metrics_of` the task. Those that are not in `metrics` are
                computed as the evaluation computes them, and are 0 where they are not defined.
            targets: The rows' targets as in the tokens artifact's target column.
            logits: As for `decode`.

        Raises:
            SpecError: The task has no such metric.
        """
        wanted = name or self.default_metric
        if wanted in self.metrics:
            return float(self.metrics[wanted](targets, logits))
        if wanted not in metrics_of(self.task):
            raise SpecError(
                f"`metric` must be one of {', '.join(metrics_of(self.task))} for type: "
                f"{self.task.type}. Received: {wanted}",
                "Correct `metric` in the spec.",
            )
        from bertworks.evaluation.tokenized import value_on_tokens

        return value_on_tokens(self, wanted, targets, logits)

    def is_better(self, name: str | None, value: float, than: float | None) -> bool:
        """Whether a value of a metric is better than an earlier one (None: there was none)."""
        if than is None or np.isnan(than):
            return True
        return value < than if (name or self.default_metric) in LOWER_IS_BETTER else value > than


def softmax(logits: np.ndarray) -> np.ndarray:
    """Softmax over the last axis, in float64."""
    wide = np.asarray(logits, np.float64)
    powers = np.exp(wide - wide.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def f1(right: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
    """2 TP / (predicted + actual), and 0 where both are none."""
    total = np.asarray(predicted + actual, np.float64)
    return np.divide(2.0 * right, total, out=np.zeros_like(total), where=total > 0)


def macro_f1(right: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> float:
    """Mean F1 over the labels that occur in the targets or the predictions."""
    present = (predicted + actual) > 0
    return float(f1(right, predicted, actual)[present].mean()) if present.any() else 0.0
