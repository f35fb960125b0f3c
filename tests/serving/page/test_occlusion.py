"""Which words an answer hangs on: by agents whose answers follow from their words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import MAX_LENGTH, bundle_of, make_model

from bertworks.errors import DataError
from bertworks.runtime.agent import Agent
from bertworks.serving.page import occlusion
from bertworks.serving.page.occlusion import Occlusion, Wanted, explain
from bertworks.text import words

WEIGHTS = {"good": 2.0, "bad": -3.0, "very": 0.5}


def of_words(rows):
    """Log-odds of "yes" are the sum of the words' weights."""
    answers = []
    for row in rows:
        texts = [row] if isinstance(row, str) else row
        total = sum(WEIGHTS.get(word.text, 0.0) for text in texts for word in words.split(text))
        yes = 1 / (1 + math.exp(-total))
        answers.append(
            {"label": "yes" if yes > 0.5 else "no", "score": max(yes, 1 - yes),
             "scores": {"yes": yes, "no": 1 - yes}}
        )  # fmt: skip
    return answers


def told(row, explanation):
    texts = [row] if isinstance(row, str) else row
    return {texts[one.text][one.start : one.end]: round(one.effect, 6) for one in explanation.parts}


def test_a_words_effect_is_what_the_answer_loses_without_it():
    (found,) = explain(of_words, ["a very good film, not bad at all"])
    assert (found.target, found.unit, found.asked) == ("no", "log-odds", 10)
    effects = told("a very good film, not bad at all", found)
    assert effects == {
        "a": 0, "very": -0.5, "good": -2, "film": 0, ",": 0, "not": 0, "bad": 3, "at": 0, "all": 0,
    }  # fmt: skip


def test_a_label_of_ones_own_choice():
    row = "very good"
    (found,) = explain(of_words, [row], Wanted(label="no"))
    assert told(row, found) == {"very": -0.5, "good": -2}
    with pytest.raises(DataError, match="one of the agent's labels: .*'no'.*Received: 'maybe'"):
        explain(of_words, [row], Wanted(label="maybe"))


def test_both_texts_of_a_pair_are_told_apart():
    (found,) = explain(of_words, [("good a", "good b bad good")])
    assert [(one.text, one.start, round(one.effect, 6)) for one in found.parts] == [
        (0, 0, 2), (0, 5, 0), (1, 0, 2), (1, 5, 0), (1, 7, -3), (1, 11, 2),
    ]  # fmt: skip


def test_numbers_are_explained_in_their_own_unit():
    def length(rows):
        return [{"score": float(len(row.split()))} for row in rows]

    (found,) = explain(length, ["one two three"])
    assert (found.target, found.value, found.unit) == ("score", 3.0, "score")
    assert told("one two three", found) == {"one": 1, "two": 1, "three": 1}


def test_an_entity_hangs_on_its_context():
    def tags(rows):
        answers = []
        for row in rows:
            tokens = row.split() if isinstance(row, str) else row
            sure = 0.9 if "Mr" in tokens else 0.6
            tag = ["B-PER" if word == "Smith" else "O" for word in tokens]
            place = " ".join(tokens).find("Smith")
            entity = {
                "type": "PER",
                "text": "Smith",
                "start": place,
                "end": place + 5,
                "score": sure,
            }
            answers.append(
                {"tokens": tokens, "tags": tag, "scores": [sure] * len(tokens),
                 "entities": [entity] if place >= 0 else []}
            )  # fmt: skip
        return answers

    row = "then Mr Smith left"
    (found,) = explain(tags, [row])
    assert found.target == "PER"
    gain = round(math.log(9) - math.log(1.5), 6)
    assert told(row, found) == {"then": 0, "Mr": gain, "left": 0}
    with pytest.raises(DataError, match="one of the row's 1 entities, from 0. Received: 3"):
        explain(tags, [row], Wanted(entity=3))


@given(st.text(max_size=80), st.text(max_size=80), st.integers(1, 12))
def test_parts_lie_in_the_text_in_order_and_are_few(first, second, most):
    row = (first, second)
    (answer,) = of_words([row])
    plan = Occlusion.of(row, answer, Wanted(most=most))
    assert len(plan.variants) <= most + 1  # where the texts meet, a run is cut in two
    places = [(one.part.text, one.part.start, one.part.end) for one in plan.variants]
    assert places == sorted(places)
    for variant in plan.variants:
        text = row[variant.part.text]
        assert 0 <= variant.part.start < variant.part.end <= len(text)
        assert len(variant.row[variant.part.text]) < len(text)
        assert variant.row[1 - variant.part.text] == row[1 - variant.part.text]


@pytest.mark.parametrize(
    ("task", "labels", "row"),
    [
        ({"type": "classification"}, ["a", "b", "c"], "good film , bad story 😀 "),
        ({"type": "classification", "multi_label": True}, ["a", "b"], "so so"),
        ({"type": "classification", "pair": True}, ["a", "b"], ("good film", "bad")),
        ({"type": "regression"}, [], "the very good plot"),
        ({"type": "classification"}, ["a", "b"], ""),
        ({"type": "classification"}, ["a", "b"], "good film " * 200),
    ],
)
def test_every_task_of_a_real_agent(tmp_path, task, labels, row):
    score = {"mean": 1.0, "std": 2.0, "min": 0.0, "max": 3.0} if not labels else None
    agent = Agent.load(bundle_of(make_model(tmp_path / "m", task, labels, score), tmp_path / "b"))
    (found,) = explain(agent.predict, [row])
    assert found.asked == len(found.parts) + 1 <= occlusion.MOST_PARTS + 1
    read = "".join(row)[: 5 * MAX_LENGTH]
    assert any(one.effect for one in found.parts) or not read
    assert all(math.isfinite(one.effect) for one in found.parts)


def test_a_tagging_agent_with_an_entity(tmp_path):
    agent = Agent.load(
        bundle_of(make_model(tmp_path / "m", {"type": "tagging"}, ["O", "B-X"]), tmp_path / "b")
    )
    rows = ["good film bad story so so", "the very good plot", "films 😀 a b", "bad bad so a"]
    row = next(row for row in rows if agent.predict([row])[0]["entities"])
    (found,) = explain(agent.predict, [row])
    assert found.target == "X"
    assert found.parts
