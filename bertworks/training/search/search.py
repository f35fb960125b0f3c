"""The search: trial after trial, until the budget is spent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from bertworks.contracts.history import Point
from bertworks.contracts.tuned import Chosen, Ended, Trial, Tuned
from bertworks.errors import BertworksError, Diverged
from bertworks.progress import duration
from bertworks.spec import Finetune
from bertworks.spec.tuning import Halving, Tune
from bertworks.training.advice import SPLITS
from bertworks.training.loop import OVER, State
from bertworks.training.objectives.finetuning import Judge
from bertworks.training.search.budget import LEAST_EPOCHS, Budget, latest
from bertworks.training.search.halving import goes_on, is_rung
from bertworks.training.search.study import Running, Study

HALVED = "halved"
"""What a judge says of a trial that lags behind."""
LOST_HOPE = 25
"""Trials without a better one after which more of them would not help."""
MOST_MISFITS = 200
"""Trials that were not begun, after which there is little in the space that fits the limits."""


SURE = 0.9
"""Of the epochs that seem to fit, those that a trial may take which nothing needs to follow: another
encoder's steps are only known by its number of layers."""


class Trainer(Protocol):
    """What trains the trials, and keeps the best one's model.

    Attributes:
        error: Of the latest trial's value, see `Trial`.
    """

    error: float | None

    def train(
        self, chosen: Chosen, settings: Finetune, judge: Judge, over: Callable[[], bool], name: str
    ) -> State:
        """Trains, or goes on from where the same training was cut off.

        Args:
            chosen: What it starts from.
            settings: What it trains with.
            judge: Asked after each epoch.
            over: Asked after each step whether time is over.
            name: What progress calls it.

        Raises:
            Diverged: The loss is not finite.
        """

    def offer(self, number: int, chosen: Chosen, value: float) -> None:
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
        perfect: The value beyond which there is none; None: there is always a better one.
        behind: Seconds that the rows take in the steps behind the search, by the tokens that are trained
            on in a second.
        pruning: The same of pruning, where the run's minutes are shared with it; None: they are not.
        misfit: Why a trial's model cannot fit the limits on size and latency; "" where it can. Such
            trials are not begun, but the first one, as without it there is no model.
    """

    tune: Tune
    settings: Finetune
    metric: str
    least_epochs: int
    better: Callable[[float, float | None], bool]
    perfect: float | None = None
    behind: Callable[[float], float] = lambda rate: 0.0
    pruning: Callable[[float], float | None] = lambda rate: None
    misfit: Callable[[Chosen], str] = lambda settings: ""

    def run(self, study: Study, trainer: Trainer, budget: Budget) -> Tuned:
        """Runs trials until the budget is spent.

        Raises:
            BertworksError: No trial came to a value.
        """
        if (rate := study.rate) is not None:  # a search that was cut off knows what comes after it
            self._hold_back(budget, rate, self._fits(study.seconds[0]))
        while (ended := self._ended(study, budget)) is None:
            folds = self.tune.folds
            seconds = study.own_seconds
            most = math.inf if folds else budget.most_epochs(seconds)
            running = study.next(most, most if folds else SURE * budget.epochs(seconds))
            if running.number and self.misfit(running.settings):
                study.end(running.number, "limits", None)
                continue
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

    def _ended(
        self, study: Study, budget: Budget
    ) -> Literal["trials", "minutes", "converged"] | None:
        finished = [one for one in study.finished if one.ended != "limits"]
        done = len(finished)
        if len(study.finished) - done >= MOST_MISFITS:
            return "converged"
        if self.tune.trials is not None and done >= self.tune.trials:
            return "trials"
        if self.tune.trials is None and self._converged(study, finished):
            return "converged"
        # The first trial is begun in any case: without one there is no model.
        least = self.tune.folds or self._least
        if done and budget.epochs(study.own_seconds) < least * study.least_cost:
            return "minutes"
        return None

    @property
    def _least(self) -> int:
        """Epochs that must fit for another trial to be begun."""
        return min(self.least_epochs, LEAST_EPOCHS)

    def _converged(self, study: Study, finished: Sequence[Trial]) -> bool:
        """Whether more trials would not help: nothing is better, or was for long."""
        best = study.best
        if best is None:
            return False
        return best.value == self.perfect or len(finished) - 1 - best.number >= LOST_HOPE

    def _try(self, running: Running, study: Study, trainer: Trainer, budget: Budget) -> None:
        number = running.number
        earlier = [one for one in study.finished if one.ended != "limits"]
        cost = study.cost(running.settings)
        settings = self.settings.model_copy(update=running.settings.of_finetune())
        before, began = (running.seconds or [0.0])[-1], budget.clock()
        ends = list(running.seconds)
        budget.grant(0.0)

        def judge(state: State) -> str:
            rungs = self._rungs(state.points)
            # A trial that lost its seconds with its machine has less of them than rungs.
            ends[len(rungs) - 1 :] = [before + budget.clock() - began]
            study.report(number, rungs, ends)
            budget.learn(state.epoch_seconds / cost)
            rate = state.tokens_per_second
            if state.epoch_seconds and not self.tune.folds:
                # Without what the first steps compile.
                rate = state.tokens / len(rungs) / state.epoch_seconds
            study.pace(number, rate)
            self._hold_back(budget, rate, self._fits(ends))
            if _lags(rungs, earlier, self.tune.halving, study.lower):
                return HALVED
            if self.tune.folds:
                return "" if budget.another(ends, cost) else OVER
            if not earlier and self._in_the_way(number, settings, ends, rate, budget, study):
                return OVER
            return self._fit(state, settings, ends, cost, budget, first=not earlier)

        try:
            state = trainer.train(
                running.settings, settings, judge, budget.over, self._title(number, study, budget)
            )
        except Diverged:
            study.end(number, "diverged", None)
            trainer.close()
            return
        rungs = self._rungs(state.points)
        if state.stopped == OVER:  # perhaps within an epoch
            ends[len(rungs) - 1 :] = [before + budget.clock() - began]
        study.report(number, rungs, ends)
        budget.grant(0.0)
        had = running.settings
        if state.epochs:
            had = replace(had, epochs=state.epochs)
        # The last epoch may be taken though an earlier one was better by chance; of folds, the mean.
        value = rungs[-1] if state.best is None else state.best
        trainer.offer(number, had, value)
        study.end(number, _how(state), value, trainer.error, epochs=state.epochs)
        trainer.close()

    def _hold_back(self, budget: Budget, rate: float, fits: float = 0.0) -> None:
        """Keeps the time of what comes after trials at such a rate."""
        budget.hold_back(self.behind(rate) + fits, self.pruning(rate))

    def _fits(self, ends: Sequence[float]) -> float:
        """Seconds in which the finalists of folds are fitted on all rows, each as a fold is."""
        return self.tune.finalists * ends[0] if self.tune.folds and ends else 0.0

    def _fit(
        self,
        state: State,
        settings: Finetune,
        ends: Sequence[float],
        cost: float,
        budget: Budget,
        first: bool,
    ) -> str:
        """Has a trial end after as many epochs as fit; gives why it ends now, or ""."""
        assert isinstance(settings.epochs, int)
        last, done = state.epochs or settings.epochs, len(ends)
        more = budget.following(ends, cost)
        if first and done == 1 and self.tune.trials != 1:
            # How long an epoch takes is known now: the others need a chance.
            most = budget.most_epochs([ends])
            more = most - done if max(2, self._least) <= most < last - 1 else more
        why = state.fit(done, more, settings.epochs)
        if not why and done + 1 == (state.epochs or last):
            budget.grant(latest(ends))
        return why

    def _in_the_way(
        self,
        number: int,
        settings: Finetune,
        ends: Sequence[float],
        rate: float,
        budget: Budget,
        study: Study,
    ) -> bool:
        """Whether a first trial takes time of a deeper encoder that has enough of it now.

        With the same settings the deeper one won wherever `make bench-auto` had both: of the own one an
        epoch is enough, which also tells how long the deeper one's take. It has the others later, where
        it was about as good by then.
        """
        others = [one for one in study.others if not self.misfit(one)]
        costs = [cost for one in others if (cost := study.cost(one)) > 1]
        alone = self.tune.trials == 1
        if len(ends) != 1 or not isinstance(settings.epochs, int) or not costs or alone:
            return False
        least, dearest = max(study.least_epochs, min(settings.epochs, LEAST_EPOCHS)), max(costs)
        # What comes after its trials takes as many times as long, too.
        self._hold_back(budget, rate / dearest)
        fitting = budget.epochs([ends])
        if math.isfinite(fitting) and dearest * least <= SURE * fitting:
            study.pace(number, rate / dearest)
            return True
        self._hold_back(budget, rate)
        return False

    def _rungs(self, points: Sequence[Point]) -> list[float]:
        """After each epoch, the best value so far; of folds, their means."""
        if self.tune.folds:
            return [point.value for point in points]
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
