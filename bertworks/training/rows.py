"""Labelled rows of a tokens artifact, held as flat arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertworks.contracts.examples import DOCUMENTS
from bertworks.contracts.tokens import TOKENS
from bertworks.errors import ArtifactError, DataError
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import for_task
from bertworks.tasks.tagging.target import Truth
from bertworks.text import windows
from bertworks.text.alignment import IGNORE
from bertworks.text.ragged import Ragged, ends

POOL = 2000
"""Documents among which validation queries are scored while a model is trained and compressed, at most,
unless their own are more. The evaluation, on test, takes all."""


@dataclass(frozen=True)
class LabelledRows:
    """The rows of one split, or the windows that they are read in.

    Attributes:
        ids: One id a row.
        input_ids: Token ids with marks, no padding.
        type_ids: 0 and 1 for pairs, else None.
        targets: The task's target column: an array (rows, …), or for tagging a Ragged.
        words: Tagging: the tag of each word, and the index of each word that is read; or None.
        texts: What the windows are made of, see `windowed`; None where each row is a text.
        company: How many of the rows, the last ones, are there for the others: see `with_company`.
    """

    ids: list[str]
    input_ids: Ragged
    type_ids: Ragged | None
    targets: Any
    words: tuple[Ragged, Ragged] | None = None
    texts: Texts | None = None
    company: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def asked(self) -> int:
        """How many of the rows are asked and scored: the first ones."""
        return len(self) - self.company

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row."""
        return self.input_ids.lengths

    @property
    def truth(self) -> Any:
        """What a metric compares the answers of `combine` with, one a text."""
        if self.texts is not None:
            return self.texts.rows.truth
        if self.words is None:
            return self.targets
        tags, words = self.words
        return [
            Truth(tags[row], words[row], np.flatnonzero(self.targets[row] != IGNORE))
            for row in range(len(self))
        ]

    def combine(self, logits: Sequence[np.ndarray]) -> Sequence[np.ndarray]:
        """The texts' answers from those of these rows."""
        if self.texts is None:
            return logits
        return windows.combine(logits, self.texts.rows.lengths.tolist(), self.texts.max_length)

    def take(self, places: np.ndarray) -> LabelledRows:
        """The texts at the given places, in their order."""

        def pick(values: Any) -> Any:
            return values.take(places) if isinstance(values, Ragged) else values[places]

        return LabelledRows(
            [self.ids[place] for place in places], pick(self.input_ids),
            None if self.type_ids is None else pick(self.type_ids), pick(self.targets),
            None if self.words is None else (pick(self.words[0]), pick(self.words[1])),
            company=int((np.asarray(places) >= self.asked).sum()),
        )  # fmt: skip

    def windowed(self, max_length: int) -> LabelledRows:
        """The windows of these texts as rows of their own: what one forward pass takes.

        A window has its text's target. In tagging it keeps the tags of the words that it answers, so
        that each word is learned once.
        """
        if self.type_ids is not None or not (self.lengths > max_length).any():
            return self
        parts = [
            (row, part)
            for row, length in enumerate(self.lengths)
            for part in windows.windows(int(length) - windows.MARKS, max_length)
        ]
        of = np.array([row for row, _ in parts])
        ids = [windows.window_ids(self.input_ids[row], part) for row, part in parts]
        targets = self.targets
        if isinstance(targets, Ragged):
            targets = Ragged.of([_answered(self.targets[row], part) for row, part in parts])
        else:
            targets = targets[of]
        names = [self.ids[row] for row in of]
        return LabelledRows(names, Ragged.of(ids), None, targets, None, Texts(self, max_length))

    def shortened(self, max_length: int, *, cut: bool) -> LabelledRows:
        """These texts with fewer tokens read at once: cut to their beginnings, or in windows.

        As `task.long_text` says; texts that stand in windows already get other ones.
        """
        whole = self if self.texts is None else self.texts.rows
        if not cut or self.type_ids is not None or not (self.lengths > max_length).any():
            return whole.windowed(max_length)
        ids = [
            row if len(row) <= max_length else np.append(row[: max_length - 1], row[-1])
            for row in map(whole.input_ids.__getitem__, range(len(whole)))
        ]
        return dataclasses.replace(whole, input_ids=Ragged.of(ids))


@dataclass(frozen=True)
class Texts:
    """The texts that windows were made of, and the windows' length in tokens."""

    rows: LabelledRows
    max_length: int


def read_splits(
    tokens: Artifact, target: str, max_length: int | None = None
) -> tuple[LabelledRows, LabelledRows]:
    """Reads the train and validation rows of a tokens artifact, long ones in their windows.

    Args:
        tokens: The artifact.
        target: The task's target column.
        max_length: Tokens that are read at once; None: as the artifact says.

    Raises:
        DataError: One of the two has no rows.
    """
    info = TOKENS.read(tokens)
    for split, advice in (("train", "Give more data."), ("validation", "Raise data.validation.")):
        if not info.rows.get(split):
            raise DataError(f"The {split} split has no rows ({tokens.path}).", advice)
    train, validation = (
        with_company(read_rows(tokens / split, target), tokens, everything=split != "train")
        for split in ("train", "validation")
    )
    length, cut = max_length or info.max_length, info.task.long_text == "cut"
    if length < info.max_length:
        return train.shortened(length, cut=cut), validation.shortened(length, cut=cut)
    return train.windowed(length), validation.windowed(length)


def sample_rows(
    tokens: Artifact, split: str, count: int, seed: int, target: str, *, company: bool = True
) -> LabelledRows:
    """A random sample of a split, the same for equal seeds.

    Args:
        tokens: The artifact.
        split: train, validation or test.
        count: How many rows, at most.
        seed: Of the sample.
        target: The task's target column.
        company: Whether the documents that the rows are scored with, where there are such, stand behind.

    Raises:
        DataError: The split has no rows.
    """
    if not TOKENS.read(tokens).rows.get(split):
        raise DataError(
            f"{tokens.path} has no {split} rows, which quantization needs.",
            f"Give more data, or raise data.{split} in the spec."
            if split != "train"
            else "Give more data.",
        )
    rows = read_rows(tokens / split, target)
    taken = rows.take(np.random.default_rng(seed).permutation(len(rows))[:count])
    return with_company(taken, tokens, everything=split != "train") if company else taken


def with_company(rows: LabelledRows, tokens: Artifact, *, everything: bool) -> LabelledRows:
    """Rows, and behind them the documents that they are learned with, or scored among.

    Args:
        rows: Of a tokens artifact whose rows have numbers of documents as targets; others stay alone.
        tokens: The artifact.
        everything: Also documents that belong to none of the rows, up to POOL in all: an evenly spread
            sample by their numbers, which are hashes.
    """
    folder = tokens / DOCUMENTS
    if not folder.is_dir():
        return rows
    table = read_table(folder)
    numbers = table["number"].to_numpy()
    own = np.isin(numbers, rows.targets.values)
    chosen = np.flatnonzero(own)
    if everything:
        others = np.flatnonzero(~own)
        room = max(0, POOL - len(chosen))
        chosen = np.concatenate([chosen, others[np.argsort(numbers[others])][:room]])
    target = for_task(TOKENS.read(tokens).task).target
    more = [np.array(target.of_document(int(number)), np.int64) for number in numbers[chosen]]
    return LabelledRows(
        [*rows.ids, *table["id"].take(chosen).to_pylist()],
        _behind(rows.input_ids, ragged(table["input_ids"]).take(chosen)),
        None,
        _behind(rows.targets, _of_lists(more)),
        company=len(more),
    )


def _behind(first: Ragged, second: Ragged) -> Ragged:
    return Ragged(
        np.concatenate([first.values, second.values]),
        np.concatenate([first.offsets, first.offsets[-1] + second.offsets[1:]]),
    )


def _of_lists(rows: Sequence[np.ndarray]) -> Ragged:
    sizes = np.array([len(row) for row in rows], np.int64)
    return Ragged(np.concatenate([np.zeros(0, np.int64), *rows]), ends(sizes))


def read_rows(folder: Path, target: str) -> LabelledRows:
    """Reads one split of a tokens artifact, whole texts in the order of its shards.

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
    return LabelledRows(
        ids=table["id"].to_pylist(),
        input_ids=ragged(table["input_ids"]),
        type_ids=ragged(table["type_ids"]) if has_types else None,
        targets=_targets(table[target]),
        words=(ragged(table["word_tags"]), ragged(table["read_words"]))
        if "word_tags" in table.column_names
        else None,
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


def _answered(tags: np.ndarray, part: windows.Window) -> np.ndarray:
    """A window's tags: those of the pieces that it answers, and what is ignored elsewhere.

    What the first token is asked for, the text's first window answers (`windows.combine`).
    """
    found = np.full(part.end - part.start + windows.MARKS, IGNORE, np.int32)
    found[0] = tags[0] if part.start == 0 else IGNORE
    begin = 1 - part.start
    found[part.first + begin : part.last + begin] = tags[part.first + 1 : part.last + 1]
    return found


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
