"""Cross-entropy at the words' first pieces."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bertworks.tasks.classification.losses import divergence
from bertworks.tasks.losses import Loss, Losses, SoftLoss, softmax_loss


class TaggingLosses(Losses):
    """Of (batch, length, labels) logits with (batch, length) tags; tags below 0 count nothing."""

    def hard(self, smoothing: float = 0.0, weights: np.ndarray | None = None) -> Loss:
        """Weights are not used."""

        def loss(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
            rows = tf.reshape(logits, (-1, logits.shape[-1]))
            return softmax_loss(rows, tf.reshape(targets, (-1,)), smoothing, None)

        return loss

    def soft(self, temperature: float) -> SoftLoss:
        """The divergence at the words' first pieces alone."""

        def loss(student: tf.Tensor, teacher: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
            told = tf.cast(targets >= 0, tf.float32)
            return tf.reduce_sum(divergence(student, teacher, temperature) * told)

        return loss

    def count(self, targets: tf.Tensor) -> tf.Tensor:
        """Words."""
        return tf.reduce_sum(tf.cast(targets >= 0, tf.float32))
