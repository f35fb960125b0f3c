"""The corpus of a tokens artifact: which texts train, which are held out, and packed batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bertworks.contracts.tokens import TOKENS
from bertworks.errors import DataError
from bertworks.spec import Pretrain
from bertworks.storage.artifacts import Artifact
from bertworks.text.packing import Packed, pack
from bertworks.text.ragged import Ragged
from bertworks.training.feed import MicroBatch
from bertworks.training.objectives.masking import groups_of, mask
from bertworks.training.rows import ragged, read_table


@dataclass(frozen=True)
class Marks:
    """Ids of the marks, and the vocabulary's size."""

    pad: int
    cls: int
    sep: int
    mask: int
    vocab_size: int

    @classmethod
    def of(cls, tokens: Artifact) -> Marks:
        """Reads them from a tokens artifact."""
        info = TOKENS.read(tokens)
        ids = info.special
        return cls(ids.pad, ids.cls, ids.sep, ids.mask, info.vocab_size)


@dataclass(frozen=True)
class Texts:
    """Texts as token ids without marks, and the word of each piece."""

    input_ids: Ragged
    words: np.ndarray

    def take(self, chosen: np.ndarray) -> Texts:
        """The texts with the given indices."""
        words = Ragged(self.words, self.input_ids.offsets).take(chosen)
        return Texts(self.input_ids.take(chosen), words.values)


def read_texts(tokens: Artifact, held_out: float) -> tuple[Texts, Texts]:
    """Reads the corpus and splits it by id: a text does not change sides when the corpus grows.

    Args:
        tokens: The tokens artifact.
        held_out: Share of texts to hold out; at least one text goes to each side.

    Returns:
        Texts to train on, and held-out texts.

    Raises:
        DataError: There are fewer than two texts that are not empty.
    """
    table = read_table(Path(tokens / "corpus")) if TOKENS.read(tokens).corpus_rows else None
    if table is None or table.num_rows < 2:
        raise DataError(
            f"The corpus of {tokens.path} has fewer than two texts.",
            "Give corpus.sources in the spec, or leave corpus.include_training_text on.",
        )
    texts = Texts(ragged(table["input_ids"]), ragged(table["words"]).values)
    # Ids are hashes: their order is as good as random and depends on nothing but the text.
    rank = np.array([int(name[:8], 16) for name in table["id"].to_pylist()]) / 0xFFFFFFFF
    filled = texts.input_ids.lengths > 0
    order = np.flatnonzero(filled)[np.argsort(rank[filled], kind="stable")]
    count = int(np.clip((rank[order] < held_out).sum(), 1, len(order) - 1))
    return texts.take(np.sort(order[count:])), texts.take(np.sort(order[:count]))


class MaskedFeed:
    """Packed rows in batches, shuffled and masked anew each epoch."""

    def __init__(self, texts: Texts, marks: Marks, settings: Pretrain) -> None:
        self.settings, self.marks = settings, marks
        self.packed = pack_texts(texts, marks, settings.sequence_length)
        self.groups = groups_of(self.packed, texts.words if settings.whole_word else None)

    def steps(self, epoch: int) -> Sequence[np.ndarray]:
        """Packed-row indices of each optimizer step."""
        rows = len(self.packed.input_ids)
        order = np.random.default_rng([self.settings.seed, epoch]).permutation(rows)
        size = self.settings.batch_size
        return [order[at : at + size] for at in range(0, rows, size)]

    def shape(self, item: np.ndarray) -> tuple[int, int]:
        """(rows, tokens a row) of a step."""
        return len(item), self.packed.input_ids.shape[1]

    def parts(self, item: np.ndarray, epoch: int, number: int, parts: int) -> list[MicroBatch]:
        """The step's rows, masked as a whole, so that it does not matter how many devices share them."""
        whole = self.batch(item, np.random.default_rng([self.settings.seed, epoch, number, 0]))
        edges = [len(rows) for rows in np.array_split(item, parts)]
        ends = np.cumsum(edges).tolist()
        return [_cut(whole, end - size, end) for size, end in zip(edges, ends, strict=True)]

    def batch(self, chosen: np.ndarray, random: np.random.Generator) -> MicroBatch:
        """Some packed rows, masked."""
        packed, marks = self.packed, self.marks
        groups = self.groups[chosen]
        share = self.settings.mask_share
        found = mask(packed.input_ids[chosen], groups, share, marks.mask, marks.vocab_size, random)
        arrays = {
            "input_ids": found.input_ids,
            "segments": packed.segment_ids[chosen],
            "positions": packed.positions[chosen],
            "masked": found.places,
            "targets": found.targets,
        }
        return MicroBatch(
            arrays, float(len(found.places)), int((packed.segment_ids[chosen] > 0).sum())
        )


def _cut(batch: MicroBatch, first: int, end: int) -> MicroBatch:
    """Some rows of a masked batch."""
    width = batch.arrays["input_ids"].shape[1]
    places = batch.arrays["masked"]
    inside = (places >= first * width) & (places < end * width)
    arrays = {
        **{name: batch.arrays[name][first:end] for name in ("input_ids", "segments", "positions")},
        "masked": places[inside] - np.int32(first * width),
        "targets": batch.arrays["targets"][inside],
    }
    return MicroBatch(arrays, float(inside.sum()), int((arrays["segments"] > 0).sum()))


def pack_texts(texts: Texts, marks: Marks, length: int) -> Packed:
    """Packs texts, each with its [CLS] and [SEP], into rows."""
    ids = texts.input_ids
    return pack(ids.values, ids.offsets, length, marks.pad, marks.cls, marks.sep)
