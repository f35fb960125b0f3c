"""The one pass over the examples that collects what statistics and checks are made from."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from bertworks import progress
from bertworks.contracts.examples import EXAMPLES
from bertworks.data.sources.trimming import Trimmed
from bertworks.data.validation.labels import LabelCounter
from bertworks.data.validation.profile.columns import Column, NumberColumn, new_column
from bertworks.data.validation.profile.duplicates import ShingleSets, Twins
from bertworks.data.validation.profile.encoding import damaged
from bertworks.data.validation.profile.rows import SPLITS, ExamplesBatch, batches
from bertworks.data.validation.profile.tokens import TokenCounter, TokenCounts
from bertworks.data.validation.profile.words import TopValues, split_words
from bertworks.spec import Task, Validate
from bertworks.storage.artifacts import Artifact

LENGTHS = {"row.words": "words", "row.characters": "characters", "row.tokens": "tokens"}
"""Derived features: a length of the whole row, in this unit."""

VOCABULARY_BUCKETS = 1024
_KEPT_IDS = 20


@dataclass
class Finding:
    """Rows that one rule found: how many, and the ids of the first of them."""

    count: int = 0
    ids: list[str] = field(default_factory=list)

    def add(self, batch: ExamplesBatch, mask: npt.NDArray[np.bool_]) -> None:
        """Adds the batch's rows where `mask` is true."""
        self.count += int(mask.sum())
        room = _KEPT_IDS - len(self.ids)
        if room > 0:
            self.ids += [batch.ids[int(row)].as_py() for row in np.flatnonzero(mask)[:room]]


@dataclass
class Scan:
    """What one pass over the examples found.

    Attributes:
        labels: Rows a label and split.
        rows: Rows a split.
        columns: Split to column name to its summary; the lengths of `LENGTHS` are columns too.
        empty, damaged: Rows without text, rows with encoding damage.
        longest: Words and id of the rows with the most words.
        vocabulary: int64 (VOCABULARY_BUCKETS,): words a hash bucket.
        words: The frequent words.
        tokens: What the tokenizer made of a sample; None without a tokenizer.
        trimmed: What trimming the base's vocabulary did; None: it is whole.
        compared: Rows a split that were compared with each other.
        compared_ids: Their ids, train first.
        twins: Near-duplicates, as positions in `compared_ids`.
    """

    labels: LabelCounter
    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    columns: dict[str, dict[str, Column]] = field(
        default_factory=lambda: {split: {} for split in SPLITS}
    )
    empty: Finding = field(default_factory=Finding)
    damaged: Finding = field(default_factory=Finding)
    longest: list[tuple[int, str]] = field(default_factory=list)
    vocabulary: npt.NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(VOCABULARY_BUCKETS, np.int64)
    )
    words: TopValues = field(default_factory=TopValues)
    tokens: TokenCounts | None = None
    trimmed: Trimmed | None = None
    compared: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    compared_ids: list[str] = field(default_factory=list)
    twins: Twins = field(default_factory=lambda: ShingleSets().twins())

    def numbers(self, name: str, split: str | None = None) -> npt.NDArray[np.float64]:
        """All values of a numeric column, of one split or of all. float64 (values,)."""
        splits = SPLITS if split is None else (split,)
        columns = [self.columns[one].get(name) for one in splits]
        parts = [column.values() for column in columns if isinstance(column, NumberColumn)]
        return np.concatenate([np.zeros(0), *parts])


def scan(examples: Artifact, task: Task, settings: Validate, base: Artifact) -> Scan:
    """Reads all rows once; memory grows by some ten bytes a row, not with the text.

    Args:
        examples: The opened examples artifact.
        task: The spec's task.
        settings: The spec's validate section.
        base: The opened base artifact; without a tokenizer when it is made from scratch.
    """
    result = Scan(LabelCounter(task), trimmed=base.metadata.get("trimmed"))
    counter = None if base.metadata.get("scratch") else TokenCounter(base, task)
    sets = ShingleSets()
    checks = settings.checks
    compare = {checks.near_duplicates, checks.leakage} != {"ignore"}
    budget = compared_rows(rows_of(examples), settings.max_near_duplicate_rows)
    with progress.stage(
        "reading rows", total=sum(rows_of(examples).values()), unit="rows"
    ) as stage:
        for split in SPLITS:
            for batch in batches(examples, task, split):
                _add(result, batch, counter, sets, budget[split] if compare else 0)
                stage.advance(len(batch))
    if counter:
        result.tokens = counter.counts
    with progress.stage("comparing rows", total=sets.rows, unit="rows") as stage:
        result.twins = sets.twins()
        stage.advance(sets.rows)
    return result


def rows_of(examples: Artifact) -> dict[str, int]:
    """Rows a split, as the ingest step counted them."""
    counted = EXAMPLES.read(examples).rows
    return {split: counted.get(split, 0) for split in SPLITS}


def compared_rows(rows: dict[str, int], limit: int) -> dict[str, int]:
    """How many rows of each split are compared: at most half of the limit for those held out.

    Rows are ordered by a hash of their content, so that the first ones are a fair sample.
    """
    held_out = rows["validation"] + rows["test"]
    share = min(1.0, max(limit // 2, limit - rows["train"]) / held_out) if held_out else 0.0
    budget = {split: int(rows[split] * share) for split in ("validation", "test")}
    return {"train": limit - sum(budget.values()), **budget}


def _add(
    result: Scan, batch: ExamplesBatch, counter: TokenCounter | None, sets: ShingleSets, budget: int
) -> None:
    """Adds one batch to everything that is collected."""
    split = batch.split
    words = split_words(batch.text)
    result.rows[split] += len(batch)
    result.labels.add(batch)
    result.damaged.add(batch, damaged(batch.text))
    result.empty.add(batch, _empty(batch))
    result.vocabulary += np.bincount(
        (words.hashes % np.uint64(VOCABULARY_BUCKETS)).astype(np.int64),
        minlength=VOCABULARY_BUCKETS,
    )
    result.words.add(words.counts)
    result.longest = _longest(result.longest, words.lengths, batch)
    columns = result.columns[split]
    for name in batch.columns.schema.names:
        column = batch.columns.column(name)
        columns.setdefault(name, new_column(column.type)).add(column)
    characters = pc.utf8_length(batch.text).to_numpy(zero_copy_only=False)
    lengths = {"row.words": words.lengths, "row.characters": characters}
    if counter:
        lengths["row.tokens"] = np.asarray(counter.add(batch))
    for name, values in lengths.items():
        if isinstance(length := columns.setdefault(name, NumberColumn(True)), NumberColumn):
            length.add_values(values.astype(np.float64), len(batch))
    taken = max(0, min(budget - batch.first, len(batch)))
    if taken:
        sets.add(words.lengths[:taken], words.hashes[: words.lengths[:taken].sum()])
        result.compared[split] += taken
        result.compared_ids += batch.ids.slice(0, taken).to_pylist()


def _longest(
    before: list[tuple[int, str]], lengths: npt.NDArray[np.int64], batch: ExamplesBatch
) -> list[tuple[int, str]]:
    """The rows with the most words, of those before and of this batch."""
    rows = np.argsort(-lengths, kind="stable")[:_KEPT_IDS]
    here = [(int(lengths[row]), str(batch.ids[int(row)].as_py())) for row in rows]
    return sorted(before + here, key=lambda entry: (-entry[0], entry[1]))[:_KEPT_IDS]


def _empty(batch: ExamplesBatch) -> npt.NDArray[np.bool_]:
    """Rows in which a text is empty or only white space. bool (rows,)."""
    empty = [
        pc.equal(pc.binary_length(pc.utf8_trim_whitespace(column)), 0).to_numpy(
            zero_copy_only=False
        )
        for column in batch.needed
    ]
    result: npt.NDArray[np.bool_] = np.logical_or.reduce(empty).astype(bool)
    return result
