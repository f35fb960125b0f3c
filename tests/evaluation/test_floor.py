"""The floor learns what word counts can tell, for every task and script."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from bertworks.evaluation import metrics
from bertworks.evaluation.floor import floor_predictions
from bertworks.spec import Task
from bertworks.tasks import for_task
from bertworks.tasks.text_features import written_without_spaces

FILLER = ["the", "film", "was", "quite", "very", "on", "and"]


def rows(count: int, seed: int, make: Any) -> dict[str, list[Any]]:
    chance = random.Random(seed)
    table = [{"id": str(number), **make(chance)} for number in range(count)]
    return {name: [row[name] for row in table] for name in table[0]}


def score(found: Any) -> dict[str, float]:
    return {one.name: one.value for one in metrics.score(found, 0, 1)}


def labelled(chance: random.Random) -> dict[str, Any]:
    good = chance.random() < 0.5
    words = [*chance.sample(FILLER, 4), "lovely" if good else "dull"]
    chance.shuffle(words)
    return {"text": " ".join(words), "label": "up" if good else "down"}


def test_classification() -> None:
    train, test = rows(80, 1, labelled), rows(40, 2, labelled)
    test["truth"] = np.array([["down", "up"].index(name) for name in test["label"]])
    found = floor_predictions(for_task(Task(), ["down", "up"]), train, test, seed=1)
    assert score(found)["accuracy"] == 1.0
    again = floor_predictions(for_task(Task(), ["down", "up"]), train, test, seed=1)
    assert (found.prediction == again.prediction).all()


def test_one_class_is_answered_with_itself() -> None:
    train, test = rows(10, 1, labelled), rows(5, 2, labelled)
    train["label"] = ["up"] * 10
    test["truth"] = np.ones(5, int)
    found = floor_predictions(for_task(Task(), ["down", "up"]), train, test, seed=1)
    assert found.prediction.tolist() == [1] * 5


def test_chinese_is_counted_by_characters() -> None:
    def make(chance: random.Random) -> dict[str, Any]:
        good = chance.random() < 0.5
        filler = "".join(chance.sample("酒店房间服务早餐我们住了一晚", 6))
        return {"text": filler + ("很好" if good else "太差"), "label": "up" if good else "down"}

    train, test = rows(80, 1, make), rows(40, 2, make)
    test["truth"] = np.array([["down", "up"].index(name) for name in test["label"]])
    found = floor_predictions(for_task(Task(), ["down", "up"]), train, test, seed=1)
    assert score(found)["accuracy"] == 1.0


@pytest.mark.parametrize(
    ("text", "dense"),
    [
        ("hello world", False),
        ("今天天气很好", True),
        ("きょうは", True),
        ("Привет", False),
        ("", False),
    ],
)
def test_scripts_without_spaces(text: str, dense: bool) -> None:
    assert written_without_spaces([text]) is dense


def test_multi_label() -> None:
    def make(chance: random.Random) -> dict[str, Any]:
        names = [name for name in ("cat", "dog") if chance.random() < 0.5]
        words = chance.sample(FILLER, 4) + [f"{name}like" for name in names]
        return {"text": " ".join(words), "labels": names}

    train, test = rows(80, 1, make), rows(30, 2, make)
    test["truth"] = np.array(
        [[name in on for name in ("cat", "dog")] for on in test["labels"]], int
    )
    found = floor_predictions(for_task(Task(multi_label=True), ["cat", "dog"]), train, test, seed=1)
    assert score(found)["accuracy"] > 0.95


def test_pairs_see_what_both_texts_share() -> None:
    words = [f"word{number}" for number in range(12)]

    def make(chance: random.Random) -> dict[str, Any]:
        first = chance.sample(words, 4)
        shared = chance.randint(0, 4)
        rest = [word for word in words if word not in first]
        second = first[:shared] + chance.sample(rest, 4 - shared)
        return {"text_a": " ".join(first), "text_b": " ".join(second), "score": float(shared)}

    train, test = rows(200, 1, make), rows(60, 2, make)
    test["truth"] = np.array(test["score"])
    found = floor_predictions(for_task(Task(type="regression", pair=True), []), train, test, seed=1)
    assert score(found)["pearson"] > 0.9


def test_tagging_reads_word_and_neighbours() -> None:
    def make(chance: random.Random) -> dict[str, Any]:
        words, tags = chance.sample(FILLER, 4), ["O"] * 4
        name = chance.choice(["Ada", "Bob", "Cleo", "Dan"])
        at = chance.randint(0, 4)
        return {
            "tokens": [*words[:at], name, *words[at:]],
            "tags": [*tags[:at], "B-PER", *tags[at:]],
        }

    train, test = rows(80, 1, make), rows(30, 2, make)
    test["truth"] = test["tags"]
    found = floor_predictions(for_task(Task(type="tagging"), ["B-PER", "O"]), train, test, seed=1)
    assert score(found)["entity_f1"] == 1.0
    assert [len(row) for row in found.prediction] == [len(row) for row in test["tags"]]
