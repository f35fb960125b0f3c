"""The search: trial after trial, until the budget is spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from bertworks.contracts.history import Point
from bertworks.contracts.tuned import Ended, Trial, Tuned
from bertworks.errors import BertworksError, Diverged
from bertworks.progress import duration
from bertworks.spec import Finetune
from bertworks.spec.tuning import Halving, Tune
from bertworks.training.advice import SPLITS
from bertworks.training.loop import State
from bertworks.training.objectives.finetuning import Judge
from bertworks.training.search.budget import Budget
from bertworks.training.search.halving import goes_on, is_rung
from bertworks.training.search.study import Running, Study

HALVED, OVER = "halved", "budget"
"""What a judge says."""


class Trainer(Protocol):
    """What trains the trials, and keeps the best one's model."""

    def train(self, settings: Finetune, judge: Judge, name: str) -> State:
        """Trains, or goes on from where the same training was cut off.

        Raises:
            Diverged: The loss is not finite.
        """

    def offer(self, number: int, value: float) -> None:
        """Keeps the model of the training that has just ended, where it is among the best."""

    def close(self) -> None:
        """The trial is in the study: nothing will go on from its checkpoints."""


@dataclass(frozen=True)
class Trials:
    """The course of a search.

    Attributes:
        tune: The spec's section.
        settings: The finetune section, whose other settings all trials have.
        metric: What they are compared by.
        least_epochs: Epochs that a trial must have to be worth its start.
        better: Whether a value of the metric is better than an earlier one.
    """

    tune: Tune
    settings: Finetune
    metric: str
    least_epochs: int
    better: Callable[[float, float | None], bool]

    def run(self, study: Study, trainer: Trainer, budget: Budget) -> Tuned:
        """Runs trials until the budget is spent.

        Raises:
            BertworksError: No trial came to a value.
        """
        while (ended := self._ended(study, budget)) is None:
            running = study.next(self._fitting(study, budget))
            self._try(running, study, trainer, budget)
        best = study.best
        if best is None or best.value is None:
            raise BertworksError(
                f"All {len(study.finished)} trials of the search diverged.",
                "Lower finetune.learning_rate, or tune.space.learning_rate.high.",
            )
        return Tuned(
            self.metric, best.number, best.settings, best.value, [best.number], study.finished,
            study.importance(), ended,
        )  # fmt: skip

    def _ended(self, study: Study, budget: Budget) -> Literal["trials", "minutes"] | None:
        done = len(study.finished)
        if self.tune.trials is not None and done >= self.tune.trials:
            return "trials"
        # The first trial is begun in any case: without one there is no model.
        if done and self._fitting(study, budget) < self.least_epochs:
            return "minutes"
        return None

    def _fitting(self, study: Study, budget: Budget) -> float:
        return budget.epochs(study.seconds)

    def _try(self, running: Running, study: Study, trainer: Trainer, budget: Budget) -> None:
        number, earlier = running.number, study.finished
        settings = self.settings.model_copy(update=running.settings.given())
        before, began = (running.seconds or [0.0])[-1], budget.clock()
        ends = list(running.seconds)

        def judge(state: State) -> str:
            rungs = self._rungs(state.points)
            # A trial that lost its seconds with its machine has less of them than rungs.
            ends[len(rungs) - 1 :] = [before + budget.clock() - began]
            study.report(number, rungs, ends)
            if _lags(rungs, earlier, self.tune.halving, study.lower):
                return HALVED
            return "" if budget.another(ends) else OVER

        try:
            state = trainer.train(settings, judge, self._title(number, study, budget))
        except Diverged:
            study.end(number, "diverged", None)
            trainer.close()
            return
        rungs = self._rungs(state.points)
        study.report(number, rungs, ends)
        trainer.offer(number, rungs[-1])
        study.end(number, _how(state), rungs[-1])
        trainer.close()

    def _rungs(self, points: Sequence[Point]) -> list[float]:
        """After each epoch, the best value so far."""
        best: float | None = None
        found: dict[float, float] = {}
        for point in points:
            if point.split in SPLITS:
                best = point.value if self.better(point.value, best) else best
                found[point.epoch] = point.value if best is None else best
        return list(found.values())

    def _title(self, number: int, study: Study, budget: Budget) -> str:
        of = "" if self.tune.trials is None else f" of {self.tune.trials}"
        best = "" if study.best is None else f", best so far {study.best.value:.4f}"
        left = (
            ""
            if self.tune.minutes is None
            else f", begun with {duration(max(0.0, budget.left))} left"
        )
        return f"trial {number + 1}{of}{best}{left}"


def _lags(rungs: Sequence[float], earlier: Sequence[Trial], halving: Halving, lower: bool) -> bool:
    """Whether a trial ends at the rung that it has come to."""
    epoch = len(rungs)
    if not is_rung(epoch, halving):
        return False
    others = [one.rungs[epoch - 1] for one in earlier if len(one.rungs) >= epoch]
    return not goes_on(rungs[-1], others, halving.factor, lower=lower)


def _how(state: State) -> Ended:
    if state.stopped == HALVED:
        return "halved"
    return "minutes" if state.stopped == OVER else "complete"
