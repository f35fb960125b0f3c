"""Utterances that are filed as CrossWOZ's are, in a language without gaps between words."""

import json

import pytest
import yaml

from bertworks.data.utterances.layouts import filed_by_act, is_flat, several
from bertworks.data.utterances.making import rows_of
from bertworks.dialogue.knowledge import words
from bertworks.tasks.tagging.entities import spans

DISHES = "烤鸭 水煮鱼 小笼包 麻婆豆腐 酸菜鱼 炸酱面 红烧肉 虾饺 佛跳墙 东坡肉 卤煮 大盘鸡"
WAYS = "我想找能带去请您帮查看试品尝点买订要选"
TELLS = "General+greet+none*Inform+餐馆+推荐菜*Request+餐馆+名称"
FLAT = {
    TELLS: [f"你好，{what}吃[Inform+餐馆+推荐菜]的餐馆" for what in WAYS],
    "Inform+餐馆+推荐菜": ["要有[Inform+餐馆+推荐菜]，烤鸭不要"],
    "Inform+餐馆+推荐菜*Inform+餐馆+推荐菜": [
        "有[Inform+餐馆+推荐菜1]和[Inform+餐馆+推荐菜2]的"
    ],
    "Inform+餐馆+推荐菜*Request+餐馆+电话": ["有[Inform+餐馆+推荐菜]吗，电话多少"],
    "Inform+餐馆+名称*Request+餐馆+电话": ["[Inform+餐馆+名称]的电话是多少？"],
    "Request+餐馆+电话": ["那电话呢", "地址呢", "电话号码是什么？"],
    "Request+餐馆+名称": ["找个餐馆"],
    "Request+景点+门票*Request+餐馆+电话": ["门票和电话"],
    "Request+景点+门票": ["门票多少"],
    "General+thank+none": ["谢谢"],
    "General+bye+none*General+thank+none": ["谢谢，再见"],
    "General+greet+none": ["你好"],
    "Recommend+餐馆+名称": ["去那家"],
}  # fmt: skip


def test_utterances_are_filed_by_what_they_do():
    assert is_flat(FLAT) and is_flat({"": [], **FLAT})
    assert not is_flat({}) and not is_flat({"Eat-Inform": {"Food;": ["a"]}})
    found = filed_by_act(FLAT)
    assert {act: {*slots} for act, slots in found.items()} == {
        "餐馆-Inform": {"推荐菜", "none"},
        "餐馆-Request": {"电话"},
        "景点-Request": {"门票"},
        "General-thank": {"none"},
        "General-bye": {"none"},
        "General-greet": {"none"},
        "餐馆-Several": {"none"},
        "景点-Several": {"none"},
    }
    assert (
        several(found, ["餐馆-Inform", "餐馆-Request"]) == 3
        and several(found, ["General-bye"]) == 0
    )
    assert found["餐馆-Inform"]["none"] == ["找个餐馆"]
    assert "#名称#的电话是多少？" in found["餐馆-Request"]["电话"]
    assert len(found["餐馆-Inform"]["推荐菜"]) == len(FLAT[TELLS]) + 1


@pytest.fixture
def rows(tmp_path):
    knowledge = [
        {"dish": dish, "name": f"{dish[0]}香楼", "phone": f"010-{place}"}
        for place, dish in enumerate(DISHES.split())
    ]
    (tmp_path / "filed.json").write_text(json.dumps(FLAT), encoding="utf-8")
    (tmp_path / "knowledge.json").write_text(json.dumps(knowledge), encoding="utf-8")
    setting = {
        "templates": {"uri": "filed.json"},
        "knowledge": {"uri": "knowledge.json"},
        "intents": {"餐馆-Inform": "inform", "餐馆-Request": "request"},
        "slots": {"推荐菜": "dish", "名称": "name", "电话": "phone"},
        "requests": ["request"],
        "mentions": {"phone": "电话(?:号码)?", "dish": "推荐菜"},
        "also_mentioned": ["phone"],
        "outside": ["景点-Request"],
        "own": {"inform": ["推荐菜要#DISH#", "#DISH#"], "dontcare": ["推荐菜随便"]},
    }
    file = tmp_path / "setting.yaml"
    file.write_text(yaml.safe_dump(setting, allow_unicode=True), encoding="utf-8")
    return list(rows_of(file, "setting.yaml"))


def test_values_and_mentions_are_found_between_characters(rows):
    told = {row["text"]: row for row in rows if row["part"] != "out_of_scope"}
    asked = [row for row in told.values() if row["label"] == "request"]
    named = next(row for row in asked if "香楼" in row["text"])
    found = {kind: "".join(named["tokens"][a:b]) for kind, a, b in spans(named["tags"])}
    assert found["mention.phone"] == "电话" and found["name"].endswith("香楼")
    assert any("电话号码" in row["text"] for row in asked)
    assert "地址呢" not in told, "filed under the telephone, and asks for something else"
    assert not any("烤鸭不要" in text for text in told), "a dish that is not masked"
    assert told["推荐菜随便"]["tags"] == [
        "B-mention.dish",
        "I-mention.dish",
        "I-mention.dish",
        "O",
        "O",
    ]
    short = next(row for text, row in told.items() if text.startswith("推荐菜要"))
    assert short["tags"][:4] == ["O"] * 4, "who tells a dish does not ask for it"
    assert [row["text"] for row in rows if row["part"] == "out_of_scope"] == ["门票多少"]
    assert all(row["tokens"] == list(words(row["text"])) for row in asked if row["text"].isalpha())
