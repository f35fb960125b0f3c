"""A search without models: who goes on at a rung, what still fits, what a study keeps."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tokens import CLASSIFICATION, REGRESSION, TAGGING, make_base, make_tokens

from bertworks.contracts.history import Point
from bertworks.contracts.tokens import TOKENS
from bertworks.contracts.tuned import Chosen
from bertworks.errors import Diverged
from bertworks.spec import Finetune, Task, Tune
from bertworks.spec.tuning import Halving, Space
from bertworks.storage.artifacts import open_artifact
from bertworks.tasks import for_task
from bertworks.training.initial import load_initial
from bertworks.training.loop import State
from bertworks.training.objectives.finetuning import Material
from bertworks.training.search.budget import Budget
from bertworks.training.search.halving import goes_on, is_rung
from bertworks.training.search.search import Trials
from bertworks.training.search.soup import greedy
from bertworks.training.search.space import Ends, Values, inside, own_settings, space_for
from bertworks.training.search.study import Study
from bertworks.training.search.trainer import place_for
from tests.fixes.taking import taken

SPACE = {
    "learning_rate": Ends(1e-5, 1e-3, log=True),
    "epochs": Ends(2, 8, whole=True),
    "batch_size": Values((16.0, 32.0)),
}
FIRST = {"learning_rate": 1e-4, "epochs": 4.0, "batch_size": 32.0}


class Clock:
    """Seconds that the test counts."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Pretended:
    """Trains nothing: a trial's value is known from its settings, an epoch takes some seconds."""

    def __init__(self, clock: Clock, seconds: float = 10.0, killed_at: int | None = None) -> None:
        self.clock, self.seconds, self.killed_at = clock, seconds, killed_at
        self.epochs = 0

    def train(self, settings, judge, name):
        if settings.learning_rate > 9e-4:
            raise Diverged("The loss is nan.")
        state = State()
        peak = 0.9 - 0.1 * abs(math.log10(settings.learning_rate / 2e-4))
        for epoch in range(1, settings.epochs + 1):
            self.epochs += 1
            if self.epochs == self.killed_at:
                raise KeyboardInterrupt
            self.clock.now += self.seconds
            value = round(peak - 0.2 / epoch, 6)
            state.points.append(Point(epoch, float(epoch), "validation", "accuracy", value))
            state.stopped = judge(state) if epoch < settings.epochs else judge(state) and ""
            if state.stopped:
                break
        return state

    def offer(self, number, value):
        pass

    def close(self):
        pass


def study(folder: Path, seed: int = 1, space=SPACE, first=FIRST, sampler="tpe") -> Study:
    wanted = Tune(trials=1, seed=seed, sampler=sampler)
    return Study(folder / "study.jsonl", space, first, wanted, lower=False)


def trials(wanted: Tune, least: int = 2) -> Trials:
    def better(value: float, than: float | None) -> bool:
        return than is None or value > than

    return Trials(wanted, Finetune(epochs=3), "accuracy", least, better)


def test_an_epoch_is_a_rung_at_the_powers_of_the_factor():
    assert [n for n in range(1, 20) if is_rung(n, Halving())] == [1, 2, 4, 8, 16]
    third = Halving(factor=3, first_epoch=2)
    assert [n for n in range(1, 20) if is_rung(n, third)] == [2, 6, 18]
    assert not any(is_rung(n, Halving(enabled=False)) for n in range(1, 20))


@given(st.lists(st.floats(0, 1), max_size=12), st.integers(2, 4), st.booleans())
def test_the_best_go_on_and_no_more_than_their_share_of_distinct_ones(values, factor, lower):
    passed = [
        value
        for place, value in enumerate(values)
        if goes_on(value, values[:place] + values[place + 1 :], factor, lower=lower)
    ]
    if values:
        assert (min(values) if lower else max(values)) in passed
        assert goes_on(values[0], [], factor, lower=lower)
    if len(set(values)) == len(values):
        assert len(passed) == math.ceil(len(values) / factor)


def test_the_same_seed_tries_the_same_and_another_something_else(tmp_path):
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / name).mkdir()
        clock = Clock()
        wanted = Tune(trials=12)
        run = trials(wanted).run(
            study(tmp_path / name, seed), Pretended(clock), Budget(None, clock=clock)
        )
        found.append(run)
    assert found[0] == found[1] != found[2]
    first, *rest = found[0].trials
    assert first.settings == Chosen(learning_rate=1e-4, epochs=4, batch_size=32)
    assert len({one.settings for one in rest}) == 11
    assert {one.ended for one in rest} >= {"complete", "halved"}
    assert found[0].ended == "trials"
    assert found[0].value == max(one.value for one in found[0].trials if one.value is not None)
    assert found[0].value >= first.value


@pytest.mark.parametrize("killed_at", [1, 2, 5, 9, 14, 20])
def test_a_killed_search_goes_on_as_if_it_had_not_been(tmp_path, killed_at):
    (tmp_path / "whole").mkdir()
    (tmp_path / "cut").mkdir()
    clock, wanted = Clock(), Tune(trials=8)
    undisturbed = Pretended(clock)
    whole = trials(wanted).run(study(tmp_path / "whole"), undisturbed, Budget(None, clock=clock))
    killed = Pretended(clock, killed_at=killed_at)
    with pytest.raises(KeyboardInterrupt):
        trials(wanted).run(study(tmp_path / "cut"), killed, Budget(None, clock=clock))
    done = len(study(tmp_path / "cut").finished)
    with (tmp_path / "cut/study.jsonl").open("ab") as stream:
        stream.write(b'{"op_code":5,"worker_id":"cut off in the midd')
    again = Pretended(clock)
    resumed = trials(wanted).run(study(tmp_path / "cut"), again, Budget(None, clock=clock))
    assert resumed == whole
    # Nothing of a finished trial was trained again.
    assert again.epochs == sum(len(one.rungs) for one in whole.trials[done:])


def test_a_search_goes_on_from_a_bucket_on_another_machine(tmp_path, monkeypatch):
    """There a trial that was cut off may not be told of yet: it is drawn again, and is the same."""
    monkeypatch.setenv("BERTWORKS_CHECKPOINTS", "memory://agents/searches")
    wanted, clock = Tune(trials=5), Clock()

    class Pushing(Pretended):
        def close(self):
            place.save({"kept": []}, {})
            place.flush()

    for killed_at in (9, None):
        with place_for({"a": 1}, {"tokens": "x"}) as place:
            searched = study(place.folder)
            before = len(searched.finished)
            trainer = Pushing(clock, killed_at=killed_at)
            if killed_at:
                with pytest.raises(KeyboardInterrupt):
                    trials(wanted).run(searched, trainer, Budget(None, clock=clock))
            else:
                found = trials(wanted).run(searched, trainer, Budget(None, clock=clock))
        assert not place.folder.exists()
    assert before >= 1
    undisturbed = Budget(None, clock=clock)
    assert found == trials(wanted).run(study(tmp_path), Pretended(clock), undisturbed)


@settings(max_examples=15)
@given(minutes=st.floats(0.5, 10), seconds=st.floats(1, 60), seed=st.integers(0, 99))
def test_the_minutes_are_kept_to_an_epoch_and_used(tmp_path_factory, minutes, seconds, seed):
    clock = Clock()
    folder = tmp_path_factory.mktemp("study")
    wanted = Tune(minutes=minutes, halving=Halving(enabled=False))
    budget = Budget(minutes, clock=clock)
    found = trials(wanted).run(study(folder, seed), Pretended(clock, seconds), budget)
    assert found.ended == "minutes" or len(found.trials) == 1
    # The first epoch is trained in any case; no later one is begun that would not fit.
    assert clock.now <= max(60 * minutes, seconds) + 1e-6
    # What is left is too little for the least that a trial can be.
    assert 60 * minutes - clock.now < 2 * seconds + 1e-6 or len(found.trials) == 1


def test_a_soup_has_what_makes_it_better_and_nothing_else():
    models = [(place, {"w": np.full(2, value, np.float32)}) for place, value in
              ((4, 1.0), (2, 3.0), (7, 9.0), (0, 2.0))]  # fmt: skip

    def nearer(value, than):
        return than is None or value < than

    soup = greedy(models, 1.5, lambda weights: abs(float(weights["w"][0]) - 2.5), nearer)
    # 1 and 3 make 2, which is nearer to 2.5; 9 leads away; 2 is no better.
    assert soup.trials == [4, 2] and soup.value == 0.5
    assert soup.weights["w"] == pytest.approx([2.0, 2.0])
    alone = greedy(models[:1], 1.5, lambda weights: 0.0, nearer)
    assert alone.trials == [4] and alone.value == 1.5 and alone.weights is models[0][1]


def test_what_earlier_attempts_took_counts():
    clock = Clock()
    budget = Budget(1.0, spent=50.0, clock=clock)
    assert budget.left == 10.0 and budget.another([10.0]) and not budget.another([11.0])
    clock.now = 5.0
    assert budget.left == 5.0 and budget.epochs([[2.0, 4.0], []]) == 2
    assert budget.epochs([]) == math.inf and Budget(None).epochs([[1.0]]) == math.inf


def test_what_diverges_is_told_and_the_search_goes_on(tmp_path):
    clock = Clock()
    space = {"learning_rate": Values((1e-4, 9.5e-4))}
    first = {"learning_rate": 9.5e-4}
    found = trials(Tune(trials=6)).run(
        study(tmp_path, space=space, first=first), Pretended(clock), Budget(None, clock=clock)
    )
    assert found.trials[0].ended == "diverged" and found.trials[0].value is None
    assert found.settings.learning_rate == 1e-4


def test_where_all_diverge_lower_rates_are_tried_as_advised(tmp_path):
    def attempt(*highest):
        folder = tmp_path / str(len(highest))
        folder.mkdir()
        space = {"learning_rate": Values(highest or (9.5e-4,))}
        first = {"learning_rate": space["learning_rate"].values[0]}
        return trials(Tune(trials=2)).run(
            study(folder, space=space, first=first), Pretended(Clock()), Budget(None)
        )

    found = taken(
        "bertworks/training/search/search.py", "or tune.space.learning_rate.high", attempt,
        lambda fix: (1e-4,),
    )  # fmt: skip
    assert found.settings.learning_rate == 1e-4


def test_shares_are_told_where_enough_trials_ran_to_their_end(tmp_path):
    clock, off = Clock(), Halving(enabled=False)
    for count, told in ((4, False), (14, True)):
        folder = tmp_path / str(count)
        folder.mkdir()
        wanted = Tune(trials=count, halving=off)
        found = trials(wanted).run(study(folder), Pretended(clock), Budget(None, clock=clock))
        assert bool(found.importance) == told
    assert sum(found.importance.values()) == pytest.approx(1.0, abs=1e-3)
    assert set(found.importance) == set(SPACE)
    assert found.importance["batch_size"] < found.importance["learning_rate"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("base") / "base")


def material(folder: Path, base: Path, task=CLASSIFICATION, rows=(160, 32, 16)) -> Material:
    tokens = open_artifact(make_tokens(folder / "tokens", task, rows=rows))
    info = TOKENS.read(tokens)
    handler = for_task(Task(**task), info.labels, info.score)
    return Material.read(tokens, handler, load_initial(open_artifact(base), tokens))


def test_the_space_is_laid_around_the_sections_own_settings(tmp_path, base):
    found = material(tmp_path, base)
    section = Finetune(learning_rate=3e-4, epochs=4, batch_size=16)
    space = space_for(Space(), found, section)
    assert space["learning_rate"] == Ends(pytest.approx(1e-4), pytest.approx(9e-4), log=True)
    assert space["epochs"] == Ends(2, 8, whole=True)
    assert space["batch_size"] == Values((8.0, 16.0))  # 32 would leave an epoch five steps
    assert "weight_decay" not in space
    own = own_settings(found, section)
    assert inside(space, own) == {name: own[name] for name in space}


def test_the_task_and_the_rows_have_their_say(tmp_path, base):
    section = Finetune(learning_rate=3e-4)
    tags = space_for(Space(), material(tmp_path / "tags", base, TAGGING), section)
    assert tags["learning_rate"].high == pytest.approx(18e-4)
    number = space_for(Space(), material(tmp_path / "number", base, REGRESSION), section)
    assert "label_smoothing" not in number
    fresh = material(tmp_path / "fresh", base)
    fresh = replace(fresh, initial=(fresh.initial[0], {}))
    assert "layer_decay" not in space_for(Space(), fresh, section)


def test_the_spec_narrows_the_space(tmp_path, base):
    found = material(tmp_path, base)
    said = {
        "learning_rate": {"high": 1e-5}, "epochs": None, "batch_size": {"values": [4]},
        "weight_decay": {"low": 0.001, "high": 0.1}, "warmup": {"low": 0.5},
        "dropout": {"low": 0.05, "high": 0.15},
    }  # fmt: skip
    space = space_for(Space.model_validate(said), found, Finetune(learning_rate=3e-4))
    assert space["learning_rate"] == Values((1e-5,)) and space["batch_size"] == Values((4.0,))
    assert "epochs" not in space and space["warmup"] == Values((0.5,))
    assert space["weight_decay"].log and space["dropout"] == Ends(0.05, 0.15)
