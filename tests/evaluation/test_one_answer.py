"""A model that always answers the same is named, and no other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bertworks.evaluation.one_answer import notices
from bertworks.evaluation.predictions import Predictions
from bertworks.spec import Task

LABELS = ["bad", "good"]
NUMBERS = Task(type="regression")
TAGS = Task(type="tagging")
MANY = Task(type="classification", multi_label=True)
SAME: list[tuple[Task, Any, Any, str]] = [
    (Task(), np.array([0, 1, 0]), np.array([0, 0, 0]), "All 3 test rows were answered with 'bad'"),
    (MANY, np.array([[0, 1], [1, 0], [1, 1]]), np.zeros((3, 2), int), "answered with no label"),
    (MANY, np.array([[0, 1], [1, 0]]), np.ones((2, 2), int), "with 'bad' and 'good', though 2"),
    (NUMBERS, np.array([0.5, 1.0]), np.array([0.7, 0.7]), "answered with 0.7"),
    (TAGS, [["O", "B-X"], ["O"]], [["O", "O"], ["O"]], "All words of 2 test rows were answered with O"),
]  # fmt: skip


def answers(task: Task, truth: Any, prediction: Any) -> Predictions:
    labels = ["O", "B-X"] if task == TAGS else [] if task == NUMBERS else LABELS
    return Predictions(task, labels, [str(row) for row in range(len(truth))], truth, prediction)


@pytest.mark.parametrize(("task", "truth", "same", "says"), SAME)
def test_one_answer_to_all_is_named(task: Task, truth: Any, same: Any, says: str) -> None:
    (told,) = notices(answers(task, truth, same), "model")
    assert says in told.text and told.level == "warning" and told.count == len(truth)
    assert "finetune.epochs" in told.text
    assert ("class_weights" in told.text) == (task not in (NUMBERS, TAGS))
    (told,) = notices(answers(task, truth, same), "bundle")
    assert "compress less" in told.text
    # Neither where it is right so, nor where the answers differ.
    assert notices(answers(task, same, same), "model") == []
    assert notices(answers(task, truth, truth), "model") == []
    assert notices(answers(task, same, truth), "model") == []
