"""Labelled rows of a tokens artifact, held as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertworks.artifacts import Artifact
from bertworks.errors import ArtifactError, DataError
from bertworks.text.ragged import Ragged


@dataclass(frozen=True)
class Rows:
    """The rows of one split.

    Attributes:
        ids: One id a row.
        input_ids: Token ids with marks, no padding.
        type_ids: 0 and 1 for pairs, else None.
        targets: The task's target column: an array (rows, …), or for tagging a Ragged.
    """

    ids: list[str]
    input_ids: Ragged
    type_ids: Ragged | None
    targets: Any

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row."""
        return self.input_ids.lengths


def read_splits(tokens: Artifact, target: str) -> tuple[Rows, Rows]:
    """Reads the train and validation rows of a tokens artifact.

    Raises:
        DataError: One of the two has no rows.
    """
    counts = tokens.json("info.json")["rows"]
    for split, advice in (("train", "Give more data."), ("validation", "Raise data.validation.")):
        if not counts.get(split):
            raise DataError(f"The {split} split has no rows ({tokens.path}).", advice)
    return read_rows(tokens / "train", target), read_rows(tokens / "validation", target)


def read_rows(folder: Path, target: str) -> Rows:
    """Reads one split of a tokens artifact, in the order of its shards.

    Args:
        folder: The split's folder.
        target: The task's target column.

    Raises:
        ArtifactError: A column is missing.
    """
    table = read_table(folder)
    missing = {"id", "input_ids", target} - set(table.column_names)
    if missing:
        raise ArtifactError(
            f"{folder} has no column {sorted(missing)[0]!r}.",
            "Run the transform step again with the same task.",
        )
    has_types = "type_ids" in table.column_names
    return Rows(
        ids=table["id"].to_pylist(),
        input_ids=ragged(table["input_ids"]),
        type_ids=ragged(table["type_ids"]) if has_types else None,
        targets=_targets(table[target]),
    )


def read_table(folder: Path) -> Any:
    """All Parquet shards of a folder as one Arrow table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = sorted(folder.glob("part-*.parquet"))
    if not files:
        raise ArtifactError(f"{folder} holds no shards.", "Run the transform step again.")
    return pa.concat_tables([pq.read_table(file) for file in files])


def ragged(column: Any) -> Ragged:
    """An Arrow list column as flat values and offsets."""
    lists = column.combine_chunks()
    offsets = np.asarray(lists.offsets, np.int64)
    values = lists.values.to_numpy(zero_copy_only=False)
    return Ragged(values[offsets[0] : offsets[-1]], offsets - offsets[0])


def _targets(column: Any) -> Any:
    import pyarrow as pa

    if not pa.types.is_list(column.type):
        return column.to_numpy()
    lists = ragged(column)
    if column.type.value_type != pa.int8():
        return lists
    return lists.values.reshape(
        len(lists), -1 if len(lists) else 0
    )  # multi-label: as many 0/1 as labels in every row
