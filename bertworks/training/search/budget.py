"""How long a search may take, and what still fits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

Clock = Callable[[], float]
"""Seconds that only grow."""
LATEST = 3
"""Trials whose epochs tell how long the next one's take: kernels are compiled in the first ones."""


class Budget:
    """The minutes of a search.

    Args:
        minutes: Of the whole search; None: no limit.
        spent: Seconds that earlier attempts of the same search took.
        clock: Tells the seconds; for tests another one.
    """

    def __init__(
        self, minutes: float | None, spent: float = 0.0, clock: Clock = time.monotonic
    ) -> None:
        self.minutes, self.clock = minutes, clock
        self._before, self._began = spent, clock()

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return self._before + self.clock() - self._began

    @property
    def left(self) -> float:
        """Seconds that are left; infinite without a limit."""
        return math.inf if self.minutes is None else 60 * self.minutes - self.spent

    def epochs(self, seconds: Sequence[Sequence[float]]) -> float:
        """How many epochs of one more trial still fit; infinite where nothing is known.

        Args:
            seconds: Of each trial so far, what it had taken by the end of each of its epochs. The first
                one has the trial's start in it: as every trial has one, that counts.
        """
        latest = [ends for ends in seconds if ends][-LATEST:]
        if self.minutes is None or not latest:
            return math.inf
        epoch = sum(ends[-1] for ends in latest) / sum(len(ends) for ends in latest)
        return max(0.0, self.left) // epoch if epoch > 0 else math.inf

    def another(self, ends: Sequence[float]) -> bool:
        """Whether another epoch of the trial that is at work fits.

        Args:
            ends: Seconds that it had taken by the end of each of its epochs.
        """
        latest = ends[-1] - (ends[-2] if len(ends) > 1 else 0.0)
        return latest <= self.left
