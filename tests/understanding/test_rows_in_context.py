"""Turns in context on their way through the server: whatever repeats, counts or masks a row."""

from typing import Any

import pytest

from bertworks.runtime.agent import Agent
from bertworks.serving.audit.observer import _masked_row
from bertworks.serving.page.occlusion import explain
from bertworks.serving.protocols import rows_of_instances
from bertworks.serving.refusals import Refused
from bertworks.serving.review.hiding import without_personal_data
from bertworks.serving.review.rules import texts_of
from bertworks.spec import Task
from bertworks.spec.limits import Limits
from bertworks.tasks import for_task
from bertworks.tasks.forms.form import texts_in

TASK = Task(type="understanding", context=True)
ROWS: list[Any] = ["x", ("a b", "c"), (["a", "b"], "c")]


def test_each_way_to_write_a_row_is_read_as_one() -> None:
    instances = [
        "x", ["a b", "c"], {"text": "a b", "context": "c"}, {"tokens": ["a", "b"], "context": "c"},
        {"text": "x"}, {"tokens": ["x"]},
    ]  # fmt: skip
    found = rows_of_instances({"instances": instances}, TASK)
    assert found == ["x", ("a b", "c"), ("a b", "c"), (["a", "b"], "c"), ("x", ""), (["x"], "")]


@pytest.mark.parametrize(
    "instance",
    [
        {"tokens": ["a" * 20], "context": ""}, {"tokens": ["a"] * 20, "context": "b"},
        {"text": "a", "context": "b" * 20}, ["a" * 20, ""],
    ],
)  # fmt: skip
def test_no_way_is_around_the_limit(instance: Any) -> None:
    with pytest.raises(Refused, match="at most 10 characters"):
        rows_of_instances({"instances": [instance]}, TASK, Limits(characters=10))


def test_texts_are_found_whoever_cut_them() -> None:
    assert [texts_in(row) for row in ROWS] == [["x"], ["a b", "c"], ["a", "b", "c"]]
    assert [texts_of(row) for row in ROWS] == [["x"], ["a b", "c"], ["a b", "c"]]


def test_personal_data_is_masked_in_both(in_context: Agent) -> None:
    row = (["write", "ada@example.com"], "is it bob@example.com ?")
    assert "example" not in str(_masked_row(row)) and len(_masked_row(row)) == 2
    (answer,) = in_context.predict([row])  # type: ignore[list-item]
    hidden = without_personal_data(answer, row)
    assert hidden["tokens"] == ["write", "[email]"] and "example" not in str(hidden)


def test_rows_as_the_page_sends_them_are_explained(in_context: Agent) -> None:
    (row,) = rows_of_instances({"instances": [["good film so", "bad story"]]}, TASK)
    (found,) = explain(in_context.predict, [row])
    assert found.parts and found.asked == len(found.parts) + 1


def test_a_kept_training_row_is_told_in_words() -> None:
    told = for_task(TASK).target.told
    frame = ["intent:hear", "O", "B-artist", "I-artist"]
    assert told(frame, ["play", "ada", "lovelace"]) == "hear; ada lovelace (artist)"
    assert told(["intent:O", "O"], ["x"]) == "O"
