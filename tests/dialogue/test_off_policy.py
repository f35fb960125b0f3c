"""Offline evaluation: near the truth, with intervals that hold it, and honest about thin logs."""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bertworks.dialogue.actions import Situation, names
from bertworks.dialogue.off_policy import Judged, judge
from bertworks.dialogue.policies import Chance, Policy, Rules, Softened
from bertworks.dialogue.simulation.episode import Episode
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.simulation.measuring import collect, measure
from bertworks.dialogue.turns import Turn, Turns
from bertworks.errors import DataError
from tests.dialogue.helpers import DOMAIN, TOWN

NOISE = Errors(0.1)
ACTIONS = names(DOMAIN)
COUNT = 300


@dataclass(frozen=True)
class Logs:
    """Dialogues of the rules with a third of chance."""

    turns: Turns
    situations: list[Situation]

    def judged(self, policy: Policy, **more: int) -> Judged:
        wanted = np.stack([policy.probabilities(one) for one in self.situations])
        return judge(self.turns, lambda *_: wanted, **{"resamples": 200, **more})


@cache
def logs(seed: int = 5) -> Logs:
    behaviour, found, situations = Softened(Rules(), 0.3, seed), [], []
    for number in range(COUNT):
        episode, turns = Episode(TOWN, np.random.default_rng([seed, number]), NOISE), []
        while not episode.over:
            here = episode.situation
            action = behaviour.choose(here).action
            share = float(behaviour.probabilities(here)[ACTIONS.index(action)])
            situations.append(here)
            turns.append(Turn(here, action, share, episode.step(action).reward))
        found.append(turns)
    return Logs(Turns.made(found, DOMAIN), situations)


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_estimates_lie_around_the_truth(share: float) -> None:
    policy = Softened(Rules(), share, 2)
    truth = measure(policy, TOWN, 600, 77, NOISE).reward
    found = [logs(seed).judged(policy) for seed in (5, 6, 7)]
    assert abs(np.mean([one.value for one in found]) - truth) < 0.8, (truth, found)
    for one in found:
        assert one.low < one.value < one.high
        assert 1 < one.effective <= COUNT


def test_the_model_alone_would_be_further_off() -> None:
    """The correction by what was seen is what the estimate is for."""
    truth = measure(Rules(), TOWN, 600, 77, NOISE).reward
    found = [logs(seed).judged(Rules(), resamples=2) for seed in (5, 6, 7)]
    values, models = (np.mean([getattr(one, n) for one in found]) for n in ("value", "model"))
    assert abs(values - truth) < abs(models - truth)


def test_the_policy_of_the_logs_is_judged_as_it_was() -> None:
    found = logs().judged(Softened(Rules(), 0.3, 1))
    assert found.effective == pytest.approx(COUNT)
    assert found.value == pytest.approx(found.logged, abs=0.5)
    assert found.logged_low < found.logged < found.logged_high
    assert not found.better and found.dialogues == COUNT


def test_better_and_worse_are_told_apart() -> None:
    assert logs().judged(Rules()).gain_low > 0
    worse = logs().judged(Chance(0))
    assert not worse.better and worse.gain_high < 0


@pytest.mark.slow
def test_intervals_hold_the_truth_most_of_the_time() -> None:
    truth = measure(Rules(), TOWN, 4000, 77, NOISE).reward
    found = [logs(seed).judged(Rules()) for seed in range(100, 130)]
    held = sum(one.low <= truth <= one.high for one in found)
    assert held >= 24, (held, truth, found)
    assert abs(np.mean([one.value for one in found]) - truth) < 0.3


LENGTH = 4
TRUTH = LENGTH * (-1 + 0.5 * 3 + 0.5 * 1) + 10
"""Of `match`, in expectation: it gains 3 or 1 a turn, as probable, and 10 at the end."""


def matched(count: int, seed: int) -> Turns:
    """Made-up dialogues: each turn has a side, 0 or 1, and acting on it pays; all of them together more.

    Who had them mostly took side 0, and side 1 pays less: what is seen flatters. The model of values,
    linear in what a turn shows, cannot know of the reward for all of them.
    """
    random = np.random.default_rng(seed)
    side = random.random((count, LENGTH)) < 0.5
    action = (random.random((count, LENGTH)) < 0.4).astype(int)
    met = action == side
    reward = -1 + met * np.where(side, 1.0, 3.0) + random.normal(size=side.shape)
    reward[:, -1] += 10 * met.all(axis=1)
    place = np.broadcast_to(np.arange(LENGTH) / LENGTH, side.shape)
    return Turns(
        np.repeat(np.arange(count), LENGTH),
        np.stack([side, place], -1).astype(np.float32).reshape(-1, 2),
        np.ones((count * LENGTH, 2), bool),
        action.ravel(),
        np.where(action, 0.4, 0.6).ravel(),
        reward.ravel(),
    )


def match(seen: np.ndarray, possible: np.ndarray) -> np.ndarray:
    return np.eye(2)[seen[:, 0].astype(int)]


def test_intervals_hold_a_truth_that_is_known() -> None:
    """95 % are meant to; and the estimate leans to no side."""
    found = [judge(matched(800, seed), match, resamples=100) for seed in range(30)]
    told = [one for one in found if one.told]
    assert len(told) >= 25
    held = sum(one.low <= TRUTH <= one.high for one in told)
    assert held / len(told) >= 0.9, (held, len(told))
    values = [one.value for one in found]
    assert abs(np.mean(values) - TRUTH) < 3 * np.std(values) / np.sqrt(len(values))


def test_logs_that_do_not_show_what_a_policy_does_say_nothing() -> None:
    thin = judge(matched(100, 1), match, resamples=50)
    assert not thin.told and not thin.better and "are worth" in thin.reason
    turns = matched(800, 1)
    half = turns.of([n for n in range(800) if turns.features[n * LENGTH, 0] == 0])
    unseen = judge(half, match, resamples=50)
    assert unseen.unseen > 0.3 and unseen.low < TRUTH < unseen.high


def test_thin_or_wrong_logs_are_refused() -> None:
    turns = logs().turns
    with pytest.raises(DataError, match="50 dialogues or more. Received: 20"):
        judge(turns.of(range(20)), lambda seen, possible: possible.astype(float))
    wrong = replace(turns, probability=0 * turns.probability)
    with pytest.raises(DataError, match="would never take"):
        judge(wrong, lambda seen, possible: possible.astype(float))


def test_turns_are_the_same_after_a_file(tmp_path: Path) -> None:
    turns = collect(Softened(Rules(), 0.3, 1), TOWN, 5, 5, [NOISE])
    turns.save(tmp_path / "turns.npz")
    again = Turns.load(tmp_path / "turns.npz", DOMAIN)
    assert (again.action == turns.action).all() and (again.reward == turns.reward).all()
    with pytest.raises(DataError, match="turns of other slots"):
        Turns.load(tmp_path / "turns.npz", replace(DOMAIN, informable=("food", "area")))
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(DataError, match="holds no turns"):
        Turns.load(tmp_path / "text.npz", DOMAIN)


def test_what_another_policy_would_have_done_can_be_logged() -> None:
    turns = collect(Softened(Rules(), 1.0, 1), TOWN, 20, 5, [NOISE], label=Rules())
    plain = collect(Softened(Rules(), 1.0, 1), TOWN, 20, 5, [NOISE])
    assert len(turns) == len(plain) and (turns.action != plain.action).any()
    assert (turns.reward == plain.reward).all()


def test_returns_are_what_is_still_to_come() -> None:
    turns = logs().turns
    found, last = turns.returns(), np.append(turns.starts[1:], len(turns)) - 1
    np.testing.assert_allclose(found[turns.starts], np.add.reduceat(turns.reward, turns.starts))
    np.testing.assert_allclose(found[last], turns.reward[last])
