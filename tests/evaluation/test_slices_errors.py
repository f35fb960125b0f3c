"""Which slice a row belongs to, the means by slice, and which errors are worst."""

from __future__ import annotations

import numpy as np
import pytest

from bertworks.contracts.files import to_json
from bertworks.errors import SpecError
from bertworks.evaluation.errors import worst
from bertworks.evaluation.measures import measure_of
from bertworks.evaluation.predictions import Predictions
from bertworks.evaluation.slices import slice_metrics, slice_values
from bertworks.spec import Task
from bertworks.tasks.measuring import quarters

CLASSES = Predictions(
    Task(), ["a", "b"], list("wxyz"), np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0]),
    np.array([[0.9, 0.1], [0.3, 0.7], [0.2, 0.8], [0.95, 0.05]]),
)  # fmt: skip
TAGS = Predictions(
    Task(type="tagging"), ["B-PER", "I-PER", "O"], ["x", "y"],
    [["B-PER", "O"], ["O", "B-PER", "I-PER"]], [["B-PER", "O"], ["O", "B-PER", "O"]],
    [[0.9, 0.9], [0.8, 0.7, 0.6]],
)  # fmt: skip


def test_quarters_keep_equal_values_together() -> None:
    assert quarters(np.array([1.0, 1, 1, 1, 1, 9])) == ["1"] * 5 + ["9"]
    assert quarters(np.arange(1.0, 9)) == ["1 to 3"] * 3 + ["4 to 5"] * 2 + ["6 to 7"] * 2 + ["8"]
    assert quarters(np.array([3.0])) == ["3"]


def test_slices_of_columns() -> None:
    rows = {"source": ["p", "q", None, "p"], "year": list(range(4)), "length": [5, 5, 9, 9]}
    assert slice_values(CLASSES, rows, "source") == ["p", "q", "(none)", "p"]
    assert slice_values(CLASSES, rows, "year") == ["0", "1", "2", "3"]
    assert slice_values(CLASSES, rows, "label") == ["a", "a", "b", "b"]
    assert slice_values(TAGS, {}, "label") is None
    with pytest.raises(SpecError, match="'city'"):
        slice_values(CLASSES, rows, "city")


def test_rare_values_are_one_slice() -> None:
    wide = Predictions(
        Task(), ["a"], [str(n) for n in range(30)], np.zeros(30, int), np.zeros(30, int)
    )
    found = slice_values(wide, {"city": [f"c{n}" for n in range(30)]}, "city")
    assert found is not None and len(set(found)) == 21 and found.count("(other)") == 10


def test_no_slices_asked_for_costs_nothing() -> None:
    assert slice_metrics(CLASSES, {}, []) == []
    assert slice_metrics(TAGS, {}, ["label"]) == []


@pytest.mark.parametrize("predictions", [CLASSES, TAGS])
def test_means_over_all_rows_are_the_metrics(predictions: Predictions) -> None:
    overall = measure_of(predictions)(np.ones((1, len(predictions))))
    for mean in predictions.handler.scores.means(predictions):
        if mean.name in overall:
            found = np.average(mean.values, weights=mean.weights)
            assert found == pytest.approx(overall[mean.name][0])


def test_the_surest_wrong_answer_is_worst() -> None:
    found = worst(CLASSES, ["t0", "t1", "t2", "t3"], most=9)
    assert [(one.id, one.score) for one in found] == [("z", 0.95), ("x", 0.7)]
    assert found[0].truth == "b" and found[0].prediction == "a"
    assert len(worst(CLASSES, ["t"] * 4, most=1)) == 1
    assert worst(CLASSES, ["t"] * 4, most=0) == []


def test_tagging_errors_are_shown_as_entities() -> None:
    found = to_json(worst(TAGS, ["Ada runs", "see Bob Dylan"], most=9))
    assert found == [
        {"id": "y", "text": "see Bob Dylan", "truth": ["PER: Bob Dylan"],
         "prediction": ["PER: Bob"], "score": 0.6,
         "spans": {"truth": [["PER", 1, 3]], "prediction": [["PER", 1, 2]]}}
    ]  # fmt: skip


def test_regression_errors_by_distance() -> None:
    p = Predictions(
        Task(type="regression"), [], ["x", "y"], np.array([1.0, 2.0]), np.array([1.5, 5.0])
    )
    assert [(one.id, one.score) for one in worst(p, ["", ""], 9)] == [("y", 3.0), ("x", 0.5)]
