"""Rows of different lengths held end to end, and what tokenizing does with them, without a loop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Ragged:
    """Rows of unequal length in one flat array; row i is `values[offsets[i]:offsets[i + 1]]`.

    Attributes:
        values: All rows end to end; int32 as tokenizing makes them.
        offsets: int64, one more than rows; the first is 0.
    """

    values: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[Sequence[int] | Integers]) -> Ragged:
        """Rows put end to end, as int32."""
        values = [np.zeros(0, np.int32), *(np.asarray(row, np.int32) for row in rows)]
        return cls(np.concatenate(values), ends(np.array([len(row) for row in rows], np.int64)))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return (self[row] for row in range(len(self)))

    def __getitem__(self, row: int) -> npt.NDArray[Any]:
        return np.asarray(self.values[self.offsets[row] : self.offsets[row + 1]])

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """The length of each row."""
        return np.diff(self.offsets)

    def take(self, rows: Integers) -> Ragged:
        """The rows of the given numbers, in their order."""
        return self._copy(self.offsets[rows], self.lengths[rows])

    def cut(self, keep: Integers) -> Ragged:
        """The first `keep[i]` values of each row i; as many at most as it has."""
        if (keep >= self.lengths).all():
            return self
        return self._copy(self.offsets[:-1], keep)

    def keep(self, chosen: npt.NDArray[np.bool_]) -> Ragged:
        """The same rows with only the values that are chosen, one boolean a value."""
        return Ragged(self.values[chosen], ends(chosen.astype(np.int64))[self.offsets])

    def merge(self, offsets: Integers) -> Ragged:
        """Longer rows: row i is made of the rows `offsets[i]` to `offsets[i + 1]` of this one."""
        return Ragged(self.values, self.offsets[offsets])

    def lists(self, dtype: type[np.integer[Any]] = np.int32) -> pa.ListArray:
        """As an Arrow list of integers."""
        values = pa.array(self.values.astype(dtype, copy=False))
        return pa.ListArray.from_arrays(pa.array(self.offsets.astype(np.int32)), values)

    def _copy(self, starts: Integers, sizes: Integers) -> Ragged:
        offsets = ends(sizes)
        at = np.repeat(starts - offsets[:-1], sizes)
        at += np.arange(offsets[-1])
        return Ragged(self.values[at], offsets)


def ends(sizes: Integers) -> npt.NDArray[np.int64]:
    """Offsets of rows of the given sizes."""
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def list_sizes(lists: pa.ListArray) -> npt.NDArray[np.int64]:
    """The length of each list."""
    return pc.list_value_length(lists).to_numpy(zero_copy_only=False).astype(np.int64)


def join(parts: Sequence[Ragged | int]) -> Ragged:
    """Puts parts side by side: row i is row i of each; a number stands once in every row.

    Args:
        parts: At least one `Ragged`; all of them have as many rows.
    """
    rows = max(len(part) for part in parts if isinstance(part, Ragged))
    sizes = np.zeros(rows, np.int64)
    for part in parts:
        sizes += part.lengths if isinstance(part, Ragged) else 1
    offsets = ends(sizes)
    values = np.empty(offsets[-1], np.int32)
    begin = offsets[:-1].copy()
    for part in parts:
        if isinstance(part, Ragged):
            at = np.repeat(begin - part.offsets[:-1], part.lengths)
            at += np.arange(len(part.values))
            values[at] = part.values
            begin += part.lengths
        else:
            values[begin] = part
            begin += 1
    return Ragged(values, offsets)


def singletons(values: pa.Array) -> pa.ListArray:
    """A list of one value a row."""
    return pa.ListArray.from_arrays(pa.array(np.arange(len(values) + 1, dtype=np.int32)), values)
