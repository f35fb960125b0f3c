"""Choosing what to keep under a latency table, and cutting the weights."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.compression.pruning import widths as pruning
from bertworks.compression.pruning.latency import LatencyTable, LayerTimes, Shape, Subject
from bertworks.compression.pruning.widths import Importance, PruningPlan
from bertworks.errors import SpecError
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import Weights, all_shapes, initialize

CONFIG = EncoderConfig(
    vocab_size=30, hidden_size=16, num_heads=(4, 4), head_size=4, intermediate_sizes=(64, 64),
    max_positions=12,
)  # fmt: skip
TABLE = LatencyTable(
    inner=LayerTimes({0: 1.0, 4: 5.0}, {0: 1.0, 64: 9.0}),
    last=LayerTimes({0: 1.0, 4: 5.0}, {0: 1.0, 64: 9.0}),
    fixed=2.0, spread=0.0, rounds=5, threads=1,
    subject=Subject(16, 4, 4, 64, "sequence", pair=False), shapes=(Shape(1, 8, 1.0),),
)  # fmt: skip


def scores(seed: int) -> Importance:
    random = np.random.default_rng(seed)
    return Importance(
        heads=tuple(random.random(4) for _ in range(2)),
        neurons=tuple(random.random(64) / 10 for _ in range(2)),
    )


def weights_of(config: EncoderConfig) -> Weights:
    return initialize(all_shapes(config, Head("sequence", ("a", "b"))), seed=1)


@given(st.integers(0, 10**6), st.floats(1.0, 4.0))
@settings(max_examples=50, deadline=None)
def test_the_predicted_time_meets_the_wanted_speedup(seed: int, speedup: float) -> None:
    plan = pruning.choose(scores(seed), TABLE, speedup)
    assert plan.speedup >= speedup - 1e-9
    assert plan.pruned_ms == pytest.approx(
        TABLE.encoder_time(plan.num_heads, plan.intermediate_sizes)
    )
    assert all(width % 32 == 0 for width in plan.intermediate_sizes)


def test_the_most_important_units_of_a_block_stay() -> None:
    importance = scores(3)
    plan = pruning.choose(importance, TABLE, 1.7)
    blocks = [*importance.heads, *importance.neurons]
    for block, units in zip(blocks, [*plan.heads, *plan.neurons], strict=True):
        dropped = np.delete(block, units)
        if len(units) and len(dropped):
            assert block[list(units)].min() >= dropped.max()


def test_no_speedup_keeps_everything() -> None:
    plan = PruningPlan.everything(CONFIG, TABLE.encoder_time((4, 4), (64, 64)))
    assert plan.num_heads == (4, 4) and plan.intermediate_sizes == (64, 64)
    assert plan.speedup == plan.kept_importance == 1.0
    config, same = pruning.slice_weights(CONFIG, weights_of(CONFIG), plan)
    assert config == CONFIG
    assert all((array == same[name]).all() for name, array in weights_of(CONFIG).items())


def test_what_costs_nothing_stays() -> None:
    free = dataclasses.replace(TABLE, last=LayerTimes({0: 1.0, 4: 1.0}, {0: 1.0, 64: 1.0}))
    plan = pruning.choose(scores(1), free, 1.8)
    assert plan.num_heads[1] == 4 and plan.intermediate_sizes[1] == 64
    assert plan.num_heads[0] < 4 or plan.intermediate_sizes[0] < 64


def test_an_unreachable_speedup_says_what_can_be_reached() -> None:
    with pytest.raises(SpecError, match=r"prune.speedup: 9 cannot be reached.*5.00 times"):
        pruning.choose(scores(0), TABLE, 9.0)


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_knapsack_equals_trying_every_combination(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    draw = st.integers(0, 12).map(float)
    times = [np.sort(np.array(data.draw(st.lists(draw, min_size=n, max_size=n)))) for n in sizes]
    values = [np.array(data.draw(st.lists(draw, min_size=n, max_size=n))) for n in sizes]
    budget = sum(float(time[0]) for time in times) + data.draw(st.integers(1, 20))
    picks = pruning.knapsack(times, values, budget, steps=int(budget - sum(t[0] for t in times)))

    def total(columns, picked) -> float:
        return sum(float(column[index]) for column, index in zip(columns, picked, strict=True))

    feasible = [
        combination
        for combination in itertools.product(*map(range, sizes))
        if total(times, combination) <= budget
    ]
    assert total(times, picks) <= budget
    assert total(values, picks) == max(total(values, combination) for combination in feasible)


def test_sliced_weights_have_the_shapes_of_the_narrower_sizes() -> None:
    head = Head("sequence", ("a", "b"))
    weights = initialize(all_shapes(CONFIG, head), seed=1)
    plan = pruning.choose(scores(5), TABLE, 2.0)
    config, sliced = pruning.slice_weights(CONFIG, weights, plan)
    assert {name: array.shape for name, array in sliced.items()} == all_shapes(config, head)
    assert config.is_pruned


def test_units_that_add_nothing_are_cut_without_a_trace() -> None:
    from bertworks.models.model import build

    head = Head("sequence", ("a", "b", "c"))
    weights = initialize(all_shapes(CONFIG, head), seed=2)
    weights = {name: 20 * array if array.ndim == 2 else array for name, array in weights.items()}
    plan = PruningPlan(
        heads=((0, 3), ()), neurons=(tuple(range(1, 64, 2)), (5, 9)),
        full_ms=2.0, pruned_ms=1.0, kept_importance=0.5,
    )  # fmt: skip
    for layer in range(2):
        prefix = f"bert.encoder.layer.{layer}"
        gone = np.setdiff1d(np.arange(4), np.array(plan.heads[layer], int))
        for unit in gone:
            weights[f"{prefix}.attention.output.dense.weight"][:, unit * 4 : unit * 4 + 4] = 0
        gone = np.setdiff1d(np.arange(64), plan.neurons[layer])
        weights[f"{prefix}.output.dense.weight"][:, gone] = 0
    config, sliced = pruning.slice_weights(CONFIG, weights, plan)
    inputs = {"input_ids": np.array([[2, 7, 9, 3], [2, 8, 3, 0]], np.int32)}
    inputs["mask"] = np.array([[1, 1, 1, 1], [1, 1, 1, 0]], np.int32)
    full = build(CONFIG, head, weights)(inputs)["logits"].numpy()
    narrow = build(config, head, sliced)(inputs)["logits"].numpy()
    assert np.ptp(full) > 1e-3
    np.testing.assert_allclose(narrow, full, atol=1e-5)


def test_a_plan_survives_json() -> None:
    import json

    plan = pruning.choose(scores(7), TABLE, 2.0)
    assert PruningPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
