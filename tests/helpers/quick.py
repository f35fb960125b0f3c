"""What makes steps on tiny rows quick where tests are about something else.

Each takes what sets an attribute: `setattr`, or a MonkeyPatch's.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

SetAttribute = Callable[[object, str, object], None]


def few_rows_timed(change: SetAttribute) -> None:
    """`evaluate` times a few rows, once."""
    from bertworks.evaluation import latency

    change(latency, "ROWS", 10)
    change(latency, "IN_BATCHES", 20)
    timed_once(change)


def timed_once(change: SetAttribute) -> None:
    """`evaluate` does not time its rows again where the machine is busy, as under tests it is."""
    from bertworks.evaluation import latency

    change(latency, "ATTEMPTS", 1)


def uncompiled(change: SetAttribute) -> None:
    """Training compiles no kernels: it takes seconds, which a training of a second never makes up."""
    from bertworks.training import stepper

    change(stepper, "WORTH_COMPILING", sys.maxsize)
