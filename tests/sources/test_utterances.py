"""Masked utterances: which are used, how they are filled, and what test rows alone have."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bertworks.data.rows.tally import Tally
from bertworks.data.utterances.making import LEFT_OUT, rows_of
from bertworks.errors import BertworksError, DataError, SpecError
from bertworks.tasks.tagging.entities import spans

FOODS = ["chinese", "indian", "thai", "greek", "italian", "french", "irish", "korean", "turkish",
         "spanish", "asian oriental", "modern european"]  # fmt: skip
KNOWLEDGE = [
    {
        "food": food,
        "area": ("north", "south")[place % 2],
        "name": f"{food} place",
        "phone": f"0{place}",
    }
    for place, food in enumerate(FOODS)
]
FILED = {
    "Eat-Inform": {
        "Food;": [f"I want a #EAT-INFORM-FOOD# {what} ." for what in "abcdefghijklmnopqrst"]
        + [
            "i WANT a #EAT-INFORM-FOOD# a",
            "i WANT a #EAT-INFORM-FOOD# b .",
            "I ' d like #EAT-INFORM-FOOD# in the north .",
        ],
        "Area;": [
            "In the #EAT-INFORM-AREA# , what is its phone ?",
            "A hotel in the #EAT-INFORM-AREA#",
        ],
        "Time;": ["At #EAT-INFORM-TIME#"],
        "none;": ["I am hungry", "", "Do n't you know a place ?"],
    },
    "Eat-Request": {
        "Phone;": ["Their phone ?", "Its phone and its area ?"],
        "Phone;Area;": ["What area , and what phone number ?"],
    },
    "Train-Inform": {"none;": ["I need a train", "a train", "A train", "to #TRAIN-INFORM-DEST#"]},
}
SETTING: dict[str, Any] = {
    "templates": {"uri": "filed.json"},
    "knowledge": {"uri": "knowledge.json"},
    "intents": {"Eat-Inform": "inform", "Eat-Request": "request"},
    "slots": {"Food": "food", "Area": "area", "Phone": "phone"},
    "requests": ["request"],
    "mentions": {"phone": "phone(?: number)?", "area": "area"},
    "also_mentioned": ["phone"],
    "foreign": r"\bhotel\b",
    "outside": ["Train-Inform"],
    "own": {"deny": ["not #FOOD#"], "any": ["any area"]},
    "test": 0.3,
    "validation": 0.2,
    "fills": 3,
}


def written(folder: Path, filed: Any = None, **changes: Any) -> Path:
    (folder / "filed.json").write_text(json.dumps(FILED if filed is None else filed))
    (folder / "knowledge.json").write_text(json.dumps(KNOWLEDGE))
    file = folder / "setting.yaml"
    file.write_text(yaml.safe_dump({**SETTING, **changes}))
    return file


def labelled(file: Path) -> list[dict[str, Any]]:
    return [row for row in rows_of(file, "setting") if row["part"] != "out_of_scope"]


def test_values_and_mentions_are_tagged(tmp_path: Path) -> None:
    rows = labelled(written(tmp_path))
    assert {row["label"] for row in rows} == {"inform", "request", "deny", "any"}
    for row in rows:
        assert len(row["tokens"]) == len(row["tags"]) and "#" not in row["text"]
        for kind, first, end in spans(row["tags"]):
            said = " ".join(row["tokens"][first:end]).lower()
            if kind == "food":
                assert said in FOODS
            elif kind == "area":
                assert said in ("north", "south")
            else:
                assert re.fullmatch(SETTING["mentions"][kind.removeprefix("mention.")], said)
    asked = next(row for row in rows if row["text"].startswith("What area"))
    assert [kind for kind, *_ in spans(asked["tags"])] == ["mention.area", "mention.phone"]
    both = next(row for row in rows if "what is its phone" in row["text"])
    assert (both["label"], both["tags"].count("B-mention.phone")) == ("inform", 1)
    assert "B-mention.area" in next(row for row in rows if row["label"] == "any")["tags"]


def test_people_write_without_gaps_and_with_the_right_article(tmp_path: Path) -> None:
    texts = [row["text"] for row in labelled(written(tmp_path))]
    assert "Don't you know a place?" in texts
    for text in texts:
        found = re.search(r"\b(an?) (\w)", text)
        if found and "want" in text.lower():
            assert (found[1].lower() == "an") == (found[2].lower() in "aeiou"), text


def test_what_cannot_be_used_is_counted_by_its_reason(tmp_path: Path) -> None:
    tally = Tally()
    list(rows_of(written(tmp_path), "setting", tally))
    assert tally.changed()[LEFT_OUT.name].details == {
        "1 a value that is not masked": 1,
        "1 of another domain": 1,
        "1 a slot that is not asked for": 1,
        "1 empty": 1,
        "1 words for other slots than it is filed under": 1,
        "1 repeated": 1,
    }


def test_test_rows_have_utterances_and_values_that_no_other_row_has(tmp_path: Path) -> None:
    rows = labelled(written(tmp_path))

    def foods(row: dict[str, Any]) -> set[str]:
        found = spans(row["tags"])
        return {" ".join(row["tokens"][a:b]).lower() for kind, a, b in found if kind == "food"}

    def pattern(row: dict[str, Any]) -> str:
        words = zip(row["tokens"], row["tags"], strict=True)
        plain = [word.lower() for word, tag in words if tag == "O" and word.isalnum()]
        return " ".join("a" if word == "an" else word for word in plain)

    trained = [row for row in rows if row["part"] != "test"]
    test = [row for row in rows if row["part"] == "test"]
    assert trained and test
    seen = {food for row in trained for food in foods(row)}
    fresh = [row for row in test if row["values"] == "unseen"]
    assert fresh and all(not foods(row) & seen for row in fresh)
    assert all(foods(row) <= set(FOODS) - {f for one in fresh for f in foods(one)}
               for row in trained)  # fmt: skip
    wants = [{pattern(row) for row in part if "B-food" in row["tags"]} for part in (trained, test)]
    assert not wants[0] & wants[1]
    assert {row["values"] for row in rows} == {"seen", "unseen", "none"}
    assert len({row["text"].lower() for row in rows}) == len(rows)


def test_the_same_setting_gives_the_same_rows_and_another_seed_others(tmp_path: Path) -> None:
    first = list(rows_of(written(tmp_path), "setting"))
    assert list(rows_of(written(tmp_path), "setting")) == first
    assert list(rows_of(written(tmp_path, seed=1), "setting")) != first


def test_texts_out_of_scope_are_each_there_once_and_without_masks(tmp_path: Path) -> None:
    rows = list(rows_of(written(tmp_path), "setting"))
    outside = [row for row in rows if row["part"] == "out_of_scope"]
    assert [row["text"] for row in outside] == ["I need a train", "a train"]


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"intents": {"Eat-Drink": "inform"}, "requests": []}, DataError, "no act 'Eat-Drink'"),
        ({"own": {"deny": ["not #COLOUR#"]}}, DataError, "mask of no column: colour"),
        ({"slots": {"Food": "cuisine"}, "own": {}}, DataError, "the column 'cuisine'"),
        ({"mentions": {"phone": "(phone)"}}, SpecError, "groups as"),
        ({"mentions": {"phone": "(phone"}}, SpecError, "no regular expression"),
        ({"mentions": {"phone": "x?"}}, SpecError, "matches nothing at all"),
        ({"requests": ["ask"]}, SpecError, "requests"),
        ({"also_mentioned": ["area", "name"]}, SpecError, "also_mentioned"),
        ({"shuffle": True}, SpecError, "shuffle"),
        ({"foreign": "."}, DataError, "no utterance can be used"),
    ],
)
def test_bad_settings_are_refused(
    tmp_path: Path, changes: dict[str, Any], error: type[BertworksError], said: str
) -> None:
    if changes.get("foreign"):
        changes = {**changes, "own": {}}
    with pytest.raises(error, match=said) as refused:
        list(rows_of(written(tmp_path, **changes), "setting"))
    assert refused.value.fix


@pytest.mark.parametrize(
    ("filed", "said"),
    [
        ([], "must hold an object"),
        ({"Eat-Inform": ["x"], "Eat-Request": {}}, "no act 'Eat-Inform'"),
        ({"Eat-Inform": {"Food;": "x"}, "Eat-Request": {}}, "must be a list of texts"),
    ],
)
def test_files_of_another_form_are_refused(tmp_path: Path, filed: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        list(rows_of(written(tmp_path, filed=filed), "setting"))


def test_a_turn_that_is_labelled_is_in_scope_whoever_cut_its_words(tmp_path: Path) -> None:
    from bertworks.contracts.examples import EXAMPLES
    from bertworks.evaluation.data import outside_rows
    from bertworks.storage.artifacts import open_artifact
    from tests.helpers.steps import ingest

    rows = [
        {"tokens": ["book", "a", "table", str(number)], "tags": ["O"] * 4, "label": "book"}
        for number in range(40)
    ]
    texts = ["book a table 3", "book a  table 7", "what is the weather", "what is the weather"]
    for name, lines in (("rows", rows), ("others", [{"text": text} for text in texts])):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)))
    section = {
        "task": {"type": "understanding"},
        "data": {
            "sources": [{"uri": "rows.jsonl"}, {"uri": "others.jsonl", "out_of_scope": True}],
            "validation": 0.2,
            "test": 0.2,
        },
        "base": {"uri": "scratch"},
        "corpus": {},
        "spec_folder": str(tmp_path),
    }
    places = {name: tmp_path / name for name in ("examples", "corpus", "rejected", "base")}
    ingest(section, **places)
    examples = open_artifact(places["examples"])
    found = EXAMPLES.read(examples).out_of_scope
    assert found is not None and (found.rows, found.labelled, found.duplicates) == (1, 2, 1)
    assert outside_rows(examples)["text"] == ["what is the weather"]


def test_rare_intents_get_more_training_rows_and_no_other_part_does(tmp_path: Path) -> None:
    plain = labelled(written(tmp_path))
    more = {"before": ["well, ", "um, "], "after": [", really", " please"]}
    rows = labelled(written(tmp_path, least=30, **more))
    assert rows[: len(plain)] == plain  # what there was stays as it was
    added = rows[len(plain) :]
    assert added and {row["part"] for row in added} == {"train"}
    trained = {row["label"] for row in plain if row["part"] == "train"}
    counts = {
        label: sum(row["label"] == label and row["part"] == "train" for row in rows)
        for label in trained
    }
    few = {label for label, count in counts.items() if count < 30}
    for label in trained - few:
        assert counts[label] == 30 or not any(row["label"] == label for row in added)
    for row in added:
        text = row["text"]
        assert text.startswith(("well, ", "um, ")) or text.endswith((", really", " please"))
        assert not re.search(r"[.?!](?:, really| please)$", text)
        assert len(row["tokens"]) == len(row["tags"])
    assert len({row["text"].lower() for row in rows}) == len(rows)
    # An utterance that only a test row has is in no training row, dressed or not.
    held = [row["text"].lower() for row in plain if row["part"] == "test"]
    assert not any(one in row["text"].lower() for row in added for one in held if len(one) > 12)


def test_what_is_filed_under_the_wrong_act_is_left_out(tmp_path: Path) -> None:
    tally = Tally()
    file = written(tmp_path, misfiled={"request": "what area"})
    rows = list(rows_of(file, "setting", tally))
    assert not any("What area" in row["text"] for row in rows)
    assert tally.changed()[LEFT_OUT.name].details["1 filed under the wrong act"] == 1
    with pytest.raises(SpecError, match="`misfiled` must be among"):
        list(rows_of(written(tmp_path, misfiled={"eat": "a"}), "setting"))
    with pytest.raises(SpecError, match="no regular expression"):
        list(rows_of(written(tmp_path, misfiled={"request": "("}), "setting"))


def test_something_of_all_that_people_say_is_tested(tmp_path: Path) -> None:
    """Whatever the seed: simulated users need an utterance for each of the things that they say."""
    asks = ["{} , please ?", "What is the {} ?", "Tell me the {}", "And the {} ?", "The {} is ?"]
    filed = {
        "Eat-Inform": FILED["Eat-Inform"],
        "Eat-Request": {
            "Phone;": [one.format("phone") for one in asks],
            "Area;": [one.format("area") for one in asks],
            "Phone;Area;": [one.format("phone and the area") for one in asks[:3]],
        },
    }
    for seed in range(20):
        file = written(tmp_path, filed, seed=seed, test=0.05, own={}, outside=[])
        parts: dict[tuple[str, ...], set[str]] = {}
        for row in labelled(file):
            slots = {tag.partition("-")[2] for tag in row["tags"] if tag.startswith("B-mention")}
            if row["label"] == "request":
                parts.setdefault(tuple(sorted(slots)), set()).add(row["part"])
        for asked in (("mention.phone",), ("mention.area",)):
            assert {"train", "test"} <= parts[asked]
        assert "train" in parts["mention.area", "mention.phone"]
