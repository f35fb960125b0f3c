"""BERT as a Keras 3 model on TensorFlow, with weights in and out in Hugging Face layout."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import keras
import numpy as np
import tensorflow as tf

from bertworks.models import layout, ops
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.heads import MaskedHead, SequenceHead, TokenHead, VectorHead, build_head
from bertworks.models.layers import Dense, Embeddings, Gates, Layer, Norm, Shared
from bertworks.models.layout import LayerNames, Weights, all_shapes, initialize
from bertworks.models.relative import BUCKETS, bucket_row
from bertworks.models.weights import check_shapes

POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
_VERY_SMALL = -1e9


class Outputs(TypedDict, total=False):
    """What a model gives out, see `BertModel.call`."""

    logits: tf.Tensor
    last_hidden: tf.Tensor
    hidden: list[tf.Tensor]


class BertModel(keras.Model):
    """An encoder and its head. Build it with `build`.

    Attributes:
        config: The encoder's sizes.
        head: What stands on it.
    """

    def __init__(self, config: EncoderConfig, head: Head, policy: str) -> None:
        super().__init__(dtype=policy)
        self.config, self.head = config, head
        self.embeddings = Embeddings(config, dtype=policy)
        self.blocks = [Layer(config, index, dtype=policy) for index in range(config.num_layers)]
        self.head_layer = build_head(config, head, policy)
        self.built = True

    def call(self, inputs: Mapping[str, Any], hidden_states: bool = False) -> Outputs:
        """Runs the encoder and its head.

        Args:
            inputs: `input_ids`, int32 (batch, length), and any of:
                `mask`: (batch, length), 1 at real tokens, 0 at padding. Without it all are real.
                `segments`: int32 (batch, length), instead of `mask`: tokens attend to tokens of the
                    same number alone (packed documents 1, 2, …; 0 is padding).
                `type_ids`, `positions`: int32 (batch, length).
                `masked`: int32 (n,), flat indices (row * length + column) that the MLM head decodes.
                `head_gates`, `neuron_gates`: a float32 vector a layer, (heads,) and (neurons,), that
                    multiply each head's and each feed-forward neuron's output; or a vector for each
                    sequence, (batch, heads) and (batch, neurons).
                `seed`: int32 (2,), training seed and step: turns dropout on.
            hidden_states: Also return every layer's output.

        Returns:
            `logits` (float32; as the head says) unless the head is "encoder", which gives
            `last_hidden`, float32 (batch, length, hidden); and `hidden`, the embeddings' output and
            each layer's, as a list, when asked for.
        """
        ids, seed = inputs["input_ids"], inputs.get("seed")
        batch, length = tf.shape(ids)[0], tf.shape(ids)[1]
        bias = attention_bias(inputs.get("mask"), inputs.get("segments"))
        rows = self.embeddings(ids, inputs.get("type_ids"), inputs.get("positions"), seed)
        every = [rows]
        buckets = one_hot_buckets(length, self.config) if self.config.relative_positions else None
        shared = Shared(bias, batch, seed, buckets)
        none = [None] * len(self.blocks)
        gates = map(Gates, inputs.get("head_gates") or none, inputs.get("neuron_gates") or none)
        # Rows that the head does not read need not leave the last layer's attention.
        read = self._read_rows(inputs, batch, length)
        early = read is not None and not hidden_states and len(self.blocks) > 0
        for block, own in zip(self.blocks, gates, strict=True):
            only = read if early and block is self.blocks[-1] else None
            # Masked tokens are another number in every batch.
            varies = only is not None and isinstance(self.head_layer, MaskedHead)
            with ops.compiled(False) if varies else contextlib.nullcontext():
                rows = block(rows, shared, own, only)
            every.append(rows)
        shape = (batch, length, self.config.hidden_size)
        outputs: Outputs = {}
        if hidden_states:
            outputs["hidden"] = [tf.reshape(state, shape) for state in every]
        if read is not None and not early:
            rows = tf.gather(rows, read)
        if isinstance(self.head_layer, MaskedHead):
            outputs["logits"] = self.head_layer(rows, tf.convert_to_tensor(self.embeddings.word))
        elif isinstance(self.head_layer, VectorHead):
            states = tf.reshape(rows, shape) if read is None else rows
            outputs["logits"] = self.head_layer(states, inputs.get("mask"))
        elif self.head_layer is not None:
            outputs["logits"] = self.head_layer(rows, batch, seed)
        else:
            outputs["last_hidden"] = tf.reshape(rows, shape)
        return outputs

    def _read_rows(
        self, inputs: Mapping[str, Any], batch: tf.Tensor, length: tf.Tensor
    ) -> tf.Tensor | None:
        """Which of the (batch * length) rows the head reads; None for all of them."""
        first = isinstance(self.head_layer, VectorHead) and self.head_layer.pooling == "first"
        if first or isinstance(self.head_layer, SequenceHead):
            return tf.range(batch) * length
        return inputs.get("masked") if isinstance(self.head_layer, MaskedHead) else None


MANY_OUTPUTS = 20
"""Beyond these a classifier begins better with a trained encoder's first token than with a random
mixture of it. With few outputs that was not seen to help."""


def build(
    config: EncoderConfig,
    head: Head,
    weights: Weights | None = None,
    *,
    precision: str = "float32",
    seed: int = 0,
) -> BertModel:
    """Builds a model and fills it.

    Args:
        config: The encoder's sizes.
        head: What stands on it.
        weights: Weights by Hugging Face name; those that are missing start fresh (the pooler
            of a trained encoder as the identity, below many outputs), those that the model has no place
            for are left out.
        precision: "float32" or "bfloat16" (matrix products only; weights, norms, softmax and the
            classifier stay float32).
        seed: Seed of the fresh weights.
    """
    model = BertModel(config, head, POLICIES[precision])
    given = weights or {}
    shapes = all_shapes(config, head)
    fresh = initialize({name: shapes[name] for name in shapes if name not in given}, seed)
    pooler = f"{layout.POOLER}.weight"
    if given and pooler in fresh and head.outputs > MANY_OUTPUTS:
        fresh[pooler] = np.eye(*shapes[pooler], dtype=np.float32)
    set_weights_from(model, {**given, **fresh})
    return model


def attention_bias(mask: tf.Tensor | None, segments: tf.Tensor | None) -> tf.Tensor:
    """What is added to the attention scores: 0 where a token may look, -1e9 where not.

    Returns:
        float32, broadcastable to (batch, heads, length, length): (batch, 1, 1, length) for a mask,
        (batch, 1, length, length) for segments.
    """
    if segments is not None:
        same = segments[:, :, tf.newaxis] == segments[:, tf.newaxis, :]
        return tf.where(same, 0.0, _VERY_SMALL)[:, tf.newaxis]
    if mask is not None:
        return ((tf.cast(mask, tf.float32) - 1.0) * -_VERY_SMALL)[:, tf.newaxis, tf.newaxis]
    return tf.zeros((1, 1, 1, 1))


def one_hot_buckets(length: tf.Tensor, config: EncoderConfig) -> tf.Tensor:
    """For each pair of places the bucket of their distance: float32, (length, length, buckets)."""
    places = tf.range(length)
    distances = places[tf.newaxis, :] - places[:, tf.newaxis]
    row = tf.constant(bucket_row(config.max_positions), tf.int32)
    return tf.one_hot(tf.gather(row, distances + config.max_positions - 1), BUCKETS)


def set_weights_from(model: BertModel, weights: Weights) -> None:
    """Fills a model from weights by Hugging Face name (torch layout).

    Raises:
        ArtifactError: A weight is missing or has another shape.
    """
    check_shapes(weights, all_shapes(model.config, model.head), "the weights")
    for slot in slots(model):
        parts = [weights[name].T if slot.transposed else weights[name] for name in slot.names]
        slot.variable.assign(np.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0])


def get_weights(model: BertModel) -> Weights:
    """A model's weights as float32 arrays by Hugging Face name (torch layout)."""
    weights: Weights = {}
    for slot in slots(model):
        parts = np.split(np.asarray(slot.variable.numpy()), len(slot.names), axis=-1)
        for name, part in zip(slot.names, parts, strict=True):
            weights[name] = np.ascontiguousarray(part.T if slot.transposed else part)
    return weights


@dataclass(frozen=True)
class Slot:
    """A variable and the Hugging Face weights that it holds, joined along its last axis."""

    variable: Any
    names: Sequence[str]
    transposed: bool = False


def slots(model: BertModel) -> list[Slot]:
    """All variables of a model with their Hugging Face names, from the embeddings to the head."""
    table = model.embeddings
    found = [
        Slot(table.word, [layout.WORDS]),
        Slot(table.position, [layout.POSITIONS]),
        Slot(table.type, [layout.TYPES]),
        *_norm(table.norm, layout.EMBEDDING_NORM),
    ]
    if table.projection is not None:
        found += _dense(table.projection, layout.PROJECTION)
    for index, block in enumerate(model.blocks):
        names = LayerNames(index)
        found += _dense(block.attention.projection, *names.projections)
        if block.attention.relative is not None:
            found.append(Slot(block.attention.relative, [f"{names.relative}.weight"]))
        found += _dense(block.attention.output_dense, names.mixed)
        found += _norm(block.attention_norm, names.attention_norm)
        found += _dense(block.feed_forward.inner, names.inner)
        found += _dense(block.feed_forward.outer, names.outer)
        found += _norm(block.norm, names.norm)
    return found + _head_slots(model.head_layer)


def _head_slots(layer: keras.layers.Layer | None) -> list[Slot]:
    if isinstance(layer, SequenceHead):
        return [
            *_dense(layer.pooler, layout.POOLER),
            *_dense(layer.classifier, layout.CLASSIFIER),
        ]
    if isinstance(layer, TokenHead):
        return _dense(layer.classifier, layout.CLASSIFIER)
    if isinstance(layer, MaskedHead):
        return [
            *_dense(layer.transform, layout.MASKED_DENSE),
            *_norm(layer.norm, layout.MASKED_NORM),
            Slot(layer.bias, [layout.MASKED_BIAS]),
        ]
    return []


def _dense(layer: Dense, *names: str) -> list[Slot]:
    return [
        Slot(layer.kernel, [f"{name}.weight" for name in names], transposed=True),
        Slot(layer.bias, [f"{name}.bias" for name in names]),
    ]


def _norm(layer: Norm, name: str) -> list[Slot]:
    return [Slot(layer.gamma, [f"{name}.weight"]), Slot(layer.beta, [f"{name}.bias"])]
