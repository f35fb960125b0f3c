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


def test_words_beside_a_value_say_how_it_is_meant(agent):
    (answer,) = talk(agent, "不要小笼包，我想吃烤鸭，人均50到100元，评分五分")
    wishes = {"烤鸭", "50-100元", "5分"}
    assert all(one in answer for one in wishes) and "小笼包" not in answer
    *_, last = talk(agent, "我想吃虾饺", "50-100元", "都行", "太贵了，便宜点的")
    assert "50元以下" in last or "没有" in last
