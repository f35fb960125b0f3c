"""How much less often one agent is right than another on the same rows, and how far chance goes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bertworks.evaluation.bootstrap import draw


def drop(
    ours: Sequence[bool], theirs: Sequence[bool], confidence: float = 0.95
) -> tuple[float, float, float]:
    """The share of rows that `theirs` has right beyond `ours`, and its one-sided bounds.

    The bounds are a paired percentile bootstrap of 2,000 resamples, as the gates judge a drop.

    Args:
        ours: Whether each row is right.
        theirs: The same of the other, in the same order.
        confidence: Level of each bound.
    """
    lost = np.asarray(theirs, float) - np.asarray(ours, float)
    drawn = np.concatenate([drawn @ lost for drawn in draw(len(lost), 2000, seed=42)]) / len(lost)
    low, high = np.quantile(drawn, [1.0 - confidence, confidence])
    return float(lost.mean()), float(low), float(high)
