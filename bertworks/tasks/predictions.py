"""A model's answers on labelled rows, in one shape for every task."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from bertworks.spec import Task
from bertworks.tasks import for_task
from bertworks.tasks.handler import TaskHandler


@dataclass(frozen=True)
class Predictions:
    """Truth and prediction of each row, beside each other.

    Attributes:
        task: What was asked.
        labels: Label names; empty for regression.
        ids: One id a row.
        truth: Classification: label indexes, shape (rows,). Multi-label: 0/1, shape (rows, labels).
            Regression: numbers, shape (rows,). Tagging: a list of tags a row. Matching: a list of
            documents a row, the right ones, or those found, nearest first.
        prediction: The same shape as `truth`.
        probabilities: Classification and multi-label: shape (rows, labels). Tagging: the probability
            of each predicted tag, a list a row. Matching: the cosines of what was found. None for
            regression, and where it is not known.
        of: The task with all that it knows of an agent, such as its documents; None: it is told by
            `task` and `labels`.
    """

    task: Task
    labels: list[str]
    ids: list[str]
    truth: Any
    prediction: Any
    probabilities: Any = None
    of: TaskHandler | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def handler(self) -> TaskHandler:
        """The task, which knows what the answers mean."""
        return self.of or for_task(self.task, self.labels)

    def named(self, values: Any, row: int) -> Any:
        """Row `row` of truth or prediction as plain JSON: a label, labels, tags or a number."""
        return self.handler.target.named(values, row, self.labels)

    def confidence(self) -> np.ndarray:
        """Probability of each row's answer (rows,); NaN where it is not known.

        Multi-label: the least certain of its yes/no answers. Tagging: its least certain tag.
        Regression: the predicted number itself.
        """
        return self.handler.scores.confidence(self)

    def for_metric(self, metric: str) -> Predictions:
        """The same answers without what the metric does not look at."""
        if metric in self.handler.scores.of_probabilities:
            return self
        return replace(self, probabilities=None)

    def take(self, rows: np.ndarray) -> Predictions:
        """The same with only the rows at the given positions."""

        def pick(values: Any) -> Any:
            if values is None:
                return None
            return [values[row] for row in rows] if isinstance(values, list) else values[rows]

        return Predictions(
            self.task, self.labels, [self.ids[row] for row in rows],
            pick(self.truth), pick(self.prediction), pick(self.probabilities), self.of,
        )  # fmt: skip
