"""Drops and their noise: the bounds cover what they say, and everything turns round for errors."""

import numpy as np
import pytest
from scipy import stats

from bertworks.errors import ArtifactError
from bertworks.evaluation.gating.drops import Drop, best_by_chance, shared
from bertworks.evaluation.predictions import Predictions
from bertworks.spec import Task


def classes(right, first=0):
    ids = [str(first + number) for number in range(len(right))]
    given = 1 - np.asarray(right, int)
    return Predictions(Task(), ["a", "b"], ids, np.zeros(len(right), int), given)


def test_value_bounds_and_answers():
    before = classes([True] * 90 + [False] * 10)
    now = classes([False] * 9 + [True] * 81 + [False] * 7 + [True] * 3)
    found = Drop.between(now, before, "accuracy", 0.95)
    assert found.value == pytest.approx(0.06) and found.rows == 100 and found.changed == 12
    # 12 changed answers of which 9 are losses: the sign test's exact bound says about the same.
    assert found.low < 0.01 < found.value < found.high < 0.13
    assert not found.beyond(0.02) and found.beyond(found.low - 1e-6)
    assert "is worse by 0.0600 on 100 rows" in str(found) and "12 answers differ" in str(found)
    same = Drop.between(before, before, "accuracy", 0.95)
    assert str(same) == "accuracy is the same on 100 rows" and not same.beyond(0.0)


@pytest.mark.parametrize("limit", [0.0, 0.02])
def test_a_loss_of_just_the_limit_is_refused_about_as_often_as_the_level_says(limit):
    """80 draws of 400 rows whose true drop is the limit: refused in about 5 of 100."""
    stream, refused = np.random.default_rng(5), 0
    for number in range(80):
        before = stream.random(400) < 0.85
        flips = stream.random(400)
        # Of right answers a share is lost, of wrong ones a share is won; the rest stays.
        lost = (flips < 0.06) & before
        won = (flips < (0.06 * 0.85 - limit) / 0.15) & ~before
        now = (before & ~lost) | won
        refused += Drop.between(classes(now), classes(before), "accuracy", 0.95, number).beyond(
            limit
        )
    low, high = stats.binom.interval(0.999, 80, 0.05)
    assert (
        low <= refused <= high + 3
    )  # the percentile bootstrap is a little eager on so few changes


def test_errors_turn_round():
    truth = np.linspace(0, 1, 50)
    task = Task(type="regression")
    ids = [str(number) for number in range(50)]
    before = Predictions(task, [], ids, truth, truth + 0.1)
    now = Predictions(task, [], ids, truth, truth + 0.3)
    found = Drop.between(now, before, "mae", 0.95)
    assert found.value == pytest.approx(0.2) and found.beyond(0.1) and found.changed is None
    assert Drop.between(before, now, "mae", 0.95).value == pytest.approx(-0.2)
    value, best = best_by_chance(Predictions(task, [], ids, truth, truth**2), "mae", 0.95)
    assert best < value


def test_what_is_not_defined_counts_as_0():
    task, truth = Task(type="regression"), np.linspace(0, 1, 20)
    ids = [str(number) for number in range(20)]
    constant = Predictions(task, [], ids, truth, np.ones(20))
    found = Drop.between(constant, Predictions(task, [], ids, truth, truth), "pearson", 0.95)
    assert found.value == pytest.approx(1.0) and found.beyond(0.5)


def test_only_rows_that_both_answered_are_compared():
    ours, theirs = shared(classes([True] * 6), classes([True] * 6, first=4))
    assert ours.ids == theirs.ids == ["4", "5"]
    with pytest.raises(ArtifactError, match="none is the same"):
        shared(classes([True]), classes([True], first=9))


def test_tags_that_differ_are_counted_by_row():
    task, truth = Task(type="tagging"), [["B-x", "O"], ["O"]]
    made = [Predictions(task, ["O", "B-x"], ["1", "2"], truth, given) for given in
            (truth, [["O", "O"], ["O"]])]  # fmt: skip
    found = Drop.between(made[1], made[0], "entity_f1", 0.95)
    assert found.value == pytest.approx(1.0) and found.changed == 1
