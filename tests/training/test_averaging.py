"""The mean of the latest weights: what it is, that a resumed run has the same, that the better wins."""

import contextlib
import types
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from bertworks.models.config import EncoderConfig, Head
from bertworks.models.model import build, get_weights
from bertworks.spec import Finetune, Optimizer, Task
from bertworks.storage.checkpoints import Checkpoints
from bertworks.tasks import for_task
from bertworks.text.ragged import Ragged
from bertworks.training.averaging import SPAN, Average
from bertworks.training.feed import MicroBatch
from bertworks.training.loop import Selection, train
from bertworks.training.objectives.finetuning import Material, selection_for
from bertworks.training.objectives.labelled import objective_of
from bertworks.training.objectives.losses import loss_for
from bertworks.training.rows import LabelledRows

TINY = EncoderConfig(20, 8, (1,), 8, (8,), 8, dropout=0.0, attention_dropout=0.0)


def walked(values, total, first=1):
    variable = tf.Variable([0.0])
    average = Average({"w": variable}, total)
    for step, value in enumerate(values, start=first):
        variable.assign([value])
        average.look(step)
    return variable, average


def test_few_looks_are_averaged_evenly_and_older_ones_are_forgotten():
    values = np.random.default_rng(0).standard_normal(3 * SPAN).astype("f4")
    _, early = walked(values[:SPAN], total=60)
    assert early.arrays()["average/w"] == pytest.approx(values[:SPAN].mean(), abs=1e-6)
    _, late = walked([100.0] * 5 + [1.0] * 200, total=60)
    assert late.arrays()["average/w"] == pytest.approx(1.0, abs=1e-3)


def test_long_runs_are_looked_at_sixty_times():
    _, average = walked(np.arange(1, 601), total=600)
    _, seldom = walked(np.arange(10, 601, 10), total=60)
    np.testing.assert_array_equal(average.arrays()["average/w"], seldom.arrays()["average/w"])


def test_the_mean_is_in_place_only_for_a_while():
    variable, average = walked([1.0, 3.0], total=2)
    with average.in_place():
        assert variable.numpy() == [2.0]
    assert variable.numpy() == [3.0]


def test_a_mean_that_is_taken_up_goes_on_as_if_undisturbed():
    values = np.random.default_rng(1).standard_normal(40)
    _, whole = walked(values, total=60)
    variable, half = walked(values[:25], total=60)
    again = Average({"w": variable}, 60)
    again.restore(half.arrays())
    for step, value in enumerate(values[25:], start=26):
        variable.assign([value])
        again.look(step)
    np.testing.assert_array_equal(whole.arrays()["average/w"], again.arrays()["average/w"])


class ParityFeed:
    """Two steps an epoch of rows whose label is their first token's parity."""

    def steps(self, epoch):
        return [np.arange(8), np.arange(8)]

    def shape(self, item):
        return 8, 8

    def parts(self, item, epoch, number, parts):
        ids = np.random.default_rng(2 * epoch + number).integers(0, 20, (8, 8)).astype("i4")
        arrays = {"input_ids": ids, "mask": np.ones_like(ids), "targets": ids[:, 0] % 2}
        return [MicroBatch(arrays, 8.0, 64)]


def trained(scores, checkpoints=None, total=6, stop=None, chance=0.0):
    """Trains on fixed validation scores: (as they are, averaged) of each epoch in turn."""
    model = build(TINY, Head("sequence", ("a", "b")), seed=1)
    left = iter(scores)
    seen = []

    def evaluate():
        seen.append(get_weights(model)["classifier.weight"])
        if stop is not None and len(seen) > stop:
            raise KeyboardInterrupt
        return next(left)

    def better(value, best):
        return best is None or value > best

    state = train(
        model, ParityFeed(), objective_of(loss_for(Task())),
        Optimizer(learning_rate=1e-2, precision="float32"), total=total,
        selection=Selection("accuracy", evaluate, better, patience=9, by_chance=lambda _: chance),
        checkpoints=checkpoints,
    )  # fmt: skip
    return state, get_weights(model), seen


@pytest.mark.parametrize(
    ("scores", "epoch", "averaged", "which"),
    [
        ([0.5, 0.6, 0.7, 0.8, 0.75, 0.7], 2, True, 3),
        ([0.5, 0.6, 0.9, 0.8, 0.75, 0.7], 2, False, 2),
        ([0.5, 0.6, 0.7, 0.8, 0.75, 0.85], 3, True, 5),
    ],
)
def test_the_better_of_both_wins_whatever_came_after(scores, epoch, averaged, which):
    state, weights, seen = trained(scores)
    assert (state.best_epoch, state.best_averaged) == (epoch, averaged)
    assert state.best == max(scores)
    np.testing.assert_array_equal(weights["classifier.weight"], seen[which])
    assert not np.array_equal(seen[2], seen[3])
    told = [point.split for point in state.points if point.split != "train"]
    assert told == ["validation", "validation, averaged"] * 3


@pytest.mark.parametrize(
    ("scores", "epoch", "averaged", "which"),
    [
        ([0.5, 0.6, 0.7, 0.8, 0.75, 0.7], 3, False, 4),  # nearly as good, and learned to the end
        ([0.5, 0.6, 0.7, 0.8, 0.7, 0.75], 3, True, 5),
        ([0.5, 0.6, 0.7, 0.8, 0.74, 0.75], 3, True, 5),  # both are: the better of them
        ([0.5, 0.6, 0.7, 0.8, 0.75, 0.74], 3, False, 4),
        ([0.5, 0.6, 0.7, 0.8, 0.69, 0.7], 2, True, 3),  # worse by more than chance
        ([0.8, 0.6, 0.75, 0.7, 0.6, 0.5], 1, False, 0),  # only the last one has come to the end
        ([0.5, 0.6, 0.7, 0.8, 0.85, 0.8], 3, False, 4),
    ],
)
def test_the_last_epoch_is_taken_unless_another_is_better_by_more_than_chance(
    scores, epoch, averaged, which
):
    state, weights, seen = trained(scores, chance=0.1)
    assert (state.best_epoch, state.best_averaged) == (epoch, averaged)
    assert (state.best, state.highest) == (scores[which], max(scores))
    np.testing.assert_array_equal(weights["classifier.weight"], seen[which])


@pytest.mark.parametrize(
    ("task", "metric", "least", "most"),
    [
        ("classification", None, 0.03, 0.05),
        ("classification", "mcc", 0.03, 0.05),
        ("regression", "pearson", 0.03, 0.05),
        ("regression", "rmse", 0, 0),  # whose values tell nothing of chance
    ],
)
def test_what_is_chance_goes_by_the_validation_rows(task, metric, least, most):
    kind = Task(type=task)
    score = {"mean": 0.0, "std": 1.0} if task == "regression" else None
    handler = for_task(kind, ["a", "b"] if score is None else (), score)
    rows = LabelledRows(["a"] * 100, Ragged.of([[1]] * 100), None, np.zeros(100))
    material = Material(rows, rows, None, handler, None)
    material = replace(material, info=SimpleNamespace(special=SimpleNamespace(pad=0)))
    settings = Finetune(metric=metric, epochs=3)
    found = selection_for(build(TINY, handler.head(), seed=1), material, settings).by_chance(0.8)
    assert least <= found <= most


def test_a_killed_run_ends_with_the_same_mean(tmp_path):
    scores = [0.5, 0.6, 0.7, 0.8, 0.75, 0.85]
    _, undisturbed, _ = trained(scores)
    with pytest.raises(KeyboardInterrupt), Checkpoints(tmp_path / "a") as checkpoints:
        trained(scores, checkpoints, stop=4)
    with Checkpoints(tmp_path / "a") as checkpoints:
        # The second epoch was saved whole: the third is measured.
        state, resumed, seen = trained(scores[4:], checkpoints)
    assert len(seen) == 2 and state.best_averaged
    for name, array in undisturbed.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)


@pytest.mark.parametrize(
    ("minutes", "ended"),
    [
        (2.5, (4, 2, "")),
        (1.2, (2, 0, "minutes")),  # too few for two epochs: it ends after the first
    ],
)
def test_a_budget_in_minutes_ends_at_an_epochs_end(monkeypatch, minutes, ended):
    from bertworks.training import loop

    clock = iter(np.arange(0.0, 1e4, 30.0))  # each step takes half a minute
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(clock))
    model = build(TINY, Head("sequence", ("a", "b")), seed=1)
    state = train(
        model, ParityFeed(), objective_of(loss_for(Task())), Optimizer(precision="float32"), total=20,
        selection=Selection("accuracy", lambda: 0.5, lambda value, best: best is None, 99, minutes),
    )  # fmt: skip
    assert (state.step, state.epochs, state.stopped) == ended


def test_what_the_first_steps_compile_takes_no_epochs_from_a_budget_in_minutes(monkeypatch):
    from bertworks.training import loop

    class Clock:
        """The first three of an epoch's eight steps take a minute, the others a second."""

        now, calls = 0.0, 0

        def __call__(self):
            self.calls += 1
            self.now += 60.0 if self.calls in (2, 4, 6) else 0.5
            return self.now

    class Longer(ParityFeed):
        def steps(self, epoch):
            return 4 * super().steps(epoch)

    monkeypatch.setattr(loop, "time", types.SimpleNamespace(monotonic=Clock()))
    model = build(TINY, Head("sequence", ("a", "b")), seed=1)
    state = train(
        model, Longer(), objective_of(loss_for(Task())), Optimizer(precision="float32"), total=80,
        selection=Selection("accuracy", lambda: 0.5, lambda value, best: best is None, 99, 3.6),
    )  # fmt: skip
    assert state.step > 3 * 8 and state.seconds <= 60 * 3.6


def shortened(monkeypatch, checkpoints=None, stop=None):
    """A training of ten epochs that is told in the second one to end after four; and its rates."""
    from bertworks.training import loop

    rates, whole = [], loop.learning_rate

    def noted(step, total, settings):
        if step == stop:
            raise KeyboardInterrupt
        rates.append((step, whole(step, total, settings)))
        return rates[-1][1]

    def judge(state):
        if state.step == 4:
            state.end_after(4)
        return ""

    model = build(TINY, Head("sequence", ("a", "b")), seed=1)
    with monkeypatch.context() as patched, checkpoints or contextlib.nullcontext():
        patched.setattr(loop, "learning_rate", noted)
        state = train(
            model, ParityFeed(), objective_of(loss_for(Task())),
            Optimizer(precision="float32", learning_rate=0.01, warmup=0.0), total=20,
            selection=Selection("accuracy", lambda: 0.5, lambda value, best: True, 99, judge=judge),
            checkpoints=checkpoints,
        )  # fmt: skip
    return state, dict(rates), get_weights(model)


def test_a_shortened_training_ends_at_a_low_rate(monkeypatch):
    state, rates, _ = shortened(monkeypatch)
    assert (state.step, state.epochs, state.stopped) == (8, 4, "")
    assert list(rates) == list(range(8))
    assert rates[3] == pytest.approx(0.01 * 17 / 20)  # as of ten epochs
    assert [rates[step] for step in range(4, 8)] == pytest.approx(
        [0.01 * left / 8 for left in (4, 3, 2, 1)]
    )


@pytest.mark.parametrize("stop", [3, 5, 7])
def test_a_killed_training_stays_shortened(tmp_path, monkeypatch, stop):
    _, rates, undisturbed = shortened(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        shortened(monkeypatch, Checkpoints(tmp_path / "a"), stop)
    state, again, resumed = shortened(monkeypatch, Checkpoints(tmp_path / "a"))
    for name, array in undisturbed.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)
    assert (state.step, state.epochs) == (8, 4)
    assert all(rates[step] == rate for step, rate in again.items()) and min(again) < 8
    # Of one that is finished nothing is trained again.
    _, none, _ = shortened(monkeypatch, Checkpoints(tmp_path / "a"))
    assert not none
