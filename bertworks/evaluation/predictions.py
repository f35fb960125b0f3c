"""A model's answers on labelled rows: from its logits, to a file and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bertworks.errors import ArtifactError, DataError
from bertworks.spec import Task
from bertworks.tasks import for_task
from bertworks.tasks.handler import TaskHandler
from bertworks.tasks.predictions import Predictions

__all__ = ["Predictions", "decode", "load", "save"]


def decode(
    task: Task,
    labels: list[str],
    rows: dict[str, list[Any]],
    logits: list[np.ndarray],
    score: Mapping[str, float] | None = None,
) -> Predictions:
    """Turns logits into predictions.

    Args:
        task: What was asked.
        labels: Label names, in the order of the logits.
        rows: Columns of the labelled rows: `id`, and `truth` as in `Predictions.truth`; for tagging
            also `starts`, the position of first pieces, and `kept`, the words that they belong to.
        logits: One array a row: (labels,), (1,) for regression, (length, labels) for tagging.
        score: Regression: mean and std that the training targets were scaled by.

    Raises:
        DataError: A row has no answer of the right shape.
    """
    return decode_by(for_task(task, labels, score), rows, logits)


def decode_by(
    handler: TaskHandler, rows: dict[str, list[Any]], logits: Sequence[np.ndarray]
) -> Predictions:
    """The same by a task's handler; arguments and errors are those of `decode`."""
    _check(handler, rows["id"], logits)
    return handler.predictions(rows, logits)


def save(file: Path, predictions: Predictions) -> None:
    """Writes predictions.parquet: id, truth, prediction (JSON), score and probabilities."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    def column(values: Any) -> list[str]:
        rows = range(len(predictions))
        return [json.dumps(predictions.named(values, row), ensure_ascii=False) for row in rows]

    given = predictions.probabilities
    shares = (
        [None] * len(predictions) if given is None else [list(map(float, row)) for row in given]
    )
    table = pa.table(
        {
            "id": pa.array(predictions.ids, pa.string()),
            "truth": pa.array(column(predictions.truth), pa.string()),
            "prediction": pa.array(column(predictions.prediction), pa.string()),
            "score": pa.array(predictions.confidence(), pa.float64()),
            "probabilities": pa.array(shares, pa.list_(pa.float64())),
        }
    )
    pq.write_table(table, file, compression="zstd")


def load(file: Path, task: Task, labels: list[str]) -> Predictions:
    """Reads predictions.parquet back.

    Raises:
        ArtifactError: The file cannot be read, or names labels that are not in `labels`.
    """
    import pyarrow.parquet as pq

    fix = "Run the evaluate step again: it writes this file."
    handler = for_task(task, labels)
    try:
        table = pq.read_table(file).to_pydict()
        truth, prediction = (
            handler.target.indexes([json.loads(value) for value in table[name]], labels)
            for name in ("truth", "prediction")
        )
        given = None if None in table["probabilities"] else table["probabilities"]
        if given is not None and not handler.target.per_word and handler.target.has_labels:
            given = np.asarray(given, dtype=float)
        return Predictions(task, labels, table["id"], truth, prediction, given)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{file} cannot be read as predictions: {error}.", fix) from None


def _check(handler: TaskHandler, ids: list[str], logits: Sequence[np.ndarray]) -> None:
    fix = "Export the model again: its graph does not fit its agent.json."
    if len(logits) != len(ids):
        raise DataError(f"{len(ids)} rows were given, {len(logits)} answers came back.", fix)
    width, axes = handler.outputs, 2 if handler.target.per_word else 1
    for name, answer in zip(ids, logits, strict=True):
        if (width is not None and answer.shape[-1] != width) or answer.ndim != axes:
            raise DataError(f"Row {name}: logits end in {width}. Received: {answer.shape}", fix)
        if not np.isfinite(answer).all():
            raise DataError(f"Row {name}: the logits are not finite.", "Train the model again.")
