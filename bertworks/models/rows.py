"""An encoder with some of its vocabulary's rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bertworks.models.layout import MASKED_BIAS, WORDS
from bertworks.models.weights import FILE, load_raw_config, read_tensors, write_tensors
from bertworks.storage.artifacts import write_json

_BY_ENTRY = (WORDS, MASKED_BIAS, "cls.predictions.decoder.weight", "cls.predictions.decoder.bias")


def keep_rows(folder: Path, kept: NDArray[np.int64]) -> None:
    """Leaves those rows of the embeddings, and of a head for masked words, in the order given.

    Args:
        folder: Holds config.json and model.safetensors of a BERT; both are written anew.
        kept: Old ids by new id.
    """
    config = dict(load_raw_config(folder))
    weights = read_tensors(folder / FILE)
    for name in weights:
        if name in _BY_ENTRY or f"bert.{name}" in _BY_ENTRY:
            weights[name] = np.ascontiguousarray(weights[name][kept])
    config["vocab_size"] = len(kept)
    places = {int(old): new for new, old in enumerate(kept)}
    if config.get("pad_token_id") in places:
        config["pad_token_id"] = places[config["pad_token_id"]]
    write_tensors(folder / FILE, weights)
    write_json(folder / "config.json", config)
