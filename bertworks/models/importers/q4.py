"""Weights out of a packed file of multilingual-e5-small, four bits a weight ("E5S1").

The file, little-endian: the magic; int32 version, hidden size, layers, heads, neurons, vocabulary,
positions, types; float32 what norms add; int32 weights a block. Then a tokenizer that is not read here
(its checkpoint's tokenizer.json is elsewhere): int32 pieces and four marks, uint64 bytes of text, uint32
offsets (a piece more), float32 scores, text; int32 rules of normalization, uint32 bytes, the rules. Then
int32 tensors, and for each uint16 length of its name, the name, uint8 kind, uint32 numbers, uint64 place
in the file, uint64 bytes.

A block of Q4_0 is a float16 scale and 16 bytes for 32 weights: byte j holds weight j in its low half and
weight j + 16 in its high half, and a weight is `(q - 8) * scale`.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from bertworks.errors import SourceError
from bertworks.models.importers.imported import Imported
from bertworks.models.layout import (
    EMBEDDING_NORM,
    POSITIONS,
    TYPES,
    WORDS,
    LayerNames,
    Weights,
    encoder_shapes,
)

MAGIC = b"E5S1"
VERSION = 1
BLOCK = 32
_BLOCK_BYTES = 2 + BLOCK // 2
_KIND = "a Q4_0 file"


def read(file: Path, shown: str) -> Imported:
    """Reads a packed file.

    Args:
        file: The file.
        shown: What to call it in errors.

    Raises:
        SourceError: It is no such file, or is damaged.
    """
    content = file.read_bytes()
    if not content.startswith(MAGIC):
        raise SourceError(
            f"{shown} is not read: it does not begin with {MAGIC.decode()}, as {_KIND} of "
            "multilingual-e5-small does.",
            "Give a checkpoint with safetensors weights, or an ONNX graph. A file of pickles "
            "(pytorch_model.bin) is not read, as reading it can run any code.",
        )
    try:
        config, tensors = _parsed(content)
    except (struct.error, ValueError, UnicodeDecodeError) as error:
        raise SourceError(f"{shown} is damaged: {error}.", "Fetch it again.") from None
    from bertworks.models.config import EncoderConfig

    weights: Weights = {}
    for name, shape in encoder_shapes(EncoderConfig.from_huggingface(config)).items():
        array = tensors.get(_name(name))
        if array is None or array.size != np.prod(shape):
            size = "no" if array is None else f"{array.size:,} numbers for the"
            raise SourceError(f"{shown} has {size} weight {_name(name)!r}.", "Fetch it again.")
        weights[name] = array.reshape(shape)
    return Imported(config, weights, _KIND, "four bits")


def unpacked(blocks: bytes, count: int) -> np.ndarray:
    """The float32 weights of Q4_0 blocks.

    Raises:
        ValueError: There are not as many blocks as the count needs.
    """
    if count % BLOCK or len(blocks) != count // BLOCK * _BLOCK_BYTES:
        raise ValueError(f"{len(blocks):,} bytes for {count:,} weights")
    rows = np.frombuffer(blocks, np.uint8).reshape(-1, _BLOCK_BYTES)
    scale = rows[:, :2].copy().view("<f2").astype(np.float32)
    halves = np.concatenate([rows[:, 2:] & 15, rows[:, 2:] >> 4], axis=1)
    return ((halves.astype(np.float32) - 8) * scale).reshape(-1)


def _parsed(content: bytes) -> tuple[dict[str, Any], Weights]:
    """The fields of config.json, and each tensor, flat."""
    place = len(MAGIC)

    def take(form: str) -> tuple[Any, ...]:
        nonlocal place
        values = struct.unpack_from(f"<{form}", content, place)
        place += struct.calcsize(f"<{form}")
        return values

    version, hidden, layers, heads, neurons, words, positions, types, eps, block = take("8ifi")
    if (version, block) != (VERSION, BLOCK):
        raise ValueError(
            f"version {version} with {block} weights a block, not {VERSION} with {BLOCK}"
        )
    pieces, _, _, pad, _, size = take("5iQ")
    place += 4 * (pieces + 1) + 4 * pieces + size
    _, size = take("iI")
    place += size
    tensors: Weights = {}
    for _ in range(take("i")[0]):
        name = take(f"{take('H')[0]}s")[0].decode("utf-8")
        kind, count, start, size = take("BIQQ")
        data = content[start : start + size]
        if kind not in (0, 1) or len(data) != size or (kind == 0 and size != 4 * count):
            raise ValueError(
                f"tensor {name!r} of kind {kind} with {count:,} numbers, {size:,} bytes"
            )
        tensors[name] = (
            unpacked(data, count) if kind else np.frombuffer(data, "<f4").astype(np.float32)
        )
    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": neurons,
        "vocab_size": words,
        "max_position_embeddings": positions,
        "type_vocab_size": types,
        "layer_norm_eps": float(f"{eps:.6g}"),
        "pad_token_id": pad,
    }
    return config, tensors


def _name(ours: str) -> str:
    """The file's name of a weight of ours."""
    embeddings = {WORDS: "emb.word", POSITIONS: "emb.pos", TYPES: "emb.type"}
    if ours in embeddings:
        return embeddings[ours]
    module, _, part = ours.rpartition(".")
    if module == EMBEDDING_NORM:
        return f"emb.ln.{part[0]}"
    layer = LayerNames(int(ours.split(".")[3]))
    query, key, value = layer.projections
    short = {
        query: "q", key: "k", value: "v", layer.mixed: "ao", layer.attention_norm: "aln",
        layer.inner: "fi", layer.outer: "fo", layer.norm: "oln",
    }[module]  # fmt: skip
    return f"l{layer.index}.{short}.{part[0]}"
