"""The encoder that a training step starts from."""

from __future__ import annotations

import dataclasses

from bertworks.contracts.tokens import TOKENS
from bertworks.models.config import EncoderConfig
from bertworks.models.layout import Weights
from bertworks.models.weights import load_folder, load_raw_config
from bertworks.storage.artifacts import Artifact


def load_initial(initial: Artifact, tokens: Artifact) -> tuple[EncoderConfig, Weights]:
    """Loads the weights of a base or model artifact.

    Args:
        initial: The artifact. A base whose metadata says `scratch` has sizes only.
        tokens: Tells the vocabulary's size to an encoder that starts from scratch.

    Returns:
        The sizes and the weights; no weights for a scratch base: all of them start fresh.
    """
    if not initial.metadata.get("scratch"):
        config, weights, _ = load_folder(initial.path)
        return config, weights
    config = EncoderConfig.from_huggingface(load_raw_config(initial.path))
    return dataclasses.replace(config, vocab_size=TOKENS.read(tokens).vocab_size), {}
