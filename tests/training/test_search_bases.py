"""A search among several encoders, without models: which of them has how many epochs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.contracts.tuned import Chosen, Trial, Tuned
from bertworks.spec import Tune
from bertworks.training.search.budget import Budget
from bertworks.training.search.space import Ends, Values
from bertworks.training.search.study import Study, beaten
from tests.training.test_search_parts import FIRST, SPACE, Clock, Favourite, trials


class Slower(Favourite):
    """The deep encoder takes longer."""

    def __init__(self, clock: Clock, cost: float, better: float) -> None:
        super().__init__(clock)
        self.cost, self.better = cost, better

    def train(self, chosen, settings, judge, over, name):
        self.seconds = 10.0 * (self.cost if chosen.base == "deep" else 1.0)
        return super().train(chosen, settings, judge, over, name)


def searched(folder, minutes, wanted=None, *, cost=2.0, first=None, space=None, shard=0):
    """The trials of a search between the own encoder and a deep one."""
    clock = Clock()
    wanted = wanted or Tune(minutes=minutes)
    study = Study(
        folder / "study.jsonl", {**SPACE, "base": Values(("own", "deep")), **(space or {})},
        {**FIRST, "base": "own", **(first or {})}, wanted, lower=False, shard=shard,
        cost=lambda one: cost if one.base == "deep" else 1.0,
    )  # fmt: skip
    run = trials(wanted, 2)
    return run.run(study, Slower(clock, cost, 0.2), Budget(minutes, clock=clock)).trials


def without_epochs(trial):
    return replace(trial.settings, epochs=None)


@pytest.mark.parametrize("minutes", [2.4, 3.2, 4.0, 5.0])
def test_no_settings_come_again_with_an_epoch_less(tmp_path, minutes):
    found = searched(tmp_path, minutes, cost=3.0)
    kinds = [without_epochs(one) for one in found if one.number]
    twice = [one for one in found if one.settings.epochs > FIRST["epochs"]]
    assert len(set(kinds)) >= len(kinds) - len(twice)


def test_a_search_by_chance_has_the_own_settings_with_less_epochs(tmp_path):
    given = {"first": {"epochs": 20.0}, "space": {"epochs": Ends(5, 20, whole=True)}}
    found = searched(tmp_path, 2.0, Tune(minutes=2.0, sampler="random"), **given)
    assert found[0].settings.base == "own" and found[0].ended == "complete"
    assert len(found[0].rungs) == found[0].settings.epochs < 20
    assert without_epochs(found[0]) != without_epochs(found[1])


def test_the_only_trial_of_a_part_has_its_epochs(tmp_path):
    (only,) = searched(tmp_path, 1.9, Tune(minutes=1.9, trials=1))
    assert len(only.rungs) == 4


@pytest.mark.parametrize("shard", [1, 2, 3])
def test_other_parts_cut_no_trial_for_one_that_is_not_theirs(tmp_path, shard):
    found = searched(tmp_path, 1.9, Tune(minutes=1.9, seed=2), shard=shard)
    assert found[0].ended != "minutes" or len(found[0].rungs) > 1


@pytest.mark.parametrize("minutes", [1.4, 1.6, 1.8, 2.0])
def test_where_both_have_too_little_time_the_own_settings_have_what_there_is(tmp_path, minutes):
    given = {"first": {"epochs": 10.0}, "space": {"epochs": Ends(5, 20, whole=True)}}
    found = searched(tmp_path, minutes, cost=4.0, **given)
    own = [one for one in found[:2] if without_epochs(one) == without_epochs(found[0])]
    assert max(len(one.rungs) for one in own) >= 3


def test_the_value_of_the_own_settings_is_no_other_trials():
    own = Chosen(learning_rate=1e-4, epochs=4, base="own")

    def tuned(*found):
        return Tuned("accuracy", 0, own, 0.5, [0], list(found), {}, "minutes")

    def trial(number, ended, rungs, epochs):
        return Trial(
            number, replace(own, epochs=epochs), rungs, rungs[-1] if rungs else None, ended
        )

    whole, longer = trial(0, "complete", [0.4, 0.5], 4), trial(1, "complete", [0.4, 0.6], 8)
    cut, shorter = trial(0, "minutes", [0.4], 4), trial(1, "complete", [0.4, 0.45], 2)
    assert tuned(whole, longer).own == 0.5
    assert tuned(cut, shorter).own == 0.45 and tuned(cut, longer).own == 0.4
    assert tuned(cut, replace(shorter, ended="halved")).own == 0.4
    # Cut off for a deeper encoder, it had them later.
    assert tuned(cut, replace(whole, number=1)).own_said == "0.5000"
    assert tuned(trial(0, "diverged", [], 4), longer).own is None


def with_noise(folder, minutes, noise, seed=1):
    """A search whose deep encoder is better by 0.2, and the seconds that it took."""
    clock, wanted = Clock(), Tune(minutes=minutes, seed=seed)
    study = Study(
        folder / "study.jsonl", {**SPACE, "base": Values(("own", "deep"))}, {**FIRST, "base": "own"},
        wanted, lower=False, cost=lambda one: 2.0 if one.base == "deep" else 1.0, noise=noise,
    )  # fmt: skip
    run = trials(wanted, 2)
    budget = Budget(minutes, clock=clock)
    return run.run(study, Slower(clock, 2.0, 0.2), budget), clock.now


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("minutes", [4.0, 10.0, 30.0])
def test_an_encoder_that_is_worse_by_more_than_chance_is_tried_no_more(tmp_path, minutes, seed):
    found, took = with_noise(tmp_path, minutes, 0.01, seed)
    assert [one.settings.base for one in found.trials[:2]] == ["own", "deep"]
    assert {one.settings.base for one in found.trials[2:]} <= {"deep"}
    assert took <= 60 * minutes
    # What is left is too little for the least that a trial of the better one can be.
    assert found.ended == "converged" or 60 * minutes - took < 2 * 20 + 1e-6


def test_an_encoder_that_may_be_as_good_is_tried_again(tmp_path):
    found, _ = with_noise(tmp_path, 30.0, 10.0)
    assert {one.settings.base for one in found.trials[2:]} == {"own", "deep"}
    # First what most often wins; then the own settings have the epochs that they were cut off from.
    kinds = [(one.settings.base, one.settings.epochs, len(one.rungs)) for one in found.trials[:4]]
    assert kinds[:3] == [("own", 4, 1), ("deep", 4, 4), ("deep", 8, 8)]
    assert kinds[3][:2] == ("own", 4)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.lists(st.floats(0, 1), min_size=1, max_size=4)),
        min_size=1, max_size=6,
    ),
    st.floats(0, 0.1),
)  # fmt: skip
def test_one_encoder_is_never_beaten(found, noise):
    """Whatever the trials came to, something is left to try: that of the best one among it."""
    had = [(base, np.minimum.accumulate(losses).tolist()) for base, losses in found]
    out = beaten(had, noise)
    best = min(had, key=lambda one: one[1][-1])[0]
    assert out < {base for base, _ in had} and best not in out


def test_an_encoder_is_beaten_where_all_its_trials_are():
    assert beaten([("a", [0.5]), ("b", [0.4, 0.1])], 0.05) == {"a"}
    assert (
        beaten([("a", [0.5]), ("b", [0.48, 0.1])], 0.05) == set()
    )  # as far as the shorter one went
    assert beaten([("a", [0.5, 0.3]), ("b", [0.4])], 0.05) == set()
    assert beaten([("a", [0.5]), ("a", [0.5, 0.1]), ("b", [0.4, 0.1])], 0.05) == set()


@pytest.mark.parametrize("cost", [0.5, 1.0])
def test_the_own_encoder_has_its_epochs_beside_one_that_is_no_deeper(tmp_path, cost):
    found = searched(tmp_path, 30.0, cost=cost)
    assert (found[0].ended, len(found[0].rungs)) == ("complete", 4)


def test_the_only_trial_leaves_no_time_for_others(tmp_path):
    given = {"first": {"epochs": 20.0}, "space": {"epochs": Ends(5, 20, whole=True)}}
    (only,) = searched(tmp_path, 2.0, Tune(minutes=2.0, trials=1), **given)
    assert only.ended == "complete" and len(only.rungs) == only.settings.epochs == 12
