"""Batches by length, and padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.text.batching import batches, pad_batch, padded_length


@given(
    lengths=st.lists(st.integers(1, 128), max_size=300),
    batch_size=st.integers(1, 40),
    epoch=st.integers(0, 3),
    pool=st.integers(1, 5),
)
def test_every_row_is_in_one_batch(
    lengths: list[int], batch_size: int, epoch: int, pool: int
) -> None:
    made = batches(np.array(lengths, dtype=np.int32), batch_size, 1, epoch, pool)
    assert sorted(row for batch in made for row in batch) == list(range(len(lengths)))
    assert all(1 <= len(batch) <= batch_size for batch in made)
    assert len(made) == -(-len(lengths) // batch_size)


def test_rows_of_a_batch_are_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(4, 128, 8000)
    waste = lambda made: 1 - lengths.sum() / sum(len(b) * lengths[b].max() for b in made)  # noqa: E731
    assert waste(batches(lengths, 32, 0, 0)) < 0.05
    assert waste([np.arange(at, at + 32) for at in range(0, 8000, 32)]) > 0.3


def test_epochs_and_seeds_differ_and_repeat() -> None:
    lengths = np.arange(1, 200)
    order = lambda seed, epoch: np.concatenate(batches(lengths, 16, seed, epoch)).tolist()  # noqa: E731
    assert order(1, 0) == order(1, 0)
    assert order(1, 0) != order(1, 1)
    assert order(1, 0) != order(2, 0)


def test_batches_do_not_come_sorted() -> None:
    lengths = np.random.default_rng(0).integers(4, 128, 3200)
    means = [lengths[batch].mean() for batch in batches(lengths, 32, 0, 0)]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.4


@pytest.mark.parametrize(("longest", "width"), [(0, 8), (1, 8), (8, 8), (9, 16), (128, 128)])
def test_lengths_are_rounded_up(longest: int, width: int) -> None:
    assert padded_length(longest) == width


@given(
    rows=st.lists(st.lists(st.integers(0, 30_000), max_size=40), min_size=1, max_size=10),
    multiple=st.sampled_from([1, 8, 16]),
)
def test_padding_keeps_every_row(rows: list[list[int]], multiple: int) -> None:
    padded = pad_batch(rows, -7, multiple)
    assert padded.dtype == np.int32
    assert padded.shape[1] % multiple == 0
    for row, out in zip(rows, padded, strict=True):
        assert out[: len(row)].tolist() == row
        assert (out[len(row) :] == -7).all()


def test_padding_takes_arrays_and_other_types() -> None:
    padded = pad_batch([np.array([1, 2], np.int8), np.array([], np.int8)], 0, 4, np.int8)
    assert padded.dtype == np.int8
    assert padded.tolist() == [[1, 2, 0, 0], [0, 0, 0, 0]]
