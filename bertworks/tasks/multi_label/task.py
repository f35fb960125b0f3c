"""Each label on its own; logits are (rows, labels), a label is given where its logit is > 0."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from bertworks.models.config import Head
from bertworks.tasks.handler import Answer, Choices, Columns, Logits, TaskHandler
from bertworks.tasks.multi_label.target import LabelsTarget
from bertworks.tasks.predictions import Predictions

if TYPE_CHECKING:
    from bertworks.tasks.multi_label.losses import SigmoidLosses
    from bertworks.tasks.scores import Scores


class LabelsAnswer(TypedDict):
    """The labels that are given, and the probability of each one that there is."""

    labels: list[str]
    scores: dict[str, float]


class MultiLabel(TaskHandler):
    """Any number of the labels."""

    target = LabelsTarget()
    answer_type = LabelsAnswer
    given = "labels"

    def head(self) -> Head:
        """A sequence head with sigmoid outputs."""
        return Head("sequence", self.labels, "multi_label_classification")

    @property
    def losses(self) -> SigmoidLosses:
        """Binary cross-entropies."""
        from bertworks.tasks.multi_label.losses import SigmoidLosses

        return SigmoidLosses()

    def label_weights(self, targets: Any) -> np.ndarray:
        """For each label, the weight of rows that have it: rows without / rows with, at most 100."""
        having = np.maximum(targets.sum(axis=0), 1)
        return np.asarray(np.clip((len(targets) - having) / having, 0.01, 100.0), np.float32)

    def decode(
        self, logits: Logits, word_starts: Sequence[Sequence[int]] | None = None
    ) -> list[LabelsAnswer]:
        """The labels of each row."""
        wide = np.reshape(np.asarray(logits, np.float64), (-1, len(self.labels)))
        return [
            {
                "labels": [name for name, on in zip(self.labels, row > 0, strict=True) if on],
                "scores": dict(zip(self.labels, chance.tolist(), strict=True)),
            }
            for row, chance in zip(wide, _sigmoid(wide), strict=True)
        ]

    def choices(self, rows: Columns, logits: Logits) -> Choices:
        """One a row and label: no or yes, whose logits are 0 and the label's."""
        yes = np.reshape(np.asarray(logits, np.float64), -1)
        return np.stack([np.zeros_like(yes), yes], axis=1), np.asarray(rows["truth"]).reshape(-1)

    def sureness(self, decoded: Sequence[Answer]) -> np.ndarray:
        """The least certain of the row's yes/no answers."""
        least = (
            min((max(p, 1 - p) for p in one["scores"].values()), default=1.0) for one in decoded
        )
        return np.array(list(least), float)

    def is_right(self, answer: Answer, truth: Any) -> bool:
        """Whether the same labels are given, in whatever order."""
        return isinstance(truth, list) and set(answer["labels"]) == set(truth)

    def predictions(self, rows: Columns, logits: Sequence[np.ndarray]) -> Predictions:
        """0 or 1 for each label, and its probability."""
        stacked = np.stack(logits).astype(float)
        return Predictions(
            self.task, list(self.labels), list(rows["id"]),
            np.asarray(rows["truth"], dtype=np.int64),
            (stacked > 0).astype(np.int64), _sigmoid(stacked),
        )  # fmt: skip

    def of_answers(self, truth: list[Any], answers: Sequence[Answer]) -> Predictions:
        """Labels are all those that truth and answers name."""
        named = {name for row in truth for name in row}
        labels = sorted({name for one in answers for name in one["scores"]} | named)
        chances = np.array([[one["scores"].get(name, 0.0) for name in labels] for one in answers])
        return Predictions(
            self.task, labels, [str(row) for row in range(len(truth))],
            self.target.indexes(truth, labels),
            self.target.indexes([one["labels"] for one in answers], labels),
            chances,
        )  # fmt: skip

    @cached_property
    def scores(self) -> Scores:
        """accuracy and its kin."""
        from bertworks.tasks.multi_label.scores import MultiLabelScores

        return MultiLabelScores()

    def floor(self, train: Columns, test: Columns, seed: int) -> Any:
        """A linear SVM a label on TF-IDF features."""
        from sklearn.multiclass import OneVsRestClassifier
        from sklearn.svm import LinearSVC

        from bertworks.tasks.text_features import text_features

        learned, asked = text_features(self.form, train, test)
        model = OneVsRestClassifier(LinearSVC(random_state=seed))
        marks = self.target.indexes(train["labels"], self.labels)
        return np.asarray(model.fit(learned, marks).predict(asked))


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))
