"""Writes ONNX graphs node by node: the few operations that a BERT is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bertworks.compression.quantizer import Quantizer

OPSET = 20  # the first with Gelu
MICROSOFT = "com.microsoft"


class GraphWriter:
    """Collects the nodes and constants of one graph; each method returns the name of its output."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def node(self, operation: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Adds a node with one output."""
        return self.nodes(operation, *inputs, outputs=1, domain=domain, **attributes)[0]

    def nodes(
        self, operation: str, *inputs: str, outputs: int, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Adds a node with several outputs."""
        name = f"{operation}_{len(self._nodes)}"
        results = [f"{name}.{index}" for index in range(outputs)]
        self._nodes.append(
            helper.make_node(operation, inputs, results, name=name, domain=domain, **attributes)
        )
        return results

    def constant(self, value: NDArray[Any]) -> str:
        """Adds a constant tensor."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def integers(self, *values: int) -> str:
        """Adds a constant one-dimensional int64 tensor."""
        return self.constant(np.array(values, np.int64))

    def linear(self, source: str, weight: NDArray[Any], bias: NDArray[Any]) -> str:
        """source @ weight.T + bias, for a weight in torch layout (outputs, inputs).

        Args:
            source: (..., inputs), float32.
            weight: (outputs, inputs).
            bias: (outputs,).
        """
        product = self.node("MatMul", source, self.constant(weight.T.astype(np.float32)))
        return self.node("Add", product, self.constant(bias))

    def quantize(self, source: str, quantizer: Quantizer, *, multiplied: bool = False) -> str:
        """uint8 values of a tensor: fixed steps, so that no row depends on another.

        Args:
            source: (..., inputs), float32.
            quantizer: How.
            multiplied: The tensor holds the quantizer's factors already.
        """
        if quantizer.factors is not None and not multiplied:
            source = self.node("Mul", source, self.constant(quantizer.factors))
        return self.node("QuantizeLinear", source, *self._steps(quantizer))

    def integer_linear(
        self, values: str, quantizer: Quantizer, weight: NDArray[Any], bias: NDArray[Any]
    ) -> str:
        """As `linear`: uint8 values times int8 weights with a scale for each output, summed in int32.

        Args:
            values: (..., inputs), from `quantize`.
            quantizer: That they were quantized with.
            weight: (outputs, inputs).
            bias: (outputs,).
        """
        integers, scales = quantize_rows(quantizer.weight(weight))
        scale, zero = self._steps(quantizer)
        return self.node(
            "MatMulIntegerToFloat",
            values,
            self.constant(integers.T),
            scale,
            self.constant(scales),
            zero,
            self.constant(np.zeros(len(scales), np.int8)),
            self.constant(bias),
            domain=MICROSOFT,
        )

    def _steps(self, quantizer: Quantizer) -> tuple[str, str]:
        """Scale and zero point as constants."""
        return (
            self.constant(np.array(quantizer.scale, np.float32)),
            self.constant(np.array(quantizer.zero, np.uint8)),
        )

    def integer_attention(
        self,
        values: str,
        quantizer: Quantizer,
        mask: str,
        weights: Sequence[NDArray[Any]],
        biases: Sequence[NDArray[Any]],
        heads: int,
    ) -> str:
        """Self-attention in one node: the three projections in int8, the rest in float32.

        Args:
            values: (batch, sequence, inputs), from `quantize`.
            quantizer: That they were quantized with.
            mask: int32, 1 for tokens, 0 for padding, (batch, sequence).
            weights: Of queries, keys and values, each (heads * head size, inputs).
            biases: Of the same, each (heads * head size,).
            heads: How many.

        Returns:
            The heads' outputs beside each other: (batch, sequence, heads * head size).
        """
        integers, scales = quantize_rows(quantizer.weight(np.concatenate(weights)))
        scale, zero = self._steps(quantizer)
        return self.node(
            "QAttention",
            values,
            self.constant(integers.T),
            self.constant(np.concatenate(biases)),
            scale,
            self.constant(scales),
            mask,
            zero,
            self.constant(np.zeros(len(scales), np.int8)),
            domain=MICROSOFT,
            num_heads=heads,
        )

    def layer_norm(
        self, source: str, gamma: NDArray[Any], beta: NDArray[Any], epsilon: float
    ) -> str:
        """Normalizes the last axis."""
        return self.node(
            "LayerNormalization",
            source,
            self.constant(gamma),
            self.constant(beta),
            axis=-1,
            epsilon=epsilon,
        )

    def lookup(self, table: NDArray[Any], ids: str, *, compact: bool) -> str:
        """Rows of a table; a compact one is stored as int8 with a scale for each row."""
        if not compact:
            return self.node("Gather", self.constant(table), ids)
        integers, scales = quantize_rows(table)
        rows = self.node("Gather", self.constant(integers), ids)
        scale = self.node("Gather", self.constant(scales[:, np.newaxis]), ids)
        return self.node("Mul", self.node("Cast", rows, to=TensorProto.FLOAT), scale)

    def first(self, source: str, count: str) -> str:
        """The first `count` entries (a one-element tensor) of axis 0."""
        return self.node("Slice", source, self.integers(0), count, self.integers(0))

    def model(
        self, inputs: list[str], outputs: Mapping[str, tuple[str, list[str | int]]]
    ) -> onnx.ModelProto:
        """Closes the graph.

        Args:
            inputs: Names of the int64 inputs, all (batch, sequence).
            outputs: Name in the model to the tensor to give out, float32, and its axes.
        """
        for name, (source, _) in outputs.items():
            self._nodes.append(helper.make_node("Identity", [source], [name], name=f"out.{name}"))
        axes: list[str | int] = ["batch", "sequence"]
        graph = helper.make_graph(
            self._nodes,
            "bert",
            [helper.make_tensor_value_info(name, TensorProto.INT64, axes) for name in inputs],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
                for name, (_, shape) in outputs.items()
            ],
            self._constants,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain == MICROSOFT for node in self._nodes):
            opsets.append(helper.make_opsetid(MICROSOFT, 1))
        return helper.make_model(
            graph, opset_imports=opsets, ir_version=10, producer_name="bertworks"
        )


def quantize_rows(matrix: NDArray[Any]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Symmetric int8 with one scale a row: matrix is about integers * scales[:, None].

    Returns:
        Integers in -127..127, of the matrix's shape, and scales, shape (rows,).
    """
    scales = np.abs(matrix).max(axis=1, initial=0.0).astype(np.float32) / np.float32(127)
    scales[scales < np.finfo(np.float32).tiny] = (
        1.0  # as good as 0, and divided by with no precision
    )
    integers = np.clip(np.rint(matrix / scales[:, np.newaxis]), -127, 127).astype(np.int8)
    return integers, scales
