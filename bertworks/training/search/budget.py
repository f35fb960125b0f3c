"""How long a search may take, and what still fits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

from bertworks.deadline import LEAST_PRUNING, Deadline
from bertworks.spec.tuning import Tune

Clock = Callable[[], float]
"""Seconds that only grow."""
LATEST = 3
"""Trials whose epochs tell how long the next one's take: kernels are compiled in the first ones."""
TRIAL_SHARE = 0.4
"""Of the whole budget, which one trial may take where fewer epochs would do: others need a chance."""
LEAST_EPOCHS = 3
"""Which a trial has all the same, where they fit."""
LAST = 1 / 3
"""Of an epoch, that the last one of a trial may take beyond the trials' time: it ends at a low learning
rate, without which most of the others were for nothing."""
MOST_LATE = 0.05
"""Of the search's time, which that is at most."""
LATE = 0.1
"""Of a run's minutes, which its search has in any case."""
MOST_PRUNING = 0.5
"""Of what a search and the pruning behind it have together: what takes more of it is not waited for."""


class Budget:
    """The minutes of a search.

    Args:
        minutes: Of the whole search; None: no limit.
        spent: Seconds that earlier attempts of the same search took.
        clock: Tells the seconds; for tests another one.
        deadline: When it is over in any case.
    """

    def __init__(
        self,
        minutes: float | None,
        spent: float = 0.0,
        clock: Clock = time.monotonic,
        deadline: Deadline | None = None,
    ) -> None:
        self.minutes, self.clock = minutes, clock
        self._before, self._began = spent, clock()
        self._deadline, self._held = deadline or Deadline(), 0.0
        self._pruning: float | None = None
        self._more = 0.0
        self._steady: float | None = None

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return self._before + self.clock() - self._began

    @property
    def left(self) -> float:
        """Seconds that are left; infinite without a limit."""
        own, run = self._ends()
        if self._pruning is None or math.isinf(own):
            return min(own, run) + self._more
        return min(own + self._more, run)

    def _ends(self) -> tuple[float, float]:
        """Seconds until the search's own minutes are over, and until what follows needs the rest."""
        own = math.inf if self.minutes is None else 60 * self.minutes - self.spent
        run = self._deadline.left
        if self._pruning is None:
            return own - self._held, run - self._held
        if self._pruning > MOST_PRUNING * (self.spent + run):
            return math.inf, run - self._held
        return own - self._held, run - self._pruning - self._held

    def hold_back(self, seconds: float, pruning: float | None = None) -> None:
        """Keeps seconds for what comes after the trials, instead of those kept before.

        Args:
            seconds: What it takes in any case.
            pruning: What pruning takes; None: the minutes are as they are. Where it fits into the run
                beside trials, they end early enough for it; where it does not, they have its time.
        """
        self._held, self._pruning = seconds, pruning

    def grant(self, epoch_seconds: float) -> None:
        """Gives the trial at work more time for its last epoch, as far as pruning does not need it.

        Args:
            epoch_seconds: What an epoch of it takes; 0: takes back what was given.
        """
        self._more = 0.0
        self._more = self._late(epoch_seconds)

    def _late(self, epoch_seconds: float) -> float:
        """Seconds that the last epoch of a trial may take beyond those that are left."""
        return min(LAST * epoch_seconds, MOST_LATE * (self.spent + max(0.0, self.left)))

    def learn(self, epoch_seconds: float) -> None:
        """Notes what an epoch takes now that kernels are compiled, on a machine as busy as it is."""
        self._steady = epoch_seconds or None

    def over(self) -> bool:
        """Whether nothing is left."""
        return self.left <= 0

    def epochs(self, seconds: Sequence[Sequence[float]]) -> float:
        """How many epochs of one more trial still fit; infinite where nothing is known.

        Args:
            seconds: Of each trial so far, what it had taken by the end of each of its epochs. The first
                one has the trial's start in it: as every trial has one, that counts.
        """
        start, epoch = self._cost(seconds)
        left = self.left - start
        return max(0.0, left) // epoch if epoch and math.isfinite(left) else math.inf

    def most_epochs(self, seconds: Sequence[Sequence[float]]) -> float:
        """How many epochs one more trial may have: it must fit, and leave time for others.

        Args:
            seconds: As for `epochs`.
        """
        _, epoch = self._cost(seconds)
        if not epoch or math.isinf(self.left):
            return math.inf
        share = TRIAL_SHARE * (self.spent + max(0.0, self.left)) // epoch
        return min(self.epochs(seconds), max(share, LEAST_EPOCHS))

    def another(self, ends: Sequence[float], cost: float = 1.0) -> bool:
        """Whether another epoch of the trial that is at work fits.

        Args:
            ends: Seconds that it had taken by the end of each of its epochs.
            cost: What its steps take, by those of the own encoder.
        """
        return self._epoch(ends, cost) <= self.left

    def following(self, ends: Sequence[float], cost: float = 1.0) -> float:
        """How many more epochs of the trial that is at work fit, the last one perhaps a little late.

        Late by the search's own minutes, that is: what follows in the run has its time.

        Args:
            ends: Seconds that it had taken by the end of each of its epochs.
            cost: What its steps take, by those of the own encoder.
        """
        epoch = self._epoch(ends, cost)
        own, run = self._ends()
        left = min(own + self._late(epoch), run)
        return math.inf if math.isinf(left) or not epoch else max(0.0, left // epoch)

    def _epoch(self, ends: Sequence[float], cost: float) -> float:
        """Seconds of another epoch of the trial that is at work."""
        took = latest(ends)
        return min(took, cost * (self._steady or took))

    def _cost(self, seconds: Sequence[Sequence[float]]) -> tuple[float, float]:
        """Seconds of a trial's start, and of an epoch; 0 where nothing is known."""
        last = [ends for ends in seconds if ends][-LATEST:]
        if not last:
            return 0.0, self._steady or 0.0
        if self._steady is None:
            return 0.0, sum(ends[-1] for ends in last) / sum(len(ends) for ends in last)
        starts = [max(0.0, ends[-1] - len(ends) * self._steady) for ends in last]
        # The very first trial compiles what the others take from it.
        return min(starts) / (2 if len(last) == 1 else 1), self._steady


def latest(ends: Sequence[float]) -> float:
    """What the last epoch took, by the seconds at the end of each."""
    return ends[-1] - (ends[-2] if len(ends) > 1 else 0.0)


def in_figures(asked: Tune, run_minutes: float | None, until: Deadline) -> Tune:
    """The spec's section with its minutes as a number, where it leaves them to the run's.

    Args:
        asked: The section.
        run_minutes: Of the whole run.
        until: When the search must be over, so that the run's other steps fit into its minutes.
    """
    if asked.minutes != "auto":
        return asked
    left = 60 * (run_minutes or 0.0) if math.isinf(until.left) else until.left
    rest = (1.0 - asked.share) * left
    part = asked.share * left if rest >= LEAST_PRUNING else left
    # A search of seconds leaves nothing to judge: so much may the run be late.
    least = LATE * 60 * (run_minutes or 0.0)
    return asked.model_copy(update={"minutes": max(part, least, 1.0) / 60})
