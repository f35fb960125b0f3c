"""How good a task's answers are, and what explains it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bertworks.contracts.metrics import Confusion, LabelReport, Spans

if TYPE_CHECKING:
    from bertworks.tasks.predictions import Predictions

Measure = Callable[[np.ndarray], Mapping[str, np.ndarray]]
"""Weights, shape (resamples, rows) -> metric name to values, shape (resamples,)."""


@dataclass(frozen=True)
class RowMean:
    """A metric that is the mean of a number a row, under row weights."""

    name: str
    values: np.ndarray
    weights: np.ndarray


class Scores(ABC):
    """A task's measures.

    Attributes:
        of_probabilities: Metrics that look at probabilities; a thousand resamples of them take long.
        macro: The metric that is a mean over labels, by which a challenger is judged that knows new
            ones; None where there are no labels.
    """

    of_probabilities: ClassVar[frozenset[str]] = frozenset()
    macro: ClassVar[str | None] = None

    @abstractmethod
    def measure(self, answers: Predictions) -> Measure:
        """All metrics that the task declares, as functions of row weights.

        Those that need probabilities are left out where there are none. One that is not defined on
        the rows is NaN.
        """

    @abstractmethod
    def confidence(self, answers: Predictions) -> np.ndarray:
        """See `Predictions.confidence`."""

    @abstractmethod
    def badness(self, answers: Predictions) -> np.ndarray:
        """0 where the row is right, else the more the surer the model was, shape (rows,)."""

    @abstractmethod
    def means(self, answers: Predictions) -> list[RowMean]:
        """What is averaged over the rows of a slice."""

    def of_means(self, values: dict[str, float]) -> dict[str, float]:
        """A slice's means under the metrics' names, with what follows from them."""
        return values

    def label_slices(self, answers: Predictions) -> list[Any] | None:
        """The slice that each row belongs to by its truth (or the slices); None: it makes no sense."""
        return [answers.named(answers.truth, row) for row in range(len(answers))]

    def confusion(self, answers: Predictions) -> Confusion | None:
        """How often which label was taken for which; None where it makes no sense."""
        return None

    def report(self, answers: Predictions) -> LabelReport:
        """Precision, recall, F1 and support: by label, and in tagging by type of entity."""
        return LabelReport()

    def cases(self, named: Any) -> set[tuple[int, str]]:
        """What stands in a row: its label or labels, or each word's tag with the word's place."""
        return {(0, named)} if isinstance(named, str) else {(0, name) for name in named}

    def agree(self, truth: Any, prediction: Any) -> bool:
        """Whether a row's answer is right, from both as `Predictions.named` has them."""
        return bool(truth == prediction)

    def readable(self, value: Any, text: str) -> Any:
        """A row's truth or prediction for people: tags become entities, such as "PER: Ada"."""
        return value

    def spans(self, answers: Predictions, row: int) -> Spans | None:
        """Where the answer is of parts of the text, those of truth and prediction; else None."""
        return None

    def changed(self, answers: Predictions, before: Predictions) -> int | None:
        """Rows that two models answer differently; None where every answer does."""
        different = np.asarray(answers.prediction) != np.asarray(before.prediction)
        return int(different.reshape(len(answers), -1).any(axis=1).sum())
