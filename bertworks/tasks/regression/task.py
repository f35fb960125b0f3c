"""A number for each row; the model learns the scaled score, logits are (rows, 1)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from bertworks.models.config import Head
from bertworks.tasks.handler import Answer, Columns, Logits, TaskHandler
from bertworks.tasks.predictions import Predictions
from bertworks.tasks.target import NumberTarget

if TYPE_CHECKING:
    from bertworks.tasks.regression.losses import SquaredErrors
    from bertworks.tasks.scores import Scores


NEAR = 0.25


class ScoreAnswer(TypedDict):
    """A number in the data's own unit."""

    score: float


class Regression(TaskHandler):
    """A number."""

    target = NumberTarget()
    answer_type = ScoreAnswer
    given = "score"
    tensors = (("score", "FP64"),)

    def head(self) -> Head:
        """A sequence head with one output."""
        return Head("sequence", ("score",), "regression")

    @property
    def losses(self) -> SquaredErrors:
        """Squared error."""
        from bertworks.tasks.regression.losses import SquaredErrors

        return SquaredErrors()

    def decode(
        self, logits: Logits, word_starts: Sequence[Sequence[int]] | None = None
    ) -> list[ScoreAnswer]:
        """The number of each row."""
        return [{"score": float(value)} for value in self._in_unit(logits)]

    def is_right(self, answer: Answer, truth: Any) -> bool:
        """Whether a number is near: within NEAR of the training scores' standard deviation."""
        spread = (self.score or {}).get("std") or 1.0
        number = isinstance(truth, int | float) and not isinstance(truth, bool)
        return number and abs(answer["score"] - truth) <= NEAR * spread

    def predictions(self, rows: Columns, logits: Sequence[np.ndarray]) -> Predictions:
        """Numbers in the data's own unit."""
        values = self._in_unit(np.stack(logits)[:, 0])
        truth = np.asarray(rows["truth"], float)
        return Predictions(self.task, list(self.labels), list(rows["id"]), truth, values)

    def of_answers(self, truth: list[Any], answers: Sequence[Answer]) -> Predictions:
        """Numbers beside each other."""
        given = np.array([one["score"] for one in answers], float)
        ids = [str(row) for row in range(len(truth))]
        return Predictions(self.task, [], ids, np.array(truth, float), given)

    def on_tokens(self, targets: Any, logits: Logits) -> tuple[dict[str, list[Any]], Logits]:
        """Targets are scaled scores."""
        truth = self._in_unit(np.asarray(targets, float)).tolist()
        return {"truth": truth}, np.reshape(np.asarray(logits), (-1, 1))

    @cached_property
    def scores(self) -> Scores:
        """Correlations and errors."""
        from bertworks.tasks.regression.scores import RegressionScores

        return RegressionScores()

    def floor(self, train: Columns, test: Columns, seed: int) -> Any:
        """Ridge regression on TF-IDF features."""
        from sklearn.linear_model import Ridge

        from bertworks.tasks.text_features import text_features

        learned, asked = text_features(self.form, train, test)
        model = Ridge(alpha=1.0, solver="sparse_cg", random_state=seed)
        return model.fit(learned, np.asarray(train["score"], dtype=float)).predict(asked)

    def _in_unit(self, values: Logits) -> np.ndarray:
        scale = self.score or {"mean": 0.0, "std": 1.0}
        flat = np.asarray(values, np.float64).reshape(-1)
        return np.asarray(flat * scale["std"] + scale["mean"])
