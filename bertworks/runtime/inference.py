"""Runs rows of unequal length through an engine in batches that waste little on padding.

Every score in the project is taken so: the quantize step's, the evaluation's, an agent's answers. A
row's logits do not depend on its company but for the rounding of floats, on any engine; so they are the
same whether it is measured among a thousand or asked alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from bertworks.runtime.engines import Engine, Floats, Integers
from bertworks.text.batching import pad_batch

TokenIds = Sequence[int] | NDArray[np.integer]

ROWS = 16
"""Rows a batch, at most: what more rows compute falls out of a core's cache before it is used."""

SQUARES = 1 << 19
"""Rows times the square of their tokens in a batch, at most, but for a single row: attention holds that
many numbers a head, so that 16 rows of 512 tokens take half a gigabyte, and two of them 75 MB."""


@dataclass(frozen=True)
class PaddedBatch:
    """Padded rows.

    Attributes:
        rows: Their places in the input, shape (rows,).
        lengths: Their tokens, shape (rows,).
        input_ids: (rows, longest).
        attention_mask: 1 for tokens, 0 for padding, (rows, longest).
        type_ids: (rows, longest), or None: all 0.
    """

    rows: Integers
    lengths: Integers
    input_ids: Integers
    attention_mask: Integers
    type_ids: Integers | None

    def part(self, rows: slice) -> PaddedBatch:
        """Some of its rows, padded as they are."""
        types = None if self.type_ids is None else self.type_ids[rows]
        return PaddedBatch(
            self.rows[rows], self.lengths[rows], self.input_ids[rows], self.attention_mask[rows],
            types,
        )  # fmt: skip

    def run(self, engine: Engine) -> Floats:
        """Logits of the batch."""
        return engine.run(self.input_ids, self.attention_mask, self.type_ids)


def batches(
    ids: Sequence[TokenIds],
    types: Sequence[TokenIds] | None = None,
    *,
    size: int = ROWS,
    pad: int = 0,
) -> list[PaddedBatch]:
    """Sorts rows by length and cuts them into batches, each padded to its own longest row.

    Args:
        ids: Token ids of each row, marks included; at least one token a row.
        types: Token types of each row; None: all 0.
        size: Rows a batch, at most; fewer where they are so long that memory counts, see SQUARES.
        pad: The padding token's id.
    """
    return [_batch(rows, ids, types, pad) for rows in _groups(ids, size)]


def _groups(ids: Sequence[TokenIds], size: int) -> list[Integers]:
    """The places of the rows by rising length, at most `size` at a time, fewer of long ones."""
    lengths = np.fromiter((len(row) for row in ids), np.int64, len(ids))
    order = np.argsort(lengths, kind="stable")
    return list(_cut(order, lengths, size))


def _batch(
    rows: Integers, ids: Sequence[TokenIds], types: Sequence[TokenIds] | None, pad: int
) -> PaddedBatch:
    padded = _pad([ids[row] for row in rows], pad)
    lengths = np.fromiter((len(ids[row]) for row in rows), np.int64, len(rows))
    inside = np.arange(padded.shape[1]) < lengths[:, np.newaxis]
    kinds = None if types is None else _pad([types[row] for row in rows], 0)
    return PaddedBatch(rows, lengths, padded, inside.astype(np.int64), kinds)


def _cut(order: Integers, lengths: Integers, size: int) -> Iterator[Integers]:
    """Sorted rows in parts of `size`, and where those are too large in equal parts of them."""
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        squares = len(rows) * int(lengths[rows[-1]]) ** 2
        yield from np.array_split(rows, max(min(-(-squares // SQUARES), len(rows)), 1))


def even_size(rows: int, threads: int, most: int) -> int:
    """Rows a batch, so that batches come in rounds of `threads` alike, of at most `most` rows each.

    Fewer rows than threads make one batch.
    """
    if rows < threads:
        return min(max(rows, 1), most)
    rounds = -(-rows // (most * threads))
    return -(-rows // (rounds * threads))


class Runner:
    """Answers rows with an engine; any number of threads may share one.

    One batch alone gets all of the engine's threads. Several are computed side by side, one thread
    each, for which the graph is loaded a second time when it is first needed.

    Args:
        engine: A loaded graph.
        size: Rows a batch, at most.
        pad: The padding token's id.
    """

    def __init__(self, engine: Engine, *, size: int = ROWS, pad: int = 0) -> None:
        self._engine, self._size, self._pad = engine, min(size, ROWS), pad
        self._lock = Lock()
        self._beside: tuple[Engine, ThreadPoolExecutor] | None = None

    def logits(
        self,
        ids: Sequence[TokenIds],
        types: Sequence[TokenIds] | None = None,
        advance: Callable[[int], None] = lambda rows: None,
        *,
        beside: bool = False,
    ) -> list[Floats]:
        """Logits of each row, in the order given.

        Args:
            ids: As in `batches`; so are `types`.
            types: See `batches`.
            advance: Told the number of rows done after each batch.
            beside: Whether other threads compute at the same time: then all is computed on the calling
                thread, one batch after the other.

        Returns:
            For each row (outputs,), or (its tokens, outputs) from a tagging graph.
        """
        threads = 1 if beside else self._engine.threads
        groups = _groups(ids, even_size(len(ids), threads, self._size))

        def run(rows: Integers, engine: Engine) -> tuple[PaddedBatch, Floats]:
            batch = _batch(rows, ids, types, self._pad)
            return batch, batch.run(engine)

        found: dict[int, Floats] = {}
        # The longest first: at the end, threads that wait for the last batch wait for a short one.
        for batch, answers in self._run(run, groups[::-1], beside):
            for row, length, answer in zip(batch.rows, batch.lengths, answers, strict=True):
                found[int(row)] = answer if answer.ndim == 1 else answer[:length]
            advance(len(batch.rows))
        return [found[row] for row in range(len(ids))]

    def _run(
        self,
        run: Callable[[Integers, Engine], tuple[PaddedBatch, Floats]],
        groups: list[Integers],
        beside: bool,
    ) -> Iterator[tuple[PaddedBatch, Floats]]:
        if beside and self._engine.threads > 1:
            engine, _ = self._side_by_side()
            return (run(rows, engine) for rows in groups)
        if len(groups) < 2 or self._engine.threads == 1:
            return (run(rows, self._engine) for rows in groups)
        engine, pool = self._side_by_side()
        return pool.map(lambda rows: run(rows, engine), groups)

    def _side_by_side(self) -> tuple[Engine, ThreadPoolExecutor]:
        with self._lock:
            if self._beside is None:
                pool = ThreadPoolExecutor(self._engine.threads, "batches")
                self._beside = self._engine.side_by_side(), pool
            return self._beside


def _pad(rows: Sequence[TokenIds], value: int) -> Integers:
    return np.asarray(pad_batch(rows, value, multiple=1, dtype=np.int64), np.int64)
