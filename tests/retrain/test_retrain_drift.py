"""Drift: nothing between samples of one distribution, and something between two, for every task."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from bertworks.data.rows.split import content_id
from bertworks.retraining.drift import measure_drift
from bertworks.retraining.rows import read_keys
from bertworks.spec import Task
from tests.helpers.retrain_rows import write_examples

TASKS = {
    "classes": Task(),
    "labels": Task(multi_label=True),
    "tags": Task(type="tagging"),
    "scores": Task(type="regression"),
    "pairs": Task(pair=True),
}


def rows(task: Task, count: int, seed: int, odd: float = 0.0) -> list[dict[str, Any]]:
    """Rows of a dozen words each; `odd` is the share of words and targets of another kind."""
    chance, made = random.Random(seed), []
    for _ in range(count):
        strange = chance.random() < odd
        kind = "new" if strange else "old"
        words = [f"{kind}{int(chance.expovariate(0.1))}" for _ in range(12)]
        one: dict[str, Any] = {"id": content_id(*words), "source": "made"}
        target = chance.choice("xyz") if not strange else "x"
        if task.type == "tagging":
            tags = ["B-NEW" if strange else "B-OLD", *["O"] * 11]
            one |= {"tokens": words, "tags": tags}
        else:
            text = " ".join(words)
            one |= {"text_a": text, "text_b": "so"} if task.pair else {"text": text}
            if task.type == "regression":
                one["score"] = chance.gauss(3.0 if strange else 0.0, 1.0)
            elif task.multi_label:
                one["labels"] = [target] if strange else sorted({target, chance.choice("xyz")})
            else:
                one["label"] = target
        made.append(one)
    return made


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("count", [30, 300])
def test_samples_of_one_distribution_do_not_drift(name: str, count: int, tmp_path: Path) -> None:
    assert not any(one.is_change for one in _drifts(TASKS[name], count, 0.0, tmp_path))


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("count", [30, 300])
def test_rows_of_another_kind_do(name: str, count: int, tmp_path: Path) -> None:
    text, labels = _drifts(TASKS[name], count, 0.9, tmp_path)
    assert text.is_change and text.value > 0.3
    assert labels.is_change
    assert max(text.value, labels.value) <= 1.0


def _drifts(task: Task, count: int, odd: float, folder: Path) -> Any:
    before = write_examples(folder / "before", rows(task, 600, 1), task)
    now = write_examples(folder / "now", rows(task, count, 2, odd), task)
    ids = read_keys(before, task), read_keys(now, task)
    return measure_drift(task, before, now, ids, (0.1, 0.05))
