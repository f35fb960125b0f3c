"""Reads and writes BERT folders in Hugging Face layout: config.json and model.safetensors.

Needs numpy and safetensors alone.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bertworks.errors import ArtifactError
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import Weights, encoder_shapes
from bertworks.storage.artifacts import write_json

FILE = "model.safetensors"
_OUTSIDE_THE_ENCODER = ("bert.", "cls.", "classifier.")


def load_folder(path: str | os.PathLike[str]) -> tuple[EncoderConfig, Weights, Mapping[str, Any]]:
    """Loads a base or model folder.

    Returns:
        The sizes; the float32 weights, whose encoder names always begin with `bert.`; and config.json
        as read.

    Raises:
        ArtifactError: A file is missing or unreadable, a weight is missing or of the wrong shape.
    """
    folder = Path(path)
    raw = load_raw_config(folder)
    config = EncoderConfig.from_huggingface(raw)
    weights = {_full_name(name): array for name, array in read_tensors(folder / FILE).items()}
    check_shapes(weights, encoder_shapes(config), str(folder / FILE))
    check_finite(weights, str(folder / FILE))
    return config, weights, raw


def load_raw_config(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """Reads config.json of a folder."""
    file = Path(path) / "config.json"
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{file} cannot be read: {error}.", "Make the folder anew.") from None
    if not isinstance(raw, dict):
        raise ArtifactError(f"{file} must hold a JSON object.", "Make the folder anew.")
    return raw


def save_folder(
    path: str | os.PathLike[str], config: EncoderConfig, weights: Weights, head: Head
) -> None:
    """Writes config.json and model.safetensors (float32) so that transformers' Auto classes load it.

    A pruned model is written with its own widths, for which stock transformers has no room: write
    `dense(config, weights)` for those who need that.
    """
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    raw = {**config.to_huggingface(), **head.to_huggingface(), "dtype": "float32"}
    write_json(folder / "config.json", raw)
    write_tensors(folder / FILE, weights)


def read_tensors(file: str | os.PathLike[str]) -> Weights:
    """Reads a safetensors file; float16 and bfloat16 become float32, integers are left out."""
    import safetensors

    try:
        entries = safetensors.deserialize(Path(file).read_bytes())  # type: ignore[no-untyped-call]
    except (OSError, safetensors.SafetensorError) as error:
        raise ArtifactError(f"{file} cannot be read: {error}.", "Fetch or make it anew.") from None
    arrays = {name: _as_float32(entry) for name, entry in entries}
    return {name: array for name, array in arrays.items() if array is not None}


def write_tensors(file: str | os.PathLike[str], arrays: Weights) -> None:
    """Writes a safetensors file marked as torch layout."""
    from safetensors.numpy import save_file

    contiguous = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    save_file(contiguous, file, metadata={"format": "pt"})


def dense(config: EncoderConfig, weights: Weights) -> tuple[EncoderConfig, Weights]:
    """Fills a pruned model's matrices up with zeros to one width for all layers.

    A head whose value and output weights are zero adds nothing, and neither does such a neuron: stock
    transformers computes the same outputs from these weights as we do from the narrow ones.
    """
    uniform = dataclasses.replace(
        config,
        num_heads=(config.uniform_heads,) * config.num_layers,
        intermediate_sizes=(max((1, *config.intermediate_sizes)),) * config.num_layers,
    )
    filled = dict(weights)
    for name, shape in encoder_shapes(uniform).items():
        if weights[name].shape != shape:
            filled[name] = np.zeros(shape, np.float32)
            filled[name][tuple(slice(size) for size in weights[name].shape)] = weights[name]
    return uniform, filled


def check_shapes(weights: Weights, shapes: dict[str, tuple[int, ...]], where: str) -> None:
    """Checks that every named weight is there with its shape.

    Raises:
        ArtifactError: The first weight that is missing or has another shape.
    """
    for name, shape in shapes.items():
        if name not in weights:
            raise ArtifactError(f"{where} has no weight {name!r}.", "Fetch or make it anew.")
        if weights[name].shape != shape:
            raise ArtifactError(
                f"{where}: weight {name!r} must have shape {shape}. "
                f"Received: {weights[name].shape}",
                "config.json and model.safetensors must belong together.",
            )


def check_finite(weights: Weights, where: str) -> None:
    """Checks that every weight is a number.

    Raises:
        ArtifactError: The first weight that holds NaN or infinity.
    """
    for name, array in weights.items():
        if not np.isfinite(array).all():
            bad = array.size - int(np.isfinite(array).sum())
            raise ArtifactError(
                f"{where}: weight {name!r} holds {bad:,} of {array.size:,} values that are no numbers "
                "(NaN or infinite).",
                "Take a sound checkpoint; if it was trained here, lower finetune.learning_rate.",
            )


def _full_name(name: str) -> str:
    """Adds the prefix that bare BertModel files leave out, and mends names of old TF ports."""
    if not name.startswith(_OUTSIDE_THE_ENCODER):
        name = f"bert.{name}"
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )


def _as_float32(entry: Mapping[str, Any]) -> np.ndarray | None:
    kind, data, shape = entry["dtype"], entry["data"], entry["shape"]
    if kind == "BF16":
        wide = np.frombuffer(data, "<u2").astype(np.uint32) << 16
        return wide.view(np.float32).reshape(shape)
    kinds = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
    if kind not in kinds:
        return None
    return np.frombuffer(data, kinds[kind]).astype(np.float32).reshape(shape)
