"""How far two histograms are apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def raw_divergence(counts: npt.NDArray[Any]) -> float:
    """The Jensen-Shannon divergence of the two rows of counts, in bits; chance is not taken off.

    Lin 1991, "Divergence measures based on the Shannon entropy", section 4.
    """
    shares = counts / counts.sum(1)[:, None]
    return _entropy(shares.mean(0)) - (_entropy(shares[0]) + _entropy(shares[1])) / 2


def _entropy(shares: npt.NDArray[np.float64]) -> float:
    """Shannon entropy in bits."""
    some = shares[shares > 0]
    return float(-(some * np.log2(some)).sum())
