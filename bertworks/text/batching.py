"""Batches of rows of like length, and padding to few distinct lengths.

A batch is padded to its longest row. Rows drawn at random waste a third or more of the work on
padding; rows sorted over the whole set would come in the same order every epoch. So rows are
shuffled, sorted inside pools of `pool` batches, and the batches are shuffled again. Lengths are
rounded up to a multiple of 8, which keeps the number of compiled graphs small.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.integer]


def batches(
    lengths: Integers, batch_size: int, seed: int, epoch: int, pool: int = 50
) -> list[npt.NDArray[np.int64]]:
    """Splits rows into batches for one epoch.

    Args:
        lengths: Tokens of each row, shape (rows,).
        batch_size: Rows a batch; one batch, the last of its pool, may have fewer.
        seed: Equal seed and epoch give equal batches.
        epoch: Counts from 0; each epoch is shuffled anew.
        pool: Batches that are sorted by length together.

    Returns:
        Row indices of each batch; every row is in exactly one batch.
    """
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    size = batch_size * pool
    result = []
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        rows = rows[np.argsort(np.asarray(lengths)[rows], kind="stable")]
        result += [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    return [result[at] for at in generator.permutation(len(result))]


def padded_length(longest: int, multiple: int = 8) -> int:
    """The least multiple of `multiple` that holds `longest` tokens; at least one multiple."""
    return max(multiple, -(-longest // multiple) * multiple)


def pad_batch(
    sequences: Sequence[Sequence[int] | Integers],
    pad_value: int,
    multiple: int = 8,
    dtype: npt.DTypeLike = np.int32,
) -> npt.NDArray[np.generic]:
    """Puts sequences of unequal length into one array.

    Args:
        sequences: One a row.
        pad_value: Fills the rest of each row.
        multiple: The width is rounded up to a multiple of this.
        dtype: Of the result.

    Returns:
        Array of shape (rows, width).
    """
    lengths = np.fromiter((len(row) for row in sequences), np.int64, len(sequences))
    width = padded_length(int(lengths.max(initial=0)), multiple)
    padded = np.full((len(sequences), width), pad_value, dtype=dtype)
    if lengths.sum():
        inside = np.arange(width) < lengths[:, None]
        padded[inside] = np.concatenate([np.asarray(row) for row in sequences])
    return padded
