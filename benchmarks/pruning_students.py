"""Three ways to a faster student of a fine-tuned model, before any training."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bertworks.compression.pruning import widths as pruning
from bertworks.compression.pruning.latency import LatencyTable
from bertworks.compression.pruning.shrink import Model, Narrowing, cut_and_repair
from bertworks.compression.pruning.widths import PruningPlan, feed_forward_widths
from bertworks.models.config import EncoderConfig


@dataclass(frozen=True)
class Student:
    """An untrained student.

    Attributes:
        model: Sizes and weights.
        taught: The teacher's layers (from 0) that its layers are taught by.
        reached: Whether it is predicted to be as fast as was asked; else it is as fast as its kind
            can be.
    """

    model: Model
    taught: tuple[int, ...]
    reached: bool = True


def ours(narrowing: Narrowing, speedup: float) -> Student:
    """What the prune step does: the plan of most importance, cut, and repaired."""
    full = narrowing.full
    model = cut_and_repair(full, narrowing.plan(speedup), narrowing.rows, narrowing.settings)
    return Student(model, _every_layer(full.config))


def by_magnitude(full: Model, table: LatencyTable, speedup: float) -> Student:
    """Feed-forward neurons alone, as many in every layer, those of least weight norm first.

    A neuron's norm is that of its incoming and outgoing weights together: the usual L2 criterion of
    structured magnitude pruning (Li, Kadav, Durdanovic, Samet, Graf, "Pruning Filters for Efficient
    ConvNets", 2017, with the L2 norm).
    """
    config = full.config
    width, reached = _widest(
        config.intermediate_sizes[0],
        lambda width: table.encoder_time(config.num_heads, [width] * config.num_layers),
        _budget(config, table, speedup),
    )
    return Student(_narrowed(full, width), _every_layer(config), reached)


def shallower(full: Model, table: LatencyTable, speedup: float) -> Student:
    """A smaller dense student: the most layers that are fast enough, taken from all over the teacher.

    Its layers start as the teacher's, evenly spaced with the first and the last among them (Sanh,
    Debut, Chaumond, Wolf, "DistilBERT", 2019, section 3), and are taught by the ends of as many even
    stretches of the teacher (Jiao et al., "TinyBERT", 2020, section 3.1). Where one layer alone is
    still too slow it gets a narrower feed-forward block.
    """
    config, limit = full.config, _budget(full.config, table, speedup)
    depth = config.num_layers

    def time(layers: int, width: int) -> float:
        return table.encoder_time([config.num_heads[0]] * layers, [width] * layers)

    fitting = [n for n in range(1, depth + 1) if time(n, config.intermediate_sizes[0]) <= limit]
    layers = max(fitting, default=1)
    width, reached = _widest(config.intermediate_sizes[0], lambda width: time(layers, width), limit)
    kept = [round(place) for place in np.linspace(0, depth - 1, layers)] if layers > 1 else [0]
    taught = tuple((layer + 1) * depth // layers - 1 for layer in range(layers))
    return Student(_narrowed(_with_layers(full, kept), width), taught, reached)


def _budget(config: EncoderConfig, table: LatencyTable, speedup: float) -> float:
    return table.encoder_time(config.num_heads, config.intermediate_sizes) / speedup


def _widest(full: int, time: Callable[[int], float], limit: float) -> tuple[int, bool]:
    """The greatest feed-forward width within the time; 0 and False where there is none."""
    fitting = [width for width in feed_forward_widths(full) if time(width) <= limit]
    return max(fitting, default=0), bool(fitting)


def _narrowed(full: Model, width: int) -> Model:
    """The neurons of greatest norm of every layer."""
    config = full.config
    if all(width == size for size in config.intermediate_sizes):
        return full
    neurons = []
    for layer in range(config.num_layers):
        prefix = f"bert.encoder.layer.{layer}"
        inner = full.weights[f"{prefix}.intermediate.dense.weight"]
        outer = full.weights[f"{prefix}.output.dense.weight"]
        norms = np.square(inner).sum(axis=1) + np.square(outer).sum(axis=0)
        neurons.append(tuple(sorted(np.argsort(-norms, kind="stable")[:width].tolist())))
    heads = tuple(tuple(range(count)) for count in config.num_heads)
    plan = PruningPlan(heads, tuple(neurons), 1.0, 1.0, 1.0)
    return Model(*pruning.slice_weights(config, full.weights, plan))


def _with_layers(full: Model, kept: list[int]) -> Model:
    """The model with some of its layers, in their order."""
    weights = {name: array for name, array in full.weights.items() if ".encoder.layer." not in name}
    for place, layer in enumerate(kept):
        own = f"bert.encoder.layer.{layer}."
        for name, array in full.weights.items():
            if name.startswith(own):
                weights[f"bert.encoder.layer.{place}.{name.removeprefix(own)}"] = array
    config = dataclasses.replace(
        full.config,
        num_heads=tuple(full.config.num_heads[layer] for layer in kept),
        intermediate_sizes=tuple(full.config.intermediate_sizes[layer] for layer in kept),
    )
    return Model(config, weights)


def _every_layer(config: EncoderConfig) -> tuple[int, ...]:
    return tuple(range(config.num_layers))
