"""Binary cross-entropies, of several labels a row."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bertworks.tasks.losses import Loss, Losses, SoftLoss


class SigmoidLosses(Losses):
    """The mean over the labels of their binary cross-entropies."""

    def hard(self, smoothing: float = 0.0, weights: np.ndarray | None = None) -> Loss:
        """`weights`: one a label, by which the rows that have it are multiplied."""

        def loss(logits: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
            wanted = tf.cast(targets, tf.float32) * (1.0 - smoothing) + 0.5 * smoothing
            if weights is None:
                losses = tf.nn.sigmoid_cross_entropy_with_logits(wanted, logits)
            else:
                losses = tf.nn.weighted_cross_entropy_with_logits(
                    wanted, logits, tf.constant(weights)
                )
            return tf.reduce_sum(tf.reduce_mean(losses, axis=-1))

        return loss

    def soft(self, temperature: float) -> SoftLoss:
        """The mean of the labels' binary divergences, times the temperature squared."""

        def loss(student: tf.Tensor, teacher: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
            known = tf.sigmoid(teacher / temperature)
            entropy = tf.nn.sigmoid_cross_entropy_with_logits(known, teacher / temperature)
            cross = tf.nn.sigmoid_cross_entropy_with_logits(known, student / temperature)
            return temperature**2 * tf.reduce_sum(tf.reduce_mean(cross - entropy, axis=-1))

        return loss
