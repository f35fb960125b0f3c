"""Near-duplicate rows: MinHash signatures, banded into buckets, candidates then compared exactly.

Broder 1997, "On the resemblance and containment of documents": two texts are alike by the Jaccard
index of their sets of shingles (here: of two consecutive words), and the smallest hash of a set
under a random function is equal for two sets with just that probability. Banding is that of Indyk
and Motwani 1998. Everything runs over whole arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

THRESHOLD = 0.7
"""Jaccard index from which two rows count as near-duplicates."""

BANDS, BAND_ROWS = 16, 4
"""64 hash functions: a pair at 0.7 becomes a candidate with probability 0.988, at 0.2 with 0.03."""

MAX_SHINGLES = 256
"""Shingles a row at most, from its start: bounds the work on long texts."""

_PAIRS_AT_ONCE = 20_000
_MULTIPLIER_SEED = 1997


@dataclass(frozen=True)
class Twins:
    """Pairs of rows that are nearly the same.

    Attributes:
        first, second: int64 (pairs,): positions of the rows, first < second.
        similarity: float64 (pairs,): Jaccard index, at least `THRESHOLD`.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    similarity: npt.NDArray[np.float64]


class ShingleSets:
    """Collects the rows' shingles and signatures, batch by batch."""

    def __init__(self) -> None:
        self.rows = 0
        self._sizes: list[npt.NDArray[np.int64]] = []
        self._shingles: list[npt.NDArray[np.uint32]] = []
        self._signatures: list[npt.NDArray[np.uint32]] = []

    def add(self, lengths: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64]) -> None:
        """Adds rows: `lengths` words each, `hashes` of all their words one after the other."""
        sizes, shingles = shingle(lengths, hashes)
        self.rows += len(lengths)
        self._sizes.append(sizes)
        self._shingles.append(shingles)
        self._signatures.append(signatures(sizes, shingles))

    def twins(self) -> Twins:
        """The pairs of rows that are nearly the same, each row paired with few of its like."""
        none = np.zeros(0, np.int64)
        if not self.rows:
            return Twins(none, none, np.zeros(0))
        sizes, shingles = np.concatenate(self._sizes), np.concatenate(self._shingles)
        filled = np.flatnonzero(sizes)
        first, second = candidates(np.concatenate(self._signatures)[filled])
        first, second = filled[first], filled[second]
        similarity = jaccard(sizes, shingles, first, second)
        alike = similarity >= THRESHOLD
        return Twins(first[alike], second[alike], similarity[alike])


def shingle(
    lengths: npt.NDArray[np.int64], hashes: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
    """Hashes each two consecutive words of a row; a row of one word has that word as its shingle.

    Returns:
        sizes: int64 (rows,): different shingles a row, at most `MAX_SHINGLES`.
        shingles: uint32 (sum of sizes,): sorted within each row.
    """
    rows = np.repeat(np.arange(len(lengths)), lengths)
    place = np.arange(len(hashes)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    has_next = place + 1 < np.repeat(lengths, lengths)
    following = np.zeros_like(hashes)
    following[:-1] = hashes[1:]
    mixed = _mix(hashes * np.uint64(0x9E3779B97F4A7C15) + np.where(has_next, following, 0))
    kept = (has_next | (place == 0)) & (place < MAX_SHINGLES)
    # The last word of a longer row begins no shingle; the only word of a row is one.
    keys = np.unique(
        (rows[kept].astype(np.uint64) << np.uint64(32)) | (mixed[kept] >> np.uint64(32))
    )
    sizes = np.bincount((keys >> np.uint64(32)).astype(np.int64), minlength=len(lengths))
    return sizes.astype(np.int64), keys.astype(np.uint32)


def signatures(
    sizes: npt.NDArray[np.int64], shingles: npt.NDArray[np.uint32]
) -> npt.NDArray[np.uint32]:
    """The smallest hash of each row's shingles under 64 functions. uint32 (rows, 64).

    The functions are multiply-add-shift (Dietzfelbinger 1996, "Universal hashing and k-wise
    independent random variables via integer arithmetic without primes"). Rows without shingles get
    the largest value.
    """
    count = BANDS * BAND_ROWS
    result = np.full((len(sizes), count), np.iinfo(np.uint32).max, np.uint32)
    filled = np.flatnonzero(sizes)
    if not len(filled):
        return result
    starts = (np.cumsum(sizes) - sizes)[filled]
    generator = np.random.default_rng(_MULTIPLIER_SEED)
    factors = generator.integers(0, 2**64, (count, 2), dtype=np.uint64)
    wide = shingles.astype(np.uint64)
    for index, (factor, term) in enumerate(factors):
        hashed = ((wide * factor + term) >> np.uint64(32)).astype(np.uint32)
        result[filled, index] = np.minimum.reduceat(hashed, starts)
    return result


def candidates(
    signature: npt.NDArray[np.uint32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pairs that share a bucket in some band.

    A bucket's rows are paired with its first row and with the row before them, not all with all:
    the work stays linear even when every row is the same.
    """
    found = [np.zeros(0, np.uint64)]
    for band in range(BANDS):
        part = signature[:, band * BAND_ROWS : (band + 1) * BAND_ROWS].astype(np.uint64)
        key = np.zeros(len(part), np.uint64)
        for column in part.T:
            key = _mix(key ^ column)
        order = np.argsort(key, kind="stable")
        same = np.flatnonzero(key[order][1:] == key[order][:-1]) + 1
        if not len(same):
            continue
        is_start = np.ones(len(order), bool)
        is_start[same] = False
        heads = np.maximum.accumulate(np.where(is_start, np.arange(len(order)), 0))
        members = order[same].astype(np.uint64)
        for partner in (order[heads[same]], order[same - 1]):
            found.append((partner.astype(np.uint64) << np.uint64(32)) | members)
    pairs = np.unique(np.concatenate(found))
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(
        np.int64
    )


def jaccard(
    sizes: npt.NDArray[np.int64],
    shingles: npt.NDArray[np.uint32],
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """The exact Jaccard index of pairs of rows. float64 (pairs,)."""
    starts = np.cumsum(sizes) - sizes
    result = np.zeros(len(first))
    for begin in range(0, len(first), _PAIRS_AT_ONCE):
        rows = np.stack(
            [first[begin : begin + _PAIRS_AT_ONCE], second[begin : begin + _PAIRS_AT_ONCE]], 1
        )
        pair = np.repeat(np.arange(len(rows)), sizes[rows].sum(1)).astype(np.uint64)
        keys = (pair << np.uint64(32)) | shingles[
            _ranges(starts[rows].ravel(), sizes[rows].ravel())
        ]
        keys.sort()
        shared = np.bincount(
            (keys[1:][keys[1:] == keys[:-1]] >> np.uint64(32)).astype(np.int64),
            minlength=len(rows),
        )
        result[begin : begin + len(rows)] = shared / (sizes[rows].sum(1) - shared)
    return result


def _ranges(starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The numbers starts[i] .. starts[i] + sizes[i] - 1, for all i, one after the other."""
    ends = np.cumsum(sizes)
    result: npt.NDArray[np.int64] = np.arange(ends[-1] if len(ends) else 0, dtype=np.int64)
    result += np.repeat(starts - (ends - sizes), sizes)
    return result


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Spreads each value over all 64 bits (the finalizer of splitmix64, Steele et al. 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
