"""One optimizer step: gradients of the micro-batches, on one or several devices, and the update."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from bertworks.models import ops
from bertworks.models.model import BertModel
from bertworks.training.distribution import strategy_of
from bertworks.training.feed import Feed, MicroBatch
from bertworks.training.optimizer import AdamW, dense

Objective = Callable[[BertModel, dict[str, tf.Tensor], tf.Tensor], tf.Tensor]
"""(model, batch, dropout seed) -> sum of the losses over the batch, float32 scalar."""

Shape = tuple[int, int]
"""(rows, tokens a row) of a batch."""

WORTH_COMPILING = 12
"""A shape that comes back so often makes up for its compilation (MiniLM-L6 on two cores: after ten)."""

_SCALAR = tf.TensorSpec([], tf.float32)


def frequent_shapes(feed: Feed, total: int, parts: int = 1) -> frozenset[Shape]:
    """The shapes of micro-batches that a run meets often enough to compile its kernels for.

    Judged by the first epoch, so that a resumed run compiles for the same shapes.

    Args:
        feed: Where the batches come from.
        total: Optimizer steps of the run.
        parts: Micro-batches of a step.
    """
    steps = feed.steps(0)
    counts = Counter(feed.shape(rows) for item in steps for rows in np.array_split(item, parts))
    epochs = total / max(1, len(steps))
    return frozenset(shape for shape, n in counts.items() if n * epochs >= WORTH_COMPILING)


class Stepper:
    """Computes optimizer steps for one model.

    Args:
        model: What is trained.
        optimizer: Of the model's variables.
        objective: The loss.
        seed: Of dropout.
        frequent: Batch shapes whose kernels are compiled; see `frequent_shapes`.

    Attributes:
        replicas: Devices that share each step's rows.
    """

    def __init__(
        self,
        model: BertModel,
        optimizer: AdamW,
        objective: Objective,
        seed: int,
        frequent: frozenset[Shape] = frozenset(),
    ) -> None:
        self.model, self.optimizer, self.objective, self.seed = model, optimizer, objective, seed
        self.variables = [group.variable for group in optimizer.groups]
        self.strategy = strategy_of(self.variables[0])
        self.replicas: int = self.strategy.num_replicas_in_sync
        # On an H100 compiled kernels were not faster: launching them is what takes the time there. With
        # several devices XLA would compile for each.
        on_one_cpu = self.replicas == 1 and not tf.config.list_physical_devices("GPU")
        self.frequent = frequent if on_one_cpu else frozenset()
        self._sums: list[Any] = []
        self._graphs: dict[tuple[bool, bool], Any] = {}

    def step(self, batches: list[MicroBatch], number: int, rate: float) -> float:
        """Trains on one optimizer step's micro-batches.

        Args:
            batches: accumulate * replicas micro-batches; with one replica there may be fewer.
            number: The optimizer step, from 0.
            rate: Learning rate.

        Returns:
            The mean loss.
        """
        scale = 1.0 / max(1.0, sum(batch.count for batch in batches))
        # A step may have fewer rows than micro-batches: a copy that weighs nothing takes the place of
        # an empty one, as not every kernel takes tensors without rows.
        filled = next((batch for batch in batches if batch.count), batches[0])
        weighed = [
            (batch, np.float32(scale)) if batch.count else (filled, np.float32(0.0))
            for batch in batches
        ]
        rounds = [weighed[at : at + self.replicas] for at in range(0, len(weighed), self.replicas)]
        loss = 0.0
        for place, group in enumerate(rounds):
            last = place == len(rounds) - 1
            graph = self._graph(group[0][0], last, accumulated=len(rounds) > 1)
            seeds = [
                np.array(
                    [self.seed, (number * 4096 + place * self.replicas + replica) % 2**31], np.int32
                )
                for replica in range(self.replicas)
            ]
            losses = graph(
                self._distribute([batch.arrays for batch, _ in group]),
                self._distribute(seeds),
                self._distribute([weight for _, weight in group]),
                np.float32(rate),
                np.float32(number + 1),
            )
            loss += float(self.strategy.reduce(tf.distribute.ReduceOp.SUM, losses, axis=None))
        return loss

    def _distribute(self, values: list[Any]) -> Any:
        if self.replicas == 1:
            return values[0]
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: tf.nest.map_structure(
                tf.convert_to_tensor, values[context.replica_id_in_sync_group]
            )
        )

    def _graph(self, batch: MicroBatch, last: bool, accumulated: bool) -> Any:
        """The graph of a pass: one that adds gradients up, or the last one, which also updates."""
        if accumulated and not self._sums:
            with self.strategy.scope():
                self._sums = [
                    tf.Variable(
                        tf.zeros_like(variable),
                        trainable=False,
                        synchronization=tf.VariableSynchronization.ON_READ,
                        aggregation=tf.VariableAggregation.SUM,
                    )
                    for variable in self.variables
                ]
            self._graphs.clear()
        shape = batch.arrays["input_ids"].shape
        key = last, shape in self.frequent
        if key not in self._graphs:
            function = self._update if last else self._accumulate
            self._graphs[key] = self._trace(batch, function, compiled=key[1])
        return self._graphs[key]

    def _trace(
        self, batch: MicroBatch, function: Callable[..., tf.Tensor], *, compiled: bool
    ) -> Any:
        def run(*arguments: Any) -> Any:
            with ops.compiled(compiled):
                return self.strategy.run(function, args=arguments)

        if self.replicas > 1:  # per-replica values have no signature; sizes are relaxed instead
            return tf.function(run, autograph=False, reduce_retracing=True)
        signature = (
            {
                name: tf.TensorSpec([None] * array.ndim, array.dtype)
                for name, array in batch.arrays.items()
            },
            tf.TensorSpec([2], tf.int32),
            _SCALAR,
            _SCALAR,
            _SCALAR,
        )
        return tf.function(run, autograph=False, input_signature=signature)

    def _gradients(
        self, batch: dict[str, tf.Tensor], seed: tf.Tensor, scale: tf.Tensor
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            loss = self.objective(self.model, batch, seed) * scale
        gradients = tape.gradient(
            loss, self.variables, unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        return loss, dense(gradients)

    def _accumulate(
        self, batch: Any, seed: tf.Tensor, scale: tf.Tensor, rate: tf.Tensor, step: tf.Tensor
    ) -> tf.Tensor:
        loss, gradients = self._gradients(batch, seed, scale)
        for total, gradient in zip(self._sums, gradients, strict=True):
            total.assign_add(gradient)
        return loss

    def _update(
        self, batch: Any, seed: tf.Tensor, scale: tf.Tensor, rate: tf.Tensor, step: tf.Tensor
    ) -> tf.Tensor:
        loss, gradients = self._gradients(batch, seed, scale)
        if self._sums:
            gradients = [
                gradient + total.read_value()
                for gradient, total in zip(gradients, self._sums, strict=True)
            ]
        if self.replicas > 1:
            context = tf.distribute.get_replica_context()
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        norm = self.optimizer.apply(gradients, rate, step)
        with tf.control_dependencies([norm]):
            for total in self._sums:
                total.assign(tf.zeros_like(total))
        return loss
