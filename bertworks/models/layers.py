"""The encoder's layers, as Keras layers.

The residual stream is kept as float32 rows, (batch * length, hidden), so that every matrix product is
two-dimensional, forward and backward; attention alone needs the batch axis. Matrix products run in
the layers' compute type (float32 or bfloat16).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from bertworks.models import ops
from bertworks.models.config import EncoderConfig
from bertworks.models.relative import BUCKETS


class Shared(NamedTuple):
    """What all layers of a pass read.

    Attributes:
        bias: Added to the attention scores, broadcast to (batch, heads, length, length): 0 or very
            small.
        batch: Number of sequences.
        seed: int32 (2,), training seed and step: turns dropout on; None: no dropout.
        buckets: float32 (length, length, buckets), a 1 at the bucket of each pair's distance, for an
            encoder with relative positions.
    """

    bias: tf.Tensor
    batch: tf.Tensor
    seed: tf.Tensor | None = None
    buckets: tf.Tensor | None = None


class Gates(NamedTuple):
    """Multipliers of one layer's heads, (heads,), and neurons, (neurons,); None: all count as 1.

    Or one for each sequence: (batch, heads) and (batch, neurons).
    """

    heads: tf.Tensor | None = None
    neurons: tf.Tensor | None = None


OPEN = Gates()


class Dense(keras.layers.Layer):
    """y = x W + b over rows, (rows, inputs) -> (rows, outputs), in the compute type."""

    def __init__(self, inputs: int, outputs: int, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        self.kernel = self.add_weight(shape=(inputs, outputs), initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=(outputs,), initializer="zeros", name="bias")
        self.built = True

    def call(self, rows: tf.Tensor) -> tf.Tensor:
        """Computes in the compute type."""
        bias = tf.cast(tf.convert_to_tensor(self.bias), self.compute_dtype)
        return tf.nn.bias_add(self.product(rows), bias)

    def product(self, rows: tf.Tensor) -> tf.Tensor:
        """x W alone, for kernels that add the bias themselves."""
        kind = self.compute_dtype
        kernel = tf.cast(tf.convert_to_tensor(self.kernel), kind)
        if kernel.shape[0] == 0:
            # oneDNN aborts on a product over nothing; the empty sum keeps the kernel's gradient.
            return tf.zeros((tf.shape(rows)[0], 1), kind) + tf.reduce_sum(kernel, axis=0)
        return tf.matmul(tf.cast(rows, kind), kernel)


class Norm(keras.layers.Layer):
    """Layer normalization of float32 rows."""

    def __init__(self, width: int, epsilon: float, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        self.epsilon = epsilon
        self.gamma = self.add_weight(shape=(width,), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(width,), initializer="zeros", name="beta")
        self.built = True

    def call(self, rows: tf.Tensor) -> tf.Tensor:
        """Computes in float32."""
        return ops.layer_norm(rows, *self.parameters())

    def parameters(self) -> ops.Norm:
        """What kernels that normalize by themselves take."""
        gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        return ops.Norm(gamma, beta, self.epsilon)


class Dropout(keras.layers.Layer):
    """Dropout keyed by (seed, step, site); without a seed it passes its input on."""

    def __init__(self, rate: float, site: int, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        self.rate, self.site = rate, site
        self.built = True

    def call(self, x: tf.Tensor, seed: tf.Tensor | None) -> tf.Tensor:
        """Drops units when a seed is given."""
        return x if seed is None else ops.dropout(x, self.rate, seed, self.site)

    def drop(self, seed: tf.Tensor | None) -> ops.Drop:
        """What kernels that drop units by themselves take."""
        return ops.Drop(self.rate, seed, self.site)


class Embeddings(keras.layers.Layer):
    """Word + position + type embeddings, normalized: (batch, length) ids -> (rows, hidden)."""

    def __init__(self, config: EncoderConfig, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        width = config.embedding_size
        self.word = self._table(config.vocab_size, width, "word")
        self.position = self._table(config.max_positions, width, "position")
        self.type = self._table(config.type_vocab_size, width, "type")
        self.norm = Norm(width, config.layer_norm_eps, dtype=self.dtype_policy)
        self.dropout = Dropout(config.dropout, site=0, dtype=self.dtype_policy)
        self.projection: Dense | None = None
        if config.projects:
            self.projection = Dense(width, config.hidden_size, dtype=self.dtype_policy)
        self.built = True

    def _table(self, rows: int, width: int, name: str) -> Any:
        return self.add_weight(shape=(rows, width), initializer="zeros", name=name)

    def call(
        self,
        ids: tf.Tensor,
        type_ids: tf.Tensor | None,
        positions: tf.Tensor | None,
        seed: tf.Tensor | None,
    ) -> tf.Tensor:
        """Sums the three embeddings; types default to 0, positions to 0, 1, 2, …"""
        width = self.word.shape[1]
        total = tf.gather(tf.convert_to_tensor(self.word), ids)
        table = tf.convert_to_tensor(self.position)
        total += table[: tf.shape(ids)[1]] if positions is None else tf.gather(table, positions)
        types = tf.convert_to_tensor(self.type)
        total += types[0] if type_ids is None else _select(types, type_ids)
        rows = self.dropout(self.norm(tf.reshape(total, (-1, width))), seed)
        return rows if self.projection is None else tf.cast(self.projection(rows), tf.float32)


class Attention(keras.layers.Layer):
    """Multi-head self-attention with one fused projection for queries, keys and values."""

    def __init__(self, config: EncoderConfig, index: int, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        self.heads, self.head_size = config.num_heads[index], config.head_size
        hidden, width = config.hidden_size, self.heads * config.head_size
        self.projection = Dense(hidden, 3 * width, dtype=self.dtype_policy)
        self.output_dense = Dense(width, hidden, dtype=self.dtype_policy)
        self.relative: Any = None
        if config.relative_positions:
            shape = (BUCKETS, self.heads)
            self.relative = self.add_weight(shape=shape, initializer="zeros", name="relative")
        site = 1 + 3 * index
        self.weights_dropout = Dropout(config.attention_dropout, site, dtype=self.dtype_policy)
        self.dropout = Dropout(config.dropout, site + 1, dtype=self.dtype_policy)
        self.built = True

    def call(
        self,
        rows: tf.Tensor,
        shared: Shared,
        gate: tf.Tensor | None,
        only: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Attends within each sequence.

        Args:
            rows: (batch * length, hidden).
            shared: Of this pass.
            gate: (heads,) or (batch, heads) multipliers of the heads' outputs, or None.
            only: Indices of the rows to give out, or None for all of them.

        Returns:
            (rows given out, hidden), in the compute type, before bias, dropout and residual sum.
        """
        if self.heads == 0:
            mixed = tf.zeros((tf.shape(rows)[0], 0), self.compute_dtype)
        else:
            mixed = self._mix(self.projection(rows), shared, gate)
        return self.output_dense.product(_picked(mixed, only))

    def _mix(self, projected: tf.Tensor, shared: Shared, gate: tf.Tensor | None) -> tf.Tensor:
        split = tf.reshape(projected, (shared.batch, -1, 3, self.heads, self.head_size))
        query, key, value = tf.unstack(tf.transpose(split, (2, 0, 3, 1, 4)), num=3)
        query *= tf.cast(self.head_size**-0.5, query.dtype)
        scores = tf.matmul(query, key, transpose_b=True)
        if self.relative is not None:
            scores += tf.cast(self._by_distance(shared), scores.dtype)
        drop = self.weights_dropout.drop(shared.seed)
        weights = ops.attention_weights(scores, shared.bias, drop)
        mixed = tf.matmul(weights, value)
        if gate is not None:
            mixed *= tf.cast(gate, mixed.dtype)[..., tf.newaxis, tf.newaxis]
        return tf.reshape(tf.transpose(mixed, (0, 2, 1, 3)), (-1, self.heads * self.head_size))

    def _by_distance(self, shared: Shared) -> tf.Tensor:
        """What is added to the scores for the distance of each pair: (heads, length, length)."""
        # A product with one-hot vectors, as its gradient is a product too.
        pairs = tf.tensordot(shared.buckets, tf.convert_to_tensor(self.relative), axes=1)
        return tf.transpose(pairs, (2, 0, 1))


class FeedForward(keras.layers.Layer):
    """Two dense maps with an exact GELU between them."""

    def __init__(self, config: EncoderConfig, index: int, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        hidden, self.neurons = config.hidden_size, config.intermediate_sizes[index]
        self.inner = Dense(hidden, self.neurons, dtype=self.dtype_policy)
        self.outer = Dense(self.neurons, hidden, dtype=self.dtype_policy)
        self.dropout = Dropout(config.dropout, 3 + 3 * index, dtype=self.dtype_policy)
        self.built = True

    def call(self, rows: tf.Tensor, gate: tf.Tensor | None) -> tf.Tensor:
        """Maps rows to rows, as `Attention` does; `gate` multiplies the neurons."""
        if self.neurons == 0:
            active = tf.zeros((tf.shape(rows)[0], 0), self.compute_dtype)
        else:
            active = ops.gelu(self.inner.product(rows), tf.convert_to_tensor(self.inner.bias))
        if gate is not None:
            active = _gated(active, tf.cast(gate, active.dtype))
        return self.outer.product(active)


class Layer(keras.layers.Layer):
    """One transformer layer: attention and feed-forward, each with residual sum and norm."""

    def __init__(self, config: EncoderConfig, index: int, **options: Any) -> None:
        super().__init__(autocast=False, **options)
        hidden, epsilon = config.hidden_size, config.layer_norm_eps
        self.attention = Attention(config, index, dtype=self.dtype_policy)
        self.attention_norm = Norm(hidden, epsilon, dtype=self.dtype_policy)
        self.feed_forward = FeedForward(config, index, dtype=self.dtype_policy)
        self.norm = Norm(hidden, epsilon, dtype=self.dtype_policy)
        self.built = True

    def call(
        self,
        rows: tf.Tensor,
        shared: Shared,
        gates: Gates = OPEN,
        only: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Maps (batch * length, hidden) to the same shape, or to the rows of `only`."""
        attention, feed_forward = self.attention, self.feed_forward
        rows = ops.add_norm(
            attention(rows, shared, gates.heads, only),
            tf.convert_to_tensor(attention.output_dense.bias),
            _picked(rows, only),
            self.attention_norm.parameters(),
            attention.dropout.drop(shared.seed),
        )
        return ops.add_norm(
            feed_forward(rows, gates.neurons),
            tf.convert_to_tensor(feed_forward.outer.bias),
            rows,
            self.norm.parameters(),
            feed_forward.dropout.drop(shared.seed),
        )


def _gated(active: tf.Tensor, gate: tf.Tensor) -> tf.Tensor:
    """(rows, neurons) times (neurons,), or (batch, neurons), which holds for each sequence's rows."""
    if gate.shape.rank == 1 or gate.shape[-1] == 0:
        return active * gate
    apart = tf.reshape(active, (tf.shape(gate)[0], -1, gate.shape[-1]))
    return tf.reshape(apart * gate[:, tf.newaxis], tf.shape(active))


def _picked(rows: tf.Tensor, only: tf.Tensor | None) -> tf.Tensor:
    return rows if only is None else tf.gather(rows, only)


def _select(table: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
    """Rows of a small table as a product with one-hot vectors: its gradient is a product too."""
    return tf.one_hot(ids, table.shape[0], dtype=table.dtype) @ table
