"""What stands on the encoder: sequence classifier, token classifier, masked-language-model head."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from bertworks.models import ops
from bertworks.models.config import EncoderConfig, Head, Pooling
from bertworks.models.layers import Dense, Dropout, Norm


class SequenceHead(keras.layers.Layer):
    """tanh pooler over the first token, dropout, classifier: -> (batch, outputs)."""

    def __init__(self, config: EncoderConfig, outputs: int, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        hidden = config.hidden_size
        self.pooler = Dense(hidden, hidden, dtype="float32")
        self.dropout = Dropout(config.dropout, site=1 + 3 * config.num_layers, dtype="float32")
        self.classifier = Dense(hidden, outputs, dtype="float32")
        self.built = True

    def call(self, rows: tf.Tensor, batch: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        """Classifies each sequence from its first row: rows is (batch, hidden)."""
        return self.classifier(self.dropout(tf.tanh(self.pooler(rows)), seed))


class VectorHead(keras.layers.Layer):
    """The mean of the tokens' states, or the first one's, brought to length 1: -> (batch, hidden)."""

    def __init__(self, pooling: Pooling, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        self.pooling = pooling
        self.built = True

    def call(self, rows: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """Vectors of rows.

        Args:
            rows: (batch, length, hidden); for the first token alone (batch, hidden).
            mask: (batch, length), 1 at real tokens; None: all are.
        """
        rows = tf.cast(rows, tf.float32)
        if self.pooling == "mean":
            real = tf.ones(tf.shape(rows)[:2]) if mask is None else tf.cast(mask, tf.float32)
            total = tf.reduce_sum(rows * real[:, :, tf.newaxis], axis=1)
            rows = total / tf.maximum(tf.reduce_sum(real, axis=1, keepdims=True), 1.0)
        return tf.math.l2_normalize(rows, axis=-1, epsilon=1e-12)


class TokenHead(keras.layers.Layer):
    """Dropout and classifier over every token: -> (batch, length, outputs)."""

    def __init__(self, config: EncoderConfig, outputs: int, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        self.outputs = outputs
        self.dropout = Dropout(config.dropout, site=1 + 3 * config.num_layers, dtype="float32")
        self.classifier = Dense(config.hidden_size, outputs, dtype="float32")
        self.built = True

    def call(self, rows: tf.Tensor, batch: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        """Classifies each row."""
        return tf.reshape(self.classifier(self.dropout(rows, seed)), (batch, -1, self.outputs))


class MaskedHead(keras.layers.Layer):
    """Dense, GELU, norm and a decoder tied to the word embeddings: -> (masked, vocabulary)."""

    def __init__(self, config: EncoderConfig, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        width = config.embedding_size
        self.transform = Dense(config.hidden_size, width, dtype=self.dtype_policy)
        self.norm = Norm(width, config.layer_norm_eps, dtype=self.dtype_policy)
        self.bias = self.add_weight(shape=(config.vocab_size,), initializer="zeros", name="bias")
        self.built = True

    def call(self, rows: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
        """Vocabulary logits, float32.

        Args:
            rows: (tokens to decode, hidden).
            words: (vocabulary, embedding) word embeddings.
        """
        bias = tf.convert_to_tensor(self.transform.bias)
        with ops.compiled(False):  # another number of rows in every batch
            active = ops.gelu(self.transform.product(rows), bias)
            known = self.norm(tf.cast(active, tf.float32))
        kind = self.compute_dtype
        logits = tf.matmul(tf.cast(known, kind), tf.cast(words, kind), transpose_b=True)
        return tf.cast(logits, tf.float32) + tf.convert_to_tensor(self.bias)


def build_head(config: EncoderConfig, head: Head, policy: str) -> keras.layers.Layer | None:
    """The Keras layer of a head; None for a bare encoder."""
    if head.kind == "sequence":
        return SequenceHead(config, head.outputs, dtype="float32")
    if head.kind == "token":
        return TokenHead(config, head.outputs, dtype="float32")
    if head.kind == "vector":
        return VectorHead(head.pooling or "mean", dtype="float32")
    if head.kind == "mlm":
        return MaskedHead(config, dtype=policy)
    return None
