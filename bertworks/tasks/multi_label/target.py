"""Several labels a row: a list of them, and 0 or 1 for each in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bertworks.tasks.target import Target, Unknown, Variety

if TYPE_CHECKING:
    import pyarrow as pa

    from bertworks.contracts.examples import Example
    from bertworks.spec import Columns


class LabelsTarget(Target):
    """Any number of labels a row."""

    column = learned = "labels"
    many = True

    def read(self, reader: Any, columns: Columns, values: Mapping[str, Any]) -> Example:
        """`labels`, of one column or of columns of 0 and 1."""
        if columns.one_hot:
            return {"labels": reader.one_hot(values)}
        return {"labels": reader.labels_in(reader.cell(values, columns.label))}

    def field(self) -> tuple[str, pa.DataType]:
        """A list of texts."""
        import pyarrow as pa

        return self.column, pa.list_(pa.string())

    def variety(self, values: Mapping[str, int], rows: int) -> Variety:
        """Labels that some rows have and others not."""
        found = sum(1 for count in values.values() if count < rows)
        return found, 1, "labels that some rows have and others not"

    def number(
        self, table: pa.Table, labels: Sequence[str], score: Mapping[str, float] | None
    ) -> tuple[pa.Table, Unknown]:
        """0 or 1 for each of `labels`."""
        from bertworks.text.labels import number_sets

        return number_sets(table, self.column, labels)

    def indexes(self, values: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """int64 0/1, (rows, labels)."""
        place = {name: index for index, name in enumerate(labels)}
        found = np.zeros((len(values), len(labels)), dtype=np.int64)
        for row, names in enumerate(values):
            found[row, [place[name] for name in names]] = 1
        return found

    def named(self, values: Any, row: int, labels: Sequence[str]) -> list[str]:
        """The labels."""
        return [name for name, on in zip(labels, values[row], strict=True) if on]
