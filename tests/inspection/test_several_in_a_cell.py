"""Cells that hold several labels are read as such, and where that is not sure it is told."""

from __future__ import annotations

import random
from pathlib import Path

from bertworks.data.inspection.inspect import inspect
from tests.inspection.made import N, as_csv, texts


def test_labels_within_brackets(tmp_path: Path) -> None:
    tags = ["<java>", "<java><spring>", "<python>", "<c#><.net>"] * (N // 4)
    file = as_csv(tmp_path / "a.csv", ["Body", "Tags"], texts(len(tags)), tags)
    found = inspect([file], tmp_path)
    assert found.content["task"]["multi_label"]
    data = found.content["data"]
    assert data["label_separator"] == ">"
    named = {
        "<java": "java",
        "<spring": "spring",
        "<python": "python",
        "<c#": "c#",
        "<.net": ".net",
    }
    assert data["sources"][0]["label_map"] == named
    told = next(
        one for one in found.decisions if one.subject == "labels" and "rows of" in one.value
    )
    assert "'java'" in told.value and "5 labels" in told.value


def test_numbers_of_classes_with_commas_between(tmp_path: Path) -> None:
    luck = random.Random(1)
    alone = [str(luck.randrange(28)) for _ in range(300)]
    several = [",".join(map(str, sorted(luck.sample(range(28), 2)))) for _ in range(80)]
    file = as_csv(tmp_path / "a.csv", ["text", "labels"], texts(380), alone + several)
    found = inspect([file], tmp_path)
    assert found.content["task"]["multi_label"]
    assert found.content["data"]["label_separator"] == ","


def test_few_numbers_with_commas_are_asked_about(tmp_path: Path) -> None:
    cells = ["2,14", "3", "0,5", "27"] * (N // 4)
    file = as_csv(tmp_path / "a.csv", ["text", "emotions"], texts(len(cells)), cells)
    found = inspect([file], tmp_path)
    task = next(one for one in found.decisions if one.subject in ("task", "labels", "label"))
    assert task.guessed or found.content["task"].get("multi_label")


def test_scores_with_decimal_commas_are_scores(tmp_path: Path) -> None:
    luck = random.Random(1)
    cells = [f"{luck.randrange(10)},{luck.choice((0, 25, 5, 75))}" for _ in range(N)]
    file = as_csv(tmp_path / "a.csv", ["text", "score"], texts(N), cells)
    found = inspect([file], tmp_path)
    assert found.content["task"]["type"] == "regression"
    halves = [f"{luck.randrange(1, 5)}{luck.choice(('', ',5'))}" for _ in range(N)]
    file = as_csv(tmp_path / "b.csv", ["text", "score"], texts(N), halves)
    assert inspect([file], tmp_path).content["task"]["type"] == "regression"
