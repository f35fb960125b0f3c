"""epochs: auto, and what a run's course says about its length."""

import pytest

from bertworks.contracts.history import Point
from bertworks.spec import Finetune, Pretrain, Task
from bertworks.training import advice
from bertworks.training.length import length_of
from bertworks.training.loop import State


def epochs(rows, labels=2, kind="classification", **settings):
    steps = -(-rows // 32)
    return length_of(Finetune(**settings), Task(type=kind), labels, steps).epochs


def test_few_rows_many_labels_and_tags_take_more_epochs():
    assert epochs(6836) == 3  # the sentiment example
    assert epochs(12_000, labels=150) == 7
    assert epochs(5_400, labels=3, kind="tagging") == 8
    assert epochs(150) == epochs(10) == 20
    assert epochs(2_000) > epochs(4_000) > 3
    assert epochs(6836, labels=0, kind="regression") == 3


def test_large_sets_are_not_passed_over_for_days():
    assert epochs(100_000) == 3
    assert epochs(200_000) == 1
    assert epochs(10_000_000, labels=150) == 1


def test_a_number_stays_a_number():
    assert epochs(10, epochs=2) == 2
    assert length_of(Finetune(epochs=5), Task(), 2, 4).patience == 2


def test_patience_counts_short_epochs_less():
    assert length_of(Finetune(), Task(), 2, 214).patience == 2
    assert length_of(Finetune(), Task(), 2, 50).patience == 4
    assert length_of(Finetune(patience=3), Task(), 2, 5).patience == 60


def ended(*values, best, stopped=""):
    points = []
    for epoch, (plain, averaged) in enumerate(values, start=1):
        for split, value in (("validation", plain), ("validation, averaged", averaged)):
            points.append(Point(epoch, float(epoch), split, "f", value))
    top = max(max(pair) for pair in values)
    return State(points=points, best=top, highest=top, best_epoch=best, stopped=stopped)


def told(state, rows=800, planned=3, **settings):
    return advice.of_finetuning(state, Finetune(**settings), "accuracy", planned, rows)


def test_a_last_epoch_that_was_as_good_but_for_chance_asks_for_no_more():
    state = ended((0.79, 0.7), (0.95, 0.93), (0.945, 0.94), best=3)
    state.best, state.highest = 0.945, 0.95
    assert not told(state)


def test_a_last_epoch_that_was_the_best_is_told_with_its_course():
    (notice,) = told(ended((0.79, 0.7), (0.9, 0.93), (0.95, 0.94), best=3))
    assert "last of 3 epochs" in notice.text and "0.790, 0.930, 0.950" in notice.text
    assert "finetune.epochs: 6" in notice.text and notice.level == "warning"
    (small,) = told(ended((0.79, 0.7), (0.9, 0.93), (0.931, 0.93), best=3))
    assert small.level == "note"  # within the noise of 800 rows
    assert told(ended((0.9, 0.9), (0.95, 0.9), (0.93, 0.94), best=2)) == []


def test_one_epoch_and_a_budget_are_told():
    (notice,) = told(ended((0.8, 0.7), best=1))
    assert "only epoch" in notice.text and "finetune.epochs: 2" in notice.text
    assert notice.level == "note"  # nothing says that a second one would gain
    (notice,) = told(ended((0.8, 0.7), (0.9, 0.9), best=2, stopped="minutes"), minutes=5, planned=9)
    assert "after 2 of 9 epochs" in notice.text and "finetune.minutes: 5" in notice.text
    # Seven would have fitted, and patience ran out before.
    early = ended((0.8, 0.7), (0.7, 0.7), best=1, stopped="patience")
    early.end_after(7)
    assert told(early, minutes=5, planned=9) == []


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (0.0, 0.01, "did nothing in 44 steps"),
        (0.0, 0.045, "did nothing in 44 steps"),
        (0.41, 0.412, "nothing that can be measured"),
        (0.4, 0.5, None),
        (0.0, 0.2, None),
    ],
)
def test_pretraining_that_taught_nothing_is_told(before, after, says):
    measures = {"masked_accuracy_before": before, "masked_accuracy_after": after}
    found = advice.of_pretraining(measures, Pretrain(), 44, commonest=0.05, masked=3000)
    assert [says in notice.text for notice in found] == ([True] if says else [])
    assert all("pretrain.steps" in notice.text for notice in found)
