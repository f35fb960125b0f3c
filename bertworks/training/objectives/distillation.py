"""Distillation: a pruned student learns to answer, and to see, as its fine-tuned teacher does.

The loss of a step is the task's own loss with the true targets, plus a soft loss that pulls the
student's logits to the teacher's (Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural
Network", 2015, section 2), plus the mean squared distance between their hidden states, layer by
layer (Jiao et al., "TinyBERT", 2020, section 3.1; no projection is needed, as pruning leaves the
residual stream's width alone). The teacher's outputs do not change, so they are computed once and
kept in memory where they fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from bertworks.models import ops
from bertworks.models.model import BertModel
from bertworks.progress import stage
from bertworks.spec import Prune, Task
from bertworks.storage.checkpoints import Checkpoints
from bertworks.tasks import for_task
from bertworks.tasks.handler import TaskHandler
from bertworks.tasks.losses import SoftLoss
from bertworks.training.feed import MicroBatch
from bertworks.training.loop import State, train
from bertworks.training.objectives.finetuning import select_on
from bertworks.training.objectives.labelled import (
    INPUTS,
    LabelledFeed,
    evaluation_batches,
    inputs_of,
)
from bertworks.training.objectives.losses import loss_for
from bertworks.training.rows import LabelledRows

# The teacher's answers are kept in memory up to this size; beyond it they are computed as needed.
KEPT_BYTES = 1_500_000_000


@dataclass(frozen=True)
class Split:
    """Labelled rows to train on and to choose the epoch by."""

    train: LabelledRows
    validation: LabelledRows


def distill(
    student: BertModel,
    teacher: BertModel,
    split: Split,
    handler: TaskHandler,
    settings: Prune,
    *,
    pad: int = 0,
    checkpoints: Checkpoints | None = None,
    kept_bytes: int = KEPT_BYTES,
    over: Callable[[], bool] | None = None,
    judge: Callable[[State], str] | None = None,
) -> State:
    """Trains a student in place; it ends with the weights of the best epoch on validation.

    Args:
        student: Of the teacher's depth and hidden size; trained without dropout, as its targets
            were computed without.
        teacher: Stays as it is.
        split: Rows.
        handler: The task.
        settings: `epochs`, `temperature`, `hidden_weight` and the optimizer's settings are read.
        pad: Id of the padding token.
        checkpoints: Already entered, or None.
        kept_bytes: Most memory for the teacher's answers.
        over: Asked after each step whether time is over, see `loop.Selection`.
        judge: Asked after each epoch, likewise.

    Returns:
        The run's state, of which `points` go into history.json and `timings` into timings.json.
    """
    feed: Any = LabelledFeed(split.train, handler.task, settings.batch_size, settings.seed, pad)
    kept = answer_bytes(teacher, split.train) <= kept_bytes
    if kept:
        feed = TaughtFeed(feed, answers(teacher, split.train, pad))
    selection = select_on(
        student, split.validation, handler, None, patience=settings.epochs, pad=pad
    )
    return train(
        student,
        feed,
        objective(handler.task, settings, None if kept else teacher),
        settings,
        total=settings.epochs * len(feed.steps(0)),
        selection=replace(selection, over=over, judge=judge),
        checkpoints=checkpoints,
        name="distilling",
        drops=False,
    )


@dataclass(frozen=True)
class Answers:
    """What a teacher says of every row.

    Attributes:
        logits: One float32 array a row: (outputs,), or (length, outputs).
        hidden: One float16 array a row: (length, layers, hidden size).
    """

    logits: Sequence[np.ndarray]
    hidden: Sequence[np.ndarray]


class TaughtFeed:
    """Batches of labelled rows with the teacher's answers beside them."""

    def __init__(self, feed: LabelledFeed, answers: Answers) -> None:
        self.feed, self.answers = feed, answers

    def steps(self, epoch: int) -> Sequence[np.ndarray]:
        """Row indices of each optimizer step."""
        return self.feed.steps(epoch)

    def shape(self, item: np.ndarray) -> tuple[int, int]:
        """(rows, tokens a row) of a step."""
        return self.feed.shape(item)

    def parts(self, item: np.ndarray, epoch: int, number: int, parts: int) -> list[MicroBatch]:
        """The step's rows in `parts` micro-batches, of which the last may be empty."""
        plain = self.feed.parts(item, epoch, number, parts)
        chosen = self.feed.split(item, parts)
        return [self._taught(*pair) for pair in zip(plain, chosen, strict=True)]

    def _taught(self, batch: MicroBatch, rows: np.ndarray) -> MicroBatch:
        if not len(rows):
            return batch
        width = batch.arrays["input_ids"].shape[1]
        logits = [self.answers.logits[row] for row in rows]
        more = {
            "taught_logits": _stack(logits, width) if _is_wide(logits) else np.array(logits),
            "taught_hidden": _stack([self.answers.hidden[row] for row in rows], width),
        }
        return MicroBatch({**batch.arrays, **more}, batch.count, batch.tokens)


def answer_bytes(teacher: BertModel, rows: LabelledRows) -> int:
    """Memory that the teacher's hidden states of all rows take."""
    return int(rows.lengths.sum()) * teacher.config.num_layers * teacher.config.hidden_size * 2


def answers(teacher: BertModel, rows: LabelledRows, pad: int = 0) -> Answers:
    """Computes the teacher's answers for all rows."""
    logits: list[Any] = [None] * len(rows)
    hidden: list[Any] = [None] * len(rows)
    names = INPUTS if rows.type_ids is not None else INPUTS[:2]
    signature = {name: tf.TensorSpec([None, None], tf.int32) for name in names}
    look = tf.function(
        lambda inputs: _look(teacher, inputs), autograph=False, input_signature=[signature]
    )
    with stage("asking the teacher", total=len(rows), unit="rows") as progress:
        for chosen in evaluation_batches(rows.lengths):
            found, states = look(inputs_of(rows, chosen, pad, multiple=1))
            found, states = found.numpy(), states.numpy()
            for place, row in enumerate(chosen):
                length = rows.lengths[row]
                logits[row] = found[place, :length] if found.ndim == 3 else found[place]
                hidden[row] = states[place, :length].copy()
            progress.advance(len(chosen))
    return Answers(logits, hidden)


def objective(
    task: Task, settings: Prune, teacher: BertModel | None
) -> Callable[[BertModel, dict[str, tf.Tensor], tf.Tensor], tf.Tensor]:
    """The loss of a step, as the training loop wants it: a sum over rows or words.

    Args:
        task: What the agent does.
        settings: `temperature` and `hidden_weight` are read.
        teacher: Asked at each step; None: the batches hold its answers.
    """
    hard, soft = loss_for(task), soft_loss(task, settings.temperature)
    count = for_task(task).losses.count

    def loss(student: BertModel, batch: dict[str, tf.Tensor], seed: tf.Tensor) -> tf.Tensor:
        inputs = {name: batch[name] for name in INPUTS if name in batch}
        if teacher is None:
            logits, states = batch["taught_logits"], batch["taught_hidden"]
        else:
            logits, states = _look(teacher, inputs)
        outputs = student(inputs, hidden_states=settings.hidden_weight > 0)
        targets = batch["targets"]
        total = hard(outputs["logits"], targets)
        total += soft(outputs["logits"], tf.stop_gradient(logits), targets)
        if settings.hidden_weight:
            far = hidden_distance(outputs["hidden"][1:], tf.stop_gradient(states), batch["mask"])
            total += settings.hidden_weight * count(targets) * far
        return total

    return loss


def soft_loss(task: Task, temperature: float) -> SoftLoss:
    """The loss between a student's and a teacher's logits, both divided by the temperature.

    It is multiplied by the temperature squared, so that its gradient keeps its size (Hinton et
    al.). See `bertworks.tasks.losses.Losses.soft`.
    """
    return for_task(task).losses.soft(temperature)


def hidden_distance(student: Sequence[tf.Tensor], teacher: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Squared distance of hidden states over real tokens, relative to the teacher's square.

    Both are summed over the rows at hand, so micro-batches and devices that share a step's rows give
    nearly, not exactly, what the whole would.

    Args:
        student: Each layer's output, (batch, length, hidden).
        teacher: (batch, length, layers, hidden).
        mask: 1 at real tokens, (batch, length).

    Returns:
        The mean over the layers: 0 where both agree, 1 where the student is all zeros.
    """
    shares = [
        ops.relative_distance(state, teacher[:, :, layer], mask)
        for layer, state in enumerate(student)
    ]
    return tf.add_n(shares) / len(shares)


def _look(teacher: BertModel, inputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """A teacher's logits and hidden states, (batch, length, layers, hidden) in float16."""
    outputs = teacher(inputs, hidden_states=True)
    return outputs["logits"], tf.cast(tf.stack(outputs["hidden"][1:], axis=2), tf.float16)


def _is_wide(arrays: Sequence[np.ndarray]) -> bool:
    return bool(arrays) and arrays[0].ndim > 1


def _stack(arrays: Sequence[np.ndarray], width: int) -> np.ndarray:
    """Arrays of unequal length in one, filled with zeros: (rows, width, ...)."""
    stacked = np.zeros((len(arrays), width, *arrays[0].shape[1:]), arrays[0].dtype)
    for place, array in enumerate(arrays):
        stacked[place, : len(array)] = array
    return stacked
