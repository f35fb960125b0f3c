"""The state: slots over turns, corrections, refusals; and whatever is said, a dialogue can go on."""

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.dialogue import features
from bertworks.dialogue.actions import Situation, names
from bertworks.dialogue.acts import DONT_CARE, THIS, USER, Act, Heard
from bertworks.dialogue.answers import faults
from bertworks.dialogue.state import State, listened, spoke
from bertworks.errors import DataError
from tests.dialogue.helpers import ANSWERS, DOMAIN, TOWN

ACTIONS = names(DOMAIN)


def hear(state: State, *acts: Act | Heard) -> State:
    heard = [one if isinstance(one, Heard) else Heard(one) for one in acts]
    return listened(state, heard, DOMAIN, TOWN)


def inform(slot: str, value: str, confidence: float = 1.0) -> Heard:
    return Heard(Act("inform", slot, value), confidence)


def say(state: State, action: str) -> State:
    return spoke(state, Situation(state, TOWN).acts(action))


slots = st.sampled_from([*DOMAIN.columns, THIS, "colour"])
values = st.sampled_from(
    [DONT_CARE, "martian", *(one for slot in DOMAIN.columns for one in TOWN.values(slot))]
)


@st.composite
def heard(draw: st.DrawFn) -> Heard:
    intent, shape = draw(st.sampled_from([*USER.items()]))
    act = Act(intent, draw(slots) if shape.slot else "", draw(values) if shape.value else "")
    return Heard(act, draw(st.floats(0, 1)))


turns = st.lists(st.tuples(st.lists(heard(), max_size=5), st.integers(0, 99)), max_size=8)


@given(turns)
def test_any_dialogue_goes_on_and_says_nothing_untrue(given_turns: Sequence[tuple]) -> None:
    """Whatever is understood and whichever possible action is taken."""
    state = State()
    for acts, pick in given_turns:
        state = listened(state, acts, DOMAIN, TOWN)
        assert State.from_json(json.loads(json.dumps(state.to_json()))) == state
        situation = Situation(state, TOWN)
        assert situation.possible.shape == (len(ACTIONS),)
        possible = [one for one, may in zip(ACTIONS, situation.possible, strict=True) if may]
        vector = features.vector(situation)
        assert vector.shape == (len(features.names(DOMAIN)),)
        assert ((vector >= 0) & (vector <= 1)).all()
        for action in possible:
            said = situation.acts(action)
            answer = ANSWERS.say(said, TOWN, state.turn)
            assert not answer.refused
            assert not faults(answer.text, said, TOWN)
        for belief in state.beliefs.values():
            assert sum(share for _, share in belief.values) <= 1 + 1e-9
        if state.offered:
            assert TOWN.fits(state.offered, state.constraints)
        state = say(state, possible[pick % len(possible)])
        assert State.from_json(json.loads(json.dumps(state.to_json()))) == state


def test_a_correction_replaces_what_was_said() -> None:
    state = hear(State(), inform("food", "chinese", 0.9))
    state = hear(state, inform("food", "Indian", 0.8))
    assert state.constraints == {"food": "indian"}


def test_one_misheard_word_does_not_replace_what_is_sure() -> None:
    state = hear(State(), inform("food", "chinese", 0.9))
    state = hear(state, inform("food", "indian", 0.3))
    assert state.constraints == {"food": "chinese"}
    state = hear(state, inform("food", "indian", 0.3))
    state = hear(state, inform("food", "indian", 0.3))
    assert state.constraints == {"food": "indian"}


def test_doubtful_words_alone_count_for_nothing() -> None:
    assert hear(State(), inform("food", "chinese", 0.2)).constraints == {}


def test_a_short_answer_is_about_what_was_asked() -> None:
    state = say(hear(State(), Act("greet")), "ask:area")
    assert hear(state, Act("inform", THIS, DONT_CARE)).constraints == {"area": DONT_CARE}
    assert hear(State(), Act("inform", THIS, DONT_CARE)).constraints == {}


def test_yes_and_no_are_about_what_was_read_back() -> None:
    asked = say(hear(State(), inform("food", "chinese", 0.5)), "confirm:food")
    assert hear(asked, Act("affirm")).belief("food").sure
    denied = hear(asked, Heard(Act("negate"), 0.9))
    assert denied.constraints == {}
    assert hear(asked, Act("negate"), inform("food", "thai")).constraints == {"food": "thai"}


def test_what_was_denied_is_not_wanted() -> None:
    state = hear(State(), inform("food", "chinese", 0.9))
    assert hear(state, Act("deny", "food", "Chinese")).constraints == {}


def test_an_offer_turned_down_is_not_made_again() -> None:
    state = say(hear(State(), inform("food", "chinese"), inform("pricerange", "cheap")), "offer")
    first = state.offered
    state = hear(state, Act("another"))
    assert state.refused == (first,)
    state = say(state, "offer")
    assert state.offered not in ("", first)
    state = hear(state, Act("negate"))
    assert not state.offered
    last = say(state, "no_offer")
    assert [str(one) for one in last.said] == [f"no_other(name={state.refused[-1]})"]
    assert last.offered == state.refused[-1]


def test_the_cheap_one_narrows_what_is_offered_down() -> None:
    state = say(hear(State(), inform("food", "chinese"), inform("area", "south")), "offer")
    assert state.offered == "Jade Court"
    state = hear(state, Act("inform", "pricerange", "cheap"))
    assert not state.offered
    assert Situation(state, TOWN).count == 0
    state = hear(say(state, "no_offer"), Act("inform", "area", DONT_CARE))
    assert say(state, "offer").offered == "Golden Lantern"


def test_a_name_is_wanted_for_its_own_sake() -> None:
    state = hear(State(), inform("food", "indian"), inform("area", "centre"))
    state = hear(state, Act("inform", "name", "casa verde"), Act("request", "phone"))
    assert state.offered == "Casa Verde"
    assert state.constraints == {"area": "centre"}
    assert [str(one) for one in Situation(state, TOWN).acts("answer")] == [
        "inform(name=Casa Verde)",
        "inform(phone=01223 100007)",
    ]
    assert hear(state, Act("inform", "name", "nowhere")).offered == "Casa Verde"


def test_what_is_not_known_is_said_to_be_not_known() -> None:
    state = hear(State(), Act("inform", "name", "The Cinnamon Gate"), Act("request", "phone"))
    acts = Situation(state, TOWN).acts("answer")
    assert acts[1:] == (Act("unknown", "phone"),)
    assert not spoke(state, acts).requested


def test_what_nobody_has_is_not_repeated() -> None:
    state = hear(State(), inform("food", "martian"))
    situation = Situation(state, TOWN)
    assert situation.acts("no_offer") == (Act("unlisted", "food"),)
    with pytest.raises(ValueError, match="confirm:food is not possible"):
        situation.acts("confirm:food")


def test_an_entity_that_is_gone_is_told_first() -> None:
    state = say(hear(State(), inform("food", "chinese")), "offer")
    fewer = [one for one in TOWN.entities if one["name"] != state.offered]
    left = known(fewer)
    state = listened(state, [Heard(Act("request", "phone"))], DOMAIN, left)
    situation = Situation(state, left)
    assert [one for one, may in zip(ACTIONS, situation.possible, strict=True) if may] == ["offer"]
    acts = situation.acts("offer")
    assert acts[0] == Act("gone", "name", "Golden Lantern")
    assert acts[1] == Act("offer", "name", "Jade Court")
    assert Act("inform", "phone", "01223 100002") in acts
    assert not faults(ANSWERS.say(acts, left).text, acts, left)
    assert not spoke(state, acts).gone


def known(entities: Sequence) -> object:
    from bertworks.dialogue.knowledge.base import Knowledge, Line

    return Knowledge(DOMAIN, [Line(str(i), one) for i, one in enumerate(entities)])


def test_a_damaged_state_is_refused() -> None:
    whole = State(turn=1).to_json()
    for record in ({}, [], None, {**whole, "format": 9}, {**whole, "beliefs": [1]}):
        with pytest.raises(DataError, match="is no state of a dialogue"):
            State.from_json(record)
    with pytest.raises(DataError, match="no intent"):
        State.from_json({**whole, "said": [["sing"]]})


def test_features_are_named_and_tell_situations_apart() -> None:
    found = features.names(DOMAIN)
    assert len(set(found)) == len(found)
    before = features.vector(Situation(hear(State(), Act("greet")), TOWN))
    after = features.vector(Situation(hear(State(), inform("food", "chinese", 0.8)), TOWN))
    changed = {name for name, differs in zip(found, before != after, strict=True) if differs}
    assert {"food.none", "food.value", "food.probability", "log_matches"} <= changed
    assert np.isclose(after[found.index("food.probability")], 0.8)


def test_what_is_not_wanted_is_not_offered_while_there_is_another() -> None:
    state = hear(State(), Act("deny", "food", "chinese"), inform("area", "north", 0.9))
    assert state.unwanted == {"food": ("chinese",)}
    situation = Situation(state, TOWN)
    foods = {one["food"] for one in TOWN.of(situation.left)}
    assert foods and "chinese" not in foods
    assert "chinese" in {one["food"] for one in TOWN.of(situation.matches)}
    # Who asks for it after all gets it.
    wanted = hear(state, inform("food", "chinese", 0.9))
    assert wanted.unwanted == {} and Situation(wanted, TOWN).count
    assert State.from_json(json.loads(json.dumps(state.to_json()))) == state


def test_what_was_offered_with_it_is_turned_down() -> None:
    state = hear(State(), inform("food", "chinese", 0.9), inform("pricerange", "cheap", 0.9))
    offered = say(state, "offer")
    chinese = offered.offered
    after = hear(offered, Act("deny", "food", "chinese"))
    assert chinese in after.refused and after.offered == ""
    # Of what is left all is unwanted: better that than to say that there is none.
    only = hear(State(), *(Act("deny", "food", one) for one in TOWN.values("food")))
    assert Situation(only, TOWN).count == len(TOWN)
