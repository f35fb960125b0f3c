"""How much worse one model is than another on the same rows, and how far chance alone goes.

The interval is a paired percentile bootstrap (Efron & Tibshirani 1993, chapter 16): both models answer
the same resampled rows. A limit is broken when the drop is beyond it by more than chance, that is when
the one-sided lower bound of the drop is.
"""

from __future__ import annotations

import math

import numpy as np

from bertworks.contracts.bundle import Loss
from bertworks.errors import ArtifactError
from bertworks.evaluation.bootstrap import draw
from bertworks.evaluation.measures import measure_of
from bertworks.spec.task_kinds import lower_is_better
from bertworks.tasks.predictions import Predictions

RESAMPLES = 2000
EXACT = 1e-9  # the difference of two shares is a little more or less than itself in binary
_UNBOUNDED = frozenset({"mae", "rmse"})


class Drop(Loss):
    """How much worse a model is than another, and what that says of a limit; see `Loss`."""

    @classmethod
    def between(
        cls, model: Predictions, before: Predictions, metric: str, confidence: float, seed: int = 42
    ) -> Drop:
        """Of `model` against `before`, which answers the same rows in the same order.

        Where a metric is not defined (the correlation with a constant) it counts as 0.
        """
        sign = -1.0 if lower_is_better(metric) else 1.0
        ours, theirs = (measure_of(one.for_metric(metric)) for one in (model, before))

        def gap(weights: np.ndarray) -> np.ndarray:
            now, then = (np.nan_to_num(one(weights)[metric]) for one in (ours, theirs))
            return np.asarray(sign * (then - now))

        rows = len(model)
        value = float(gap(np.ones((1, rows)))[0])
        drawn = np.concatenate([gap(weights) for weights in draw(rows, RESAMPLES, seed)])
        low, high = np.quantile(drawn, [1.0 - confidence, confidence])
        return cls(
            metric,
            value,
            float(low),
            float(high),
            confidence,
            rows,
            model.handler.scores.changed(model, before),
        )

    def beyond(self, limit: float) -> bool:
        """Whether the drop is more than the limit by more than chance."""
        return self.low > limit + EXACT

    @property
    def resolution(self) -> float:
        """The least drop that so many rows can tell from none.

        The one-sided reach of chance; and where no answer differs, or the bootstrap has too few to
        resample, the rule of three (Hanley & Lippman-Hand 1983): what happens in none of n rows may
        still happen in about 3 of n.
        """
        reach = self.value - self.low
        if self.metric in _UNBOUNDED:
            return reach
        return max(reach, -math.log(1.0 - self.confidence) / self.rows)

    def __str__(self) -> str:
        """Value, bounds, rows and answers, in words."""
        if self.value == self.low == self.high == 0.0:
            return f"{self.metric} is the same on {self.rows} rows"
        changed = "" if self.changed is None else f"; {self.changed} answers differ"
        moved = "is worse" if self.value > EXACT else "is better" if self.value < 0 else "differs"
        return (
            f"{self.metric} {moved} by {abs(self.value):.4f} on {self.rows} rows "
            f"({self.confidence:.0%} bounds of the drop {self.low:+.4f} to {self.high:+.4f}{changed})"
        )


def best_by_chance(
    answers: Predictions, metric: str, confidence: float, seed: int = 42
) -> tuple[float, float]:
    """A metric's value, and its one-sided bound on the better side; 0 where it is not defined."""
    measure = measure_of(answers.for_metric(metric))
    value = float(np.nan_to_num(measure(np.ones((1, len(answers))))[metric][0]))
    drawn = np.concatenate(
        [np.nan_to_num(measure(one)[metric]) for one in draw(len(answers), RESAMPLES, seed)]
    )
    level = 1.0 - confidence if lower_is_better(metric) else confidence
    return value, float(np.quantile(drawn, level))


def shared(ours: Predictions, theirs: Predictions) -> tuple[Predictions, Predictions]:
    """Both models' answers on the rows that both were asked, paired by id and truth.

    Raises:
        ArtifactError: They share no rows.
    """
    place = {name: row for row, name in enumerate(theirs.ids)}
    pairs = [
        (row, place[name])
        for row, name in enumerate(ours.ids)
        if name in place and ours.named(ours.truth, row) == theirs.named(theirs.truth, place[name])
    ]
    if not pairs:
        raise ArtifactError(
            "The two were tested on other rows: none is the same, so they cannot be compared.",
            "Evaluate both on the same examples.",
        )
    first, second = (np.array(column) for column in zip(*pairs, strict=True))
    return ours.take(first), theirs.take(second)
