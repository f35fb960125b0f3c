"""Scores of frames, against numbers counted by hand."""

import numpy as np
import pytest

from bertworks.spec import Task
from bertworks.tasks.predictions import Predictions
from bertworks.tasks.tagging.scores import TaggingScores
from bertworks.tasks.understanding.floor import frames
from tests.understanding.conftest import LABELS

TRUTH = [
    ["intent:hear", "O", "B-artist", "I-artist"],
    ["intent:hear", "B-city", "O"],
    ["intent:B-travel", "B-city", "I-city", "O"],
    ["intent:O", "O"],
]
GIVEN = [
    ["intent:hear", "O", "B-artist", "I-artist"],  # all right
    ["intent:O", "B-city", "O"],  # the intent is wrong
    ["intent:B-travel", "B-city", "O", "O"],  # the slot is too short
    ["intent:O", "B-artist"],  # a slot that is not there
]
SURE = [[0.9] * 4, [0.6, 0.8, 0.7], [0.9, 0.5, 0.95, 0.9], [0.99, 0.3]]


def predictions(probabilities: list[list[float]] | None = None) -> Predictions:
    task = Task(type="understanding")
    return Predictions(task, LABELS, list("abcd"), TRUTH, GIVEN, probabilities)


def measured(weights: list[float]) -> dict[str, float]:
    answers = predictions()
    found = answers.handler.scores.measure(answers)(np.array([weights]))
    return {name: float(values[0]) for name, values in found.items()}


def test_frames_intents_and_slots_are_counted_apart() -> None:
    found = measured([1, 1, 1, 1])
    assert found["frame_accuracy"] == 0.25 and found["intent_accuracy"] == 0.75
    # 4 slots were given, 3 are there, 2 of them found.
    assert found["slot_precision"] == 0.5 and found["slot_recall"] == pytest.approx(2 / 3)
    assert found["slot_f1"] == pytest.approx(4 / 7)
    each = {"hear": 2 / 3, "O": 2 / 3, "B-travel": 1.0, "artist": 2 / 3, "city": 0.5}
    assert found["frame_macro_f1"] == pytest.approx(np.mean(list(each.values())))


def test_rows_count_as_often_as_they_are_drawn() -> None:
    found = measured([2, 0, 0, 1])
    assert (found["frame_accuracy"], found["intent_accuracy"]) == (pytest.approx(2 / 3), 1.0)
    assert found["slot_f1"] == pytest.approx(2 * 2 / (3 + 2))


def test_slots_score_as_entities_do_in_tagging() -> None:
    alone = Predictions(
        Task(type="tagging"), LABELS[:5], list("abcd"),
        [row[1:] for row in TRUTH], [row[1:] for row in GIVEN],
    )  # fmt: skip
    theirs = TaggingScores().measure(alone)(np.ones((1, 4)))
    found = measured([1, 1, 1, 1])
    for name in ("f1", "precision", "recall"):
        assert found[f"slot_{name}"] == pytest.approx(float(theirs[f"entity_{name}"][0]))


def test_the_worst_rows_are_those_that_were_surely_wrong() -> None:
    answers = predictions(SURE)
    scores = answers.handler.scores
    assert scores.badness(answers).tolist() == [0.0, 0.6, 0.95, 0.3]
    assert answers.confidence().tolist() == [0.9, 0.6, 0.5, 0.3]


def test_people_read_intents_by_their_names() -> None:
    answers = predictions()
    scores = answers.handler.scores
    confusion, report = scores.confusion(answers), scores.report(answers)
    assert confusion is not None and confusion.labels == ["B-travel", "O", "hear"]
    assert sum(map(sum, confusion.matrix)) == 4
    assert set(report.labels) >= {"B-travel", "O", "hear"} and set(report.entities) >= {
        "artist",
        "city",
    }
    assert report.entities["city"].support == 2
    assert scores.readable(TRUTH[0], "play ada lovelace") == [
        "intent: hear",
        "artist: ada lovelace",
    ]
    spans = scores.spans(answers, 2)
    assert (
        spans is not None
        and spans.truth == [("city", 0, 2)]
        and spans.prediction == [("city", 0, 1)]
    )
    assert scores.label_slices(answers) == ["hear", "hear", "B-travel", "O"]


def test_the_floor_answers_whole_frames() -> None:
    train = {
        "tokens": [["play", "ada"], ["go", "paris"]] * 4,
        "frame": [["intent:hear", "O", "B-artist"], ["intent:O", "O", "B-city"]] * 4,
    }
    test = {"tokens": [["play", "ada", "play"]], "truth": [["intent:hear", "O", "B-artist", "O"]]}
    (found,) = frames(train, test, seed=1)
    assert found[:1] == ["intent:hear"] and len(found) == 4 and found[2] == "B-artist"
    one = {"tokens": train["tokens"][:1], "frame": train["frame"][:1]}
    assert frames(one, test, seed=1)[0][0] == "intent:hear"
