"""AdamW with one fused kernel a variable.

Adam (Kingma and Ba 2015, algorithm 1) with decoupled weight decay (Loshchilov and Hutter 2019,
algorithm 2). Biases and layer norms do not decay. Layer-wise learning-rate decay (Sun et al. 2019,
section 5.3.4) multiplies each layer's rate by a factor to the power of its distance from the head.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from bertworks.models.layout import all_parameters
from bertworks.models.model import BertModel, slots
from bertworks.training.distribution import strategy_of

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Group:
    """A variable and how it is trained.

    Attributes:
        name: The Hugging Face name (the first, where weights are fused).
        variable: The float32 master weights.
        rate: Multiplies the learning rate.
        decays: Whether weight decay applies.
    """

    name: str
    variable: Any
    rate: float
    decays: bool


def groups_of(model: BertModel, layer_decay: float = 1.0) -> list[Group]:
    """A model's variables as optimizer groups, in a fixed order."""
    depth = model.config.num_layers
    known = {parameter.name: parameter for parameter in all_parameters(model.config, model.head)}
    return [
        Group(
            name=slot.names[0],
            variable=slot.variable.value,
            rate=layer_decay ** (depth - known[slot.names[0]].height(depth)),
            decays=known[slot.names[0]].role == "matrix",
        )
        for slot in slots(model)
    ]


class AdamW:
    """Holds the moments of each variable, and applies gradients.

    Attributes:
        groups: What is trained.
        first, second: Moments, float32, beside the groups.
    """

    def __init__(self, groups: Sequence[Group], weight_decay: float, clip_norm: float) -> None:
        self.groups = list(groups)
        self.weight_decay, self.clip_norm = weight_decay, clip_norm
        with strategy_of(self.groups[0].variable).scope():
            self.first = [_zeros(group.variable) for group in self.groups]
            self.second = [_zeros(group.variable) for group in self.groups]

    def apply(self, gradients: Sequence[tf.Tensor], rate: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Clips the gradients to the global norm and updates the variables.

        Called in a replica's context: with several replicas the gradients must be summed already.

        Args:
            gradients: Dense float32 tensors, beside the groups.
            rate: Learning rate, float32 scalar.
            step: Optimizer step, float32 scalar, counted from 1.

        Returns:
            The global norm before clipping.
        """
        norm = tf.linalg.global_norm(gradients)
        scale = self.clip_norm / tf.maximum(norm, self.clip_norm)
        clipped = [gradient * scale for gradient in gradients]
        context = tf.distribute.get_replica_context()
        context.merge_call(self._update_all, args=(clipped, rate, step))
        return norm

    def _update_all(self, strategy: Any, gradients: Any, rate: Any, step: Any) -> None:
        updates = zip(self.groups, self.first, self.second, gradients, strict=True)
        for group, first, second, gradient in updates:
            decay = self.weight_decay if group.decays else 0.0
            update = functools.partial(_adamw, factor=group.rate, decay=decay)
            arguments = (first, second, gradient, rate, step)
            strategy.extended.update(group.variable, update, args=arguments, group=False)

    def state(self) -> dict[str, tf.Variable]:
        """The moments by name, for a checkpoint."""
        named = {}
        for group, first, second in zip(self.groups, self.first, self.second, strict=True):
            named[f"first/{group.name}"], named[f"second/{group.name}"] = first, second
        return named


def _adamw(
    variable: Any,
    first: Any,
    second: Any,
    gradient: tf.Tensor,
    rate: tf.Tensor,
    step: tf.Tensor,
    factor: float,
    decay: float,
) -> None:
    """Updates one variable and its moments in place."""
    own = rate * factor
    if decay > 0:
        variable.assign(variable * (1.0 - own * decay))
    # The kernel adds epsilon to the raw second moment's root; scaling epsilon gives the paper's form.
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=first.handle,
        v=second.handle,
        beta1_power=BETA_1**step,
        beta2_power=BETA_2**step,
        lr=own,
        beta1=BETA_1,
        beta2=BETA_2,
        epsilon=EPSILON * tf.sqrt(1.0 - BETA_2**step),
        grad=gradient,
    )


def _zeros(variable: Any) -> Any:
    return tf.Variable(tf.zeros(variable.shape, tf.float32), trainable=False)


def dense(gradients: Sequence[Any]) -> list[tf.Tensor]:
    """Makes gradients of embedding look-ups dense, so that norms and moments are exact."""
    return [tf.convert_to_tensor(gradient) for gradient in gradients]
