"""How much the loss depends on each attention head and each feed-forward neuron.

Every unit's output is multiplied by a gate of 1. The gradient of the loss with respect to the gate
is the sum, over tokens, of activation times gradient: the first-order estimate of how the loss
changes when the unit is removed. Its size was proposed for heads by Michel, Levy, Neubig, "Are
Sixteen Heads Really Better than One?" (2019), section 4.1, and, squared and averaged over
samples, for neurons by Molchanov, Mallya, Tyree, Frosio, Kautz, "Importance Estimation for Neural
Network Pruning" (2019), section 3. The squared form is used here for both, so that heads and
neurons are in one currency. Each row is a sample: its gates are its own, so that one pass over a
batch gives the gradient of every row apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from bertworks.compression.pruning.widths import Importance
from bertworks.progress import stage

Tensors = Mapping[str, Any]  # by name
# (the model's outputs, the batch) -> the batch's loss, a scalar tensor.
Loss = Callable[[Tensors, Tensors], Any]


def measure_importance(
    model: Any, batches: Iterable[Tensors], loss: Loss, total: int | None = None
) -> Importance:
    """Scores every head and neuron of a model.

    Args:
        model: A `bertworks.models.model.BertModel`.
        batches: Batches of model inputs and whatever `loss` needs. Arrays of the same names and ranks in
            every batch.
        loss: The task's loss, a sum over rows.
        total: Number of batches, for the progress report.

    Returns:
        The mean over the rows of the squared gate gradient of each unit.
    """
    import tensorflow as tf

    config = model.config

    def squares(batch: Tensors) -> Any:
        rows = tf.shape(batch["input_ids"])[0]
        gates = (
            [tf.ones((rows, heads)) for heads in config.num_heads],
            [tf.ones((rows, neurons)) for neurons in config.intermediate_sizes],
        )
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(gates)
            outputs = model({**batch, "head_gates": gates[0], "neuron_gates": gates[1]})
            value = loss(outputs, batch)
        gradients = tape.gradient(value, gates, unconnected_gradients="zero")
        return [
            [tf.reduce_sum(tf.square(tf.cast(one, tf.float32)), axis=0) for one in part]
            for part in gradients
        ]

    heads = [np.zeros(count) for count in config.num_heads]
    neurons = [np.zeros(count) for count in config.intermediate_sizes]
    rows, graph = 0, None
    with stage("scoring heads and neurons", total=total, unit="batches") as progress:
        for batch in batches:
            tensors = {name: tf.convert_to_tensor(value) for name, value in batch.items()}
            if graph is None:  # every size is left open: traced once
                specs = {
                    name: tf.TensorSpec([None] * value.ndim, value.dtype)
                    for name, value in tensors.items()
                }
                graph = tf.function(squares, autograph=False, input_signature=[specs])
            for sums, parts in zip((heads, neurons), graph(tensors), strict=True):
                for layer, part in zip(sums, parts, strict=True):
                    layer += part.numpy()
            rows += len(tensors["input_ids"])
            progress.advance()
    return Importance(
        heads=tuple(layer / max(1, rows) for layer in heads),
        neurons=tuple(layer / max(1, rows) for layer in neurons),
    )
