"""Relative positions in buckets, as MPNet adds them to the attention scores.

Distances below 8 have a bucket each, larger ones up to 128 share buckets whose width grows with the
logarithm, all beyond share the last; both directions have their own (Raffel et al. 2020, "Exploring the
limits of transfer learning", section 2.1, whose relative biases MPNet takes over).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BUCKETS = 32
LARGEST_DISTANCE = 128


def buckets_of(distances: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bucket of each distance.

    Args:
        distances: Place of the token that is looked at minus that of the one that looks; any shape.

    Returns:
        Numbers from 0 to 31, of the same shape; those from 16 are of tokens that come later.
    """
    each = BUCKETS // 2
    exact = each // 2
    far = np.abs(distances)
    # In float32, as the reference computes it: bounds of buckets fall on whole distances.
    ratio = np.log(np.maximum(far, 1).astype(np.float32) / np.float32(exact))
    steps = ratio / np.float32(np.log(LARGEST_DISTANCE / exact)) * np.float32(each - exact)
    wide = np.minimum(exact + steps.astype(np.int64), each - 1)
    return np.where(distances > 0, each, 0) + np.where(far < exact, far, wide)


def bucket_row(longest: int) -> NDArray[np.int64]:
    """The buckets of all distances in a text: distance d stands at d + longest - 1."""
    return buckets_of(np.arange(1 - longest, longest))


def bucket_matrix(length: int) -> NDArray[np.int64]:
    """The bucket of each pair of places: (length that look, length that are looked at)."""
    places = np.arange(length)
    return buckets_of(places[np.newaxis, :] - places[:, np.newaxis])
