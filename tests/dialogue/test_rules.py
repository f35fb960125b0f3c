"""Rules: the first that applies and is possible; what chose is told."""

import numpy as np
import pytest

from bertworks.dialogue.actions import Situation, names
from bertworks.dialogue.acts import DONT_CARE, Act, Heard
from bertworks.dialogue.policies import Chance, Rules, Softened
from bertworks.dialogue.policies.rules import CONDITIONS, Rule
from bertworks.dialogue.state import State, listened, spoke
from tests.dialogue.helpers import DOMAIN, TOWN


def heard(*acts: Act, confidence: float = 0.9, state: State | None = None) -> Situation:
    said = [Heard(one, confidence) for one in acts]
    return Situation(listened(state or State(), said, DOMAIN, TOWN), TOWN)


def inform(slot: str, value: str) -> Act:
    return Act("inform", slot, value)


CHINESE = inform("food", "chinese")


@pytest.mark.parametrize(
    ("situation", "action", "rule"),
    [
        (heard(Act("greet")), "ask:food", "many_matches (1): ask"),
        (heard(CHINESE), "ask:area", "many_matches (1): ask"),
        (heard(CHINESE, confidence=0.5), "confirm:food", "doubtful (0.6): confirm"),
        (heard(CHINESE, inform("area", "south")), "offer", "always: offer"),
        (heard(CHINESE, inform("pricerange", "expensive")), "no_offer", "nothing_matches: no_off"),
        (heard(inform("name", "Casa Verde"), Act("request", "phone")), "answer", "requested: ans"),
        (heard(inform("name", "Casa Verde")), "offer", "offered: offer"),
        (heard(Act("unclear")), "again", "unclear (0.3): again"),
        (heard(CHINESE, confidence=0.2), "again", "unclear (0.3): again"),
        (heard(Act("bye")), "bye", "goodbye: bye"),
    ],
)
def test_the_usual_rules(situation: Situation, action: str, rule: str) -> None:
    choice = Rules().choose(situation)
    assert choice.action == action
    assert choice.by.startswith(f"rule: {rule}")
    assert choice.candidates[0].action == action and choice.candidates[0].score == 1.0
    assert len(choice.candidates) == situation.possible.sum()


def test_what_is_least_sure_is_confirmed_first() -> None:
    said = [Heard(CHINESE, 0.5), Heard(inform("area", "north"), 0.4)]
    situation = Situation(listened(State(), said, DOMAIN, TOWN), TOWN)
    assert Rules().choose(situation).action == "confirm:area"


def test_a_slot_that_was_asked_often_is_asked_last() -> None:
    state = spoke(heard(Act("greet")).state, (Act("ask", "food"),))
    assert Rules().choose(heard(Act("greet"), state=state)).action == "ask:area"


def test_an_impossible_rule_is_passed_over_and_a_gap_asks_again() -> None:
    rules = Rules([Rule("always", "answer"), Rule("always", "offer")])
    assert rules.choose(heard(CHINESE)).action == "offer"
    greeted = heard(Act("greet"))
    assert rules.choose(greeted).action == "again"  # nothing was said that an offer could be for
    left = Rules([Rule("requested", "answer")]).choose(greeted)
    assert (left.action, left.by) == ("again", "rule: none applies")


def test_each_condition_can_hold_and_can_fail() -> None:
    situations = [
        heard(Act("greet")),
        heard(Act("bye")),
        heard(Act("unclear")),
        heard(CHINESE, confidence=0.5),
        heard(CHINESE, inform("pricerange", "expensive"), Act("request", "phone")),
        heard(inform("name", "Casa Verde")),
        heard(*(inform(slot, DONT_CARE) for slot in DOMAIN.informable)),
    ]
    for name, (test, limit) in CONDITIONS.items():
        found = {test(one, limit or 0.0) for one in situations}
        assert found == ({True} if name == "always" else {True, False}), name


def test_a_softened_policy_tells_how_probable_its_choices_are() -> None:
    situation = heard(Act("greet"))
    softened = Softened(Rules(), 0.4, seed=1)
    shares = softened.probabilities(situation)
    assert np.isclose(shares.sum(), 1.0) and not shares[~situation.possible].any()
    taken = [softened.choose(situation).action for _ in range(2000)]
    for name, share in zip(names(DOMAIN), shares, strict=True):
        assert abs(taken.count(name) / 2000 - share) < 0.05
    again = Softened(Rules(), 0.4, seed=1)
    assert [again.choose(situation).action for _ in range(20)] == taken[:20]
    assert {softened.choose(situation).by for _ in range(50)} == {
        "rule: many_matches (1): ask",
        "chance, to learn from",
    }


def test_chance_takes_all_that_is_possible_and_nothing_else() -> None:
    situation = heard(CHINESE)
    taken = {Chance(seed).choose(situation).action for seed in range(200)}
    wanted = {n for n, may in zip(names(DOMAIN), situation.possible, strict=True) if may}
    assert taken == wanted
