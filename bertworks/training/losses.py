"""The tasks' losses, in TensorFlow. Each is a sum over rows or words; the caller divides.

Dividing by the count of the whole optimizer step, rather than of one micro-batch, makes accumulated
and distributed steps equal to undivided ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from bertworks.spec import Task

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""(logits, targets) -> sum of the losses, float32 scalar."""


def loss_for(task: Task, smoothing: float = 0.0, weights: np.ndarray | None = None) -> Loss:
    """The loss of a task.

    Args:
        task: What the agent does.
        smoothing: Label smoothing (Szegedy et al. 2016, section 7): this share of each target is
            spread evenly over the labels. Not used by regression.
        weights: A weight a label, or None: classification multiplies the rows of a label by it,
            multi-label the rows that have the label. Not used by tagging and regression.
    """
    if task.type == "regression":
        return squared_error
    if task.multi_label:
        return lambda logits, targets: sigmoid_loss(logits, targets, smoothing, weights)
    if task.type == "tagging":
        return lambda logits, targets: tagging_loss(logits, targets, smoothing)
    return lambda logits, targets: softmax_loss(logits, targets, smoothing, weights)


def softmax_loss(
    logits: tf.Tensor, targets: tf.Tensor, smoothing: float, weights: np.ndarray | None
) -> tf.Tensor:
    """Cross-entropy of (rows, labels) logits with (rows,) label indices; index -1 counts nothing."""
    known = targets >= 0
    safe = tf.where(known, targets, 0)
    wide = logits.shape[-1]
    wanted = tf.one_hot(safe, wide, 1.0 - smoothing + smoothing / wide, smoothing / wide)
    losses = tf.nn.softmax_cross_entropy_with_logits(wanted, logits)
    scale = tf.cast(known, tf.float32)
    if weights is not None:
        scale *= tf.gather(tf.constant(weights), safe)
    return tf.reduce_sum(losses * scale)


def tagging_loss(logits: tf.Tensor, targets: tf.Tensor, smoothing: float) -> tf.Tensor:
    """Cross-entropy of (batch, length, labels) logits with (batch, length) tags; below 0 is nothing."""
    rows = tf.reshape(logits, (-1, logits.shape[-1]))
    return softmax_loss(rows, tf.reshape(targets, (-1,)), smoothing, None)


def sigmoid_loss(
    logits: tf.Tensor, targets: tf.Tensor, smoothing: float, weights: np.ndarray | None
) -> tf.Tensor:
    """Mean over the labels of the binary cross-entropies, summed over rows."""
    wanted = tf.cast(targets, tf.float32) * (1.0 - smoothing) + 0.5 * smoothing
    if weights is None:
        losses = tf.nn.sigmoid_cross_entropy_with_logits(wanted, logits)
    else:
        losses = tf.nn.weighted_cross_entropy_with_logits(wanted, logits, tf.constant(weights))
    return tf.reduce_sum(tf.reduce_mean(losses, axis=-1))


def squared_error(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Squared error of (rows, 1) outputs with (rows,) scaled scores."""
    return tf.reduce_sum(tf.square(logits[:, 0] - tf.cast(targets, tf.float32)))
