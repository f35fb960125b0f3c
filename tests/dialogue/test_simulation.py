"""Simulated users: goals that can be met, dialogues that repeat, errors at their rate."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.dialogue.acts import DONT_CARE, Act, Heard
from bertworks.dialogue.answers import faults
from bertworks.dialogue.knowledge import normal
from bertworks.dialogue.policies import Chance, Rules
from bertworks.dialogue.simulation.agenda import User
from bertworks.dialogue.simulation.episode import SUCCESS, Episode
from bertworks.dialogue.simulation.errors import Errors, measured
from bertworks.dialogue.simulation.goals import Goal, Habits, sample
from bertworks.dialogue.simulation.measuring import measure
from bertworks.errors import DataError
from tests.dialogue.helpers import ANSWERS, TOWN

seeds = st.integers(0, 2**32 - 1)
PLAIN = Habits(impossible=0, named=0, fickle=0, choosy=0)


@given(seeds)
def test_every_goal_can_be_met_in_the_end(seed: int) -> None:
    goal = sample(TOWN, Habits(), np.random.default_rng(seed))
    final = goal.instead(*goal.fallback) if goal.fallback else goal
    assert TOWN.matching(final.constraints)
    if goal.fallback:
        assert not TOWN.matching(goal.constraints)
    if goal.change:
        _, slot, value = goal.change
        assert value != goal.constraints[slot]
        assert TOWN.matching(final.instead(slot, value).constraints)
    assert goal.requests
    wished = {slot for slot, value in goal.constraints.items() if value != DONT_CARE}
    assert wished and not wished & set(goal.requests)


def test_goals_are_as_the_habits_say() -> None:
    goals = [sample(TOWN, Habits(), np.random.default_rng(seed)) for seed in range(2000)]
    assert 0.07 < np.mean(["name" in one.constraints for one in goals]) < 0.13
    assert 0.1 < np.mean([one.fallback is not None for one in goals]) < 0.2
    assert 0.04 < np.mean([one.change is not None for one in goals]) < 0.16
    assert {one.patience for one in goals} == set(range(8, 15))
    assert {one.constraints.get("food") for one in goals} >= {normal("chinese"), DONT_CARE}


@given(seeds)
@settings(max_examples=25)
def test_the_same_seed_and_actions_are_the_same_dialogue(seed: int) -> None:
    def run() -> list[object]:
        episode = Episode(TOWN, np.random.default_rng(seed), Errors(0.2))
        said: list[object] = []
        while not episode.over:
            said.append((episode.situation.state, episode.step(_act(episode))))
        return [*said, episode.ending]

    assert run() == run()


def _act(episode: Episode) -> str:
    return Rules().choose(episode.situation).action


def test_who_is_understood_always_is_served_by_the_rules() -> None:
    found = measure(Rules(), TOWN, 300, 1, habits=replace(Habits(), patience=(30, 30)))
    assert found.success == 1.0, found
    assert found.endings == {"success": 300}


def test_errors_cost_success_and_chance_is_far_below() -> None:
    none, some, many = (measure(Rules(), TOWN, 300, 1, Errors(one)) for one in (0, 0.15, 0.4))
    assert none.success > some.success > many.success
    assert none.turns < some.turns < many.turns
    assert measure(Chance(1), TOWN, 300, 1, Errors(0.15)).success < some.success - 0.2


def test_rewards_are_turns_and_success() -> None:
    for seed in range(50):
        episode = Episode(TOWN, np.random.default_rng(seed), Errors(0.2))
        total = 0.0
        while not episode.over:
            total += episode.step(_act(episode)).reward
        assert total in (
            SUCCESS * episode.success - episode.turns,
            SUCCESS * episode.success - episode.turns - 1,
        )
        with pytest.raises(ValueError, match="is over"):
            episode.step("again")


def test_no_simulated_dialogue_hears_a_value_that_is_not_in_the_knowledge_base() -> None:
    """Every answer of 1,000 dialogues; `make bench-dialogue` has 10,000 of the example's."""
    answers = 0

    def watch(episode: Episode, action: str) -> None:
        nonlocal answers
        acts = episode.situation.acts(action)
        said = ANSWERS.say(acts, TOWN, episode.turns)
        assert not said.refused and not faults(said.text, acts, TOWN)
        answers += 1

    for policy in (Rules(), Chance(3)):
        measure(policy, TOWN, 500, 2, Errors(0.2), watch=watch)
    assert answers > 3000


def user(goal: Goal, **habits: object) -> User:
    habits = {"talkative": 0.0, **habits}
    return User(goal, replace(PLAIN, **habits), TOWN, np.random.default_rng(0))


CHINESE = Goal({"food": "chinese", "area": DONT_CARE, "pricerange": DONT_CARE}, ("phone",), 10)
LANTERN = Act("offer", "name", "Golden Lantern")


def test_a_user_answers_what_is_asked() -> None:
    one = user(CHINESE)
    assert one.speaks() == (Act("inform", "food", "chinese"),)
    assert one.speaks([Act("ask", "area")]) == (Act("inform", "area", DONT_CARE),)
    assert one.speaks([Act("confirm", "food", "Chinese")]) == (Act("affirm"),)
    wrong = one.speaks([Act("confirm", "food", "indian")])
    assert wrong == (Act("negate"),)
    assert one.speaks([Act("again")])[0] == Act("negate")


def test_a_user_takes_an_offer_asks_for_details_and_goes() -> None:
    one = user(CHINESE)
    one.speaks()
    assert one.speaks([LANTERN, Act("inform", "food", "chinese")]) == (Act("request", "phone"),)
    assert one.missing == ["phone"]
    name = Act("inform", "name", "Golden Lantern")
    assert one.speaks([name, Act("inform", "phone", "1")]) == (Act("bye"),)
    assert one.done and not one.missing and one.told == {"phone": "1"}


def test_a_user_corrects_an_offer_and_tells_what_it_does_not_speak_of() -> None:
    one = user(CHINESE)
    one.speaks()
    assert one.speaks([LANTERN, Act("inform", "food", "indian")]) == (
        Act("inform", "food", "chinese"),
    )
    assert not one.accepted
    assert user(CHINESE, attentive=1.0).speaks([LANTERN]) == (Act("inform", "food", "chinese"),)


def test_a_user_takes_something_else_where_there_is_nothing() -> None:
    goal = replace(CHINESE, constraints={**CHINESE.constraints, "area": "moon"})
    one = user(replace(goal, fallback=("area", "north")))
    one.speaks()
    missing = [Act("no_offer", "food", "chinese"), Act("no_offer", "area", "moon")]
    assert one.speaks(missing) == (Act("inform", "area", "north"),)
    assert one.goal.constraints["area"] == "north"
    misheard = [Act("no_offer", "food", "thai")]
    assert one.speaks(misheard)[0] == Act("inform", "food", "chinese")


def test_a_user_loses_patience_with_turns_and_with_repetition() -> None:
    one = user(replace(CHINESE, patience=2))
    for _ in range(3):
        said = one.speaks([Act("ask", "area"), Act("again")][: 1 + one.turns % 2])
    assert said == (Act("bye"),) and one.gave_up
    two = user(CHINESE, repeats=3)
    for _ in range(5):
        said = two.speaks([Act("ask", "area")])
    assert two.gave_up


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5])
def test_errors_come_at_their_rate_and_are_measured_back(rate: float) -> None:
    errors, random = Errors(rate), np.random.default_rng(5)
    turns = []
    for seed in range(400):
        goal = sample(TOWN, Habits(), np.random.default_rng(seed))
        one = User(goal, Habits(), TOWN, np.random.default_rng(seed))
        for said in (one.speaks(), one.speaks([Act("ask", "food")])):
            turns.append((said, errors.hear(said, TOWN, random)))
    found = measured(turns)
    assert abs(found.rate - rate) < 0.05
    if rate:
        assert np.mean([one.confidence for _, heard in turns for one in heard]) < 0.85
        assert abs(found.right[0] / sum(found.right) - 8 / 9.5) < 0.05
        assert found.value + found.slot + found.intent + found.lost == pytest.approx(1)
        assert abs(found.lost - errors.lost) < 0.12
    assert Errors.from_json(found.to_json()) == found


def test_kinds_of_errors_are_what_they_are_called() -> None:
    random, act = np.random.default_rng(0), Act("inform", "food", "chinese")
    kinds: Counter[str] = Counter()
    for kind in ("lost", "value", "slot", "intent"):
        shares = {one: float(one == kind) for one in ("lost", "value", "slot", "intent")}
        for _ in range(20):
            (heard,) = Errors(1.0, **shares).hear([act], TOWN, random)
            assert heard.act != act
            kinds[kind] += {
                "lost": heard.act == Act("unclear"),
                "value": (heard.act.intent, heard.act.slot) == ("inform", "food"),
                "slot": heard.act.intent == "inform" and heard.act.slot != "food",
                "intent": heard.act.intent not in ("inform", "unclear"),
            }[kind]
    assert set(kinds.values()) == {20}


def test_wrong_errors_are_refused() -> None:
    with pytest.raises(ValueError, match="must lie in 0 to 1"):
        Errors(rate=1.5)
    with pytest.raises(ValueError, match="sum to 1"):
        Errors(lost=0.9)
    with pytest.raises(DataError, match="no understanding errors: KeyError"):
        Errors.from_json({"rate": 0.1})
    with pytest.raises(DataError, match="No turns"):
        measured([])
    assert measured([([Act("bye")], [Heard(Act("bye"))])]).rate == 0
