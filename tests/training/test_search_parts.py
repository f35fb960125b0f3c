"""A search without models: who goes on at a rung, what still fits, what a study keeps."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tokens import CLASSIFICATION, REGRESSION, TAGGING, make_base, make_tokens

from bertworks.compression.predicted import beyond, predict
from bertworks.compression.pruning import prune
from bertworks.contracts.history import Point
from bertworks.contracts.tokens import TOKENS
from bertworks.contracts.tuned import Chosen, Trial, Tuned
from bertworks.deadline import Deadline
from bertworks.errors import Diverged
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import all_shapes
from bertworks.models.model import get_weights
from bertworks.spec import Finetune, Task, Tune
from bertworks.spec.tuning import Halving, Space
from bertworks.storage.artifacts import open_artifact
from bertworks.tasks import for_task
from bertworks.training.initial import load_initial
from bertworks.training.loop import State
from bertworks.training.objectives.distillation import Split
from bertworks.training.objectives.finetuning import Material, finetune_on
from bertworks.training.search.budget import LAST, MOST_LATE, Budget, in_figures
from bertworks.training.search.halving import goes_on, is_rung
from bertworks.training.search.search import LOST_HOPE, Trials
from bertworks.training.search.soup import greedy
from bertworks.training.search.space import Ends, Values, inside, own_settings, space_for
from bertworks.training.search.starts import Starts
from bertworks.training.search.study import Study
from bertworks.training.search.trainer import place_for
from components.finetune.step import _epoch_of
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

    error = None

    def __init__(self, clock: Clock, seconds: float = 10.0, killed_at: int | None = None) -> None:
        self.clock, self.seconds, self.killed_at = clock, seconds, killed_at
        self.epochs = 0

    def train(self, chosen, settings, judge, over, name):
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
            if state.stopped or epoch == state.epochs:
                break
        return state

    def offer(self, number, chosen, value):
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


def test_a_trial_is_worth_what_the_model_is_that_it_left(tmp_path):
    """Its best epoch may have been so by chance, and the last one is what was kept."""

    class Chance(Pretended):
        def train(self, chosen, settings, judge, over, name):
            state = super().train(chosen, settings, judge, over, name)
            state.highest, state.best = state.points[-1].value, state.points[-1].value - 0.01
            return state

        def offer(self, number, chosen, value):
            offered.append(value)

    offered: list[float] = []
    trainer = Chance(Clock())
    tuned = trials(Tune(trials=2)).run(study(tmp_path), trainer, Budget(None))
    for trial, value in zip(tuned.trials, offered, strict=True):
        assert trial.value == value == pytest.approx(trial.rungs[-1] - 0.01)
    assert [one.value for one in study(tmp_path).finished] == offered
    assert _epoch_of(replace(tuned.trials[0], rungs=[0.7, 0.8, 0.8], value=0.8)) == 2
    assert _epoch_of(replace(tuned.trials[0], rungs=[0.7, 0.8, 0.8], value=0.79)) == 3


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


def test_a_trial_that_was_shortened_goes_on_from_its_checkpoints_until_it_is_in_the_study(tmp_path):
    """They are known by the settings that it was begun with."""

    class Killed(Pretended):
        def offer(self, number, chosen, value):
            offered.append(chosen)
            raise KeyboardInterrupt

    clock, offered = Clock(), []
    wanted, first = Tune(minutes=2), {**FIRST, "epochs": 20.0}
    space = {**SPACE, "epochs": Ends(10, 20, whole=True)}
    with pytest.raises(KeyboardInterrupt):
        trials(wanted, 10).run(
            study(tmp_path, space=space, first=first), Killed(clock, 5.0), Budget(2, clock=clock)
        )
    again = study(tmp_path, space=space, first=first)
    assert offered[0].epochs < 20 and again.next(20).settings == replace(offered[0], epochs=20)
    again.end(0, "complete", 0.5, epochs=offered[0].epochs)
    assert again.finished[0].settings == offered[0]


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
@given(minutes=st.floats(0.5, 10), seconds=st.floats(8, 60), seed=st.integers(0, 99))
def test_the_minutes_are_kept_to_an_epoch_and_used(tmp_path_factory, minutes, seconds, seed):
    clock = Clock()
    folder = tmp_path_factory.mktemp("study")
    wanted = Tune(minutes=minutes, halving=Halving(enabled=False))
    budget = Budget(minutes, clock=clock)
    found = trials(wanted).run(study(folder, seed), Pretended(clock, seconds), budget)
    assert found.ended in ("minutes", "converged") or len(found.trials) == 1
    # The first epoch is trained in any case; no later one is begun that would not fit.
    late = min(LAST * seconds, MOST_LATE * 60 * minutes)  # for the last epoch of a trial
    assert clock.now <= max(60 * minutes + late, seconds) + 1e-6
    # What is left is too little for the least that a trial can be.
    rest = 60 * minutes - clock.now
    assert rest < 2 * seconds + 1e-6 or len(found.trials) == 1 or found.ended == "converged"


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


def material(folder: Path, base: Path, task=CLASSIFICATION, rows=(160, 32, 16)) -> Starts:
    tokens = open_artifact(make_tokens(folder / "tokens", task, rows=rows))
    info = TOKENS.read(tokens)
    handler = for_task(Task(**task), info.labels, info.score)
    return Starts(Material.read(tokens, handler, load_initial(open_artifact(base), tokens)))


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
    fresh = Starts(replace(fresh.own, initial=(fresh.own.initial[0], {})))
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


def test_layers_and_lengths_are_searched_where_they_may_be_worth_it(tmp_path, base):
    found = material(tmp_path, base)
    section = Finetune(learning_rate=3e-4, epochs=4, batch_size=16)
    plain = space_for(Space(), found, section)
    # Without limits the whole encoder is the best start; few texts are longer than half of what is read.
    assert "layers" not in plain and "base" not in plain
    assert found.share_of_longer(8) > 0.2 and plain["max_length"] == Values((8, 16.0))
    limited = space_for(Space(), found, section, limited=True)
    assert limited["layers"] == Values((1, 2))
    said = space_for(
        Space.model_validate({"layers": {"values": [1, 9]}, "max_length": None}), found, section
    )
    assert said["layers"] == Values((1.0,)) and "max_length" not in said
    for setting, value in (("layers", 0), ("max_length", 4), ("epochs", 0)):
        with pytest.raises(ValueError, match=f"{setting}.*none that"):
            Space.model_validate({setting: {"values": [value]}})
    with pytest.raises(ValueError, match="minilm-l6"):
        Space.model_validate({"base": ["minilm-l7"]})


def test_a_trial_starts_from_fewer_layers_and_reads_less_at_once(tmp_path, base):
    found = material(tmp_path, base)
    whole = found.material(Chosen())
    assert whole.initial[0].num_layers == 2 and whole.train is found.own.train
    small = found.material(Chosen(layers=1, max_length=8))
    assert small.initial[0].num_layers == 1 and small.info.max_length == 8
    assert int(small.train.lengths.max()) == 8 < int(whole.train.lengths.max())
    cut = int(np.argmax(whole.train.lengths))
    ids = whole.train.input_ids[cut]
    assert list(small.train.input_ids[cut]) == [*ids[:7], ids[-1]]
    assert not any(".layer.1." in name for name in small.initial[1])
    assert set(small.initial[1]) < set(whole.initial[1])
    assert found.cost(Chosen(layers=1)) == 0.5 and found.cost(Chosen()) == 1.0


def test_cheap_trials_come_first_and_dear_ones_have_fewer_epochs(tmp_path):
    space = {**SPACE, "layers": Values((6.0, 12.0))}

    def cost(settings):
        return settings.layers / 6

    found = Study(
        tmp_path / "study.jsonl", space, {**FIRST, "layers": 6}, Tune(trials=1, seed=3), lower=False,
        cost=cost,
    )  # fmt: skip
    drawn = [found.next(6.0).settings]
    for number in range(1, 6):
        found.end(number - 1, "halved", None)
        drawn.append(found.next(6.0).settings)
    asked = [one.layers * one.epochs for one in drawn[1:]]
    dear = [one for one in drawn if one.layers == 12]
    assert dear and all(one.epochs <= 3 for one in dear)
    assert [one.layers for one in drawn[1:]].index(12) > 0 and asked[0] == min(asked)


class Favourite(Pretended):
    """One encoder is better than the others."""

    def train(self, chosen, settings, judge, over, name):
        state = State()
        for epoch in range(1, settings.epochs + 1):
            self.clock.now += self.seconds
            value = 0.5 + 0.01 * epoch + 0.2 * (chosen.base == "deep")
            state.points.append(Point(epoch, float(epoch), "validation", "accuracy", value))
            state.stopped = judge(state)
            if state.stopped or epoch == state.epochs:
                break
        return state


def test_other_encoders_are_tried_with_the_own_settings_before_anything_is_drawn(tmp_path):
    clock = Clock()
    space = {**SPACE, "base": Values(("own", "deep", "other"))}
    found = trials(Tune(trials=8)).run(
        study(tmp_path, space=space, first={**FIRST, "base": "own"}),
        Favourite(clock),
        Budget(None, clock=clock),
    )
    had = [one.settings for one in found.trials]
    own = Chosen(learning_rate=1e-4, epochs=4, batch_size=32, base="own")
    assert had[:3] == [own, replace(own, base="deep"), replace(own, base="other")]
    assert had[3] == replace(own, base="deep", epochs=8), "the best one has twice the epochs"
    assert len(set(had)) == 8 and found.best == 3


def test_twice_the_epochs_are_not_tried_where_no_more_of_them_fit(tmp_path):
    clock = Clock()
    found = study(tmp_path)
    trials(Tune(trials=1)).run(found, Pretended(clock), Budget(None, clock=clock))
    (first,) = found.finished
    again = found.next(4.0).settings
    assert again.epochs <= 4 and again != first.settings
    assert found.next(4.0).settings == again, "it is the same until it ends"


@pytest.mark.parametrize(
    ("minutes", "had"),
    [
        (
            60.0,
            [("own", 1), ("deep", 4)],
        ),  # time for both: of the own one an epoch is enough at first
        (1.9, [("own", 1), ("deep", 4)]),  # for one of them: the deeper one has it
        (1.0, [("own", 4), ("own", 2)]),  # not even for that
    ],
)
def test_a_deeper_encoder_has_its_epochs_first(tmp_path, minutes, had):
    clock = Clock()

    class Slower(Favourite):
        def train(self, chosen, settings, judge, over, name):
            self.seconds = 20.0 if chosen.base == "deep" else 10.0
            return super().train(chosen, settings, judge, over, name)

    found = trials(Tune(minutes=minutes, trials=2), 2).run(
        Study(
            tmp_path / "study.jsonl", {**SPACE, "base": Values(("own", "deep"))},
            {**FIRST, "base": "own"}, Tune(trials=2), lower=False,
            cost=lambda one: 2.0 if one.base == "deep" else 1.0,
        ),
        Slower(clock), Budget(minutes, clock=clock),
    )  # fmt: skip
    assert [(one.settings.base, len(one.rungs)) for one in found.trials] == had
    assert clock.now <= 60 * minutes


def test_a_deeper_encoder_that_cannot_fit_the_limits_takes_no_epochs_of_the_own_one(tmp_path):
    clock = Clock()
    run = replace(
        trials(Tune(minutes=1.9, trials=2), 2),
        misfit=lambda one: "too large" if one.base == "deep" else "",
    )
    found = run.run(
        Study(
            tmp_path / "study.jsonl", {**SPACE, "base": Values(("own", "deep"))},
            {**FIRST, "base": "own"}, Tune(trials=2), lower=False,
            cost=lambda one: 2.0 if one.base == "deep" else 1.0,
        ),
        Favourite(clock), Budget(1.9, clock=clock),
    )  # fmt: skip
    assert found.trials[0].ended == "complete" and len(found.trials[0].rungs) == 4


def test_own_settings_have_less_epochs_where_no_other_encoder_fits(tmp_path):
    """Twenty epochs are too long, and three of an encoder that takes eight times as long as well."""
    clock = Clock()
    space = {**SPACE, "epochs": Ends(5, 20, whole=True), "base": Values(("own", "deep"))}
    found = trials(Tune(minutes=2.0), 5).run(
        Study(
            tmp_path / "study.jsonl", space, {**FIRST, "epochs": 20.0, "base": "own"},
            Tune(minutes=2.0), lower=False, cost=lambda one: 8.0 if one.base == "deep" else 1.0,
        ),
        Pretended(clock, 5.0), Budget(2.0, clock=clock),
    )  # fmt: skip
    first = found.trials[0]
    assert first.ended == "complete" and len(first.rungs) == first.settings.epochs < 20
    assert found.own == first.value and len(found.trials) > 1


def test_what_cannot_fit_the_limits_is_not_begun(tmp_path):
    clock = Clock()
    space = {**SPACE, "layers": Values((6.0, 12.0))}
    run = replace(trials(Tune(trials=6)), misfit=lambda one: "too slow" if one.layers == 12 else "")
    trainer = Pretended(clock)
    found = run.run(
        study(tmp_path, space=space, first={**FIRST, "layers": 6}),
        trainer,
        Budget(None, clock=clock),
    )
    left_out = [one for one in found.trials if one.ended == "limits"]
    assert left_out and all(one.settings.layers == 12 and not one.rungs for one in left_out)
    assert sum(one.ended != "limits" for one in found.trials) == 6
    assert trainer.epochs == sum(len(one.rungs) for one in found.trials)


def test_one_trial_leaves_time_for_others(tmp_path):
    """Twenty epochs would take all of the minutes: it ends after fewer, its schedule with it."""
    clock, wanted = Clock(), Tune(minutes=2)
    budget = Budget(2, clock=clock)
    first = {**FIRST, "epochs": 20.0}
    space = {**SPACE, "epochs": Ends(10, 20, whole=True)}
    found = trials(wanted, 10).run(
        study(tmp_path, space=space, first=first), Pretended(clock, 5.0), budget
    )
    assert [one.ended for one in found.trials[:2]] == ["complete", "complete"]
    assert 1 < len(found.trials[0].rungs) == found.trials[0].settings.epochs < 20
    assert found.own == found.trials[0].value
    assert len(found.trials) >= 3 and 0.9 * 120 <= clock.now <= 120 + 1e-6


def test_a_first_trial_goes_on_where_there_is_no_time_for_another(tmp_path):
    """On a machine that is busy: two epochs more would fit, and a trial needs three."""
    clock, minutes = Clock(), 10.6
    first, space = {**FIRST, "epochs": 6.0}, {**SPACE, "epochs": Ends(3, 12, whole=True)}
    found = trials(Tune(minutes=minutes), 3).run(
        study(tmp_path, space=space, first=first),
        Pretended(clock, 175.0),
        Budget(minutes, clock=clock),
    )
    (only,) = found.trials
    assert only.ended == "complete" and len(only.rungs) == only.settings.epochs == 3
    assert 60 * minutes - 175 < clock.now <= 60 * minutes


def test_a_search_ends_where_more_would_not_help(tmp_path):
    clock = Clock()
    flat = {"dropout": Ends(0.0, 0.1)}
    run = trials(Tune(minutes=1000), 1)
    found = run.run(study(tmp_path, space=flat, first={"dropout": 0.1}), Pretended(clock, 1.0),
                    Budget(1000, clock=clock))  # fmt: skip
    assert found.ended == "converged" and len(found.trials) == LOST_HOPE + 1
    assert clock.now < 60 * 1000
    (tmp_path / "perfect").mkdir()
    perfect = replace(run, perfect=found.value)
    found = perfect.run(study(tmp_path / "perfect", space=flat, first={"dropout": 0.1}),
                        Pretended(clock, 1.0), Budget(1000, clock=clock))  # fmt: skip
    assert found.ended == "converged" and len(found.trials) == 1


def test_the_searchs_part_of_the_runs_minutes():
    def part(left: float, **more) -> float:
        asked = Tune.model_validate({"minutes": "auto", "enabled": True, **more})
        return 60 * in_figures(asked, 20, Deadline(1000 + left, lambda: 1000)).minutes

    assert part(1000) == pytest.approx(600) and part(1000, share=0.5) == pytest.approx(500)
    # Where pruning would not fit into the rest, all of it is searched.
    assert part(150) == pytest.approx(150)
    # A tenth of the minutes it has in any case.
    assert part(-5) == pytest.approx(120)
    assert in_figures(Tune(minutes=7), 20, Deadline(0)).minutes == 7
    # Pods are told of no end.
    alone = in_figures(Tune.model_validate({"minutes": "auto", "enabled": True}), 20, Deadline())
    assert alone.minutes == pytest.approx(12)


@pytest.mark.usefixtures("uncompiled")
def test_a_training_whose_time_is_over_ends_at_its_last_rung(tmp_path, base):
    found = material(tmp_path, base).own
    section = Finetune(learning_rate=5e-3, epochs=4, batch_size=16, precision="float32")
    per_epoch = len(found.feed(section).steps(0))
    # Within the first epoch it has what it has.
    _, state = finetune_on(found, section, over=lambda: True)
    assert (state.step, state.stopped) == (1, "minutes") and state.best is not None
    # Later the best of its epochs counts, and what was learned since is dropped.
    asked = iter(range(100))
    model, state = finetune_on(found, section, over=lambda: next(asked) >= per_epoch)
    assert per_epoch < state.step < 2 * per_epoch and state.stopped == "minutes"
    assert [point.epoch for point in state.points if point.split == "validation"] == [1.0]
    assert state.best_epoch == 1 and state.epoch_seconds > 0
    one = finetune_on(
        found, section.model_copy(update={"patience": 4}), judge=lambda state: "rung"
    )[0]
    for name, array in get_weights(one).items():
        np.testing.assert_array_equal(array, get_weights(model)[name])


def test_distillation_has_as_many_epochs_as_fit():
    rows = SimpleNamespace(lengths=np.full(100, 50))
    split = Split(rows, rows)

    def fitting(left: float, rate: float = 100.0) -> int:
        return prune._affordable(10, split, rate, Deadline(left, lambda: 0.0))

    epoch = 100 * 50 / 100.0
    enough = prune.AFTER_SECONDS + (prune.ASKED + 3 * prune.DISTILLED) * epoch
    assert fitting(enough + 1) == 3 and fitting(1e6) == 10
    # A model that was only cut answers badly: it has one epoch in any case.
    assert fitting(-5.0) == 1 and prune._affordable(0, split, 100.0, Deadline(0.0)) == 0
    assert fitting(10.0, rate=0.0) == 10 and prune._affordable(4, split, 9.0, Deadline()) == 4
    assert not prune.shortened(3, 3) and "1 of 3 epochs" in prune.shortened(3, 1)[0].text


def test_what_is_predicted_of_a_model_falls_with_its_size(base):
    config, head = make_config(6), Head("sequence", ("a", "b"))

    def told(layers: int, **more):
        return predict(
            make_config(layers), head, pair=False, lengths=[8, 12, 16, 20, 24, 60, 64],
            max_length=64, **more,
        )  # fmt: skip

    whole, half = told(6), told(3)
    assert half.latency_ms < whole.latency_ms and half.size_mb < whole.size_mb
    pruned = told(6, speedup=2.0)
    assert pruned.latency_ms == pytest.approx(whole.latency_ms / 2)
    count = sum(math.prod(shape) for shape in all_shapes(config, head).values())
    assert whole.size_mb == pytest.approx(count / 1e6)
    assert told(6, beside_mb=0.5).size_mb == pytest.approx(whole.size_mb + 0.5)
    assert beyond(whole, None, None) == "" == beyond(whole, whole.latency_ms, whole.size_mb)
    assert "gates.max_latency_ms" in beyond(whole, whole.latency_ms / 2, None)
    assert "gates.max_size_mb" in beyond(whole, None, whole.size_mb / 2)


def make_config(layers: int) -> EncoderConfig:
    return EncoderConfig(100, 64, (4,) * layers, 16, (256,) * layers, max_positions=64)


def test_own_settings_that_were_cut_short_are_told_with_their_epochs():
    def trial(number, ended, rungs, **settings):
        had = Chosen(learning_rate=1e-4, epochs=6, **settings)
        return Trial(number, had, rungs, rungs[-1] if rungs else None, ended)

    deeper = trial(1, "complete", [0.5, 0.7], base="deep")

    def said(first):
        return Tuned(
            "accuracy", 1, deeper.settings, 0.7, [1], [first, deeper], {}, "minutes"
        ).own_said

    assert said(trial(0, "minutes", [0.4], base="own")) == "0.4000 (after 1 of 6 epochs)"
    assert said(trial(0, "complete", [0.4, 0.6], base="own")) == "0.6000"
    assert said(trial(0, "diverged", [], base="own")) == "diverged"
