"""Who goes on at a rung.

Successive halving without waiting for others (ASHA; Li et al., "A System for Massively Parallel
Hyperparameter Tuning", 2020): a trial goes on where it is among the best share of those that have come
to the rung before it. The answer follows from the recorded values alone, so a trial that was cut off
between the question and its next checkpoint gets the same one again; optuna's own pruner keeps what it
was asked, and would let such a trial pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from bertworks.spec.tuning import Halving


def is_rung(epoch: int, halving: Halving) -> bool:
    """Whether trials are compared after this epoch (from 1)."""
    rung = halving.first_epoch
    while rung < epoch:
        rung *= halving.factor
    return halving.enabled and rung == epoch


def goes_on(value: float, others: Sequence[float], factor: int, *, lower: bool) -> bool:
    """Whether a trial is among the best 1/factor at a rung, rounded up.

    Args:
        value: Of the trial.
        others: Of the trials that came to the rung before it.
        factor: One in so many goes on.
        lower: Whether less is better.
    """
    better = sum(other < value if lower else other > value for other in others)
    return better < math.ceil((len(others) + 1) / factor)
