"""Batches of labelled rows, and a model's logits on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from bertworks.models.model import BertModel
from bertworks.spec import Task
from bertworks.tasks import for_task
from bertworks.tasks.losses import Loss
from bertworks.text.batching import batches, pad_batch, padded_length
from bertworks.training.feed import MicroBatch
from bertworks.training.rows import LabelledRows
from bertworks.training.stepper import Objective

INPUTS = ("input_ids", "mask", "type_ids")
EVALUATION_TOKENS = 4096
"""Places of an evaluation batch, padding included: bounds memory however long rows are."""


class LabelledFeed:
    """Batches of rows of like length, shuffled anew each epoch.

    Attributes:
        company: What rows are learned with, which stands in their batches; or None.
    """

    def __init__(
        self, rows: LabelledRows, task: Task, batch_size: int, seed: int, pad: int = 0
    ) -> None:
        self.rows, self.task, self.batch_size = rows, task, batch_size
        self._target = for_task(task).target
        self.seed, self.pad = seed, pad
        self.company = self._target.company(rows.targets)

    def steps(self, epoch: int) -> Sequence[np.ndarray]:
        """Row indices of each optimizer step."""
        if self.company is None:
            return batches(self.rows.lengths, self.batch_size, self.seed, epoch)
        asked = self.rows.lengths[: self.company.asked]
        return [
            self.together(rows, epoch) for rows in batches(asked, self.batch_size, self.seed, epoch)
        ]

    def together(self, chosen: np.ndarray, epoch: int = 0) -> np.ndarray:
        """Some rows, and what they are learned with."""
        if self.company is None:
            return chosen
        return self.company.together(chosen, self.seed, epoch)

    def split(self, item: np.ndarray, parts: int) -> list[np.ndarray]:
        """The row indices of a step's micro-batches."""
        if self.company is None:
            return np.array_split(item, parts)
        return self.company.split(item, parts)

    def shape(self, item: np.ndarray) -> tuple[int, int]:
        """(rows, tokens a row) of a step."""
        return len(item), padded_length(int(self.rows.lengths[item].max(initial=0)))

    def parts(self, item: np.ndarray, epoch: int, number: int, parts: int) -> list[MicroBatch]:
        """The step's rows in `parts` micro-batches, of which the last may be empty."""
        return [self._batch(chosen) for chosen in self.split(item, parts)]

    def _batch(self, chosen: np.ndarray) -> MicroBatch:
        arrays = inputs_of(self.rows, chosen, self.pad)
        arrays["targets"], count = self._target.batch(self.rows.targets, chosen)
        return MicroBatch(arrays, count, int(self.rows.lengths[chosen].sum()))


def inputs_of(
    rows: LabelledRows, chosen: Sequence[int] | np.ndarray, pad: int = 0, multiple: int = 8
) -> dict[str, np.ndarray]:
    """The model inputs of some rows, padded to the longest of them, rounded up to a multiple.

    Few widths are for graphs that are compiled for each shape; others have nothing of it.
    """
    ids = pad_batch([rows.input_ids[row] for row in chosen], pad, multiple)
    lengths = rows.lengths[np.asarray(chosen, np.int64)]
    mask = (np.arange(ids.shape[1]) < lengths[:, np.newaxis]).astype(np.int32)
    found = {"input_ids": ids, "mask": mask}
    if rows.type_ids is not None:
        found["type_ids"] = pad_batch([rows.type_ids[row] for row in chosen], 0, multiple)
    return found


def objective_of(loss: Loss) -> Objective:
    """A task's loss as the training loop wants it."""

    def objective(model: BertModel, batch: dict[str, tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
        inputs = {name: batch[name] for name in INPUTS if name in batch}
        return loss(model({**inputs, "seed": seed})["logits"], batch["targets"])

    return objective


class Predictor:
    """Computes with a model as it is at the time; traced once."""

    def __init__(self, model: BertModel) -> None:
        self.model = model
        self._graphs: dict[Callable[..., tf.Tensor], Any] = {}

    def logits(self, rows: LabelledRows, pad: int = 0) -> list[np.ndarray]:
        """Logits of all rows, in their order.

        Returns:
            One float32 array a row: (outputs,), or (length, outputs) for a token head.
        """
        found = self._answers(_logits, rows, pad)
        if self.model.head.kind != "token":
            return found
        return [one[:length] for one, length in zip(found, rows.lengths, strict=True)]

    def first_states(self, rows: LabelledRows, pad: int = 0) -> np.ndarray:
        """What the encoder says of each row's first token: float32 (rows, hidden)."""
        return np.stack(self._answers(_first_states, rows, pad))

    def _answers(
        self, what: Callable[..., tf.Tensor], rows: LabelledRows, pad: int
    ) -> list[np.ndarray]:
        """One array a row, in their order."""
        found: list[Any] = [None] * len(rows)
        for chosen in evaluation_batches(rows.lengths):
            inputs = inputs_of(rows, chosen, pad, multiple=1)
            for row, answer in zip(chosen, self._run(what, inputs).numpy(), strict=True):
                found[row] = answer
        return found

    def _run(self, what: Callable[..., tf.Tensor], inputs: dict[str, np.ndarray]) -> tf.Tensor:
        if what not in self._graphs:
            signature = {name: tf.TensorSpec([None, None], tf.int32) for name in inputs}
            self._graphs[what] = tf.function(
                lambda given: what(self.model, given), autograph=False, input_signature=[signature]
            )
        return self._graphs[what](inputs)


def _logits(model: BertModel, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
    return model(inputs)["logits"]


def _first_states(model: BertModel, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
    return tf.cast(model(inputs, hidden_states=True)["hidden"][-1][:, 0], tf.float32)


def evaluation_batches(lengths: np.ndarray, places: int = EVALUATION_TOKENS) -> list[np.ndarray]:
    """Row indices by falling length, each batch at most `places` tokens wide times high."""
    order = np.argsort(-np.asarray(lengths), kind="stable")
    found, at = [], 0
    while at < len(order):
        size = max(1, places // max(1, int(lengths[order[at]])))
        found.append(order[at : at + size])
        at += size
    return found
