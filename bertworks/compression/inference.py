"""Runs rows of unequal length through an engine in batches that waste little on padding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bertworks.compression.engines import Engine, Floats, Integers
from bertworks.text.batching import pad_batch

TokenIds = Sequence[int] | NDArray[np.integer]


@dataclass(frozen=True)
class Batch:
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

    def run(self, engine: Engine) -> Floats:
        """Logits of the batch."""
        return engine.run(self.input_ids, self.attention_mask, self.type_ids)


def batches(
    ids: Sequence[TokenIds],
    types: Sequence[TokenIds] | None = None,
    *,
    size: int = 32,
    pad: int = 0,
) -> list[Batch]:
    """Sorts rows by length and cuts them into batches, each padded to its own longest row.

    Args:
        ids: Token ids of each row, marks included; at least one token a row.
        types: Token types of each row; None: all 0.
        size: Rows a batch, at most.
        pad: The padding token's id.
    """
    lengths = np.fromiter((len(row) for row in ids), np.int64, len(ids))
    order = np.argsort(lengths, kind="stable")
    result = []
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        padded = _pad([ids[row] for row in rows], pad)
        inside = np.arange(padded.shape[1]) < lengths[rows][:, np.newaxis]
        kinds = None if types is None else _pad([types[row] for row in rows], 0)
        result.append(Batch(rows, lengths[rows], padded, inside.astype(np.int64), kinds))
    return result


def logits_of(
    engine: Engine,
    ids: Sequence[TokenIds],
    types: Sequence[TokenIds] | None = None,
    *,
    size: int = 32,
    pad: int = 0,
    advance: Callable[[int], None] = lambda rows: None,
) -> list[Floats]:
    """Logits of each row, in the order given.

    Args:
        engine: A loaded graph.
        ids: As in `batches`; so are `types`, `size` and `pad`.
        types: See `batches`.
        size: See `batches`.
        pad: See `batches`.
        advance: Told the number of rows done after each batch.

    Returns:
        For each row (outputs,), or (its tokens, outputs) from a tagging graph.
    """
    found: dict[int, Floats] = {}
    for batch in batches(ids, types, size=size, pad=pad):
        answers = batch.run(engine)
        for row, length, answer in zip(batch.rows, batch.lengths, answers, strict=True):
            found[int(row)] = answer if answer.ndim == 1 else answer[:length]
        advance(len(batch.rows))
    return [found[row] for row in range(len(ids))]


def _pad(rows: Sequence[TokenIds], value: int) -> Integers:
    return np.asarray(pad_batch(rows, value, multiple=1, dtype=np.int64), np.int64)
