"""Until when a step may be at work, where the run that it belongs to has its minutes.

Whoever runs the steps knows what comes after each of them, and says so in BERTWORKS_UNTIL, anew before
each step. What can be shortened (trials, epochs of distillation, candidates, rounds of measurement) asks
for what is left; what judges an agent never does.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

UNTIL = "BERTWORKS_UNTIL"
Clock = Callable[[], float]
"""Tells the seconds."""


@dataclass(frozen=True)
class Deadline:
    """A moment by which work should be done.

    Attributes:
        until: Seconds since 1970, as the clock has them; infinite: there is no hurry.
        clock: Tells the time; for tests another one.
    """

    until: float = math.inf
    clock: Clock = time.time

    @property
    def left(self) -> float:
        """Seconds until then; negative afterwards."""
        return self.until - self.clock()

    def over(self) -> bool:
        """Whether that moment has passed."""
        return self.left <= 0

    def earlier(self, seconds: float) -> Deadline:
        """A moment before this one."""
        return Deadline(self.until - seconds, self.clock)


def deadline() -> Deadline:
    """Of this step, as its runner has said; none where it has said nothing."""
    said = os.environ.get(UNTIL)
    return Deadline(float(said)) if said else Deadline()
