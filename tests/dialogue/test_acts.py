"""Acts: typed, readable, and the same after JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.dialogue.acts import SYSTEM, USER, Act, Heard, checked
from bertworks.errors import DataError

texts = st.text(min_size=1, max_size=20)


@st.composite
def acts(draw: st.DrawFn) -> Act:
    intent, shape = draw(st.sampled_from([*USER.items(), *SYSTEM.items()]))
    return Act(intent, draw(texts) if shape.slot else "", draw(texts) if shape.value else "")


@given(acts())
def test_acts_are_the_same_after_json(act: Act) -> None:
    assert Act.from_json(json.loads(json.dumps(act.to_json()))) == act


@given(acts().filter(lambda one: one.intent in USER), st.floats(0, 1))
def test_what_was_heard_is_the_same_after_json(act: Act, confidence: float) -> None:
    heard = Heard(act, confidence)
    assert Heard.from_json(json.loads(json.dumps(heard.to_json()))) == heard


def test_acts_are_read_from_lists_mappings_and_single_words() -> None:
    wanted = Act("inform", "food", "chinese")
    assert Act.from_json(["inform", "food", "chinese"]) == wanted
    assert Act.from_json({"intent": "inform", "slot": "food", "value": "chinese"}) == wanted
    assert Act.from_json("bye") == Act("bye")
    assert Heard.from_json(["bye"]) == Heard(Act("bye"), 1.0)


@pytest.mark.parametrize(
    ("record", "says"),
    [
        (["inform", "food"], "inform needs a value"),
        (["inform", "", "chinese"], "inform needs a slot"),
        (["bye", "food"], "bye has no slot"),
        (["sing"], "no intent 'sing'"),
        (["inform", "food", 3], "a list of one to three texts"),
        ([], "a list of one to three texts"),
        (7, "a list of one to three texts"),
        ({"intent": "bye", "solt": "x"}, "Received: solt"),
    ],
)
def test_what_is_no_act_is_refused_with_an_example(record: object, says: str) -> None:
    with pytest.raises(DataError, match=says) as raised:
        Act.from_json(record, "turns.jsonl:3")
    assert "turns.jsonl:3" in raised.value.message
    assert raised.value.fix


@pytest.mark.parametrize(
    "record",
    [
        {"act": "inform", "slot": "food", "value": "chinese"},
        {"act": "inform", "slot": "food", "value": "chinese", "confidence": 0.9},
        {"act": ["bye"], "certainty": 1.0},
    ],
)
def test_keys_beside_an_act_are_refused_with_what_an_act_looks_like(record: object) -> None:
    with pytest.raises(DataError, match=r"turn\[0\]: beside `act` stands `confidence`") as raised:
        Heard.from_json(record, "turn[0]")
    example = raised.value.fix.removeprefix("Write for example ").removesuffix(".")
    assert Heard.from_json(json.loads(example)) == Heard(Act("inform", "food", "chinese"), 0.9)


@pytest.mark.parametrize("confidence", [1.5, -0.1, True, "much", None])
def test_a_confidence_is_a_share(confidence: object) -> None:
    with pytest.raises(DataError, match="`confidence` must be a number from 0 to 1"):
        Heard.from_json({"act": ["bye"], "confidence": confidence})


def test_the_agents_acts_are_not_the_users() -> None:
    with pytest.raises(DataError, match="ask is an act of the agent's"):
        Heard.from_json(["ask", "food"])
    assert checked(Act("ask", "food")) == Act("ask", "food")
