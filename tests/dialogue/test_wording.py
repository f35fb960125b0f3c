"""How values are meant: not wanted, corrected, compared, one or the other, or asked about an offer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bertworks.dialogue.acts import Act, Heard
from bertworks.dialogue.agent import DialogueAgent
from bertworks.dialogue.backed import Backed
from bertworks.dialogue.belief import Belief
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.hearing import Learned
from bertworks.dialogue.policies import Rules
from bertworks.dialogue.state import State, listened
from bertworks.dialogue.understanding import Keywords, Understanding
from tests.dialogue.helpers import ANSWERS, DOMAIN, TOWN, Still
from tests.dialogue.test_hearing import Known, answered
from tests.dialogue.test_odd_values import known

KEYWORDS = Keywords(
    DOMAIN,
    {"pricerange": ["price", "how expensive"], "phone": ["number"]},
    {"pricerange": {"expensive": ["pricey", "fancy"]}},
    orders={"pricerange": ["cheap", "moderate", "expensive"]},
)
NORTH = State(beliefs={"area": Belief((("north", 0.9),))})
OFFERED = State(
    beliefs={"food": Belief((("chinese", 0.9),))},
    offered="Golden Lantern",
    said=(Act("offer", "name", "Golden Lantern"),),
)


def acts(text: str, state: State = NORTH, understanding: Understanding = KEYWORDS) -> list[str]:
    return [str(one.act) for one in understanding.understand(text, state, TOWN)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I don't want cheap", ["deny(pricerange=cheap)"]),
        ("nothing cheap please", ["deny(pricerange=cheap)"]),
        ("nothing cheap?", ["inform(pricerange=cheap)"]),
        ("not chinese", ["deny(food=chinese)"]),
        ("I’d rather not have chinese", ["deny(food=chinese)"]),
        ("chinese food is not what I want", ["deny(food=chinese)"]),
        ("no chinese or indian", ["deny(food=chinese)", "deny(food=indian)"]),
        ("neither chinese nor indian", ["deny(food=chinese)", "deny(food=indian)"]),
        ("no chinese, indian or italian",
         ["deny(food=chinese)", "deny(food=indian)", "deny(food=italian)"]),
        ("a cheap place, not chinese", ["inform(pricerange=cheap)", "deny(food=chinese)"]),
        ("I don't want chinese food, I want indian", ["deny(food=chinese)", "inform(food=indian)"]),
        ("not chinese but indian", ["deny(food=chinese)", "inform(food=indian)"]),
        ("why not chinese", ["inform(food=chinese)"]),
        ("don't you have chinese food?", ["inform(food=chinese)"]),
        ("no, thanks", ["bye()"]),
    ],
)  # fmt: skip
def test_what_is_not_wanted_is_denied(text: str, wanted: list[str]) -> None:
    assert acts(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("no wait, south", ["inform(area=south)"]),
        ("no, south", ["negate()", "inform(area=south)"]),
        ("no south", ["inform(area=south)"]),  # the north is not what it denies
        ("no north", ["deny(area=north)"]),
        ("not north, south", ["deny(area=north)", "inform(area=south)"]),
        ("south, not north", ["inform(area=south)", "deny(area=north)"]),
        ("I meant south", ["inform(area=south)"]),
        ("no I meant south", ["inform(area=south)"]),
        ("north, no wait, south", ["inform(area=south)"]),
        ("south instead of north", ["inform(area=south)", "deny(area=north)"]),
    ],
)
def test_a_correction_replaces_the_old_value(text: str, wanted: list[str]) -> None:
    assert acts(text) == wanted
    heard = KEYWORDS.understand(text, NORTH, TOWN)
    after = listened(NORTH, heard, DOMAIN, TOWN)
    assert after.constraints == ({} if text == "no north" else {"area": "south"}), text
    assert "south" not in after.unwanted.get("area", ())


def test_what_is_compared_is_not_wished_for() -> None:
    """Against what is offered, else what was wished for; without either, "cheaper" is cheap."""
    dear = State(beliefs={"pricerange": Belief((("expensive", 0.9),))})
    below = ["inform(pricerange=moderate)", "inform(pricerange=cheap)"]
    for text in (
        "something less expensive",
        "cheaper",
        "not so pricey",
        "too expensive",
        "a lower price",
    ):
        assert acts(text, dear) == below, text
    middle = replace(dear, beliefs={"pricerange": Belief((("moderate", 0.9),))})
    assert acts("cheaper please", middle) == ["inform(pricerange=cheap)"]
    assert acts("something fancier", middle) == ["inform(pricerange=expensive)"]
    assert acts("more expensive", middle) == ["inform(pricerange=expensive)"]
    assert (
        acts("the cheapest", dear)
        == acts("the least expensive one", dear)
        == acts("cheaper", State())
    )
    assert acts("cheaper", State()) == ["inform(pricerange=cheap)"]
    assert acts("something less expensive", State()) == below
    assert acts("too cheap", OFFERED) == acts("more expensive", OFFERED) == [
        "inform(pricerange=moderate)", "inform(pricerange=expensive)",
    ]  # fmt: skip


def test_without_an_order_less_of_a_value_is_not_it(tmp_path: Path) -> None:
    plain = Keywords(DOMAIN)
    assert acts("something less expensive", State(), plain) == ["deny(pricerange=expensive)"]
    assert acts("less chinese", State(), KEYWORDS) == ["deny(food=chinese)"]
    assert acts("cheaper", State(), plain) == ["unclear()"]
    hotels = Domain("name", ("stars", "area"), ("phone",), "hotel")
    base = known(tmp_path, hotels, "A,1,n,1", "B,3,n,2", "C,10,s,3", "D,4,s,4")
    numbers, three = Keywords(hotels), State(offered="B")
    heard = [str(one.act) for one in numbers.understand("more stars", three, base)]
    assert heard == ["inform(stars=4)", "inform(stars=10)"]


def test_of_several_values_any_will_do() -> None:
    heard = KEYWORDS.understand("chinese or indian food", State(), TOWN)
    state = listened(State(), heard, DOMAIN, TOWN)
    assert state.belief("food").wanted == ("chinese", "indian")
    assert State.from_json(state.to_json()) == state
    agent = talker(KEYWORDS)
    offered, state = set(), State()
    state, trace = agent.turn(state, "chinese or indian food")
    assert "food=chinese or indian (0.95)" in trace.lines()[1]
    bits = TOWN.matching({"food": "chinese"}) | TOWN.matching({"food": "indian"})
    assert trace.matches == bits.bit_count()
    for _ in range(bits.bit_count() + 3):
        if state.offered:
            offered.add(TOWN.value(state.offered, "food"))
        state, trace = agent.turn(state, "another one" if state.offered else "I don't mind")
        assert not trace.notices
    assert {one.lower() for one in offered} == {"chinese", "indian"}


def test_one_of_several_values_that_is_denied_leaves_the_others() -> None:
    either = Belief().heard("chinese", 0.9, ("indian", "thai"))
    left = either.refused("chinese", 0.9)
    assert left.wanted == ("indian", "thai") and left.probability == 0.9
    assert either.refused("thai", 0.9).wanted == ("chinese", "indian")
    assert either.heard("thai", 0.9).wanted == ("thai",)
    assert either.affirmed("chinese", 0.9).wanted == ("chinese",)
    assert either.heard("thai", 0.1).wanted == ("chinese", "indian", "thai")
    assert Belief.from_json(either.to_json()) == either


def test_of_several_names_the_answer_says_which_one_was_taken() -> None:
    names = TOWN.values("name")[:2]
    state, trace = talker(KEYWORDS).turn(State(), f"{names[0]} or {names[1]}")
    assert state.offered == names[1] and names[1] in trace.answer
    assert trace.notices == (f"of 2 names one was taken: {names[1]}",)
    state, _ = talker(KEYWORDS).turn(state, f"not {names[1]}")
    assert state.offered != names[1] and names[1] in state.refused


@pytest.mark.parametrize(
    "between", ["is it moderate?", "what's the number?", "is Golden Lantern in the north?"]
)
@pytest.mark.parametrize(
    "rejection",
    ["not this one", "I don't want that", "no", "I don't like this one", "I do not want this one"],
)
def test_a_rejection_turns_the_offer_down_whatever_was_asked_of_it_since(
    between: str, rejection: str
) -> None:
    state, _ = talker(KEYWORDS).turn(OFFERED, between)
    assert state.offered == "Golden Lantern"
    state, trace = talker(KEYWORDS).turn(state, rejection)
    assert state.refused == ("Golden Lantern",) and state.offered != "Golden Lantern", trace.answer


@pytest.mark.parametrize(
    "text", ["no, just the number please", "I'm not really concerned with the price. And you?"]
)
def test_a_no_that_asks_for_facts_of_the_offer_keeps_it(text: str) -> None:
    state, _ = talker(KEYWORDS).turn(OFFERED, text)
    assert state.offered == "Golden Lantern" and not state.refused


def test_a_no_to_a_value_that_is_confirmed_turns_no_offer_down() -> None:
    state = replace(OFFERED, said=(Act("confirm", "food", "chinese"),))
    after = listened(state, [Heard(Act("negate"))], DOMAIN, TOWN)
    assert not after.refused and "food" not in after.constraints


@pytest.mark.parametrize(
    ("text", "slots"),
    [
        ("is jade court in the north?", ["area"]),
        ("is jade court in the north", ["area"]),
        ("hello, is the Jade Court cheap", ["pricerange"]),
        ("isn't Jade Court cheap?", ["pricerange"]),
        ("does Jade Court serve indian food", ["food"]),
        ("do they have indian food at Jade Court?", ["food"]),
        ("is jade court cheap, and in the north?", ["pricerange", "area"]),
        ("jade court in the north?", ["area"]),
    ],
)
@pytest.mark.parametrize("before", [State(), NORTH, OFFERED])
def test_a_question_of_an_entity_that_it_names_is_no_wish(
    text: str, slots: list[str], before: State
) -> None:
    name = "inform(name=jade court)"
    asked = [f"request({slot})" for slot in slots]
    assert sorted(acts(text, before)) == sorted([name, *asked])
    state, trace = talker(KEYWORDS).turn(before, text)
    assert state.offered == "Jade Court"
    assert all(TOWN.value("Jade Court", slot) in trace.answer for slot in slots)
    assert "area" not in state.constraints and "pricerange" not in state.constraints


def test_what_is_said_beside_a_question_of_an_entity_stays_a_wish() -> None:
    text = "I want cheap food. Is Jade Court in the north? If not I want italian"
    assert acts(text, State()) == [
        "inform(pricerange=cheap)", "inform(name=jade court)", "request(area)", "inform(food=italian)",
    ]  # fmt: skip
    other = ["deny(name=jade court)", "inform(area=north)"]
    assert acts("is there anything other than Jade Court in the north?", State()) == other
    assert acts("not Jade Court, is there something in the north?", State()) == other
    assert acts("something else than Jade Court in the north?", OFFERED)[0] == "another()"
    wish = ["inform(name=jade court)", "inform(area=north)"]
    assert acts("I want jade court in the north", State()) == wish
    assert acts("it is jade court in the north", State()) == wish


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a non-expensive place", ["deny(pricerange=expensive)"]),
        ("non expensive", ["deny(pricerange=expensive)"]),
        ("a non smoking, cheap place", ["inform(pricerange=cheap)"]),
        ("a non smoking cheap place", ["inform(pricerange=cheap)"]),
        ("non-chinese or indian", ["deny(food=chinese)", "deny(food=indian)"]),
        ("no-chinese", ["deny(food=chinese)"]),
        ("anything but chinese", ["deny(food=chinese)"]),
        ("anything except chinese", ["deny(food=chinese)"]),
        ("except chinese", ["deny(food=chinese)"]),
        ("all but chinese", ["deny(food=chinese)"]),
        ("excluding chinese", ["deny(food=chinese)"]),
        ("with the exception of chinese", ["deny(food=chinese)"]),
        ("I wouldn't say no to chinese", ["inform(food=chinese)"]),
        ("I’d never say no to chinese", ["inform(food=chinese)"]),
        ("I don't mind chinese food", ["inform(food=chinese)"]),
        ("I wouldn't mind chinese or indian", ["inform(food=chinese)", "inform(food=indian)"]),
        ("I have nothing against chinese", ["inform(food=chinese)"]),
        ("I don't hate chinese", ["inform(food=chinese)"]),
        ("I don't like this expensive kind", ["deny(pricerange=expensive)"]),
        ("not without chinese food", ["inform(food=chinese)"]),
    ],
)  # fmt: skip
def test_what_looks_like_a_denial_and_what_is_one(text: str, wanted: list[str]) -> None:
    for state in (State(), replace(State(), said=(Act("ask", "food"),))):
        heard = [one for one in acts(text, state) if one != "inform(this=dontcare)"]
        assert heard == wanted
        after = listened(state, KEYWORDS.understand(text, state, TOWN), DOMAIN, TOWN)
        wished = [one.removeprefix("inform(").split("=")[0] for one in wanted if "inform" in one]
        assert all(after.constraints[slot] != "dontcare" for slot in wished)


def test_anything_of_a_value_is_the_value() -> None:
    asked = State(said=(Act("ask", "food"),))
    heard = KEYWORDS.understand("anything chinese", asked, TOWN)
    assert listened(asked, heard, DOMAIN, TOWN).constraints == {"food": "chinese"}
    asked = State(said=(Act("ask", "area"),))
    heard = KEYWORDS.understand("anywhere cheap", asked, TOWN)
    wanted = {"pricerange": "cheap", "area": "dontcare"}
    assert listened(asked, heard, DOMAIN, TOWN).constraints == wanted


@pytest.mark.parametrize(
    "text",
    ["either is fine", "both are fine", "both would be ok", "either one works", "either will do",
     "either way", "I don't mind"],
)  # fmt: skip
def test_either_and_both_take_anything_where_a_slot_was_asked_for(text: str) -> None:
    asked = State(said=(Act("ask", "pricerange"),))
    outside = learned(answered("inform", "x", out_of_scope=True))
    for understanding in (KEYWORDS, outside, Backed(outside, KEYWORDS)):
        assert acts(text, asked, understanding) == ["inform(this=dontcare)"]
    assert acts("either chinese or indian", asked) == [
        "inform(food=chinese)", "inform(food=indian)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "slot"),
    [
        ("is it expensive?", "pricerange"),
        ("isn't that too expensive?", "pricerange"),
        ("does it serve indian food?", "food"),
        ("is the restaurant in the north?", "area"),
        ("how expensive is it?", "pricerange"),
    ],
)
def test_a_question_about_an_offer_is_no_wish(text: str, slot: str) -> None:
    assert acts(text, OFFERED) == [f"request({slot})"]
    agent = talker(KEYWORDS)
    state = OFFERED
    state, trace = agent.turn(state, text)
    assert state.offered == "Golden Lantern"
    assert TOWN.value("Golden Lantern", slot) in trace.answer
    assert state.constraints == OFFERED.constraints


def test_a_question_without_an_offer_is_a_wish() -> None:
    assert acts("is it in the north", State()) == ["inform(area=north)"]
    assert acts("do you have anything in the north?", OFFERED) == ["inform(area=north)"]


@pytest.mark.parametrize(
    "text",
    ["another", "something else", "any others?", "others?", "next", "a different restaurant",
     "can you suggest a different one?", "what other places are there?"],
)  # fmt: skip
def test_another_offer_is_asked_for_though_training_knows_it_not(text: str) -> None:
    outside = learned(answered("inform", "x", out_of_scope=True))
    for understanding in (KEYWORDS, outside, Backed(outside, KEYWORDS)):
        assert acts(text, OFFERED, understanding) == ["another()"]
    assert acts(text, State(), outside) == ["unclear()"]
    for other in ("I need another taxi", "thanks for another wonderful stay with you"):
        assert acts(other, OFFERED, Backed(outside, KEYWORDS)) == ["unclear()"]


@pytest.mark.parametrize(
    ("text", "answer", "state", "wanted"),
    [
        ("not north, south", answered("deny", "not", "north/B-area", "south/B-area"), NORTH,
         ["deny(area=north)", "inform(area=south)"]),
        ("no wait, south", answered("deny", "no", "south/B-area"), NORTH, ["inform(area=south)"]),
        ("a cheap place, not chinese", answered("deny", "cheap/B-pricerange", "chinese/B-food"), NORTH,
         ["inform(pricerange=cheap)", "deny(food=chinese)"]),
        ("nothing cheap please", answered("inform", "cheap/B-pricerange"), NORTH,
         ["deny(pricerange=cheap)"]),
        ("not eritrean, thai", answered("deny", "eritrean/B-food", "thai/B-food"), NORTH,
         ["deny(food=eritrean)", "inform(food=thai)"]),
        ("no", answered("negate", "no"), NORTH, ["negate()"]),
        ("non-thai food", answered("inform", "thai/B-food"), NORTH, ["deny(food=thai)"]),
        ("I wouldn't say no to thai", answered("deny", "thai/B-food"), NORTH, ["inform(food=thai)"]),
        ("I don't mind thai", answered("dontcare", "thai/B-food"), NORTH, ["inform(food=thai)"]),
        ("is jade court in the north?", answered("inform", "north/B-area"), NORTH,
         ["inform(name=jade court)", "request(area)"]),
        ("is jade court in the north?",
         answered("inform", "jade/B-name", "court/I-name", "north/B-area"), State(),
         ["inform(name=jade court)", "request(area)"]),
        ("I hate thai food", answered("deny", "thai/B-food"), NORTH, ["deny(food=thai)"]),
        ("thai puts me off", answered("deny", "thai/B-food"), NORTH, ["deny(food=thai)"]),
        ("is it expensive?", answered("inform", "expensive/B-pricerange"), OFFERED,
         ["request(pricerange)"]),
        ("how expensive is it?", answered("inform", "expensive/B-pricerange"), OFFERED,
         ["request(pricerange)"]),
        ("less expensive", answered("inform", "expensive/B-pricerange"), State(),
         ["inform(pricerange=moderate)", "inform(pricerange=cheap)"]),
        ("anything cheaper", answered("inform", "cheaper/B-pricerange"), State(),
         ["inform(pricerange=cheap)"]),
        ("chinese or indian", answered("inform", "chinese/B-food"), State(),
         ["inform(food=chinese)", "inform(food=indian)"]),
        ("I meant south", answered("inform", "x", out_of_scope=True), NORTH, ["inform(area=south)"]),
        ("trains leave from the south at noon", answered("inform", "x", out_of_scope=True), NORTH,
         ["unclear()"]),
    ],
)  # fmt: skip
def test_words_tell_how_trained_values_are_meant(
    text: str, answer: dict[str, object], state: State, wanted: Sequence[str]
) -> None:
    assert acts(text, state, learned(answer)) == wanted
    if wanted != ["unclear()"]:
        assert acts(text, state, Backed(learned(answer), KEYWORDS)) == wanted


def test_two_values_that_were_heard_one_of_them_doubtfully() -> None:
    heard = [Heard(Act("inform", "area", "north"), 0.5), Heard(Act("inform", "area", "south"), 0.9)]
    state = listened(State(), heard, DOMAIN, TOWN)
    assert state.belief("area").wanted == ("south", "north")
    heard[0] = Heard(Act("inform", "area", "north"), 0.2)
    assert listened(State(), heard, DOMAIN, TOWN).belief("area").wanted == ("south",)


def test_a_spec_may_say_all_of_it_in_other_words() -> None:
    german = Keywords(DOMAIN, own={"not": ["nicht", "kein"], "or": ["oder"], "negate": ["nein"]})
    assert acts("kein chinese oder indian", State(), german) == [
        "deny(food=chinese)", "deny(food=indian)",
    ]  # fmt: skip


def learned(answer: dict[str, object]) -> Learned:
    return Learned(Known(answer), "turns/1", DOMAIN, keywords=KEYWORDS)


def talker(understanding: Understanding) -> DialogueAgent:
    return DialogueAgent(DOMAIN, Still(), understanding, Rules(), ANSWERS)
