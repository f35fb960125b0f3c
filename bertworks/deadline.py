"""Until when a step may be at work, where the run that it belongs to has its minutes.

Whoever runs the steps knows what comes after each of them, and says so in BERTWORKS_UNTIL and
BERTWORKS_BEHIND, anew before each step. What can be shortened (trials, epochs of distillation,
candidates, rounds of measurement) asks for what is left; what judges an agent never does.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

UNTIL, BEHIND = "BERTWORKS_UNTIL", "BERTWORKS_BEHIND"
LEAST_PRUNING = 75.0
"""Seconds without which pruning and distilling are not worth beginning."""
Clock = Callable[[], float]
"""Tells the seconds."""


@dataclass(frozen=True)
class Deadline:
    """A moment by which work should be done.

    Attributes:
        until: Seconds since 1970, as the clock has them; infinite: there is no hurry.
        clock: Tells the time; for tests another one.
        behind: Seconds that are held back for the steps that follow: they come after that moment.
    """

    until: float = math.inf
    clock: Clock = time.time
    behind: float = 0.0

    @property
    def left(self) -> float:
        """Seconds until then; negative afterwards."""
        return self.until - self.clock()

    def over(self) -> bool:
        """Whether that moment has passed."""
        return self.left <= 0

    def earlier(self, seconds: float) -> Deadline:
        """A moment before this one."""
        return replace(self, until=self.until - seconds)


def deadline() -> Deadline:
    """Of this step, as its runner has said; none where it has said nothing."""
    said = os.environ.get(UNTIL)
    if not said:
        return Deadline()
    return Deadline(float(said), behind=float(os.environ.get(BEHIND) or 0.0))
