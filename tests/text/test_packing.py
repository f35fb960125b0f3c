"""Packing: nothing lost, nothing doubled, nothing too full."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.text.packing import pack

SIZES = st.lists(st.integers(0, 40), max_size=60)


def _flat(sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.concatenate([[0], np.cumsum(np.array(sizes, dtype=np.int64))])
    return np.arange(100, 100 + int(offsets[-1]), dtype=np.int32), offsets


@settings(deadline=None)
@given(sizes=SIZES, length=st.integers(1, 24))
def test_every_token_stands_exactly_once(sizes: list[int], length: int) -> None:
    flat, offsets = _flat(sizes)
    packed = pack(flat, offsets, length)
    inside = packed.segment_ids > 0
    assert packed.input_ids.shape == packed.segment_ids.shape == packed.positions.shape
    assert packed.input_ids.shape[1] == length
    assert sorted(packed.input_ids[inside]) == flat.tolist()
    assert (packed.input_ids[~inside] == 0).all() and (packed.positions[~inside] == 0).all()
    assert np.array_equal(packed.pack_like(flat, 0), packed.input_ids)


@settings(deadline=None)
@given(sizes=SIZES, length=st.integers(4, 24))
def test_segments_are_whole_texts_or_parts_of_long_ones(sizes: list[int], length: int) -> None:
    flat, offsets = _flat(sizes)
    packed = pack(flat, offsets, length, cls=1, sep=2)
    document = np.repeat(np.arange(len(sizes)), sizes)
    seen = []
    for row in range(len(packed.input_ids)):
        segments = packed.segment_ids[row]
        used = int((segments > 0).sum())
        assert (segments[:used] > 0).all() and (np.diff(segments[:used]) >= 0).all()
        for segment in range(1, segments.max() + 1):
            places = np.flatnonzero(segments == segment)
            ids = packed.input_ids[row, places]
            assert packed.positions[row, places].tolist() == list(range(len(places)))
            assert (ids[0], ids[-1]) == (1, 2)
            assert len(set(document[ids[1:-1] - 100])) == 1
            assert (np.diff(ids[1:-1]) == 1).all()
            seen += ids[1:-1].tolist()
    assert sorted(seen) == flat.tolist()


def test_rows_are_nearly_full() -> None:
    sizes = np.random.default_rng(0).integers(4, 80, 5000)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    packed = pack(np.ones(offsets[-1], np.int32), offsets, 128)
    assert packed.efficiency > 0.98
    assert len(packed.input_ids) <= np.ceil(sizes.sum() / 128) * 1.02


def test_no_texts_give_no_rows() -> None:
    packed = pack(np.array([], np.int32), np.array([0]), 16)
    assert packed.input_ids.shape == (0, 16)
    assert packed.efficiency == 1.0


def test_equal_input_gives_equal_rows() -> None:
    flat, offsets = _flat([3, 9, 2, 9, 1, 30])
    one, two = (pack(flat, offsets, 12) for _ in range(2))
    assert np.array_equal(one.input_ids, two.input_ids)


def test_no_room_is_refused() -> None:
    with pytest.raises(ValueError, match="leave room"):
        pack(np.array([1], np.int32), np.array([0, 1]), 2, cls=1, sep=2)
