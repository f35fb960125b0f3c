"""A challenger with a new label: judged by all labels alike, by the new one, by what the old lose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gate_rules import OFF

from bertworks.contracts.agent import AgentRecord
from bertworks.contracts.decision import Decision
from bertworks.contracts.latency import Load, Speed
from bertworks.contracts.metrics import Metric
from bertworks.evaluation.gating.gates import Measured, against_champion, decide
from bertworks.evaluation.gating.new_labels import NewLabels, unknown_to
from bertworks.evaluation.predictions import Predictions
from bertworks.spec import Gates, Task

LABELS = ["a", "b", "new"]
CHANCE = np.random.default_rng(0)
# 400 rows of old labels and 12 of the new one, as when 3 in 100 rows bring it.
TRUTH = np.concatenate([CHANCE.integers(0, 2, 400), np.full(12, 2)])


def answers(right: float, new: float, labels: list[str] | None = None) -> Predictions:
    """Right on a share of the old rows and of the new ones; else another old label."""
    hits = np.random.default_rng(1).random(len(TRUTH)) < np.where(TRUTH == 2, new, right)
    given = np.where(hits, TRUTH, np.where(TRUTH == 0, 1, 0))
    ids = [str(row) for row in range(len(TRUTH))]
    return Predictions(Task(), labels or LABELS, ids, TRUTH, given)


def judged(challenger: Predictions, champion: Predictions) -> Decision:
    scores = [Metric("accuracy", 0.9, rows=len(TRUTH))]
    labels = NewLabels.between(challenger, champion, {"new"}, "accuracy", 0.95, 42)
    gap = against_champion(challenger, champion, "accuracy", 42)
    time = Speed(1.0, 1.0, 1.0, Load(1.0, 1.0, 1.0, 1.0))
    measured = Measured(scores, scores, [], time, gap, new_labels=labels)
    rules = Gates(**OFF)
    return decide(rules, "accuracy", measured, challenge=True)


def failed(found: Decision) -> set[str]:
    return {rule.name for rule in found.rules if not rule.passed}


def test_a_champion_that_cannot_answer_a_new_label_goes() -> None:
    found = judged(answers(0.9, 0.9), answers(0.9, 0.0))
    assert found.passed, found.reasons
    # On all rows together nobody would have seen it.
    gap = against_champion(answers(0.9, 0.9), answers(0.9, 0.0), "accuracy", 42)
    assert gap.low is not None and gap.value < 0.04


def test_a_new_label_must_be_found() -> None:
    found = judged(answers(0.9, 0.3), answers(0.9, 0.0))
    assert "finds_new_labels" in failed(found)
    assert any("retrain.min_new_label_recall" in reason for reason in found.reasons)


def test_old_labels_may_not_be_unlearned() -> None:
    assert failed(judged(answers(0.8, 0.9), answers(0.9, 0.0))) == {"keeps_old_labels"}


def test_a_loss_within_the_noise_is_no_loss() -> None:
    assert judged(answers(0.895, 0.9), answers(0.9, 0.0)).passed


def test_without_a_test_row_of_it_the_old_labels_decide_and_it_is_said() -> None:
    keep = np.arange(400)
    found = judged(answers(0.9, 0.9).take(keep), answers(0.9, 0.0).take(keep))
    (rule, _) = found.rules
    assert found.passed and not rule.judged and "no test row has it" in rule.note
    assert failed(judged(answers(0.7, 0.9).take(keep), answers(0.9, 0.0).take(keep)))


@pytest.mark.parametrize(
    ("task", "truth", "given", "found"),
    [
        (
            Task(multi_label=True),
            np.array([[1, 0, 1], [0, 1, 1], [1, 0, 0]]),
            np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]]),
            (1, 2),
        ),
        (
            Task(type="tagging"),
            [["O", "new", "a"], ["new", "O"]],
            [["O", "new", "O"], ["O", "new"]],
            (1, 2),
        ),
    ],
)
def test_cases_of_every_kind_are_counted(
    task: Task, truth: Any, given: Any, found: tuple[int, int]
) -> None:
    ids = [str(row) for row in range(len(truth))]
    ours = Predictions(task, LABELS, ids, truth, given)
    if task.multi_label:
        theirs = Predictions(task, LABELS, ids, truth, given * np.array([1, 1, 0]))
    else:
        theirs = Predictions(task, LABELS, ids, truth, [["O"] * len(row) for row in truth])
    metric = "accuracy" if task.multi_label else "entity_f1"
    labels = NewLabels.between(ours, theirs, {"new"}, metric, 0.95, 42)
    assert labels.found == {"new": found} and labels.recall == 0.5


def test_what_the_champion_cannot_give() -> None:
    task = Task(type="tagging")
    champion = AgentRecord(task, 16, ["O", "B-LOC"])
    challenger = AgentRecord(task, 16, ["O", "B-LOC", "B-PER"])
    assert unknown_to(champion, challenger) == {"B-PER"}
    assert unknown_to(challenger, champion) == set()
