"""One of the labels for each row; logits are (rows, labels)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from bertworks.models.config import Head
from bertworks.tasks.handler import Answer, Choices, Columns, Logits, TaskHandler
from bertworks.tasks.measuring import softmax
from bertworks.tasks.predictions import Predictions
from bertworks.tasks.target import LabelTarget

if TYPE_CHECKING:
    from bertworks.tasks.classification.losses import SoftmaxLosses
    from bertworks.tasks.scores import Scores


class LabelAnswer(TypedDict):
    """The likeliest label, its probability, and that of each label."""

    label: str
    score: float
    scores: dict[str, float]


class Classification(TaskHandler):
    """One of the labels."""

    target = LabelTarget()
    answer_type = LabelAnswer
    tensors = (("label", "BYTES"), ("score", "FP64"))

    def head(self) -> Head:
        """A sequence head with softmax outputs."""
        return Head("sequence", self.labels, "single_label_classification")

    @property
    def losses(self) -> SoftmaxLosses:
        """Cross-entropy."""
        from bertworks.tasks.classification.losses import SoftmaxLosses

        return SoftmaxLosses()

    def label_weights(self, targets: Any) -> np.ndarray:
        """Rows / (labels * rows of the label): rare labels count as much as common ones."""
        counts = np.maximum(np.bincount(targets, minlength=len(self.labels)), 1)
        return np.asarray(len(targets) / (len(self.labels) * counts), np.float32)

    def decode(
        self, logits: Logits, word_starts: Sequence[Sequence[int]] | None = None
    ) -> list[LabelAnswer]:
        """The likeliest label of each row."""
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

    def choices(self, rows: Columns, logits: Logits) -> Choices:
        """One a row."""
        truth = np.asarray(rows["truth"], dtype=np.int64)
        known = truth >= 0
        wide = np.reshape(np.asarray(logits, np.float64), (-1, len(self.labels)))
        return wide[known], truth[known]

    def sureness(self, decoded: Sequence[Answer]) -> np.ndarray:
        """The score of the label that is given."""
        return np.array([one["score"] for one in decoded], float)

    def predictions(self, rows: Columns, logits: Sequence[np.ndarray]) -> Predictions:
        """The likeliest label, and the probability of each."""
        stacked = np.stack(logits).astype(float)
        truth = np.asarray(rows["truth"], dtype=np.int64)
        return Predictions(
            self.task, list(self.labels), list(rows["id"]), truth, stacked.argmax(axis=1),
            softmax(stacked),
        )  # fmt: skip

    def of_answers(self, truth: list[Any], answers: Sequence[Answer]) -> Predictions:
        """Labels are all those that truth and answers name."""
        labels = sorted({name for one in answers for name in one["scores"]} | set(truth))
        chances = np.array([[one["scores"].get(name, 0.0) for name in labels] for one in answers])
        return Predictions(
            self.task, labels, [str(row) for row in range(len(truth))],
            self.target.indexes(truth, labels),
            self.target.indexes([one["label"] for one in answers], labels),
            chances,
        )  # fmt: skip

    @cached_property
    def scores(self) -> Scores:
        """accuracy and its kin."""
        from bertworks.tasks.classification.scores import ClassificationScores

        return ClassificationScores()

    def floor(self, train: Columns, test: Columns, seed: int) -> Any:
        """A linear SVM on TF-IDF features."""
        from sklearn.svm import LinearSVC

        from bertworks.tasks.text_features import text_features

        targets = self.target.indexes(train["label"], self.labels)
        if len(set(targets.tolist())) == 1:
            return np.full(len(test["id"]), targets[0])
        learned, asked = text_features(self.form, train, test)
        return np.asarray(LinearSVC(random_state=seed).fit(learned, targets).predict(asked))
