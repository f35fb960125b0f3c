"""Multiple negatives ranking over a batch's documents, and the distance of vectors."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from bertworks.tasks.losses import Loss, Losses, SoftLoss

_NEVER = -1e9


class RankingLosses(Losses):
    """Losses of (rows, width) vectors of length 1.

    Args:
        scale: What cosines are multiplied by.
    """

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def hard(self, smoothing: float = 0.0, weights: np.ndarray | None = None) -> Loss:
        """Cross-entropy of each query's own document among the batch's (Henderson et al. 2017).

        Of a query with several documents in the batch each is told from those that are not its own, and
        the mean counts. Targets are those of `DocumentsTarget.batch`; neither smoothing nor weights are
        used.
        """

        def loss(vectors: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
            scores = self.scale * tf.matmul(vectors, vectors, transpose_b=True)
            own = tf.cast(tf.equal(targets, 1), tf.float32)
            others = tf.where(tf.equal(targets, 0), scores, _NEVER)
            against = tf.reduce_logsumexp(others, axis=1, keepdims=True)
            each = tf.nn.softplus(against - scores)  # -log(e^own / (e^own + sum of e^other))
            count = tf.reduce_sum(own, axis=1)
            return tf.reduce_sum(tf.reduce_sum(each * own, axis=1) / tf.maximum(count, 1.0))

        return loss

    def soft(self, temperature: float) -> SoftLoss:
        """How far the student's vectors are from the teacher's: 1 less the cosine, times the scale.

        The temperature is not used.
        """

        def loss(student: tf.Tensor, teacher: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
            return self.scale * tf.reduce_sum(1.0 - tf.reduce_sum(student * teacher, axis=1))

        return loss

    def count(self, targets: tf.Tensor) -> tf.Tensor:
        """Queries, float32 scalar."""
        queries = tf.reduce_any(tf.greater_equal(targets, 0), axis=1)
        return tf.reduce_sum(tf.cast(queries, tf.float32))
