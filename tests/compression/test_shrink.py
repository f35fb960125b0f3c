"""Choosing in stages: the stages' plans compose, and what is asked for is reached."""

import numpy as np
import pytest

from bertworks.compression.pruning import shrink
from bertworks.compression.pruning import widths as pruning
from bertworks.compression.pruning.latency import LatencyTable, LayerTimes, Shape, Subject
from bertworks.compression.pruning.shrink import Model, Narrowing
from bertworks.compression.pruning.widths import Importance, PruningPlan
from bertworks.errors import SpecError
from bertworks.models.config import EncoderConfig
from bertworks.models.layout import all_shapes, initialize
from bertworks.spec import Prune, Task
from bertworks.tasks import for_task
from bertworks.text.ragged import Ragged
from bertworks.training.rows import LabelledRows

CONFIG = EncoderConfig(
    vocab_size=30, hidden_size=16, num_heads=(4, 4), head_size=4, intermediate_sizes=(64, 64),
    max_positions=16,
)  # fmt: skip
TABLE = LatencyTable(
    inner=LayerTimes({0: 0.1, 4: 4.0}, {0: 0.1, 64: 8.0}),
    last=LayerTimes({0: 0.1, 4: 4.0}, {0: 0.1, 64: 8.0}),
    fixed=1.0, spread=0.0, rounds=5, threads=1,
    subject=Subject(16, 4, 4, 64, "sequence", pair=False), shapes=(Shape(1, 8, 1.0),),
)  # fmt: skip
HANDLER = for_task(Task(), ["a", "b"])


def narrowing(rows: int = 24) -> Narrowing:
    random = np.random.default_rng(0)
    ids = [random.integers(1, 30, random.integers(4, 12)) for _ in range(rows)]
    offsets = np.cumsum([0, *(len(row) for row in ids)])
    targets = np.array([int(row[1] > 15) for row in ids], np.int32)
    given = LabelledRows(
        list(map(str, range(rows))), Ragged(np.concatenate(ids), offsets), None, targets
    )
    weights = initialize(all_shapes(CONFIG, HANDLER.head()), seed=3)
    loud = {name: 8 * array if array.ndim == 2 else array for name, array in weights.items()}
    settings = Prune(precision="float32", importance_rows=16)
    return Narrowing(Model(CONFIG, loud), given, HANDLER, TABLE, settings)


def test_a_plan_after_a_plan_names_the_units_of_the_full_model() -> None:
    first = PruningPlan(((0, 2, 3), ()), ((1, 5, 9), (4,)), 8.0, 4.0, 0.8)
    second = PruningPlan(((1,), ()), ((0, 2), ()), 8.0, 2.0, 0.5)
    both = first.then(second)
    assert both.heads == ((2,), ()) and both.neurons == ((1, 9), ())
    assert both.speedup == 4.0 and both.kept_importance == pytest.approx(0.4)


def test_within_the_first_stage_the_scores_of_the_full_model_decide() -> None:
    found = narrowing()
    plan = found.plan(1.3)
    importance = shrink.importance_of(
        shrink.build(CONFIG, HANDLER.head(), found.full.weights), found.rows, HANDLER, 16
    )
    expected = pruning.choose(importance, TABLE, 1.3)
    assert (plan.heads, plan.neurons) == (expected.heads, expected.neurons)


def test_every_stage_scores_what_the_one_before_left(monkeypatch) -> None:
    scored, wanted = [], (1.2, 1.7, 2.2)

    def score(model, *arguments, **more) -> Importance:
        scored.append((model.config.num_heads, model.config.intermediate_sizes))
        return importance(model, *arguments, **more)

    importance = shrink.importance_of
    monkeypatch.setattr(shrink, "importance_of", score)
    found = narrowing()
    plans = [found.plan(speedup) for speedup in wanted]
    assert all(plan.speedup >= least for plan, least in zip(plans, wanted, strict=True))
    assert len(scored) == 3 and scored[0] == ((4, 4), (64, 64))
    assert sum(scored[0][1]) > sum(scored[1][1]) >= sum(scored[2][1])
    for before, after in zip(plans[1:], plans[2:], strict=False):
        assert sum(after.num_heads) <= sum(before.num_heads)
    # One that is asked for the last speed-up alone finds the same.
    alone = narrowing().plan(2.2)
    assert (alone.heads, alone.neurons) == (plans[-1].heads, plans[-1].neurons)


def test_the_full_speed_keeps_everything_and_an_unreachable_one_is_refused_at_once(
    monkeypatch,
) -> None:
    monkeypatch.setattr(shrink, "importance_of", None)
    assert narrowing().plan(1.0) == PruningPlan.everything(CONFIG, 25.0)
    with pytest.raises(SpecError, match="cannot be reached"):
        narrowing().plan(19.0)


def test_speeds_must_rise() -> None:
    found = narrowing()
    found.plan(2.0)
    with pytest.raises(ValueError, match="must rise"):
        found.plan(1.2)
