"""A small BERT with seeded random weights, the same wherever numpy is."""

import numpy as np

from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import all_shapes

CONFIG = EncoderConfig(
    vocab_size=61,
    hidden_size=24,
    num_heads=(3, 3),
    head_size=8,
    intermediate_sizes=(40, 40),
    max_positions=32,
)
HEADS = {
    "sequence": Head("sequence", ("a", "b", "c"), "single_label_classification"),
    "regression": Head("sequence", ("score",), "regression"),
    "token": Head("token", ("O", "B-X", "I-X")),
    "mlm": Head("mlm"),
}


def random_weights(config, head, seed=7):
    """Weights large enough that every part of the model shows in the outputs."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, shape in all_shapes(config, head).items():
        values = 0.3 * random.standard_normal(shape)
        weights[name] = (values + ("LayerNorm.weight" in name)).astype(np.float32)
    return weights


def random_inputs(vocab_size=61, seed=11, shape=(3, 14)):
    """Ids, a mask with padding, and token types."""
    random = np.random.default_rng(seed)
    mask = np.ones(shape, np.int32)
    mask[1, 5:] = 0
    return {
        "input_ids": random.integers(0, vocab_size, shape).astype(np.int32),
        "mask": mask,
        "type_ids": random.integers(0, 2, shape).astype(np.int32),
    }
