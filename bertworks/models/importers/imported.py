"""What an importer hands back, and how that becomes a checkpoint's folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertworks.errors import SourceError
from bertworks.models.layout import Weights
from bertworks.models.weights import FILE, check_finite, load_raw_config, write_tensors
from bertworks.storage.artifacts import write_json

SIZES = (
    "num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "vocab_size",
    "max_position_embeddings", "type_vocab_size",
)  # fmt: skip
NEEDED = (*SIZES, "layer_norm_eps")


@dataclass(frozen=True)
class Imported:
    """A checkpoint as Hugging Face's layout has it.

    Attributes:
        config: The fields of config.json that the file tells.
        weights: Name, with `bert.` before it, to float32 array; the encoder and, where the file has one,
            its pooler.
        kind: What the file is: "an ONNX graph".
        quantized: How its weights were kept: "int8"; None: in floating point.
    """

    config: Mapping[str, Any]
    weights: Weights
    kind: str
    quantized: str | None = None


def write_imported(found: Imported, folder: Path, shown: str) -> None:
    """Writes model.safetensors, and config.json where the folder has none.

    Args:
        found: What was read.
        folder: Where to; a config.json that is there must agree with the weights.
        shown: What to call the checkpoint in errors.

    Raises:
        SourceError: It does not agree, or what it would say is not told by the file.
    """
    file = folder / "config.json"
    if file.exists():
        said = load_raw_config(folder)
        for name, value in found.config.items():
            if name in SIZES and said.get(name, value) != value:
                raise SourceError(
                    f"{shown}: config.json says {name} {said[name]!r}, {found.kind} beside it "
                    f"has {value}.",
                    "Give files that belong together.",
                )
    elif missing := [name for name in NEEDED if name not in found.config]:
        raise SourceError(
            f"{shown} has no config.json, and {found.kind} does not tell {' and '.join(missing)}.",
            "Put the checkpoint's config.json beside it.",
        )
    else:
        write_json(file, {"architectures": ["BertModel"], **found.config})
    check_finite(found.weights, shown)
    write_tensors(folder / FILE, found.weights)
