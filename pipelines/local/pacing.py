"""How a run keeps its minutes: before each step, until when that step may be at work.

What comes after a step takes as long as it takes on a quiet machine, times how much slower this one is:
that is told by the steps of the same run that have ended, and before there are any by the load.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence

from bertworks.cpus import available_threads
from bertworks.deadline import BEHIND, LEAST_PRUNING, UNTIL, Clock
from pipelines.box import Box

EXECUTING = re.compile(r"Executing task \S*'([^']+)'")
SURE = 1.1  # of what is held back for the steps that follow
ENDING = 2.0  # seconds on a quiet machine from the last step to the end: the report
SEARCH = "tune"
AGAIN = 0.25  # of what a search leaves, for the steps behind it where the smaller agent follows
SLOWEST = 20.0  # times as slow as a quiet machine; what seems slower has other reasons


def slowness_by_load() -> float:
    """How many times as long work takes that shares the CPUs with what is at work already."""
    return max(1.0, os.getloadavg()[0] / available_threads())


class Pace:
    """Plans the rest of a run by how it went so far.

    Args:
        boxes: In running order.
        until: When the run should be over, seconds since 1970.
        clock: Tells the time.
        at_first: How slow the machine is as long as no step has ended.
        again: Whether another run makes the smaller agent in the same time. What measures the full one's
            speed is then not worth most of what the search leaves.

    Attributes:
        behind: Seconds that are held back for what follows the step that began last.
    """

    def __init__(
        self,
        boxes: Sequence[Box],
        until: float,
        clock: Clock = time.time,
        at_first: Callable[[], float] = slowness_by_load,
        again: bool = False,
    ) -> None:
        self._boxes, self._until, self._clock = list(boxes), until, clock
        self._at_first, self._again = at_first, again
        self._running: tuple[Box, float] | None = None
        self._took: dict[str, float] = {}
        self.behind = 0.0

    @property
    def slowness(self) -> float:
        """How many times as long steps take as on a quiet machine, at least 1."""
        ended = [box for box in self._boxes if box.name in self._took and not box.varies]
        usual = sum(box.seconds for box in ended)
        if not usual:
            return self._at_first()
        return min(SLOWEST, max(1.0, sum(self._took[box.name] for box in ended) / usual))

    def begins(self, name: str) -> float:
        """A step begins, and so the one before it has ended; gives until when it may be at work."""
        now = self._clock()
        if self._running is not None:
            box, began = self._running
            self._took[box.name] = now - began
            left = (1 - AGAIN) * (self._until - now)
            if self._again and box.name == SEARCH and left >= LEAST_PRUNING:
                self._until -= left
        names = [box.name for box in self._boxes]
        if name not in names:
            self._running, self.behind = None, 0.0
            return self._until
        place = names.index(name)
        self._running = self._boxes[place], now
        behind = sum(box.seconds for box in self._boxes[place + 1 :] if not box.closes)
        self.behind = SURE * self.slowness * (behind + ENDING)
        return self._until - self.behind


class Paced(logging.Filter):
    """Says in the environment of each step that KFP starts until when it may be at work, and why.

    A filter, not a handler: KFP takes the root logger's handlers away while a step runs.

    Args:
        pace: The plan.
        boxes: KFP's names of the tasks to the boxes'.
    """

    def __init__(self, pace: Pace, boxes: Mapping[str, str]) -> None:
        super().__init__()
        self._pace, self._boxes = pace, boxes

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets every line pass."""
        if found := EXECUTING.search(record.getMessage()):
            os.environ[UNTIL] = f"{self._pace.begins(self._boxes.get(found[1], found[1])):.3f}"
            os.environ[BEHIND] = f"{self._pace.behind:.3f}"
        return True
