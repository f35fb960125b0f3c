"""The measured latency model: shapes, curves, the table's round trip, and a real measurement."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.compression import measuring
from bertworks.compression.pruning import latency
from bertworks.compression.pruning.latency import LatencyTable, LayerTimes, Shape, Subject

TINY = Subject(16, 8, 2, 64, "sequence", pair=False)
SHAPES = (Shape(rows=2, length=5, share=1.0),)


def table(attention: dict[int, float], feed_forward: dict[int, float]) -> LatencyTable:
    inner = LayerTimes(attention, feed_forward)
    last = LayerTimes(
        {heads: ms / 10 for heads, ms in attention.items()},
        {neurons: ms / 10 for neurons, ms in feed_forward.items()},
    )
    return LatencyTable(
        inner=inner, last=last, fixed=1.0, spread=0.0, rounds=5, threads=1, subject=TINY,
        shapes=SHAPES,
    )  # fmt: skip


def test_shapes_follow_the_rows_lengths_and_share_the_tokens() -> None:
    shapes = latency.representative_shapes([4, 10, 20, 30, 40, 50, 60], rows=8)
    assert [shape.length for shape in shapes] == sorted(shape.length for shape in shapes)
    assert sum(shape.share for shape in shapes) == pytest.approx(1.0)
    assert 4 < shapes[0].length < 20 < shapes[1].length < 40 < shapes[2].length < 60
    assert {shape.rows for shape in shapes} == {8}


def test_rows_of_one_length_give_one_shape() -> None:
    assert latency.representative_shapes([9] * 7) == (Shape(32, 9, 1.0),)


@given(st.dictionaries(st.integers(0, 99), st.floats(0.01, 100.0), min_size=1))
def test_rising_never_falls_and_keeps_the_mean(curve: dict[int, float]) -> None:
    fitted = latency.rising(curve)
    values = list(fitted.values())
    assert list(fitted) == sorted(curve)
    assert all(a <= b for a, b in zip(values[:-1], values[1:], strict=True))
    assert np.mean(values) == pytest.approx(np.mean(list(curve.values())), rel=1e-4)


def test_rising_leaves_a_rising_curve_alone() -> None:
    assert latency.rising({4: 3.0, 0: 1.0, 2: 2.0}) == {0: 1.0, 2: 2.0, 4: 3.0}


@pytest.mark.parametrize("full", [1, 2, 12, 16, 64, 1536, 3072])
def test_measured_widths_hold_the_ends_and_stay_few(full: int) -> None:
    widths = measuring.measured_widths(full)
    assert widths == sorted(set(widths))
    assert widths[0] == 0 and widths[-1] == full
    assert len(widths) <= 10


def test_times_between_measured_widths_lie_on_a_line() -> None:
    times = table({0: 1.0, 2: 3.0}, {0: 1.0, 64: 9.0})
    assert times.attention_time(1, last=False) == 2.0
    assert times.feed_forward_time(16, last=False) == 3.0
    assert times.feed_forward_time(16, last=True) == pytest.approx(0.3)
    assert times.encoder_time([0, 2], [0, 64]) == pytest.approx(1.0 + 1.0 + 1.0 + 0.3 + 0.9)


def test_a_width_outside_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 2. Received: 3"):
        table({0: 1.0, 2: 3.0}, {0: 1.0, 64: 9.0}).attention_time(3, last=False)


@pytest.mark.parametrize(("head", "pair"), [("sequence", True), ("token", False)])
def test_measure_times_wider_blocks_as_slower_and_survives_json(head: str, pair: bool) -> None:
    subject = Subject(64, 16, 4, 1024, head, pair)
    shapes = (Shape(16, 32, 1.0),)
    measured = measuring.measure(subject, shapes, seconds=0.3, threads=1, rounds=(3, 6))
    inner = measured.inner.feed_forward
    assert inner[1024] > 2 * inner[32]
    assert measured.attention_time(4, last=False) > measured.attention_time(0, last=False) >= 0
    assert measured.fixed > 0
    if head == "sequence":  # only one row of each sequence passes the last layer's neurons
        last = measured.feed_forward_time(1024, last=True)
        assert last < 0.5 * measured.feed_forward_time(1024, last=False)
    else:
        assert measured.last == measured.inner
    assert 3 <= measured.rounds <= 6
    assert LatencyTable.from_json(json.loads(json.dumps(measured.to_json()))) == measured


def test_whole_graphs_are_compared_in_turn() -> None:
    subject = Subject(32, 16, 2, 2048, "token", pair=False)
    shapes = (Shape(8, 16, 0.5), Shape(8, 32, 0.5))
    graphs = [measuring._tiny_graph(subject, ("encoder", size)) for size in [(2, 2048), (1, 32)]]
    wide, narrow = measuring.compare(graphs, shapes, pair=False, vocabulary=9, seconds=0.2)
    assert wide > 2 * narrow > 0


def test_a_saved_table_is_read_again_and_another_one_replaced(tmp_path, monkeypatch) -> None:
    calls = []

    def count(subject, shapes, **options):
        calls.append(subject)
        return table({0: 1.0, 2: float(len(calls))}, {0: 1.0, 64: 9.0})

    monkeypatch.setattr(measuring, "measure", count)
    file = tmp_path / "checkpoints" / "latency.json"
    first = measuring.load_or_measure(file, TINY, SHAPES)
    assert measuring.load_or_measure(file, TINY, SHAPES) == first
    assert len(calls) == 1
    measuring.load_or_measure(file, TINY, (Shape(2, 6, 1.0),))
    assert len(calls) == 2
    file.write_text("{")
    measuring.load_or_measure(file, TINY, SHAPES)
    assert len(calls) == 3
