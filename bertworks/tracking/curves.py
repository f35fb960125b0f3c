"""Training curves and trials, read from the history that artifacts keep.

Steps know nothing of who shows them: TensorBoard's event files and MLflow's metrics are made of these.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bertworks.contracts.history import HISTORY, TIMINGS
from bertworks.contracts.tuned import SEARCH_TIMES, TUNED, Trial
from bertworks.errors import ArtifactError

PASS_ON = ("collect", "choose")
"""Boxes whose artifact has the trials that another box has told of."""


@dataclass(frozen=True)
class Scalar:
    """A value on a curve.

    Attributes:
        curves: The folder of its curves: "finetune/validation", "tune/trial 3".
        tag: What it is of, for example "loss".
        step: Optimizer steps done; of a trial, epochs.
        value: As measured.
        seconds: After the training's beginning, about.
    """

    curves: str
    tag: str
    step: int
    value: float
    seconds: float


def trainings(box: str, outputs: Iterable[Path]) -> Iterator[Scalar]:
    """All points of the curves of what a box has trained; artifacts that are gone have none.

    The clock was read at the end alone: its seconds are spread evenly over the steps.
    """
    for model in _with(HISTORY.name, outputs):
        try:
            history = HISTORY.read(model)
            known = TIMINGS.read(model) if (model / TIMINGS.name).is_file() else history
        except ArtifactError:  # damaged, or of a later version: the report says so
            continue
        last = max((point.step for point in history.points), default=0) or 1
        for point in history.points:
            curves = f"{box}/{point.split.replace(', ', ' ')}"
            spent = (known.seconds or 0.0) * point.step / last
            yield Scalar(curves, point.name, point.step, point.value, spent)


def trials(box: str, outputs: Iterable[Path]) -> Iterator[tuple[Trial, list[Scalar]]]:
    """Each trial of a search, with the best value after each of its epochs."""
    for tuned in () if box in PASS_ON else _with(TUNED.name, outputs):
        try:
            search = TUNED.read(tuned)
            timed = (tuned / SEARCH_TIMES.name).is_file()
            times = SEARCH_TIMES.read(tuned).trials if timed else []
        except ArtifactError:
            continue
        spent = dict(enumerate(times))
        for trial in search.trials:
            before, took = sum(times[: trial.number]), spent.get(trial.number, 0.0)
            name, tag = f"{box}/trial {trial.number}", f"best {search.metric} so far"
            yield (
                trial,
                [
                    Scalar(name, tag, epoch, value, before + took * epoch / len(trial.rungs))
                    for epoch, value in enumerate(trial.rungs, 1)
                ],
            )


def _with(file: str, outputs: Iterable[Path]) -> Iterator[Path]:
    yield from (output for output in outputs if (output / file).is_file())
