"""Which weights a BERT has: Hugging Face names, and shapes in torch layout, (outputs, inputs)."""

from __future__ import annotations

import zlib

import numpy as np

from bertworks.encoder.config import EncoderConfig, Head

Weights = dict[str, np.ndarray]
Shapes = dict[str, tuple[int, ...]]

INITIALIZER_STDDEV = 0.02


def encoder_shapes(config: EncoderConfig) -> Shapes:
    """Name to shape of the encoder's own weights (no pooler, no head)."""
    hidden = config.hidden_size
    shapes: Shapes = {
        "bert.embeddings.word_embeddings.weight": (config.vocab_size, hidden),
        "bert.embeddings.position_embeddings.weight": (config.max_positions, hidden),
        "bert.embeddings.token_type_embeddings.weight": (config.type_vocab_size, hidden),
        **_norm("bert.embeddings.LayerNorm", hidden),
    }
    sizes = zip(config.num_heads, config.intermediate_sizes, strict=True)
    for layer, (heads, neurons) in enumerate(sizes):
        prefix = f"bert.encoder.layer.{layer}"
        width = heads * config.head_size
        for part in ("query", "key", "value"):
            shapes |= _linear(f"{prefix}.attention.self.{part}", width, hidden)
        shapes |= _linear(f"{prefix}.attention.output.dense", hidden, width)
        shapes |= _norm(f"{prefix}.attention.output.LayerNorm", hidden)
        shapes |= _linear(f"{prefix}.intermediate.dense", neurons, hidden)
        shapes |= _linear(f"{prefix}.output.dense", hidden, neurons)
        shapes |= _norm(f"{prefix}.output.LayerNorm", hidden)
    return shapes


def head_shapes(config: EncoderConfig, head: Head) -> Shapes:
    """Name to shape of the head's weights; the MLM decoder is tied to the word embeddings."""
    hidden = config.hidden_size
    if head.kind == "sequence":
        pooler = _linear("bert.pooler.dense", hidden, hidden)
        return pooler | _linear("classifier", head.outputs, hidden)
    if head.kind == "token":
        return _linear("classifier", head.outputs, hidden)
    if head.kind == "mlm":
        return {
            **_linear("cls.predictions.transform.dense", hidden, hidden),
            **_norm("cls.predictions.transform.LayerNorm", hidden),
            "cls.predictions.bias": (config.vocab_size,),
        }
    return {}


def all_shapes(config: EncoderConfig, head: Head) -> Shapes:
    """Name to shape of all the weights of an encoder with a head."""
    return encoder_shapes(config) | head_shapes(config, head)


def initialize(shapes: Shapes, seed: int) -> Weights:
    """Fresh weights as BERT starts them: normal with deviation 0.02, zero biases, unit norms.

    Each weight draws from its own stream, keyed by the seed and its name, so that adding a weight
    changes no other.
    """
    return {name: _initial(name, shape, seed) for name, shape in shapes.items()}


def _initial(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    if "LayerNorm.weight" in name:
        return np.ones(shape, np.float32)
    if name.endswith("bias"):
        return np.zeros(shape, np.float32)
    stream = np.random.default_rng([seed, zlib.crc32(name.encode())])
    return (INITIALIZER_STDDEV * stream.standard_normal(shape)).astype(np.float32)


def _linear(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}
