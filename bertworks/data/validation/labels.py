"""Counts labels: in how many rows of each split each one stands, whatever the task."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bertworks.data.validation.profile.rows import SPLITS, ExamplesBatch
from bertworks.spec import Task
from bertworks.tasks import for_task

KEPT_IDS = 20
"""Row ids that are kept for each label, to show where a rare one stands."""


class LabelCounter:
    """Rows a label, by split.

    A label is what the task counts as one: in tagging a type of entity ("PER" for B-PER and I-PER; O
    is none).

    Attributes:
        rows: Split to label to number of rows.
        values: Split to the values of the label column as they stand there.
        ids: Label to the first rows that have it.
    """

    def __init__(self, task: Task) -> None:
        self._target = for_task(task).target
        self.rows: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        self.values: dict[str, set[str]] = {split: set() for split in SPLITS}
        self.ids: dict[str, list[str]] = {}

    def add(self, batch: ExamplesBatch) -> None:
        """Counts a batch; a column that is missing or is not text is left to the schema check."""
        name = self._target.column
        if not self._target.has_labels or name not in batch.columns.schema.names:
            return
        column = batch.columns.column(name)
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            values, rows = column.flatten(), pc.list_parent_indices(column)
        else:
            values, rows = column, pa.array(np.arange(len(column)))
        if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
            return
        values = values.cast(pa.string())
        self.values[batch.split].update(pc.unique(values.drop_null()).to_pylist())
        values = self._target.label_values(values)
        named = pc.not_equal(values, self._target.outside)
        known = pc.and_kleene(values.is_valid(), named).fill_null(False)
        encoded = values.filter(known).dictionary_encode()
        labels = encoded.dictionary.to_pylist()
        codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        positions = rows.filter(known).to_numpy(zero_copy_only=False).astype(np.int64)
        # One count a row, however often the label stands in it.
        codes, positions = np.unique(np.stack([codes, positions]), axis=1)
        counts = np.bincount(codes, minlength=len(labels)).tolist()
        self.rows[batch.split].update(dict(zip(labels, counts, strict=True)))
        for code, label in enumerate(labels):
            kept = self.ids.setdefault(label, [])
            if len(kept) < KEPT_IDS:
                first = positions[codes == code][: KEPT_IDS - len(kept)]
                kept.extend(batch.ids.take(pa.array(first)).to_pylist())

    def total(self) -> Counter[str]:
        """Rows a label over all splits."""
        return sum(self.rows.values(), Counter())
