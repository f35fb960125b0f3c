"""Training curves as event files of TensorBoard, in the folder of the run that they are of.

Steps know nothing of TensorBoard: the files are made of the history that their artifacts keep.

    runs/ID/board/finetune/train/events.out.tfevents.bertworks
    runs/ID/board/finetune/validation/...
    runs/ID/board/tune/trial 3/...
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bertworks.contracts.history import HISTORY, TIMINGS
from bertworks.contracts.runs import RunRecord
from bertworks.contracts.tuned import SEARCH_TIMES, TUNED
from bertworks.errors import ArtifactError
from bertworks.storage.replacing import replacing

FOLDER = "board"
EVENTS = "events.out.tfevents.bertworks"
"""TensorBoard takes files for its own whose name has "tfevents" in it."""


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


def write_events(record: RunRecord) -> Path | None:
    """Writes the curves of a run's finished steps; the same run gives the same bytes.

    Returns:
        The folder; None where no step has trained.

    Raises:
        EnvironmentFault: The run's folder cannot be written.
    """
    curves: dict[str, list[Scalar]] = defaultdict(list)
    for scalar in scalars(record):
        curves[scalar.curves].append(scalar)
    folder = record.folder / FOLDER
    began = record.started if isinstance(record.started, float) else 0.0
    for name, points in curves.items():
        with replacing(folder / name / EVENTS) as file:
            _write(file, points, began)
    return folder if curves else None


def scalars(record: RunRecord) -> Iterator[Scalar]:
    """All points of a run's curves; artifacts that are gone have none."""
    for step in record.steps:
        for output in map(Path, step.outputs.values()):
            try:
                if (output / TUNED.name).is_file():
                    yield from _of_search(step.name, output)
                if (output / HISTORY.name).is_file():
                    yield from _of_training(step.name, output)
            except ArtifactError:  # damaged, or of a later version: the report says so
                continue


def _of_training(box: str, model: Path) -> Iterator[Scalar]:
    """The clock was read at the end alone: its seconds are spread evenly over the steps."""
    history = HISTORY.read(model)
    seconds = TIMINGS.read(model).seconds if (model / TIMINGS.name).is_file() else history.seconds
    last = max((point.step for point in history.points), default=0) or 1
    for point in history.points:
        curves = f"{box}/{point.split.replace(', ', ' ')}"
        spent = (seconds or 0.0) * point.step / last
        yield Scalar(curves, point.name, point.step, point.value, spent)


def _of_search(box: str, tuned: Path) -> Iterator[Scalar]:
    search = TUNED.read(tuned)
    times = SEARCH_TIMES.read(tuned).trials if (tuned / SEARCH_TIMES.name).is_file() else []
    spent = dict(enumerate(times))
    for trial in search.trials:
        before = sum(times[: trial.number])
        for epoch, value in enumerate(trial.rungs, 1):
            share = spent.get(trial.number, 0.0) * epoch / len(trial.rungs)
            tag = f"best {search.metric} so far"
            yield Scalar(f"{box}/trial {trial.number}", tag, epoch, value, before + share)


def _write(file: Path, points: Sequence[Scalar], began: float) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    events = tf.compat.v1
    with tf.io.TFRecordWriter(str(file)) as writer:
        head = events.Event(wall_time=began, file_version="brain.Event:2")
        writer.write(head.SerializeToString())
        for one in sorted(points, key=lambda point: point.step):
            said = events.Summary(value=[events.Summary.Value(tag=one.tag, simple_value=one.value)])
            event = events.Event(wall_time=began + one.seconds, step=one.step, summary=said)
            writer.write(event.SerializeToString())
