"""Distillation that has an end to keep."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from bertworks.compression.pruning.prune import _fitting, _had
from bertworks.contracts.history import Point
from bertworks.deadline import Deadline
from bertworks.training.loop import OVER, State


def after(epoch: int, seconds: float = 10.0) -> State:
    """A training that has had so many epochs of so many seconds."""
    points = [Point(epoch, float(epoch), "validation", "accuracy", 0.5)]
    return State(points=points, epoch_seconds=seconds)


@pytest.mark.parametrize(
    ("left", "epochs", "said"), [(95, 0, ""), (60, 0, ""), (35, 5, ""), (10, 3, ""), (9, 0, OVER)]
)
def test_it_ends_after_as_many_epochs_as_fit(left: float, epochs: int, said: str) -> None:
    state = after(2)
    assert _fitting(Deadline(left, lambda: 0.0), 8)(state) == said
    assert state.epochs == epochs


def test_without_an_end_it_has_all() -> None:
    state = after(1)
    assert _fitting(Deadline(math.inf, lambda: 0.0), 8)(state) == "" and not state.epochs
    # Its last epoch is behind it: nothing is left to fit.
    assert _fitting(Deadline(-5.0, lambda: 0.0), 8)(after(8)) == ""


@pytest.mark.parametrize(
    ("stopped", "epochs", "had"), [("", 0, 8), ("", 5, 5), ("patience", 0, 8), (OVER, 5, 3)]
)
def test_the_epochs_are_told_that_there_was_time_for(stopped: str, epochs: int, had: int) -> None:
    assert _had(replace(after(3), stopped=stopped, epochs=epochs), 8) == had
    assert _had(State(stopped=OVER), 8) == 0
