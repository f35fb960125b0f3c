"""Answers: what the acts say, all of it, and nothing that is not in the knowledge base."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.dialogue.acts import DONT_CARE, Act
from bertworks.dialogue.answers import Answers, Templates, faults
from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge.base import Knowledge, Line
from bertworks.errors import SpecError
from tests.dialogue.helpers import ANSWERS, DOMAIN, TOWN

OFFER = (
    Act("offer", "name", "Golden Lantern"),
    Act("inform", "food", "chinese"),
    Act("inform", "area", "north"),
    Act("inform", "pricerange", "cheap"),
)


def test_a_template_that_says_all_at_once_is_preferred() -> None:
    said = ANSWERS.say(OFFER, TOWN)
    assert said.text == "Golden Lantern is a cheap chinese restaurant (north)."
    assert said.forms == ("offer.area.food.pricerange",)


def test_templates_take_turns() -> None:
    texts = {ANSWERS.say(OFFER[:2], TOWN, number).text for number in range(4)}
    assert texts == {
        "Golden Lantern serves chinese food.",
        "There is Golden Lantern, with chinese food.",
    }


def test_facts_without_a_template_are_said_one_by_one() -> None:
    acts = (
        Act("inform", "name", "Golden Lantern"),
        Act("inform", "phone", "01223 100001"),
        Act("inform", "address", "1 Mill Lane, north end"),
    )
    said = ANSWERS.say(acts, TOWN)
    assert said.text == (
        "Golden Lantern: You can call 01223 100001. Its address is 1 Mill Lane, north end."
    )
    assert said.forms == ("about", "fact.phone", "fact")


def test_what_fits_nothing_is_read_back() -> None:
    acts = (Act("no_offer", "food", "chinese"), Act("no_offer", "pricerange", "expensive"))
    assert "food chinese, price range expensive" in ANSWERS.say(acts, TOWN).text


def test_any_value_is_confirmed_in_words_of_its_own() -> None:
    assert ANSWERS.say((Act("confirm", "food", DONT_CARE),), TOWN).text == (
        "So any food will do, right?"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Golden Lantern is a cheap restaurant (north).", "'chinese' is missing"),
        ("Golden Lantern is a cheap chinese or indian restaurant (north).", "'indian' is said"),
        ("Golden Lantern, cheap chinese, north, 01223 100002", "'01223 100002' is said"),
        ("Golden Lantern, cheap chinese, north, near Hill Road 2", "a number is said"),
        ("Golden Lantern, cheap chinese, north, or Pizza Corner", "'pizza corner' is said"),
        ("Golden Lantern is a {pricerange} cheap chinese one (north).", "a place was not filled"),
    ],
)
def test_a_wrong_text_is_found(text: str, says: str) -> None:
    assert any(one.startswith(says) for one in faults(text, OFFER, TOWN)), faults(text, OFFER, TOWN)


def test_a_value_may_have_brackets_of_its_own() -> None:
    """A template's place that was not filled is another thing."""
    rows = [{"name": "a{x}", "food": "{soup}"}, {"name": "plain", "food": "thai"}]
    domain = Domain("name", ("food",), ())
    knowledge = Knowledge(domain, [Line(f"made:{i}", row) for i, row in enumerate(rows)])
    said = Answers(Templates({}, domain, knowledge), domain).say(
        (Act("offer", "name", "a{x}"), Act("inform", "food", "{soup}")), knowledge
    )
    assert "a{x}" in said.text and "{soup}" in said.text
    acts = (Act("offer", "name", "a{x}"),)
    assert faults("How about a{x}? {food}", acts, knowledge) == ["a place was not filled"]


@pytest.mark.parametrize(
    ("acts", "says"),
    [
        ((Act("offer", "name", "Nowhere"),), "there is no restaurant 'Nowhere'"),
        ((OFFER[0], Act("inform", "food", "indian")), "food of 'Golden Lantern' is 'chinese'"),
        ((OFFER[0], Act("unknown", "phone")), "phone of 'Golden Lantern' is '01223 100001'"),
        ((Act("no_offer", "food", "martian"),), "no restaurant has 'martian' as food"),
    ],
)
def test_untrue_acts_are_found_and_never_said(acts: tuple[Act, ...], says: str) -> None:
    text = " ".join(f"{act.slot} {act.value}" for act in acts)
    assert any(one.startswith(says) for one in faults(text, acts, TOWN))
    with pytest.raises(ValueError, match="nothing true can be said"):
        ANSWERS.say(acts, TOWN)


@given(st.sampled_from(TOWN.entities), st.data())
def test_a_text_with_one_value_changed_is_always_found(entity: dict, data: st.DataObject) -> None:
    slot = data.draw(st.sampled_from([one for one in DOMAIN.columns[1:] if entity[one]]))
    other = data.draw(st.sampled_from([v for v in TOWN.values(slot) if v != entity[slot]]))
    acts = (Act("offer", "name", entity["name"]), Act("inform", slot, entity[slot]))
    assert not faults(f"{entity['name']} has {entity[slot]}", acts, TOWN)
    assert faults(f"{entity['name']} has {other}", acts, TOWN)


def test_a_template_that_became_wrong_is_left_for_plain_words() -> None:
    """A value that the knowledge base learned later stands in a template's own words."""
    templates = Templates({"offer": ["How about the nice {value}, modern european?"]}, DOMAIN)
    said = Answers(templates, DOMAIN).say((OFFER[0],), TOWN)
    assert said.text == "How about Golden Lantern?"
    assert said.refused and "'modern european' is said" in said.refused[0]


@pytest.mark.parametrize(
    ("form", "text", "says"),
    [
        ("sing", "La", "nothing called 'sing'"),
        ("offer.colour", "{name}: {colour}", "'colour' is no slot"),
        ("ask.food.area", "Which?", "ask speaks of one slot"),
        ("offer.food", "{name} is good", "lacks {food}"),
        ("offer.food", "{name} {food} {area}", "has no value for {area}"),
        ("ask.food", "Which {slot}?", "has no value for {slot}"),
        ("ask.area", "In the north, or where?", "says 'north', which is a area"),
        ("offer", "{value} or Pizza Corner", "says 'pizza corner', which is a name"),
        ("bye", "Call 0800.", "says a number"),
        ("greet.food", "Hello", "greet is never said of food"),
        ("no_offer.food", "None", "no_offer is never said of food"),
        ("ask.phone", "Which?", "ask is never said of phone"),
        ("confirm.name", "{value}?", "confirm is never said of name"),
        ("offer.name", "{name}", "offer is never said of name"),
        ("fact.food.food", "{food}", "it names food twice"),
    ],
)
def test_a_bad_template_is_refused(form: str, text: str, says: str) -> None:
    with pytest.raises(SpecError) as raised:
        Templates({form: [text]}, DOMAIN, TOWN)
    assert says in raised.value.message
    assert form in raised.value.message and raised.value.fix


def test_two_lists_of_texts_for_the_same_are_refused() -> None:
    both = {
        "offer.food.area": ["{name}: {food}, {area}"],
        "offer.area.food": ["{name} {area} {food}"],
    }
    with pytest.raises(SpecError, match=r"answers.offer.area.food and answers.offer.food.area say"):
        Templates(both, DOMAIN, TOWN)


@pytest.mark.parametrize("form", ["greet.food", "confirm.phone", "about.name", "offer.food.food"])
def test_a_text_that_never_would_be_said_is_said_as_advised(form: str) -> None:
    def made(form: str = form) -> Templates:
        text = {"confirm": "{value}?", "about": "{value}", "offer": "{name} {food}"}
        head = form.partition(".")[0]
        own = "Is it so?" if form == "confirm.food" else text.get(head, "Hello")
        own = "{slot}: {value}?" if form == "confirm" else own
        return Templates({form: [own.replace("Is it so?", "{value}?")]}, DOMAIN, TOWN)

    with pytest.raises(SpecError) as raised:
        made()
    assert f"answers.{form}: " in raised.value.message
    (*_, advised) = re.findall(r"answers\.([a-z_.]*[a-z_])", raised.value.fix)
    assert made(advised)


def test_chinese_values_are_found_among_chinese_words() -> None:
    domain = Domain("名称", ("地区",), (), "餐馆")
    rows = [
        Line("1", {"名称": "北京烤鸭店", "地区": "朝阳区"}),
        Line("2", {"名称": "川香园", "地区": "海淀区"}),
    ]
    town = Knowledge(domain, rows)
    acts = (Act("offer", "名称", "北京烤鸭店"), Act("inform", "地区", "朝阳区"))
    assert not faults("北京烤鸭店在朝阳区。", acts, town)
    assert faults("北京烤鸭店在海淀区。", acts, town)
    assert faults("川香园在朝阳区。", acts, town)
