"""Cross-entropy, of one label a row."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bertworks.tasks.losses import Loss, Losses, SoftLoss, softmax_loss


class SoftmaxLosses(Losses):
    """Cross-entropy, and the divergence of a student's probabilities from its teacher's."""

    def hard(self, smoothing: float = 0.0, weights: np.ndarray | None = None) -> Loss:
        """`weights`: one a label, by which the rows of the label are multiplied."""
        return lambda logits, targets: softmax_loss(logits, targets, smoothing, weights)

    def soft(self, temperature: float) -> SoftLoss:
        """KL(teacher || student) of logits divided by the temperature.

        It is multiplied by the temperature squared, so that its gradient keeps its size.
        """
        return lambda student, teacher, targets: tf.reduce_sum(
            divergence(student, teacher, temperature)
        )


def divergence(student: tf.Tensor, teacher: tf.Tensor, temperature: float) -> tf.Tensor:
    """KL(teacher || student) times the temperature squared; the logits' last axis is gone."""
    known = tf.nn.log_softmax(teacher / temperature)
    given = tf.nn.log_softmax(student / temperature)
    return temperature**2 * tf.reduce_sum(tf.exp(known) * (known - given), axis=-1)
