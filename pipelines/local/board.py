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
from pathlib import Path

from bertworks.contracts.runs import RunRecord
from bertworks.storage.replacing import replacing
from bertworks.tracking import curves
from bertworks.tracking.curves import Scalar

FOLDER = "board"
EVENTS = "events.out.tfevents.bertworks"
"""TensorBoard takes files for its own whose name has "tfevents" in it."""


def write_events(record: RunRecord) -> Path | None:
    """Writes the curves of a run's finished steps; the same run gives the same bytes.

    Returns:
        The folder; None where no step has trained.

    Raises:
        EnvironmentFault: The run's folder cannot be written.
    """
    named: dict[str, list[Scalar]] = defaultdict(list)
    for scalar in scalars(record):
        named[scalar.curves].append(scalar)
    folder = record.folder / FOLDER
    began = record.started if isinstance(record.started, float) else 0.0
    for name, points in named.items():
        with replacing(folder / name / EVENTS) as file:
            _write(file, points, began)
    return folder if named else None


def scalars(record: RunRecord) -> Iterator[Scalar]:
    """All points of a run's curves, the trials of its search first."""
    for step in record.steps:
        outputs = [Path(output) for output in step.outputs.values()]
        for _, curve in curves.trials(step.name, outputs):
            yield from curve
        yield from curves.trainings(step.name, outputs)


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
