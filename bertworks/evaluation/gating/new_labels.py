"""A challenger that knows labels which the champion cannot answer is judged as a change of the task.

On all rows together a new label of a few rows drowns in the noise, and a champion that never gives it
would stay. So the mean over labels is compared, the new labels must be found, and on rows of the old
ones the challenger may not be worse by more than chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bertworks.contracts.agent import AgentRecord
from bertworks.errors import ArtifactError
from bertworks.evaluation.bootstrap import Difference, paired
from bertworks.evaluation.gating.drops import Drop, shared
from bertworks.evaluation.measures import measure_of
from bertworks.tasks import for_task
from bertworks.tasks.predictions import Predictions

RESAMPLES = 1000


@dataclass(frozen=True)
class NewLabels:
    """What a challenger does with labels that are new to it, and with the others.

    Attributes:
        labels: The new ones, sorted.
        found: New label to (found, there are) on the test rows; none are there where no row has it.
        macro: The mean over all labels against the champion's, on the same rows; None without rows.
        metric: Which mean it is.
        old: How much worse it is by the run's metric on rows of old labels alone; None without rows.
    """

    labels: tuple[str, ...]
    found: dict[str, tuple[int, int]]
    macro: Difference | None
    metric: str
    old: Drop | None

    @classmethod
    def between(
        cls,
        challenger: Predictions,
        champion: Predictions,
        labels: set[str],
        metric: str,
        confidence: float,
        seed: int,
    ) -> NewLabels:
        """Compares the two on the test rows that both were asked.

        Args:
            challenger: Its answers; its labels include the new ones.
            champion: The champion's answers to the same rows.
            labels: Which are new.
            metric: The run's metric.
            confidence: Of the bound on what the old labels lose.
            seed: Of the resamples.
        """
        macro, old = None, None
        name = challenger.handler.scores.macro or metric
        try:
            ours, theirs = shared(challenger, champion)
        except ArtifactError:
            return cls(tuple(sorted(labels)), dict.fromkeys(labels, (0, 0)), None, name, None)
        first, second = (measure_of(one.for_metric(name)) for one in (ours, theirs))
        macro = paired(first, second, name, len(ours), RESAMPLES, seed)
        known = np.array(
            [row for row in range(len(ours)) if not labels & _labels(ours, ours.truth, row)], int
        )
        if len(known):
            old = Drop.between(ours.take(known), theirs.take(known), metric, confidence, seed)
        return cls(tuple(sorted(labels)), _found(challenger, labels), macro, name, old)

    @property
    def recall(self) -> float | None:
        """The least share of a new label's test cases that were found; None where there are none."""
        shares = [found / there for found, there in self.found.values() if there]
        return min(shares, default=None)

    def __str__(self) -> str:
        """Found and there of each, in words."""
        return ", ".join(
            f"{name!r}: {found} of {there} found" if there else f"{name!r}: no test row has it"
            for name, (found, there) in sorted(self.found.items())
        )


def unknown_to(champion: AgentRecord, challenger: AgentRecord) -> set[str]:
    """The challenger's labels that the champion cannot give."""
    outside = for_task(challenger.task).target.outside
    return set(challenger.labels) - set(champion.labels) - {outside}


def _found(answers: Predictions, labels: set[str]) -> dict[str, tuple[int, int]]:
    counts = {name: [0, 0] for name in labels}
    for row in range(len(answers)):
        truth, given = (_cases(answers, one, row) for one in (answers.truth, answers.prediction))
        for case in truth:
            if case[1] in counts:
                counts[case[1]][0] += case in given
                counts[case[1]][1] += 1
    return {name: (found, there) for name, (found, there) in counts.items()}


def _cases(answers: Predictions, values: Any, row: int) -> set[tuple[int, str]]:
    """What stands in a row: its label or labels, or each word's tag with the word's place."""
    return answers.handler.scores.cases(answers.named(values, row))


def _labels(answers: Predictions, values: Any, row: int) -> set[str]:
    return {name for _, name in _cases(answers, values, row)}
