"""A model's answers on labelled rows, in one shape for every task."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertworks.errors import ArtifactError, DataError
from bertworks.spec import Task

OUTSIDE = "O"


@dataclass(frozen=True)
class Predictions:
    """Truth and prediction of each row, beside each other.

    Attributes:
        task: What was asked.
        labels: Label names; empty for regression.
        ids: One id a row.
        truth: Classification: label indexes, shape (rows,). Multi-label: 0/1, shape (rows, labels).
            Regression: numbers, shape (rows,). Tagging: a list of tags a row.
        prediction: The same shape as `truth`.
        probabilities: Classification and multi-label: shape (rows, labels). Tagging: the probability
            of each predicted tag, a list a row. None for regression, and where it is not known.
    """

    task: Task
    labels: list[str]
    ids: list[str]
    truth: Any
    prediction: Any
    probabilities: Any = None

    def __len__(self) -> int:
        return len(self.ids)

    def named(self, values: Any, row: int) -> Any:
        """Row `row` of truth or prediction as plain JSON: a label, labels, tags or a number."""
        if self.task.type == "tagging":
            return list(values[row])
        if self.task.type == "regression":
            return float(values[row])
        if self.task.multi_label:
            return [name for name, on in zip(self.labels, values[row], strict=True) if on]
        return self.labels[int(values[row])]

    def confidence(self) -> np.ndarray:
        """Probability of each row's answer (rows,); for regression the predicted number itself.

        Multi-label: the least certain of its yes/no answers. Tagging: its least certain tag.
        """
        if self.task.type == "regression":
            return np.asarray(self.prediction, dtype=float)
        if self.probabilities is None:
            return np.full(len(self), np.nan)
        if self.task.type == "tagging":
            return np.array([min(row, default=1.0) for row in self.probabilities], dtype=float)
        given = np.asarray(self.probabilities, dtype=float)
        if self.task.multi_label:
            sides = np.where(np.asarray(self.prediction) == 1, given, 1.0 - given)
            return np.asarray(sides.min(axis=1))
        return np.asarray(given[np.arange(len(self)), np.asarray(self.prediction)])

    def take(self, rows: np.ndarray) -> Predictions:
        """The same with only the rows at the given positions."""

        def pick(values: Any) -> Any:
            if values is None:
                return None
            return [values[row] for row in rows] if isinstance(values, list) else values[rows]

        return Predictions(
            self.task, self.labels, [self.ids[row] for row in rows],
            pick(self.truth), pick(self.prediction), pick(self.probabilities),
        )  # fmt: skip


def decode(
    task: Task,
    labels: list[str],
    rows: dict[str, list[Any]],
    logits: list[np.ndarray],
    score: dict[str, float] | None = None,
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
    _check(task, labels, rows["id"], logits)
    if task.type == "tagging":
        return _decode_tags(task, labels, rows, logits)
    if task.type == "regression":
        scale = score or {"mean": 0.0, "std": 1.0}
        values = np.stack(logits)[:, 0].astype(float) * scale["std"] + scale["mean"]
        return Predictions(task, labels, rows["id"], np.asarray(rows["truth"], float), values)
    stacked = np.stack(logits).astype(float)
    truth = np.asarray(rows["truth"], dtype=np.int64)
    if task.multi_label:
        given = 1.0 / (1.0 + np.exp(-stacked))
        return Predictions(task, labels, rows["id"], truth, (stacked > 0).astype(np.int64), given)
    return Predictions(task, labels, rows["id"], truth, stacked.argmax(axis=1), _softmax(stacked))


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
    try:
        table = pq.read_table(file).to_pydict()
        truth = [json.loads(value) for value in table["truth"]]
        prediction = [json.loads(value) for value in table["prediction"]]
        given = None if None in table["probabilities"] else table["probabilities"]
        if task.type == "tagging":
            return Predictions(task, labels, table["id"], truth, prediction, given)
        as_array = None if given is None else np.asarray(given, dtype=float)
        return Predictions(
            task, labels, table["id"],
            _indexes(task, labels, truth), _indexes(task, labels, prediction), as_array,
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(f"{file} cannot be read as predictions: {error}.", fix) from None


def _indexes(task: Task, labels: list[str], values: list[Any]) -> np.ndarray:
    if task.type == "regression":
        return np.asarray(values, dtype=float)
    place = {name: index for index, name in enumerate(labels)}
    if not task.multi_label:
        return np.asarray([place[value] for value in values], dtype=np.int64)
    found = np.zeros((len(values), len(labels)), dtype=np.int64)
    for row, names in enumerate(values):
        found[row, [place[name] for name in names]] = 1
    return found


def _check(task: Task, labels: list[str], ids: list[str], logits: list[np.ndarray]) -> None:
    fix = "Export the model again: its graph does not fit its agent.json."
    if len(logits) != len(ids):
        raise DataError(f"{len(ids)} rows were given, {len(logits)} answers came back.", fix)
    width = 1 if task.type == "regression" else len(labels)
    for name, answer in zip(ids, logits, strict=True):
        if answer.shape[-1] != width or answer.ndim != (2 if task.type == "tagging" else 1):
            raise DataError(f"Row {name}: logits end in {width}. Received: {answer.shape}", fix)
        if not np.isfinite(answer).all():
            raise DataError(f"Row {name}: the logits are not finite.", "Train the model again.")


def _decode_tags(
    task: Task, labels: list[str], rows: dict[str, list[Any]], logits: list[np.ndarray]
) -> Predictions:
    """Takes the answer on each word's first piece; words that have none count as outside."""
    prediction, given = [], []
    for truth, starts, kept, answer in zip(
        rows["truth"], rows["starts"], rows["kept"], logits, strict=True
    ):
        tags, sure = [OUTSIDE] * len(truth), [1.0] * len(truth)
        chances = _softmax(answer[np.asarray(starts, dtype=np.int64)].astype(float))
        for word, row in zip(kept, chances, strict=True):
            tags[word], sure[word] = labels[int(row.argmax())], float(row.max())
        prediction.append(tags)
        given.append(sure)
    return Predictions(task, labels, rows["id"], rows["truth"], prediction, given)


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True, initial=-np.inf))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
