"""A dialogue in Chinese, without training: the lists of the example's spec, and its knowledge base."""

import json
from pathlib import Path

import pytest

from bertworks.dialogue import building
from bertworks.dialogue.state import State
from bertworks.spec.dialogue import DialogueSpec
from bertworks.spec.file import load_as

EXAMPLE = Path(__file__).parents[2] / "examples/restaurant-zh/dialogue.yaml"


@pytest.fixture(scope="module")
def agent():
    return building.agent_of(load_as(DialogueSpec, EXAMPLE).dialogue, EXAMPLE.parent)


def talk(agent, *turns):
    state, answers = State(), []
    for text in turns:
        state, trace = agent.turn(state, text)
        answers.append(trace.answer)
    return answers


def test_a_talk_of_several_turns(agent):
    dish, price, offer, phone, hours, other = talk(
        agent,
        "你好，我想吃小笼包",
        "人均随便",
        "评分无所谓",
        "电话是多少？",
        "那营业时间呢",
        "换一家",
    )
    assert "人均" in dish or "预算" in dish
    assert "评分" in price
    name = offer.partition("有小笼包")[0]
    rows = json.loads((EXAMPLE.parent / "restaurants.json").read_text(encoding="utf-8"))
    row = next(one for one in rows if one["name"] == name)
    assert phone == f"{name}：电话是{row['phone']}。" and row["hours"] in hours
    assert "小笼包" in other and name not in other


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("我特别想吃烤鸭", "烤鸭"),
        ("差不多50-100元", "50-100元"),
        ("评分不低于4.5分", "4.5分"),
        ("不错，烤鸭吧", "烤鸭"),
        ("对不起，我想吃虾饺", "虾饺"),
        ("５０元以下", "50元以下"),
        ("评分５分", "5分"),
        ("太贵了", "100-150元"),
        ("不要烤鸭要虾饺", "虾饺"),
    ],
)
def test_what_is_said_is_wanted(agent, text, wish):
    state, _ = agent.turn(State(), text)
    assert wish in state.constraints.values(), state.heard


def test_what_nobody_has_is_told_without_gaps(agent):
    *_, last = talk(agent, "烤鸭", "评分5分", "50-100元")
    assert "没有符合推荐菜烤鸭、人均消费50-100元、评分5分的餐馆" in last or "有烤鸭" in last


def test_words_beside_a_value_say_how_it_is_meant(agent):
    (answer,) = talk(agent, "不要小笼包，我想吃烤鸭，人均50到100元，评分五分")
    wishes = {"烤鸭", "50-100元", "5分"}
    assert all(one in answer for one in wishes) and "小笼包" not in answer
    *_, last = talk(agent, "我想吃虾饺", "50-100元", "都行", "太贵了，便宜点的")
    assert "50元以下" in last or "没有" in last
