"""Exports a model as an ONNX graph, built from its weights in the form that engines run fastest.

Against a graph traced by a framework it does less, with the same result:
- of a sequence classifier's last layer only the [CLS] row is computed, as nothing else is read (its
  keys and values excepted);
- the scale of the attention scores is folded into the query weights (but for int8, whose attention
  nodes scale by themselves), and for single texts the token-type row into the position table, which
  is cut at the longest row;
- heads and neurons that were pruned away, and blocks of which nothing is left, do not appear.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from bertworks.compression.graph_writer import MICROSOFT, GraphWriter
from bertworks.compression.quantizer import UNCALIBRATED, Quantizer
from bertworks.models import layout
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import LayerNames, Weights
from bertworks.models.relative import bucket_row

Form = Literal["float32", "compact", "int8"]

# Large enough that exp() of a masked score is 0, small enough for bfloat16 and float16.
MASKED = 10_000.0


def build_graph(
    config: EncoderConfig,
    weights: Weights,
    head: Head,
    *,
    pair: bool = False,
    max_length: int | None = None,
    form: Form = "float32",
    quantizers: Mapping[str, Quantizer] | None = None,
    observe: bool = False,
    vector: bool = False,
) -> onnx.ModelProto:
    """Builds the graph of an encoder with a sequence, token or vector head.

    Args:
        config: Sizes; a layer may have no heads or no neurons.
        weights: Hugging Face names, torch layout (outputs, inputs).
        head: Which head stands on the encoder; "encoder" gives out the last hidden states.
        pair: Take `type_ids`; without it all tokens have type 0.
        max_length: Longest row, in tokens; None: config.max_positions.
        form: "float32" computes what the model computes. "compact" stores the word embeddings as
            int8, which is what the OpenVINO candidates start from. "int8" also runs the encoder's
            matrix products in int8, and attention in onnxruntime's nodes.
        quantizers: Of the products' inputs, for "int8": site to quantizer, from
            `calibration.calibrate`. None: a graph that is good for timing alone.
        observe: Also give out the input of every product of the encoder, as an output that is named
            by its site: (batch, sequence or 1, inputs).
        vector: Also give out what the last product takes, behind the logits: of a sequence head the
            text's vector, of a token head each token's (the first one's is the text's). It is computed
            anyway.

    Returns:
        A model with int64 inputs `input_ids`, `attention_mask` (and `type_ids`), all (batch,
        sequence) and both axes free, and the float32 output `logits`: (batch, outputs) for a
        sequence head, (batch, hidden) for a vector head, else (batch, sequence, outputs); with the
        vector there are hidden more.

    Raises:
        ValueError: The head is of a kind that is not exported.
    """
    if head.kind == "mlm":
        raise ValueError(
            f"`head` must be sequence, token, vector or encoder. Received: {head.kind}"
        )
    builder = _Builder(config, weights, form, quantizers or {})
    rows = builder.embeddings(pair, max_length or config.max_positions)
    mask = builder.mask()
    for layer in range(config.num_layers):
        reads_first = head.kind == "sequence" or head.pooling == "first"
        only_first = reads_first and layer == config.num_layers - 1
        rows = builder.attention(rows, mask, layer, only_first)
        rows = builder.feed_forward(rows, layer)
    logits, axes = builder.head(rows, head, vector)
    inputs = ["input_ids", "attention_mask", *(["type_ids"] if pair else [])]
    outputs = {"logits": (logits, axes)}
    if observe:
        for site, (source, width) in builder.sites.items():
            outputs[site] = (source, ["batch", "tokens", width])
    return builder.writer.model(inputs, outputs)


class _Builder:
    """The parts of the graph; each method returns the name of its output."""

    def __init__(
        self,
        config: EncoderConfig,
        weights: Weights,
        form: Form,
        quantizers: Mapping[str, Quantizer],
    ) -> None:
        self.config, self.weights, self.quantizers = config, weights, quantizers
        self.compact = form != "float32"
        self.integers = form == "int8"
        self.writer = GraphWriter()
        self.buckets = ""
        self.sites: dict[str, tuple[str, int]] = {}

    def embeddings(self, pair: bool, max_length: int) -> str:
        """Normalized sum of word, position and type embeddings: (batch, sequence, hidden).

        Embeddings of another width are projected, in float32 always.
        """
        write = self.writer
        positions = self.weights[layout.POSITIONS][:max_length]
        types = self.weights[layout.TYPES]
        words = write.lookup(self.weights[layout.WORDS], "input_ids", compact=self.compact)
        length = write.node("Shape", "input_ids", start=1, end=2)
        if pair:
            place = write.first(write.constant(positions), length)
            kind = write.lookup(types, "type_ids", compact=False)
            total = write.node("Add", write.node("Add", words, place), kind)
        else:
            total = write.node(
                "Add", words, write.first(write.constant(positions + types[0]), length)
            )
        if self.config.relative_positions:
            self.buckets = self._buckets(length, max_length)
        rows = self._norm(total, layout.EMBEDDING_NORM)
        if self.config.projects:
            rows = self._linear(rows, layout.PROJECTION, quantize=False)
        return rows

    def _buckets(self, length: str, longest: int) -> str:
        """The bucket of each pair's distance: (sequence, sequence)."""
        write = self.writer
        count = write.node("Squeeze", length, write.integers(0))
        zero, one = (write.constant(np.array(value, np.int64)) for value in (0, 1))
        places = write.node("Range", zero, count, one)
        across = write.node("Unsqueeze", places, write.integers(0))
        distances = write.node("Sub", across, write.node("Unsqueeze", places, write.integers(1)))
        row = write.constant(bucket_row(longest))
        return write.node("Gather", row, write.node("Add", distances, write.integers(longest - 1)))

    def _by_distance(self, layer: int, only_first: bool) -> str:
        """What a layer adds to the scores: (1, heads, asking rows, sequence)."""
        write = self.writer
        table = self.weights[f"{LayerNames(layer).relative}.weight"].T[np.newaxis]
        buckets = write.first(self.buckets, write.integers(1)) if only_first else self.buckets
        return write.node("Gather", write.constant(table), buckets, axis=2)

    def mask(self) -> str:
        """What attention takes: for int8 the mask as int32, (batch, sequence).

        Else what is added to the scores: 0 for tokens, -10,000 for padding; (batch, 1, 1, sequence).
        """
        write = self.writer
        if self.integers:
            return write.node("Cast", "attention_mask", to=TensorProto.INT32)
        mask = write.node("Cast", "attention_mask", to=TensorProto.FLOAT)
        below = write.node("Sub", mask, write.constant(np.array(1.0, np.float32)))
        bias = write.node("Mul", below, write.constant(np.array(MASKED, np.float32)))
        return write.node("Unsqueeze", bias, write.integers(1, 2))

    def attention(self, rows: str, mask: str, layer: int, only_first: bool) -> str:
        """One attention block with residual sum and norm; `only_first` computes row 0 alone."""
        names = LayerNames(layer)
        asking = self._first_row(rows) if only_first else rows
        if self.config.num_heads[layer]:
            mix = self._integer_mix if self.integers else self._mix
            mixed = mix(rows, asking, mask, layer)
            change = self._linear(mixed, names.mixed, multiplied=True)
        else:
            change = self.writer.constant(self.weights[f"{names.mixed}.bias"])
        return self._norm(self.writer.node("Add", change, asking), names.attention_norm)

    def feed_forward(self, rows: str, layer: int) -> str:
        """One feed-forward block with residual sum and norm."""
        names = LayerNames(layer)
        change = self.writer.constant(self.weights[f"{names.outer}.bias"])
        if self.config.intermediate_sizes[layer]:
            inner = self._linear(rows, names.inner)
            change = self._linear(self.writer.node("Gelu", inner), names.outer)
        return self._norm(self.writer.node("Add", change, rows), names.norm)

    def head(self, rows: str, head: Head, vector: bool) -> tuple[str, list[str | int]]:
        """Logits, float32 in every form, and their axes; and the vectors behind them, if asked for."""
        write = self.writer
        if head.kind == "encoder":
            return rows, ["batch", "sequence", self.config.hidden_size]
        if head.kind == "token":
            logits = self._linear(rows, layout.CLASSIFIER, quantize=False)
            if not vector:
                return logits, ["batch", "sequence", head.outputs]
            width = head.outputs + self.config.hidden_size
            return write.node("Concat", logits, rows, axis=2), ["batch", "sequence", width]
        if head.pooling == "mean":
            return self._unit(self._mean(rows)), ["batch", self.config.hidden_size]
        if not self.config.num_layers:
            rows = self._first_row(rows)
        if head.kind == "vector":
            first = write.node("Squeeze", rows, write.integers(1))
            return self._unit(first), ["batch", self.config.hidden_size]
        first = write.node("Squeeze", rows, write.integers(1))
        pooled = write.node("Tanh", self._linear(first, layout.POOLER, quantize=False))
        logits = self._linear(pooled, layout.CLASSIFIER, quantize=False)
        if not vector:
            return logits, ["batch", head.outputs]
        width = head.outputs + self.config.hidden_size
        return write.node("Concat", logits, pooled, axis=1), ["batch", width]

    def _mean(self, rows: str) -> str:
        """The mean of the real tokens' states: (batch, hidden)."""
        write = self.writer
        mask = write.node("Cast", "attention_mask", to=TensorProto.FLOAT)
        real = write.node("Unsqueeze", mask, write.integers(2))
        total = write.node(
            "ReduceSum", write.node("Mul", rows, real), write.integers(1), keepdims=0
        )
        count = write.node("ReduceSum", real, write.integers(1), keepdims=0)
        return write.node("Div", total, count)

    def _unit(self, vectors: str) -> str:
        """Vectors at length 1."""
        write = self.writer
        length = write.node("ReduceL2", vectors, write.integers(1), keepdims=1)
        least = write.constant(np.array(1e-6, np.float32))
        return write.node("Div", vectors, write.node("Max", length, least))

    def _mix(self, rows: str, asking: str, mask: str, layer: int) -> str:
        """The heads' outputs beside each other: (batch, asking rows, heads * head size)."""
        write, heads, size = self.writer, self.config.num_heads[layer], self.config.head_size
        query, key, value = self._projections(rows, asking, layer)
        apart = write.integers(0, 0, heads, size)

        def by_head(source: str, axes: list[int]) -> str:
            return write.node("Transpose", write.node("Reshape", source, apart), perm=axes)

        scores = write.node("MatMul", by_head(query, [0, 2, 1, 3]), by_head(key, [0, 2, 3, 1]))
        scores = write.node("Add", scores, mask)
        if self.config.relative_positions:
            scores = write.node("Add", scores, self._by_distance(layer, asking != rows))
        shares = write.node("Softmax", scores, axis=-1)
        mixed = write.node("MatMul", shares, by_head(value, [0, 2, 1, 3]))
        together = write.node("Transpose", mixed, perm=[0, 2, 1, 3])
        return write.node("Reshape", together, write.integers(0, 0, heads * size))

    def _integer_mix(self, rows: str, asking: str, mask: str, layer: int) -> str:
        """As `_mix`, in onnxruntime's own nodes: most of a short row's time is that of its nodes."""
        write, heads = self.writer, self.config.num_heads[layer]
        weights, biases = self._heads(layer)
        factors = self._quantizer(LayerNames(layer).mixed).factors
        if factors is not None:  # a mixture of larger values is as much larger: no node is needed
            weights[2], biases[2] = weights[2] * factors[:, np.newaxis], biases[2] * factors
        quantizer = self._quantizer(LayerNames(layer).attention)
        values = write.quantize(rows, quantizer)
        relative = self.config.relative_positions
        if asking == rows and not relative:
            return write.integer_attention(values, quantizer, mask, weights, biases, heads)
        asked = values if asking == rows else self._first_row(values)
        query, key, value = (
            write.integer_linear(source, quantizer, weight, bias)
            for source, weight, bias in zip((asked, values, values), weights, biases, strict=True)
        )
        given = [query, key, value, "", mask]
        if relative:
            given.append(self._by_distance(layer, asking != rows))
        return write.node("MultiHeadAttention", *given, domain=MICROSOFT, num_heads=heads)

    def _projections(self, rows: str, asking: str, layer: int) -> list[str]:
        """Queries (scaled) of the asking rows; keys and values of all rows."""
        self._site(LayerNames(layer).attention, rows, self.config.hidden_size)
        weights, biases = self._heads(layer)
        scale = np.float32(self.config.head_size**-0.5)
        weights[0], biases[0] = weights[0] * scale, biases[0] * scale
        if asking == rows:
            return self._fused(rows, weights, biases)
        query = self.writer.linear(asking, weights[0], biases[0])
        return [query, *self._fused(rows, weights[1:], biases[1:])]

    def _heads(self, layer: int) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
        """Weights and biases of a layer's queries, keys and values."""
        names = LayerNames(layer).projections
        weights = [self.weights[f"{name}.weight"] for name in names]
        return weights, [self.weights[f"{name}.bias"] for name in names]

    def _fused(
        self, rows: str, weights: list[NDArray[Any]], biases: list[NDArray[Any]]
    ) -> list[str]:
        """Several projections of equal width in one product, split after it."""
        product = self.writer.linear(rows, np.concatenate(weights), np.concatenate(biases))
        sizes = self.writer.integers(*(len(bias) for bias in biases))
        return self.writer.nodes("Split", product, sizes, outputs=len(biases), axis=-1)

    def _linear(
        self, rows: str, name: str, *, quantize: bool = True, multiplied: bool = False
    ) -> str:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        if not quantize:
            return self.writer.linear(rows, weight, bias)
        self._site(name, rows, weight.shape[1])
        if not self.integers:
            return self.writer.linear(rows, weight, bias)
        quantizer = self._quantizer(name)
        values = self.writer.quantize(rows, quantizer, multiplied=multiplied)
        return self.writer.integer_linear(values, quantizer, weight, bias)

    def _quantizer(self, site: str) -> Quantizer:
        return self.quantizers.get(site, UNCALIBRATED)

    def _site(self, name: str, source: str, width: int) -> None:
        """Remembers the input of a product, or of several that share it."""
        self.sites[name] = (source, width)

    def _norm(self, rows: str, name: str) -> str:
        gamma, beta = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return self.writer.layer_norm(rows, gamma, beta, self.config.layer_norm_eps)

    def _first_row(self, rows: str) -> str:
        """Row 0 of each sequence: (batch, 1, hidden)."""
        write = self.writer
        return write.node("Slice", rows, write.integers(0), write.integers(1), write.integers(1))
