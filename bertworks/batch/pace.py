"""How far a run on a file is: rows, rate and remaining time, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from bertworks.progress import duration

EVERY_SECONDS = 5.0


class Pace:
    """Tells how far a run is: a line that changes on a terminal, else one every five seconds.

    Args:
        share: Says which part of the input was read, 0 to 1; None where that is not known.
        clock: Seconds that only grow.
    """

    def __init__(
        self, share: Callable[[], float | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._share, self._clock = share, clock
        self._first: float | None = None
        self._skipped = self._rows = 0
        self._began = self._shown = clock()
        self._live = sys.stderr.isatty()
        self.told = False

    def skip(self, rows: int) -> None:
        """Notes rows that an earlier run had answered: the time left is reckoned from here."""
        self._skipped, self._began = rows, self._clock()
        self._first = self._share()

    def advance(self, rows: int) -> None:
        """Notes rows that were answered now."""
        if self._first is None:
            self._first = 0.0
        self._rows += rows
        now = self._clock()
        if now - self._shown >= (0.5 if self._live else EVERY_SECONDS):
            self._shown, self.told = now, True
            end = "\x1b[K\r" if self._live else "\n"
            print(f"predicting: {self.line()}", end=end, file=sys.stderr, flush=True)

    def line(self) -> str:
        """Rows, rate, share and remaining time, in words."""
        seconds = self._clock() - self._began
        rate = self._rows / seconds if seconds > 0 else 0.0
        words = [f"{self._skipped + self._rows:,} rows", f"{rate:,.0f} rows/s"]
        share, first = self._share(), self._first or 0.0
        if share is not None:
            words.append(f"{100 * share:.0f} %")
            if share > first:
                words.append(f"about {duration(seconds * (1 - share) / (share - first))} left")
        return ", ".join(words)

    def end(self, where: str) -> None:
        """Says what was done, where the run took long enough to be asked about."""
        if self.told:
            seconds = self._clock() - self._began
            rate = self._rows / seconds if seconds > 0 else 0.0
            print(
                f"predicting: done, {self._skipped + self._rows:,} rows, {rate:,.0f} rows/s, "
                f"{duration(seconds)}: {where}",
                file=sys.stderr,
            )
