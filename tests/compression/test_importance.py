"""Importance scores against what removing a unit really does."""

import numpy as np
import tensorflow as tf

from bertworks.compression.pruning.importance import measure_importance
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import Weights, all_shapes, initialize
from bertworks.models.model import build

CONFIG = EncoderConfig(
    vocab_size=40, hidden_size=16, num_heads=(4, 2), head_size=4, intermediate_sizes=(24, 0),
    max_positions=16,
)  # fmt: skip
HEAD = Head("sequence", ("a", "b"))


def weights() -> Weights:
    made = initialize(all_shapes(CONFIG, HEAD), seed=4)
    return {name: 15 * array if array.ndim == 2 else array for name, array in made.items()}


def batches(count: int = 6) -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    made = []
    for _ in range(count):
        ids = random.integers(0, 40, (4, random.integers(3, 12))).astype(np.int32)
        made.append({"input_ids": ids, "target": random.integers(0, 2, 4).astype(np.int32)})
    return made


def one_row_each() -> list[dict[str, np.ndarray]]:
    return [
        {name: array[row : row + 1] for name, array in batch.items()}
        for batch in batches()
        for row in range(4)
    ]


def loss(outputs, batch):
    return tf.reduce_sum(
        tf.nn.sparse_softmax_cross_entropy_with_logits(batch["target"], outputs["logits"])
    )


def test_scores_are_the_squared_slopes_of_each_rows_loss() -> None:
    model = build(CONFIG, HEAD, weights())
    scores = measure_importance(model, batches(), loss)
    step = 1e-2
    for layer, unit, kind in [(0, 1, "head_gates"), (1, 0, "head_gates"), (0, 5, "neuron_gates")]:
        squares = []
        for batch in one_row_each():
            values = []
            for change in (-step, step):
                gates = {
                    "head_gates": [np.ones(n, np.float32) for n in CONFIG.num_heads],
                    "neuron_gates": [np.ones(n, np.float32) for n in CONFIG.intermediate_sizes],
                }
                gates[kind][layer][unit] += change
                values.append(float(loss(model({**batch, **gates}), batch)))
            squares.append(((values[1] - values[0]) / (2 * step)) ** 2)
        group = scores.heads if kind == "head_gates" else scores.neurons
        np.testing.assert_allclose(group[layer][unit], np.mean(squares), rtol=2e-2, atol=1e-6)


def test_units_without_a_way_out_score_zero_and_empty_blocks_have_no_scores() -> None:
    given = weights()
    given["bert.encoder.layer.0.attention.output.dense.weight"][:, 4:8] = 0
    given["bert.encoder.layer.0.output.dense.weight"][:, 7] = 0
    scores = measure_importance(build(CONFIG, HEAD, given), batches(), loss)
    assert scores.heads[0][1] == 0 and (scores.heads[0][[0, 2, 3]] > 0).all()
    assert scores.neurons[0][7] == 0 and np.count_nonzero(scores.neurons[0]) > 15
    assert scores.neurons[1].shape == (0,)
