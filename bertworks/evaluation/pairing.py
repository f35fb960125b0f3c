"""Two agents' answers to the same test rows, taken from what their evaluations kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from bertworks.errors import ArtifactError
from bertworks.evaluation import predictions
from bertworks.evaluation.bootstrap import Difference, differences
from bertworks.evaluation.gating.drops import RESAMPLES, shared
from bertworks.evaluation.measures import measure_of
from bertworks.spec import Task
from bertworks.spec.task_kinds import lower_is_better
from bertworks.storage.artifacts import Artifact
from bertworks.tasks.predictions import Predictions

SEED = 42


@dataclass(frozen=True)
class Score:
    """One metric of two agents.

    Attributes:
        metric: Its name.
        first: The first agent's value on the rows that both answered.
        second: The second one's.
        difference: Second minus first.
        low: Lower end of the difference's 95 % interval; null where none was taken.
        high: Its upper end.
        better: Which one is better by more than chance: the interval lies on one side of 0; null where
            that cannot be told.
    """

    metric: str
    first: float
    second: float
    difference: float
    low: float | None = None
    high: float | None = None
    better: str | None = None


@dataclass(frozen=True)
class Paired:
    """Two agents on the same rows.

    Attributes:
        rows: How many rows both answered: the same id and the same truth.
        first_rows: How many the first one answered.
        second_rows: How many the second one did.
        changed: How many answers differ; null for numbers, which nearly all do.
        only_first: Labels that the first one alone knows.
        only_second: Labels that the second one alone knows.
        scores: Every metric of the task that is defined on the rows.
    """

    rows: int
    first_rows: int
    second_rows: int
    changed: int | None
    only_first: list[str]
    only_second: list[str]
    scores: list[Score]


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation kept: its metrics artifact, and whose answers these are."""

    metrics: Artifact
    task: Task
    labels: list[str]


def pair(first: Evaluated, second: Evaluated, resamples: int = RESAMPLES) -> Paired:
    """Compares two agents on the rows that both answered.

    The intervals are a paired percentile bootstrap (Efron & Tibshirani 1993, chapter 16). Metrics of
    probabilities have none: their resamples take long.

    Raises:
        ArtifactError: They do other tasks, share no rows, or their answers cannot be read.
    """
    if _kind(first.task) != _kind(second.task):
        raise ArtifactError(
            f"They do other tasks: {_kind(first.task)} and {_kind(second.task)}. Scores of other tasks "
            "say nothing of each other.",
            "Compare runs of one task.",
        )
    every = [*first.labels, *(one for one in second.labels if one not in first.labels)]
    same = first.labels == second.labels
    ours, theirs = (_answers(one, one.labels if same else every, same) for one in (first, second))
    left, right = shared(ours, theirs)
    return Paired(
        rows=len(left),
        first_rows=len(ours),
        second_rows=len(theirs),
        changed=left.handler.scores.changed(right, left),
        only_first=[one for one in first.labels if one not in second.labels],
        only_second=[one for one in second.labels if one not in first.labels],
        scores=list(_scores(left, right, resamples)),
    )


def _answers(given: Evaluated, labels: list[str], same: bool) -> Predictions:
    """The answers; by other labels than its own, without the probabilities of its own."""
    found = predictions.load(given.metrics / "predictions.parquet", given.task, labels)
    return found if same else replace(found, probabilities=None)


def _scores(first: Predictions, second: Predictions, resamples: int) -> list[Score]:
    ones = np.ones((1, len(first)))
    before, after = (
        {name: float(value[0]) for name, value in measure_of(one)(ones).items()}
        for one in (first, second)
    )
    # Second minus first: the second one is what `differences` calls the challenger.
    new, old = (measure_of(replace(one, probabilities=None)) for one in (second, first))
    gaps = differences(new, old, len(first), resamples, SEED)
    return [
        _score(name, value, after[name], gaps.get(name))
        for name, value in before.items()
        if name in after and math.isfinite(value) and math.isfinite(after[name])
    ]


def _score(name: str, first: float, second: float, gap: Difference | None) -> Score:
    if gap is None or gap.low is None or gap.high is None:
        return Score(name, first, second, second - first)
    better = None
    if gap.low > 0 or gap.high < 0:
        above = gap.low > 0
        better = "second" if above != lower_is_better(name) else "first"
    return Score(name, first, second, gap.value, gap.low, gap.high, better)


def _kind(task: Task) -> str:
    """What tells tasks apart, in words."""
    return task.kind.name if task.form == task.kind.forms[0] else f"{task.kind.name}, {task.form}"
