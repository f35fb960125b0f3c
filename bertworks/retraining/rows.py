"""Which rows an examples artifact holds: split and target by id, and all rows in the order of ids."""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from bertworks.contracts.examples import Example
from bertworks.data.validation.profile.rows import SPLITS
from bertworks.spec import Task
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import for_task

BATCH_ROWS = 4096


@dataclass(frozen=True, slots=True)
class Key:
    """What is remembered of a row.

    Attributes:
        split: "train", "validation" or "test".
        target: Hash of what the agent shall answer: the same content may be labelled anew.
        labels: The labels in it: one, several (multi-label), or each tag once; none in regression.
    """

    split: str
    target: bytes
    labels: tuple[str, ...]


def read_keys(examples: Artifact, task: Task) -> dict[str, Key]:
    """Every row's id and key. Memory grows by some hundred bytes a row, not with the text."""
    target = for_task(task).target
    column = target.column
    names: dict[tuple[str, ...], tuple[str, ...]] = {}
    found = {}
    for split in SPLITS:
        for row in rows_of(examples, split, ["id", column]):
            labels = target.names(row[column])
            labels = names.setdefault(labels, labels)
            found[row["id"]] = Key(split, _hash(row[column]), labels)
    return found


def rows_of(examples: Artifact, split: str, columns: list[str] | None = None) -> Iterator[Example]:
    """The rows of a split in the order of their ids; all columns when None."""
    for file in sorted((examples / split).glob("*.parquet")):
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(BATCH_ROWS, columns=columns):
                yield from batch.to_pylist()


def by_id(*examples: Artifact) -> Iterator[tuple[str, list[tuple[int, str, Example]]]]:
    """All rows of several artifacts, merged: an id, and (artifact, split, row) where it stands."""

    def stream(number: int, artifact: Artifact, split: str) -> Iterator[tuple[int, str, Example]]:
        for row in rows_of(artifact, split):
            yield number, split, row

    streams = [
        stream(number, artifact, split)
        for number, artifact in enumerate(examples)
        for split in SPLITS
    ]
    group: list[tuple[int, str, Example]] = []
    for found in heapq.merge(*streams, key=lambda one: one[2]["id"]):
        if group and group[0][2]["id"] != found[2]["id"]:
            yield group[0][2]["id"], group
            group = []
        group.append(found)
    if group:
        yield group[0][2]["id"], group


def _hash(target: Any) -> bytes:
    text = json.dumps(target, ensure_ascii=False)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
