"""Summaries of single columns, built batch by batch: what a feature's statistics are made from."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from bertworks.data.validation.profile.words import TopValues, stable_hashes

_LABEL_LENGTH = 100  # values are cut to this in the list of frequent values
_MERGE_AT = 500_000


class TextColumn:
    """A column of strings, or of lists of strings.

    Attributes:
        rows, missing: Rows read, and those of them that are null.
        values: Strings in all: equal to the rows that are not null, unless the column holds lists.
        bytes: Their UTF-8 bytes.
        top: The frequent values.
    """

    def __init__(self) -> None:
        self.rows = self.missing = self.values = self.bytes = 0
        self.is_list = False
        self.top = TopValues(20_000)
        self._hashes: list[npt.NDArray[np.uint64]] = []
        self._pending = 0
        self._sizes: list[npt.NDArray[np.int32]] = []

    def add(self, column: pa.Array) -> None:
        """Adds a batch of the column."""
        self.rows += len(column)
        self.missing += column.null_count
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            self.is_list = True
            sizes = pc.list_value_length(column.drop_null())
            self._sizes.append(sizes.to_numpy(zero_copy_only=False).astype(np.int32))
            column = column.flatten()
        encoded = column.drop_null().cast(pa.string()).dictionary_encode()
        self.values += len(encoded)
        self.bytes += pc.sum(pc.binary_length(column)).as_py() or 0
        distinct = encoded.dictionary.to_pylist()
        counts = np.bincount(
            encoded.indices.to_numpy(zero_copy_only=False), minlength=len(distinct)
        )
        cut: Counter[str] = Counter()
        for value, count in zip(distinct, counts.tolist(), strict=True):
            cut[value[:_LABEL_LENGTH]] += count
        self.top.add(cut)
        self._hashes.append(stable_hashes(distinct))
        self._pending += len(distinct)
        if self._pending > _MERGE_AT:
            self._hashes, self._pending = [np.unique(np.concatenate(self._hashes))], 0

    def unique(self) -> int:
        """How many different values there are, by their 64-bit hashes."""
        return len(np.unique(np.concatenate(self._hashes))) if self._hashes else 0

    def sizes(self) -> npt.NDArray[np.int64]:
        """Values a row that is not null. int64 (rows - missing,)."""
        if not self.is_list:
            return np.ones(self.rows - self.missing, np.int64)
        return np.concatenate(self._sizes).astype(np.int64)


class NumberColumn:
    """A column of numbers: the values themselves, 8 bytes each.

    Attributes:
        is_integer: Whether the values are whole numbers.
        rows: Rows that the column belongs to, with or without a value.
    """

    def __init__(self, is_integer: bool) -> None:
        self.is_integer = is_integer
        self.rows = 0
        self._parts: list[npt.NDArray[np.float64]] = []

    def add(self, column: pa.Array) -> None:
        """Adds a batch of the column."""
        self.add_values(
            column.drop_null().to_numpy(zero_copy_only=False).astype(np.float64), len(column)
        )

    def add_values(self, values: npt.NDArray[np.float64], rows: int) -> None:
        """Adds the values of `rows` rows."""
        self.rows += rows
        self._parts.append(values)

    def values(self) -> npt.NDArray[np.float64]:
        """All values. float64 (values,)."""
        return np.concatenate(self._parts) if self._parts else np.zeros(0)


Column = TextColumn | NumberColumn


def new_column(kind: pa.DataType) -> Column:
    """The summary that fits an Arrow type; lists of numbers and the like are read as text."""
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return NumberColumn(is_integer=pa.types.is_integer(kind))
    return TextColumn()
