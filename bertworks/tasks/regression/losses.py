"""Squared error, of a number a row."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bertworks.tasks.losses import Loss, Losses, SoftLoss


class SquaredErrors(Losses):
    """Squared error of (rows, 1) outputs with (rows,) scaled scores."""

    def hard(self, smoothing: float = 0.0, weights: np.ndarray | None = None) -> Loss:
        """Neither smoothing nor weights are used."""
        return lambda logits, targets: tf.reduce_sum(
            tf.square(logits[:, 0] - tf.cast(targets, tf.float32))
        )

    def soft(self, temperature: float) -> SoftLoss:
        """Squared error of the two outputs; the temperature is not used."""
        return lambda student, teacher, targets: tf.reduce_sum(tf.square(student - teacher))
