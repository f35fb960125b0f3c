"""The cost model: the same everywhere, near the clock, and what it was fitted by."""

import dataclasses

import numpy as np
import pytest

from benchmarks.cost import fit, samples
from bertworks.compression.pruning import widths as pruning
from bertworks.compression.pruning.cost import MEASURED, modelled
from bertworks.compression.pruning.latency import LatencyTable, Shape, Subject
from bertworks.compression.pruning.widths import Importance

MINILM = Subject(384, 32, 12, 1536, "sequence", pair=False)
SHAPES = (Shape(32, 16, 0.25), Shape(32, 32, 0.75))


def table(subject: Subject = MINILM, **changes: float) -> LatencyTable:
    return modelled(subject, SHAPES, dataclasses.replace(MEASURED, **changes))


def test_wider_blocks_cost_more_and_the_last_layer_less() -> None:
    found = table()
    for times in (found.inner, found.last):
        for curve in (times.attention, times.feed_forward):
            values = list(curve.values())
            assert values == sorted(values) and values[0] < values[-1]
    assert found.feed_forward_time(1536, last=True) < 0.2 * found.feed_forward_time(
        1536, last=False
    )
    token = table(dataclasses.replace(MINILM, head="token"))
    assert token.last == token.inner
    assert LatencyTable.from_json(found.to_json()) == found == table()


def test_longer_rows_cost_more_in_attention_alone() -> None:
    short, long = (modelled(MINILM, [Shape(32, length, 1.0)]) for length in (16, 128))
    assert long.attention_time(12, last=False) > 1.2 * short.attention_time(12, last=False)
    wide = 1536
    assert long.feed_forward_time(wide, last=False) == short.feed_forward_time(wide, last=False)


def test_a_machine_that_is_faster_in_everything_gets_the_same_widths() -> None:
    random = np.random.default_rng(0)
    importance = Importance(
        tuple(random.random(12) for _ in range(6)), tuple(random.random(1536) for _ in range(6))
    )
    faster = {name: value / 3 for name, value in dataclasses.asdict(MEASURED).items()}
    one, other = (pruning.choose(importance, found, 2.0) for found in (table(), table(**faster)))
    assert one.heads == other.heads and one.neurons == other.neurons
    assert one.full_ms == pytest.approx(3 * other.full_ms, rel=1e-3)


def test_the_fit_finds_the_costs_that_made_the_times() -> None:
    known = []
    for sizes in ((384, 32, 12, 1536), (768, 64, 12, 3072), (256, 64, 4, 1024)):
        for length in (16, 96):
            subject = Subject(*sizes, "sequence", pair=False)
            known += samples(modelled(subject, [Shape(32, length, 1.0)]))
    found = dataclasses.asdict(fit(known))
    for name, value in dataclasses.asdict(MEASURED).items():
        assert found[name] == pytest.approx(value, rel=0.02, abs=1e-4), name
