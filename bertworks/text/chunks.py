"""Tokenizing many texts at once: what stands between two spaces is tokenized once, then looked up.

BERT's tokenizer never looks across a space: clean-up, decomposition, lower-casing and WordPiece work
on single characters or single words. So the pieces of a text are those of its chunks between spaces,
one after the other. A few chunks make up most of any text (Zipf's law), so that a table of those
already seen answers for all but a few per cent, and the rest is gathering numbers. Other tokenizers
look at spaces: to them a text is one chunk.
"""

from __future__ import annotations

import threading
from functools import cached_property
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import tokenizers

from bertworks.errors import DataError
from bertworks.text.beginnings import beginnings, kind_of
from bertworks.text.boundaries import spaces_part
from bertworks.text.ragged import Ragged, ends, list_sizes

MOST_CHUNKS = 1 << 18  # in the table: some 50 MB
MOST_PIECES = 1 << 22
MOST_CHARACTERS = 1 << 24  # of the table's chunks: a chunk may be a whole text without a space
TOGETHER = 256  # chunks that the backend gets as one row; it spreads rows over the cores


class Chunks:
    """Pieces of whole Arrow columns; the ids are those of the backend, for every text.

    The table is emptied when it is full, so that memory stays the same however many texts there are.
    Threads may share one.

    Args:
        backend: The `tokenizers` object, without truncation and padding.
        words_backend: What reads single words, where that is another one.
    """

    def __init__(
        self, backend: tokenizers.Tokenizer, words_backend: tokenizers.Tokenizer | None = None
    ) -> None:
        self._backend = backend
        self._of_words = None if words_backend in (None, backend) else Chunks(words_backend)
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}
        self._characters = 0
        self._table = _nothing()

    def texts(self, texts: pa.Array) -> Ragged:
        """Pieces of each text, without marks and uncut.

        Args:
            texts: Strings.

        Raises:
            DataError: A text is null.
        """
        _check(texts)
        if not self._spaces_part:
            return self._look_up(texts)
        chunks = pc.split_pattern(texts, " ")
        return self._look_up(chunks.flatten()).merge(ends(list_sizes(chunks)))

    def words(self, rows: pa.ListArray) -> tuple[Ragged, Ragged]:
        """Pieces of each list of words without marks and uncut, and the word of each piece.

        Raises:
            DataError: A word is null.
        """
        if self._of_words is not None:
            return self._of_words.words(rows)
        words, offsets = rows.flatten(), ends(list_sizes(rows))
        _check(words)
        pieces = self._look_up(words)
        place = np.arange(len(words)) - np.repeat(offsets[:-1], np.diff(offsets))
        index = np.repeat(place.astype(np.int32), pieces.lengths)
        merged = pieces.merge(offsets)
        return merged, Ragged(index, merged.offsets)

    def texts_and_words(self, texts: pa.Array) -> tuple[Ragged, Ragged]:
        """Pieces of each text without marks and uncut, and the word that each belongs to.

        See `Tokenizer.pieces_and_words_batch` for what a word is.

        Raises:
            DataError: A text is null.
        """
        if not self._spaces_part and kind_of(self._backend) in ("wordpiece", None):
            return self._by_backend(texts)
        pieces = self.texts(texts)
        begins = self._begins[pieces.values]
        begins[pieces.offsets[:-1][pieces.lengths > 0]] = True
        begun = np.cumsum(begins, dtype=np.int32)
        before = np.concatenate([[0], begun]).astype(np.int32)[pieces.offsets[:-1]]
        return pieces, Ragged(begun - np.repeat(before, pieces.lengths) - 1, pieces.offsets)

    @cached_property
    def _spaces_part(self) -> bool:
        """Whether texts may be split at spaces: the parts are BERT's, and the marks are plain."""
        return spaces_part(self._backend)

    @cached_property
    def _begins(self) -> npt.NDArray[np.bool_]:
        """For each id, whether it begins a word."""
        return np.array(beginnings(self._backend))

    def _look_up(self, chunks: pa.Array) -> Ragged:
        """Pieces of each chunk."""
        coded = chunks.dictionary_encode()
        if not len(coded):
            return _nothing()
        different = coded.dictionary.to_pylist()
        with self._lock:
            numbers = self._numbers
            new = [chunk for chunk in different if chunk not in numbers]
            if new:
                self._learn(different, new)
                numbers = self._numbers
            rows = np.fromiter(map(numbers.__getitem__, different), np.int64, len(different))
            table = self._table
        return table.take(rows[coded.indices.to_numpy()])

    def _learn(self, different: list[str], new: list[str]) -> None:
        """Tokenizes the new chunks into the table; when it is full, only the present ones stay."""
        full = (
            len(self._numbers) + len(new) > MOST_CHUNKS
            or len(self._table.values) > MOST_PIECES
            or self._characters > MOST_CHARACTERS
        )
        if full:
            self._numbers, self._table, self._characters, new = {}, _nothing(), 0, different
        self._characters += sum(map(len, new))
        found = self._tokenize(new)
        first = len(self._numbers)
        self._numbers.update(zip(new, range(first, first + len(new)), strict=True))
        self._table = Ragged(
            np.concatenate([self._table.values, found.values]),
            np.concatenate([self._table.offsets, self._table.offsets[-1] + found.offsets[1:]]),
        )

    def _tokenize(self, chunks: list[str]) -> Ragged:
        """Pieces of each chunk, from the backend: it takes a list of words as one row."""
        rest = iter(chunks)
        rows = list(iter(lambda: list(islice(rest, TOGETHER)), []))
        encodings = self._backend.encode_batch(rows, is_pretokenized=True, add_special_tokens=False)
        ids = [np.array(encoding.ids, np.int32) for encoding in encodings]
        sizes = [
            np.bincount(np.array(encoding.word_ids, np.int64), minlength=len(row))
            for encoding, row in zip(encodings, rows, strict=True)
        ]
        return Ragged(np.concatenate(ids), ends(np.concatenate(sizes)))

    def _by_backend(self, texts: pa.Array) -> tuple[Ragged, Ragged]:
        """Pieces and words where the backend is not made of BERT's parts."""
        _check(texts)
        encodings = self._backend.encode_batch(texts.to_pylist(), add_special_tokens=False)
        offsets = ends(np.array([len(encoding) for encoding in encodings], np.int64))
        ids = [np.array(encoding.ids, np.int32) for encoding in encodings]
        words = [np.array(encoding.word_ids, np.int32) for encoding in encodings]
        empty = np.zeros(0, np.int32)
        return (
            Ragged(np.concatenate([empty, *ids]), offsets),
            Ragged(np.concatenate([empty, *words]), offsets),
        )


def _nothing() -> Ragged:
    return Ragged(np.zeros(0, np.int32), np.zeros(1, np.int64))


def _check(texts: pa.Array) -> None:
    if texts.null_count:
        raise DataError(
            f"A text must be a string. Received: null in {texts.null_count} of {len(texts)} places.",
            "Give every text as a string.",
        )
