"""Packing texts into rows of one length, so that pretraining spends nothing on padding.

Best-fit decreasing (Johnson, "Near-optimal bin packing algorithms", 1973): the longest piece first,
each into the fullest row that still takes it. Because lengths are small integers, rows are kept in
one stack for each amount of free room, and a text costs O(length) at most. Each text keeps its own
segment id, and attention is confined to segments (Krell et al., "Efficient sequence packing without
cross-contamination", 2021, section 3.2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Int32 = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Packed:
    """Packed rows; every array has the shape (rows, length).

    Attributes:
        input_ids: Token ids; `pad` where nothing stands.
        segment_ids: Which text of the row a token belongs to, from 1; 0 is padding.
        positions: Position inside the text, from 0; 0 for padding.
        source: Index into the flat tokens that the token came from; -1 for padding. With it,
            arrays that run beside the tokens (words, documents) are packed the same way.
    """

    input_ids: Int32
    segment_ids: Int32
    positions: Int32
    source: npt.NDArray[np.int64]

    @property
    def efficiency(self) -> float:
        """Share of places that hold a token."""
        return float((self.segment_ids > 0).mean()) if self.segment_ids.size else 1.0

    def pack_like(self, flat: npt.NDArray[np.generic], fill: int) -> npt.NDArray[np.generic]:
        """Packs an array that runs beside the flat tokens."""
        result = np.full(self.source.shape, fill, dtype=flat.dtype)
        taken = self.source >= 0
        result[taken] = flat[self.source[taken]]
        return result


def pack(
    flat: npt.NDArray[np.integer],
    offsets: npt.NDArray[np.integer],
    length: int,
    pad: int = 0,
    cls: int | None = None,
    sep: int | None = None,
) -> Packed:
    """Packs texts into rows.

    Args:
        flat: The tokens of all texts, one after the other.
        offsets: Where each text begins in `flat`, and the end: shape (texts + 1,).
        length: Tokens a row.
        pad: Id that fills the rest of a row.
        cls: When given, put before each text (and each part of a split one).
        sep: When given, put after each text (and each part of a split one).

    Returns:
        The rows. A text longer than a row is split into parts that are texts of their own. Marks
        that were added have source -1 but a segment.
    """
    before, after = int(cls is not None), int(sep is not None)
    room = length - before - after
    if room < 1:
        raise ValueError(f"`length` must leave room for a token. Received: {length}")
    starts, sizes = _split(np.asarray(offsets, dtype=np.int64), room)
    rows, columns, segments, count = _place(sizes + before + after, length)

    packed = Packed(
        np.full((count, length), pad, dtype=np.int32),
        np.zeros((count, length), dtype=np.int32),
        np.zeros((count, length), dtype=np.int32),
        np.full((count, length), -1, dtype=np.int64),
    )
    total = sizes + before + after
    first = rows * length + columns  # place of each text's first token, rows one after the other
    within = _ranges(total)
    places = np.repeat(first, total) + within
    packed.segment_ids.ravel()[places] = np.repeat(segments, total)
    packed.positions.ravel()[places] = within

    within = _ranges(sizes)
    places = np.repeat(first + before, sizes) + within
    source = np.repeat(starts, sizes) + within
    packed.input_ids.ravel()[places] = np.asarray(flat)[source]
    packed.source.ravel()[places] = source
    if cls is not None:
        packed.input_ids[rows, columns] = cls
    if sep is not None:
        packed.input_ids[rows, columns + total - 1] = sep
    return packed


def _split(
    offsets: npt.NDArray[np.int64], room: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Cuts texts into parts of at most `room` tokens: where each part starts, and its size."""
    sizes = np.diff(offsets)
    parts = -(-sizes // room)
    index = _ranges(parts)
    starts = np.repeat(offsets[:-1], parts) + index * room
    left = np.repeat(sizes, parts) - index * room
    return starts, np.minimum(left, room)


def _ranges(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """0, 1, … count - 1 for each count, one after the other."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) - np.repeat(ends - counts, counts)


def _place(
    sizes: npt.NDArray[np.int64], length: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64], int]:
    """Best-fit decreasing: each text's row, first column and segment id; the number of rows."""
    texts = len(sizes)
    rows, columns, segments = (np.zeros(texts, dtype=np.int64) for _ in range(3))
    by_room: list[list[int]] = [[] for _ in range(length + 1)]
    rooms = 0  # bit r is set when a row has exactly r free places
    used: list[int] = []
    filled: list[int] = []
    for text in np.argsort(-sizes, kind="stable").tolist():
        size = int(sizes[text])
        large_enough = rooms >> size
        if large_enough:
            room = size + (large_enough & -large_enough).bit_length() - 1
            row = by_room[room].pop()
            rooms ^= 0 if by_room[room] else 1 << room
        else:
            row, room = len(used), length
            used.append(0)
            filled.append(0)
        rows[text], columns[text] = row, used[row]
        used[row] += size
        filled[row] += 1
        segments[text] = filled[row]
        by_room[room - size].append(row)
        rooms |= 1 << (room - size)
    return rows, columns, segments, len(used)
