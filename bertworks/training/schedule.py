"""Learning-rate schedules."""

from __future__ import annotations

import math

from bertworks.spec import Optimizer


def learning_rate(step: int, total: int, settings: Optimizer) -> float:
    """The learning rate of one optimizer step.

    Linear warm-up over `warmup * total` steps, so that its last step has the full rate; then linear
    or cosine decay towards 0 at step `total`, or no decay.

    Args:
        step: Counts from 0.
        total: Optimizer steps of the whole training.
        settings: `learning_rate`, `warmup` and `decay` are read.
    """
    peak, warmup = settings.learning_rate, math.ceil(settings.warmup * total)
    if step < warmup:
        return peak * (step + 1) / warmup
    if settings.decay == "constant":
        return peak
    left = max(0.0, (total - step) / max(1, total - warmup))
    return (
        peak * left if settings.decay == "linear" else peak * 0.5 * (1 - math.cos(math.pi * left))
    )
