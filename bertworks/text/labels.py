"""Labels to numbers: the index of a label is its place in the `labels` list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertworks.text.alignment import IGNORE

Unknown = dict[str, int]


def number_column(table: pa.Table, name: str, labels: Sequence[str]) -> tuple[pa.Table, Unknown]:
    """A column of labels as their places in `labels`; and how often others were seen."""
    index, unknown = _index(table.column(name), labels)
    return _replace(table, name, pa.array(index, pa.int32())), unknown


def _index(
    values: pa.Array | pa.ChunkedArray, labels: Sequence[str]
) -> tuple[np.ndarray[Any, np.dtype[np.int32]], Unknown]:
    """Index of each value; `IGNORE` for null and for labels that are not known."""
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    found = pc.index_in(values, value_set=pa.array(labels, pa.string()))
    unknown = values.filter(pc.and_(found.is_null(), values.is_valid()))
    index = pc.fill_null(found, IGNORE).to_numpy(zero_copy_only=False)
    return index.astype(np.int32), dict(Counter(unknown.to_pylist()))


def number_lists(table: pa.Table, name: str, labels: Sequence[str]) -> tuple[pa.Table, Unknown]:
    """A column of lists of labels as lists of their places."""
    lists = _one(table, name)
    index, unknown = _index(lists.flatten(), labels)
    numbered = pa.ListArray.from_arrays(_offsets(lists), pa.array(index, pa.int32()))
    return _replace(table, name, numbered), unknown


def number_sets(table: pa.Table, name: str, labels: Sequence[str]) -> tuple[pa.Table, Unknown]:
    """A column of lists of labels as lists of one 0 or 1 a label."""
    sets = _one(table, name)
    index, unknown = _index(sets.flatten(), labels)
    rows = np.repeat(np.arange(len(sets)), pc.list_value_length(sets).to_numpy())
    hot = np.zeros((len(sets), len(labels)), dtype=np.int8)
    known = index >= 0
    hot[rows[known], index[known]] = 1
    offsets = np.arange(len(sets) + 1, dtype=np.int32) * len(labels)
    column = pa.ListArray.from_arrays(pa.array(offsets), pa.array(hot.ravel()))
    return _replace(table, name, column), unknown


def scale(table: pa.Table, mean: float, std: float) -> pa.Table:
    """Adds `scaled`, the scores less their mean, in units of their deviation."""
    score = table.column("score").to_numpy().astype(np.float64)
    scaled = pa.array((score - mean) / (std or 1.0), pa.float32())
    table = _replace(table, "score", pa.array(score, pa.float32()))
    return table.append_column("scaled", scaled)


def _one(table: pa.Table, name: str) -> pa.ListArray:
    column = table.column(name)
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)


def _offsets(lists: pa.ListArray) -> pa.Array:
    """Offsets that begin at 0, as `flatten` leaves the values."""
    sizes = pc.list_value_length(lists).to_numpy()
    return pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32))


def _replace(table: pa.Table, name: str, column: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), name, column)
