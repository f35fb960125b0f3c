"""Weights out of an ONNX graph of a BERT, in floating point or dynamically quantized.

What torch exports keeps the names of biases, norms and embeddings; the matrices of linear layers lose
theirs and lie transposed. So a linear layer is found from its bias: the sum that adds it, and from there
back to the product. onnxruntime's `quantize_dynamic` replaces that product by MatMulInteger with the
scales behind it, and the rows of embeddings by integers with a DequantizeLinear behind the look-up; the
weight is `(q - zero) * scale`, with a scale a column or one for all.

Nothing of the graph is run. A graph that was fused or renamed is refused, and so is one whose weights
lie in other files.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bertworks.errors import SourceError
from bertworks.models.importers.imported import Imported
from bertworks.models.layout import POOLER, POSITIONS, TYPES, WORDS, LayerNames, Weights

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

LAYER = re.compile(r"bert\.encoder\.layer\.(\d+)\.")
_WORDS = WORDS.removeprefix("bert.")
_QUANTIZED = "_quantized"
_LARGEST_SMALL = 1e-3  # what is added to a variance is smaller
_EXACT = ("Erf", "Gelu")


def read(file: Path, shown: str) -> Imported:
    """Reads a graph.

    Args:
        file: The .onnx file.
        shown: What to call it in errors.

    Raises:
        SourceError: It is no ONNX file, keeps its weights elsewhere, or is not a BERT whose names tell
            its layers.
    """
    graph = _Graph(_parsed(file, shown), shown)
    weights: Weights = {}
    for name in graph.named:
        if name.startswith(("bert.embeddings.", "bert.encoder.layer.", f"{POOLER}.")):
            weights[name] = graph.array(graph.named[name])
            if name.endswith(".bias") and ".LayerNorm." not in name:
                weights[f"{name.removesuffix('bias')}weight"] = graph.matrix_of(name)
    for name in (WORDS, POSITIONS, TYPES):
        if name not in weights:
            raise graph.refused(f"no weight whose name ends with {name.removeprefix('bert.')!r}")
    kept = {name: np.ascontiguousarray(array, np.float32) for name, array in weights.items()}
    config = graph.config(kept)
    return Imported(config, kept, "an ONNX graph", "int8" if graph.quantized else None)


def _parsed(file: Path, shown: str) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model(str(file), load_external_data=False)
    except (DecodeError, ValueError) as error:
        raise SourceError(
            f"{shown} cannot be read as an ONNX graph: {error}.",
            "Fetch it again; a file of a few bytes may be a pointer of Git LFS instead of the model.",
        ) from None
    if any(one.data_location == onnx.TensorProto.EXTERNAL for one in model.graph.initializer):
        raise SourceError(
            f"{shown} keeps its weights in other files.",
            "Give a graph that holds them: onnx.save_model(onnx.load(FILE), OUT) writes one.",
        )
    return model


class _Graph:
    """A graph's constants by name, and the way back from a value to what made it."""

    def __init__(self, model: ModelProto, shown: str) -> None:
        self.shown = shown
        self.quantized = False
        self._constants: dict[str, TensorProto] = {one.name: one for one in model.graph.initializer}
        self._made: dict[str, NodeProto] = {}
        self._used: dict[str, list[NodeProto]] = defaultdict(list)
        self.nodes: list[NodeProto] = list(model.graph.node)
        for node in self.nodes:
            self._made.update(dict.fromkeys(node.output, node))
            for name in node.input:
                self._used[name].append(node)

    @cached_property
    def named(self) -> Mapping[str, str]:
        """Our name, `bert.` before it, to the graph's, of all that keeps a name in the graph.

        Exporters write one copy of what is equal (all biases of a new model); `Identity` nodes name the
        others.
        """
        names = [*self._constants]
        names += [name for name, node in self._made.items() if node.op_type == "Identity"]
        plain = {self._plain(name): name for name in names}
        words = next((name for name in plain if name.endswith(_WORDS)), None)
        if words is None:
            raise self.refused(f"no weight whose name ends with {_WORDS!r}")
        before = words.removesuffix(_WORDS)
        return {
            f"bert.{name.removeprefix(before)}": kept
            for name, kept in plain.items()
            if name.startswith(before)
        }

    @staticmethod
    def _plain(name: str) -> str:
        return name.removesuffix(_QUANTIZED)

    def array(self, name: str) -> np.ndarray:
        """A constant's value as float32; integers by the scale that stands beside them.

        Raises:
            SourceError: It is none, or is damaged.
        """
        from onnx import numpy_helper

        tensor = self._constants.get(name)
        if tensor is None:
            return self._computed(name)
        try:
            array: np.ndarray = numpy_helper.to_array(tensor)
        except (ValueError, TypeError, KeyError) as error:
            raise self.refused(f"a damaged weight {name!r} ({error})") from None
        if array.dtype.kind not in "iu":
            return array.astype(np.float32)
        beside = self._plain(name)
        if f"{beside}_scale" not in self._constants:
            return array
        self.quantized = True
        scale, zero = (self.array(f"{beside}_{part}") for part in ("scale", "zero_point"))
        return dequantized(array, scale, zero)

    def _computed(self, name: str) -> np.ndarray:
        """What a node makes of constants alone."""
        node = self._made.get(name)
        kind = node.op_type if node is not None else ""
        if node is None or kind not in ("Identity", "Constant", "Transpose", "DequantizeLinear"):
            raise self.refused(f"a weight {name!r} that is computed")
        if kind == "Identity":
            return self.array(node.input[0])
        if kind == "Transpose":
            order = _attribute(node, "perm")
            return np.transpose(self.array(node.input[0]), None if order is None else list(order))
        if kind == "Constant":
            from onnx import numpy_helper

            value = _attribute(node, "value")
            return np.asarray(0 if value is None else numpy_helper.to_array(value))
        self.quantized = True
        values = [self._integers(one) for one in node.input]
        zero = values[2] if len(values) > 2 else np.zeros((), np.int64)
        return dequantized(values[0], values[1], zero, _attribute(node, "axis", 1))

    def _integers(self, name: str) -> np.ndarray:
        """A constant as it stands, integers unscaled."""
        from onnx import numpy_helper

        if name not in self._constants:
            return self._computed(name)
        return np.asarray(numpy_helper.to_array(self._constants[name]))

    def matrix_of(self, bias: str) -> np.ndarray:
        """The matrix of the linear layer with this bias, as torch keeps it: (outputs, inputs).

        Raises:
            SourceError: The bias is not added to a product with a constant.
        """
        own = f"{bias.removesuffix('bias')}weight"
        if own in self.named:  # Gemm keeps the name, and torch's order
            return self.array(self.named[own])
        for node in self._used[self.named[bias]]:
            if node.op_type == "Gemm" and len(node.input) == 3:
                matrix = self.array(node.input[1])
                return matrix if _attribute(node, "transB", 0) else matrix.T
            if node.op_type == "Add":
                other = [name for name in node.input if name != self.named[bias]]
                if len(other) == 1 and (product := self._product(other[0])) is not None:
                    return product.T
        raise self.refused(
            f"a bias {bias.removeprefix('bert.')!r} that is added to no linear layer"
        )

    def _product(self, name: str) -> np.ndarray | None:
        """The constant that a product was taken with: (inputs, outputs)."""
        node = self._made.get(name)
        if node is None:
            return None
        if node.op_type == "MatMul":
            return self.array(node.input[1])
        if node.op_type != "Mul":
            return None
        # Mul(Cast(MatMulInteger(x, W, zero of x, zero of W)), Mul(scale of x, scale of W))
        makers = [self._made.get(one) for one in node.input]
        casts = [one for one in makers if one is not None and one.op_type == "Cast"]
        scales = [one for one in makers if one is not None and one.op_type == "Mul"]
        if not casts or not scales:
            return None
        product = self._made.get(casts[0].input[0])
        if product is None or product.op_type != "MatMulInteger":
            return None
        scale = next((one for one in scales[0].input if one in self._constants), None)
        if scale is None or product.input[1] not in self._constants:
            return None
        self.quantized = True
        zero = product.input[3] if len(product.input) > 3 else ""
        return dequantized(
            self._integers(product.input[1]),
            self._integers(scale),
            self._integers(zero) if zero else np.zeros((), np.int64),
        )

    def config(self, weights: Weights) -> dict[str, object]:
        """What the shapes and the nodes tell of config.json."""
        layers = {int(number[1]) for name in weights if (number := LAYER.match(name))}
        if layers != set(range(len(layers))) or not layers:
            raise self.refused("no layers that are numbered from 0")
        if sum(node.op_type in _EXACT for node in self.nodes) < len(layers):
            raise self.refused("another activation than exact GELU")
        found: dict[str, object] = {
            "model_type": "bert",
            "hidden_act": "gelu",
            "num_hidden_layers": len(layers),
            "hidden_size": weights[WORDS].shape[1],
            "vocab_size": weights[WORDS].shape[0],
            "max_position_embeddings": weights[POSITIONS].shape[0],
            "type_vocab_size": weights[TYPES].shape[0],
            "intermediate_size": weights[f"{LayerNames(0).inner}.bias"].shape[0],
        }
        if (eps := self._eps()) is not None:
            found["layer_norm_eps"] = eps
        if heads := self._heads(weights[WORDS].shape[1]):
            found["num_attention_heads"] = heads
        return found

    def _eps(self) -> float | None:
        """What layer norms add to the variance: an attribute, or what stands before the root."""
        for node in self.nodes:
            if node.op_type == "LayerNormalization":
                return _shortest(_attribute(node, "epsilon", 1e-5))
            if node.op_type == "Sqrt" and (before := self._made.get(node.input[0])) is not None:
                for value in self._scalars(before):
                    if 0 < value < _LARGEST_SMALL:
                        return _shortest(value)
        return None

    def _heads(self, hidden: int) -> int | None:
        """Attention heads: queries are reshaped to (rows, tokens, heads, width of a head)."""
        for node in self.nodes:
            if node.op_type != "Reshape":
                continue
            shape = self._made.get(node.input[1])
            if node.input[1] in self._constants or (
                shape is not None and shape.op_type == "Constant"
            ):
                sizes = [int(size) for size in self.array(node.input[1]).reshape(-1)]
            else:
                sizes = [] if shape is None else [int(size) for size in self._scalars(shape)]
            if len(sizes) > 1 and min(sizes[-2:]) > 1 and sizes[-2] * sizes[-1] == hidden:
                return sizes[-2]
        return None

    def _scalars(self, node: NodeProto) -> list[float]:
        """The node's constant inputs that are one number."""
        found = []
        for name in node.input:
            made = self._made.get(name)
            if name in self._constants or (made is not None and made.op_type == "Constant"):
                value = np.asarray(self.array(name))
                found += [float(value.reshape(()))] if value.size == 1 else []
        return found

    def refused(self, what: str) -> SourceError:
        """The error for a graph that is something else."""
        return SourceError(
            f"{self.shown} is not read as a BERT: it has {what}.",
            "Give the checkpoint's safetensors weights, or export it with torch.onnx.export as it is, "
            "without fusing or renaming.",
        )


def dequantized(
    integers: np.ndarray, scale: np.ndarray, zero: np.ndarray, axis: int = 1
) -> np.ndarray:
    """`(q - zero) * scale` as float32.

    Args:
        integers: Weights of 8 bits.
        scale, zero: One for all, or one for each place of the axis.
        axis: The axis of `scale` and `zero`.
    """
    place = axis if integers.ndim > 1 else 0
    shape = [1] * integers.ndim
    if scale.size > 1:
        shape[place] = scale.size
    wide = integers.astype(np.float32) - zero.astype(np.float32).reshape(
        shape if zero.size > 1 else ()
    )
    return np.asarray(wide * scale.astype(np.float32).reshape(shape if scale.size > 1 else ()))


def _shortest(value: float) -> float:
    """1e-12 for what float32 makes of it."""
    return float(f"{value:.6g}")


def _attribute(node: NodeProto, name: str, default: Any = None) -> Any:
    from onnx import helper

    found = next((one for one in node.attribute if one.name == name), None)
    return default if found is None else helper.get_attribute_value(found)
