"""Rules: the first that applies and is possible; what chose is told."""

import random
from collections.abc import Iterator

import numpy as np
import pytest

from bertworks.dialogue.actions import Situation, names
from bertworks.dialogue.acts import DONT_CARE, Act, Heard
from bertworks.dialogue.policies import Chance, Rules, Softened
from bertworks.dialogue.policies.rules import (
    CONDITIONS,
    DEEDS,
    DEFAULT,
    IMPOSSIBLE,
    Rule,
    _actions,
    idle,
)
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


@pytest.mark.parametrize("wish", [(), (CHINESE,)])
@pytest.mark.parametrize(
    ("acts", "confidence", "only"),
    [
        ((Act("bye"),), 0.8, True),
        ((Act("bye"), Act("bye")), 0.9, True),
        ((Act("bye"),), 0.79, False),  # what was misheard is seldom as sure
        ((Act("bye"), inform("area", "north")), 0.9, False),
        ((Act("bye"), Act("request", "phone")), 0.9, False),
        ((Act("greet"),), 0.9, False),
    ],
)
def test_a_clear_goodbye_is_answered_with_one_by_any_policy(
    wish: tuple[Act, ...], acts: tuple[Act, ...], confidence: float, only: bool
) -> None:
    before = spoke(heard(*wish).state, (Act("ask", "area"),))
    situation = heard(*acts, confidence=confidence, state=before)
    possible = {n for n, may in zip(names(DOMAIN), situation.possible, strict=True) if may}
    assert (possible == {"bye"}) == only
    if only:
        for policy in (
            Rules(),
            Rules([Rule("always", "again")]),
            Chance(1),
            Softened(Rules(), 0.9, 1),
        ):
            assert policy.choose(situation).action == "bye"


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
    # Nothing was said that an offer could be for.
    lost = heard(Act("another"))
    assert rules.choose(lost).action == "again"
    left = Rules([Rule("requested", "answer")]).choose(lost)
    assert (left.action, left.by) == ("again", "rule: none applies")
    assert rules.choose(heard(Act("greet"))).action == "ask:food"


def test_nobody_is_asked_to_say_hello_again() -> None:
    def may(situation: Situation) -> bool:
        return bool(situation.possible[names(DOMAIN).index("again")])

    assert not may(heard(Act("greet")))
    assert may(heard(Act("greet"), confidence=0.2)) and may(heard(Act("greet"), Act("unclear")))
    asked = State()
    for slot in DOMAIN.informable * 3:
        asked = spoke(asked, (Act("ask", slot),))
    greeted = heard(Act("greet"), state=asked)
    assert greeted.possible.any(), "there is always something to be done"


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


def talked(seed: int, turns: int) -> Iterator[Situation]:
    """Situations of talks in which anything is said and anything possible is done."""
    chance = random.Random(seed)
    wants = [*DOMAIN.informable, DOMAIN.key]
    bare = ["affirm", "negate", "another", "greet", "bye", "unclear"]
    state = State()
    for _ in range(turns):
        if state.ended or state.turn > 12:
            state = State()
        said = []
        for _ in range(chance.choice([1, 1, 2, 3])):
            kind = chance.choice(["inform", "inform", "deny", "request", *bare])
            slot = chance.choice(wants if kind != "request" else DOMAIN.told)
            value = chance.choice([*TOWN.values(slot), "martian", DONT_CARE])
            more = () if kind in bare else (slot,) if kind == "request" else (slot, value)
            said.append(Heard(Act(kind, *more), chance.choice([0.2, 0.5, 0.9])))
        situation = Situation(listened(state, said, DOMAIN, TOWN), TOWN)
        yield situation
        action = chance.choice(np.array(names(DOMAIN))[situation.possible].tolist())
        state = spoke(situation.state, situation.acts(action))


def test_what_is_called_impossible_never_happens_and_all_else_does() -> None:
    seen = set()
    all_refused = State(refused=tuple(one["name"] for one in TOWN.entities))
    for situation in [*talked(1, 4000), Situation(all_refused, TOWN)]:
        possible = {n for n, may in zip(names(DOMAIN), situation.possible, strict=True) if may}
        for when, (test, limit) in CONDITIONS.items():
            if test(situation, limit or 0.0):
                for do in DEEDS:
                    actions = _actions(Rule(when, do), situation, limit or 0.0)
                    if not possible.isdisjoint(actions):
                        seen.add((when, do))
    assert {(when, do) for when in CONDITIONS for do in DEEDS} - seen == IMPOSSIBLE


@pytest.mark.parametrize(
    ("rules", "place", "why"),
    [
        (
            [Rule("nothing_matches", "offer")],
            0,
            "where nothing_matches holds, offer is not possible",
        ),
        ([Rule("always", "ask"), Rule("offered", "no_offer")], 1, "no_offer is not possible"),
        ([Rule("always", "again"), Rule("goodbye", "bye")], 1, "rules.0 (always: again) does so"),
        ([Rule("always", "offer"), Rule("offered", "offer")], 1, "rules.0 (always: offer) does so"),
        ([Rule("goodbye", "bye"), Rule("always", "ask"), Rule("goodbye", "bye")], 2, "rules.0"),
        ([Rule("unclear", "again", 0.5), Rule("unclear", "again")], 1, "rules.0 (unclear (0.5)"),
        ([Rule("many_matches", "ask"), Rule("many_matches", "ask", 3)], 1, "rules.0 (many_matches"),
        ([Rule("always", "confirm"), Rule("doubtful", "confirm")], 1, "rules.0"),
    ],
)
def test_a_rule_that_never_decides_is_found(rules: list[Rule], place: int, why: str) -> None:
    found = idle(rules)
    assert found is not None and found.place == place
    assert why in found.why and found.fix
    # Without it all is decided as with it.
    without = Rules([one for number, one in enumerate(rules) if number != place])
    for situation in talked(2, 300):
        assert Rules(rules).choose(situation).action == without.choose(situation).action


@pytest.mark.parametrize(
    "rules",
    [
        DEFAULT,
        [Rule("unclear", "again", 0.2), Rule("unclear", "again", 0.5)],
        [Rule("many_matches", "ask", 3), Rule("many_matches", "ask", 1)],
        [Rule("offered", "offer"), Rule("always", "offer"), Rule("always", "again")],
        [Rule("goodbye", "again"), Rule("goodbye", "bye")],
        [],
    ],
)
def test_rules_that_may_decide_are_left(rules: list[Rule]) -> None:
    assert idle(rules) is None


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
