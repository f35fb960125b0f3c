"""Which parameters a BERT has, told once: Hugging Face names, axes in torch layout (outputs, inputs).

Every family that is read becomes this layout at ingest (`families`): ELECTRA's projection and MPNet's
relative biases are optional parts. What depends on the layout derives from the descriptors: shapes,
initial values, the model's variables (`model.slots`), what pruning cuts (an axis that counts heads or
neurons), what decays and at which rate.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bertworks.models.config import EncoderConfig, Head
from bertworks.models.relative import BUCKETS

Weights = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]
Axis = Literal[
    "vocabulary", "positions", "types", "embedding", "hidden", "heads", "each_head", "neurons",
    "buckets", "outputs",
]  # fmt: skip
"""What a dimension counts; "heads" are those of one layer, head_size entries each, "each_head" has one
entry a head."""
Role = Literal["matrix", "bias", "scale"]

INITIALIZER_STDDEV = 0.02
EMBEDDINGS = "bert.embeddings"
EMBEDDING_NORM = f"{EMBEDDINGS}.LayerNorm"
WORDS = f"{EMBEDDINGS}.word_embeddings.weight"
POSITIONS = f"{EMBEDDINGS}.position_embeddings.weight"
TYPES = f"{EMBEDDINGS}.token_type_embeddings.weight"
PROJECTION = "bert.embeddings_project"
POOLER, CLASSIFIER = "bert.pooler.dense", "classifier"
MASKED_DENSE, MASKED_NORM = "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm"
MASKED_BIAS = "cls.predictions.bias"


@dataclass(frozen=True)
class LayerNames:
    """The modules of one transformer layer, by what they do; each has a `.weight` and a `.bias`.

    Attributes:
        index: The layer, from 0.
    """

    index: int

    @property
    def attention(self) -> str:
        """Where queries, keys and values are made."""
        return f"{self._prefix}.attention.self"

    @property
    def projections(self) -> tuple[str, str, str]:
        """Of queries, keys and values."""
        query, key, value = (f"{self.attention}.{part}" for part in ("query", "key", "value"))
        return query, key, value

    @property
    def relative(self) -> str:
        """The bias of the attention scores by bucket of distance and head; it has no `.bias`."""
        return f"{self.attention}.relative_attention_bias"

    @property
    def mixed(self) -> str:
        """From the heads' outputs back to the residual stream."""
        return f"{self._prefix}.attention.output.dense"

    @property
    def attention_norm(self) -> str:
        """After the attention block's residual sum."""
        return f"{self._prefix}.attention.output.LayerNorm"

    @property
    def inner(self) -> str:
        """From the residual stream to the feed-forward neurons."""
        return f"{self._prefix}.intermediate.dense"

    @property
    def outer(self) -> str:
        """From the neurons back to the residual stream."""
        return f"{self._prefix}.output.dense"

    @property
    def norm(self) -> str:
        """After the feed-forward block's residual sum."""
        return f"{self._prefix}.output.LayerNorm"

    @property
    def _prefix(self) -> str:
        return f"bert.encoder.layer.{self.index}"


@dataclass(frozen=True)
class Parameter:
    """One weight.

    Attributes:
        name: Hugging Face's.
        axes: What each dimension counts.
        layer: The transformer layer that it belongs to, from 0; None: before or after the layers.
    """

    name: str
    axes: tuple[Axis, ...]
    layer: int | None = None

    @property
    def role(self) -> Role:
        """What it does to its input."""
        return role_of(self.name)

    def shape(self, config: EncoderConfig, head: Head | None = None) -> tuple[int, ...]:
        """Its shape in a model of these sizes."""
        return tuple(_size(axis, config, head, self.layer) for axis in self.axes)

    def height(self, num_layers: int) -> int:
        """How far above the embeddings it stands: -1 for those, a layer's number, then the head's."""
        if self.layer is not None:
            return self.layer
        return -1 if self.name.startswith(EMBEDDINGS) else num_layers

    def take(self, array: np.ndarray, units: Mapping[Axis, NDArray[np.int64]]) -> np.ndarray:
        """Keeps of its array, along each of the axes that are named, the entries that are given."""
        for place, axis in enumerate(self.axes):
            if axis in units:
                array = np.ascontiguousarray(np.take(array, units[axis], axis=place))
        return array


def role_of(name: str) -> Role:
    """What the weight of this name does to its input."""
    if name.endswith("bias"):
        return "bias"
    return "scale" if name.endswith("LayerNorm.weight") else "matrix"


def encoder_parameters(config: EncoderConfig) -> list[Parameter]:
    """The encoder's own, from the embeddings upward (no pooler, no head)."""
    found = [
        Parameter(WORDS, ("vocabulary", "embedding")),
        Parameter(POSITIONS, ("positions", "embedding")),
        Parameter(TYPES, ("types", "embedding")),
        *_norm(EMBEDDING_NORM, axis="embedding"),
    ]
    if config.projects:
        found += _linear(PROJECTION, "hidden", "embedding")
    for index in range(config.num_layers):
        names = LayerNames(index)
        for projection in names.projections:
            found += _linear(projection, "heads", "hidden", index)
        if config.relative_positions:
            found.append(Parameter(f"{names.relative}.weight", ("buckets", "each_head"), index))
        found += _linear(names.mixed, "hidden", "heads", index) + _norm(names.attention_norm, index)
        found += _linear(names.inner, "neurons", "hidden", index)
        found += _linear(names.outer, "hidden", "neurons", index) + _norm(names.norm, index)
    return found


def head_parameters(head: Head) -> list[Parameter]:
    """The head's; the decoder of masked words is tied to the word embeddings."""
    if head.kind == "sequence":
        return _linear(POOLER, "hidden", "hidden") + _linear(CLASSIFIER, "outputs", "hidden")
    if head.kind == "token":
        return _linear(CLASSIFIER, "outputs", "hidden")
    if head.kind == "mlm":
        transform = _linear(MASKED_DENSE, "embedding", "hidden")
        norm = _norm(MASKED_NORM, axis="embedding")
        return [*transform, *norm, Parameter(MASKED_BIAS, ("vocabulary",))]
    return []


def all_parameters(config: EncoderConfig, head: Head) -> list[Parameter]:
    """Those of an encoder with a head."""
    return encoder_parameters(config) + head_parameters(head)


def encoder_shapes(config: EncoderConfig) -> Shapes:
    """Name to shape of the encoder's own weights (no pooler, no head)."""
    return {each.name: each.shape(config) for each in encoder_parameters(config)}


def all_shapes(config: EncoderConfig, head: Head) -> Shapes:
    """Name to shape of all the weights of an encoder with a head."""
    return {each.name: each.shape(config, head) for each in all_parameters(config, head)}


def initialize(shapes: Shapes, seed: int) -> Weights:
    """Fresh weights as BERT starts them: normal with deviation 0.02, zero biases, unit norms.

    Each weight draws from its own stream, keyed by the seed and its name, so that adding a weight
    changes no other.
    """
    return {name: _initial(name, shape, seed) for name, shape in shapes.items()}


def _initial(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    role = role_of(name)
    if role != "matrix":
        return np.full(shape, 1.0 if role == "scale" else 0.0, np.float32)
    stream = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return (INITIALIZER_STDDEV * stream.standard_normal(shape)).astype(np.float32)


def _size(axis: Axis, config: EncoderConfig, head: Head | None, layer: int | None) -> int:
    if axis == "heads" and layer is not None:
        return config.num_heads[layer] * config.head_size
    if axis == "each_head" and layer is not None:
        return config.num_heads[layer]
    if axis == "neurons" and layer is not None:
        return config.intermediate_sizes[layer]
    if axis == "outputs" and head is not None:
        return head.outputs
    sizes: dict[Axis, int] = {
        "vocabulary": config.vocab_size,
        "positions": config.max_positions,
        "types": config.type_vocab_size,
        "embedding": config.embedding_size,
        "hidden": config.hidden_size,
        "buckets": BUCKETS,
    }
    return sizes[axis]


def _linear(name: str, outputs: Axis, inputs: Axis, layer: int | None = None) -> list[Parameter]:
    weight = Parameter(f"{name}.weight", (outputs, inputs), layer)
    return [weight, Parameter(f"{name}.bias", (outputs,), layer)]


def _norm(name: str, layer: int | None = None, axis: Axis = "hidden") -> list[Parameter]:
    return [Parameter(f"{name}.{part}", (axis,), layer) for part in ("weight", "bias")]
