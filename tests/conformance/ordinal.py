"""A task that the project does not have: labels with an order, answered by one number on their scale.

Its labels sort by their names. The model learns a label's rank; what it misses is told in ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, TypedDict

import numpy as np
import tensorflow as tf

from bertworks.contracts.metrics import Confusion, LabelReport
from bertworks.models.config import Head
from bertworks.spec.task_kinds import TaskKind
from bertworks.tasks.handler import Answer, Columns, Logits, TaskHandler
from bertworks.tasks.losses import Loss, Losses, SoftLoss
from bertworks.tasks.measuring import confusion_matrix, label_counts, label_report, ratio
from bertworks.tasks.predictions import Predictions
from bertworks.tasks.scores import Measure, RowMean, Scores
from bertworks.tasks.target import LabelTarget

KIND = TaskKind(
    name="ordinal",
    type="ordinal",
    handler=f"{__name__}:Ordinal",
    metrics=("rank_error", "within_one", "exact"),
    metric="rank_error",
    lower_is_better=frozenset({"rank_error"}),
    at_most_one=frozenset({"within_one", "exact"}),
)


class OrdinalTarget(LabelTarget):
    """A label, of which the place is what counts."""

    title = "Ranks"


class RankAnswer(TypedDict):
    """A label, and the number that it is nearest to."""

    label: str
    rank: float


class Ordinal(TaskHandler):
    """The label nearest to the number that the model answers."""

    target = OrdinalTarget()
    answer_type = RankAnswer
    tensors = (("label", "BYTES"), ("rank", "FP64"))

    def head(self) -> Head:
        return Head("sequence", ("rank",), "regression")

    @property
    def outputs(self) -> int:
        return 1

    def widened(self, logits: np.ndarray, known: Sequence[str]) -> np.ndarray:
        return logits  # new labels stand behind the known ones

    @property
    def losses(self) -> Losses:
        return RankLosses()

    def decode(
        self, logits: Logits, word_starts: Sequence[Sequence[int]] | None = None
    ) -> Sequence[Answer]:
        values = np.asarray(logits, float).reshape(-1)
        return [
            {"label": self.labels[rank], "rank": float(value)}
            for rank, value in zip(self._nearest(values), values, strict=True)
        ]

    def predictions(self, rows: Columns, logits: Sequence[np.ndarray]) -> Predictions:
        values = np.stack(logits)[:, 0].astype(float)
        truth = np.asarray(rows["truth"], np.int64)
        return Predictions(
            self.task, list(self.labels), list(rows["id"]), truth, self._nearest(values)
        )

    def of_answers(self, truth: list[Any], answers: Sequence[Answer]) -> Predictions:
        labels = sorted({*truth, *(one["label"] for one in answers)})
        given = self.target.indexes([one["label"] for one in answers], labels)
        ids = [str(row) for row in range(len(truth))]
        return Predictions(self.task, labels, ids, self.target.indexes(truth, labels), given)

    @cached_property
    def scores(self) -> Scores:
        return RankScores()

    def floor(self, train: Columns, test: Columns, seed: int) -> Any:
        middle = np.median(self.target.indexes(train["label"], self.labels))
        return np.full(len(test["id"]), int(middle))

    def _nearest(self, values: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(values), 0, len(self.labels) - 1).astype(np.int64)


class RankLosses(Losses):
    """Squared error of the rank."""

    def hard(self, smoothing: float = 0.0, weights: np.ndarray | None = None) -> Loss:
        return lambda logits, targets: tf.reduce_sum(
            tf.square(logits[:, 0] - tf.cast(targets, tf.float32))
        )

    def soft(self, temperature: float) -> SoftLoss:
        return lambda student, teacher, targets: tf.reduce_sum(tf.square(student - teacher))


class RankScores(Scores):
    """rank_error (mean distance in ranks), within_one, exact."""

    macro = "exact"

    def measure(self, answers: Predictions) -> Measure:
        far = _far(answers)

        def measure(weights: np.ndarray) -> Mapping[str, np.ndarray]:
            total = weights.sum(axis=1)
            return {
                "rank_error": ratio(weights @ far, total),
                "within_one": ratio(weights @ (far <= 1), total),
                "exact": ratio(weights @ (far == 0), total),
            }

        return measure

    def confidence(self, answers: Predictions) -> np.ndarray:
        return np.full(len(answers), np.nan)

    def badness(self, answers: Predictions) -> np.ndarray:
        return _far(answers)

    def means(self, answers: Predictions) -> list[RowMean]:
        return [RowMean("rank_error", _far(answers), np.ones(len(answers)))]

    def confusion(self, answers: Predictions) -> Confusion:
        return confusion_matrix(answers.labels, answers.truth, answers.prediction)

    def report(self, answers: Predictions) -> LabelReport:
        counts = label_counts(answers.truth, answers.prediction, len(answers.labels))
        return LabelReport(label_report(answers.labels, counts))


def _far(answers: Predictions) -> np.ndarray:
    return np.abs(np.asarray(answers.truth) - np.asarray(answers.prediction)).astype(float)
