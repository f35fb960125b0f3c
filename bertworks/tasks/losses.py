"""What a task's losses are, and those that several tasks share. In TensorFlow.

Each is a sum over rows or words; the caller divides. Dividing by the count of the whole optimizer step,
rather than of one micro-batch, makes accumulated and distributed steps equal to undivided ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
import tensorflow as tf

Loss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""(logits, targets) -> sum of the losses, float32 scalar."""

SoftLoss = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]
"""(student's logits, teacher's logits, targets) -> sum over rows or words, float32 scalar."""


class Losses(ABC):
    """A task's losses."""

    @abstractmethod
    def hard(self, smoothing: float = 0.0, weights: np.ndarray | None = None) -> Loss:
        """The loss against the true targets.

        Args:
            smoothing: Label smoothing (Szegedy et al. 2016, section 7): this share of each target is
                spread evenly over the labels, where the task has labels.
            weights: What the task's `label_weights` gave, or None.
        """

    @abstractmethod
    def soft(self, temperature: float) -> SoftLoss:
        """The distance of a student's answers from its teacher's (Hinton et al. 2015).

        Args:
            temperature: Softens both sides where answers are probabilities.
        """

    def count(self, targets: tf.Tensor) -> tf.Tensor:
        """What a sum of losses is divided by: rows, float32 scalar."""
        return tf.cast(tf.shape(targets)[0], tf.float32)


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
