"""Rows to batches and back: order, padding, batches side by side."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.runtime.inference import ROWS, SQUARES, Runner, batches, even_size


class Recorder:
    """An engine whose logits are each row's first id and length."""

    def __init__(self, tagging=False, threads=1):
        self.tagging, self.threads, self.shapes = tagging, threads, []
        self.beside = None

    def side_by_side(self):
        assert self.beside is None, "loaded once, not for every request"
        self.beside = Recorder(self.tagging)
        return self.beside

    def run(self, ids, mask, types=None):
        self.shapes.append(ids.shape)
        if self.tagging:
            return np.stack([ids, mask], -1).astype(np.float32)
        return np.stack([ids[:, 0], mask.sum(1)], 1).astype(np.float32)


def rows_of(lengths):
    return [[index + 1] * length for index, length in enumerate(lengths)]


@given(st.lists(st.integers(1, 30), max_size=60), st.integers(1, 16), st.integers(1, 4))
@settings(deadline=None)
def test_rows_come_back_in_order_with_little_padding(lengths, size, threads):
    rows, engine, done = rows_of(lengths), Recorder(threads=threads), []
    found = Runner(engine, size=size).logits(rows, advance=done.append)
    assert [row.tolist() for row in found] == [[row[0], len(row)] for row in rows]
    shapes = engine.shapes + (engine.beside.shapes if engine.beside else [])
    assert all(count <= size for count, _ in shapes)
    assert sum(count for count, _ in shapes) == sum(done) == len(rows)
    if threads == 1:
        widths = [width for _, width in shapes]
        assert widths == sorted(widths, reverse=True)


def test_one_batch_runs_with_all_threads_and_many_side_by_side():
    engine = Recorder(threads=4)
    runner = Runner(engine)
    runner.logits(rows_of([5]))
    runner.logits(rows_of([5, 6, 7]))
    assert engine.beside is None and len(engine.shapes) == 2
    for _ in range(2):
        runner.logits(rows_of([5] * 10))
    assert len(engine.shapes) == 2
    assert sorted(count for count, _ in engine.beside.shapes) == [1, 1] + [3] * 6


def test_requests_at_the_same_time_get_their_own_rows():
    runner, answers = Runner(Recorder(threads=2)), {}

    def ask(first):
        rows = [[first + index] * 3 for index in range(40)]
        answers[first] = [row[0] for row in runner.logits(rows)]

    threads = [threading.Thread(target=ask, args=(1000 * number,)) for number in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for first, found in answers.items():
        assert found == [first + index for index in range(40)]


def test_an_engine_that_fails_is_heard():
    class Broken(Recorder):
        def side_by_side(self):
            return self

        def run(self, ids, mask, types=None):
            raise RuntimeError("no such op")

    with pytest.raises(RuntimeError, match="no such op"):
        Runner(Broken(threads=2)).logits(rows_of([3] * 20))


@given(st.integers(0, 500), st.integers(1, 32), st.integers(1, ROWS))
def test_batches_come_in_even_rounds(rows, threads, most):
    size = even_size(rows, threads, most)
    assert 1 <= size <= most
    count = -(-rows // size)
    if rows >= threads:  # no thread gets two batches more than another could have
        assert -(-count // threads) == -(-rows // (most * threads))


def test_tagging_rows_lose_their_padding():
    found = Runner(Recorder(tagging=True)).logits([[5], [6, 7, 8]])
    assert [row[:, 0].tolist() for row in found] == [[5], [6, 7, 8]]


def test_batches_pad_with_the_padding_token_and_type_0():
    (batch,) = batches([[5, 6], [7]], [[0, 1], [1]], pad=9)
    assert batch.input_ids.tolist() == [[7, 9], [5, 6]]
    assert batch.attention_mask.tolist() == [[1, 0], [1, 1]]
    assert batch.type_ids.tolist() == [[1, 0], [0, 1]]


def test_long_rows_come_in_small_batches_and_short_ones_do_not():
    ids = [[2] * length for length in [512] * 7 + [256] * 9 + [128] * 40 + [1]]
    made = batches(ids, size=16)
    assert all(
        len(one.rows) == 1 or one.input_ids.shape[0] * one.input_ids.shape[1] ** 2 <= SQUARES
        for one in made
    )
    assert sorted(row for one in made for row in one.rows) == list(range(len(ids)))
    assert [one.input_ids.shape for one in made][:2] == [(16, 128), (16, 128)]
