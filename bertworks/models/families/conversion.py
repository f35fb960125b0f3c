"""A folder of another family, rewritten as a BERT's: config.json and model.safetensors."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bertworks.errors import ArtifactError
from bertworks.models.config import EncoderConfig
from bertworks.models.families import FAMILIES
from bertworks.models.families.family import Family
from bertworks.models.layout import POSITIONS, TYPES, Weights, encoder_shapes
from bertworks.models.weights import FILE, check_shapes, read_tensors, write_tensors
from bertworks.storage.artifacts import write_json

_FIELDS = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
    "hidden_act", "hidden_dropout_prob", "attention_probs_dropout_prob", "type_vocab_size",
    "layer_norm_eps", "pad_token_id",
)  # fmt: skip
_REFUSABLE = ("position_embedding_type", "is_decoder")


def to_bert(folder: Path, name: str) -> int:
    """Rewrites config.json and model.safetensors in the layout that all steps read.

    transformers reads config.json, so that what it does not say is what transformers takes for it. Of
    the weights the encoder's are kept, the pooler's, and those of a head for masked words.

    Args:
        folder: Holds both files, of one of `FAMILIES`.
        name: The checkpoint, for error messages.

    Returns:
        How many weights were left out.

    Raises:
        ArtifactError: transformers cannot read config.json, the encoder computes something that is not
            computed here, or a weight is missing or of another shape.
    """
    raw = _read_config(folder, name)
    family = FAMILIES[str(raw["model_type"])]
    config = _bert_config(family, raw)
    sizes = EncoderConfig.from_huggingface(config)
    given = read_tensors(folder / FILE)
    known = family.named(given)
    weights = _with_types(family.adapt(known), sizes)
    if POSITIONS in weights:
        weights[POSITIONS] = weights[POSITIONS][family.unused_positions(raw) :]
    check_shapes(weights, encoder_shapes(sizes), f"{name}/{FILE} ({family.model_type})")
    write_json(folder / "config.json", config)
    write_tensors(folder / FILE, weights)
    return len(given) - len(known)


def _read_config(folder: Path, name: str) -> Mapping[str, Any]:
    # It would say in every log that there is no PyTorch.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    from transformers import AutoConfig  # seconds: only when a checkpoint is fetched

    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise ArtifactError(
            f"transformers cannot read {name}/config.json: {type(error).__name__}: {error}.",
            "Give a whole checkpoint, as save_pretrained of transformers writes it.",
        ) from error
    found: Mapping[str, Any] = config.to_dict()
    return found


def _bert_config(family: Family, raw: Mapping[str, Any]) -> dict[str, object]:
    """config.json of a BERT of these sizes."""
    told = {name: raw.get(family.fields.get(name, name)) for name in (*_FIELDS, *_REFUSABLE)}
    known = {name: value for name, value in told.items() if value is not None}
    own = family.own(raw)
    types = family.fixed.get("type_vocab_size", raw.get("type_vocab_size"))
    return {
        "model_type": "bert",
        "architectures": ["BertModel"],
        **known,
        **family.fixed,
        # Two rows always: a tokenizer may tell the second text of a pair by its type.
        "type_vocab_size": max(2, types) if isinstance(types, int) else 2,
        "max_position_embeddings": family.positions(raw),
        **({"bertworks": own} if own else {}),
    }


def _with_types(weights: Weights, sizes: EncoderConfig) -> Weights:
    """Token types where the family has none, or one: they change nothing."""
    shape = (sizes.type_vocab_size, sizes.embedding_size)
    types = weights.get(TYPES, np.zeros(shape, np.float32))
    if len(types) == 1:
        types = np.repeat(types, sizes.type_vocab_size, axis=0)
    return {**weights, TYPES: types}
