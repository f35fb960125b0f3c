"""How much may be asked for in a minute: a token bucket.

A bucket holds a minute's worth, and fills evenly. So in any stretch of t seconds at most
`per_minute * (1 + t / 60)` units are given.
"""

from __future__ import annotations

import time
from collections.abc import Callable

MINUTE = 60.0


class Bucket:
    """One bucket; not for several threads at once.

    Args:
        per_minute: What flows in within a minute, and what it holds.
        clock: Seconds that never go back.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute, self._clock = per_minute, clock
        self._level, self._since = float(per_minute), clock()

    def wait(self, units: int) -> float:
        """Seconds until so many can be taken: 0 now, infinite where the bucket is never so full."""
        self._fill()
        if units > self.per_minute:
            return float("inf")
        missing = units - self._level
        return max(missing, 0.0) * MINUTE / self.per_minute

    def take(self, units: int) -> None:
        """Takes them; ask `wait` before."""
        self._fill()
        self._level -= units

    @property
    def is_full(self) -> bool:
        """Whether it is as if it were new."""
        self._fill()
        return self._level >= self.per_minute

    def _fill(self) -> None:
        now = self._clock()
        self._level = min(
            self._level + (now - self._since) * self.per_minute / MINUTE, float(self.per_minute)
        )
        self._since = now
