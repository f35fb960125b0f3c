"""An encoder's first layers, as a smaller one."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from bertworks.models.config import EncoderConfig
from bertworks.models.layout import Weights
from bertworks.models.weights import FILE, load_raw_config, read_tensors, write_tensors
from bertworks.storage.artifacts import write_json

_LAYER = re.compile(r"(?:^|\.)layer\.(\d+)\.")
_WIDTHS = ("num_heads", "intermediate_sizes")


def keep_layers(folder: Path, layers: int) -> None:
    """Leaves the first layers of a BERT in Hugging Face's layout, and all that is no layer.

    The lower layers of a pretrained encoder are the better start for a shallower one (Sajjad et al.,
    "On the effect of dropping layers of pre-trained transformer models", 2023).

    Args:
        folder: Holds config.json and model.safetensors; both are written anew.
        layers: How many, at most as many as there are.
    """
    config = {**load_raw_config(folder), "num_hidden_layers": layers}
    if isinstance(widths := config.get("bertworks"), dict):
        config["bertworks"] = {
            name: value[:layers] if name in _WIDTHS else value for name, value in widths.items()
        }
    weights = {
        name: array
        for name, array in read_tensors(folder / FILE).items()
        if (found := _LAYER.search(name)) is None or int(found[1]) < layers
    }
    write_tensors(folder / FILE, weights)
    write_json(folder / "config.json", config)


def first_layers(
    initial: tuple[EncoderConfig, Weights], layers: int
) -> tuple[EncoderConfig, Weights]:
    """The same in memory; an encoder that has no more layers stays as it is."""
    config, weights = initial
    if layers >= config.num_layers:
        return initial
    fewer = dataclasses.replace(
        config,
        num_heads=config.num_heads[:layers],
        intermediate_sizes=config.intermediate_sizes[:layers],
    )
    kept = {
        name: array
        for name, array in weights.items()
        if (found := _LAYER.search(name)) is None or int(found[1]) < layers
    }
    return fewer, kept
