"""Structured pruning: which heads and neurons stay, and the narrower weights.

Every attention block may keep any number of its heads and every feed-forward block any multiple of
32 of its neurons, or none; within a block the most important units stay. Among all such widths the
ones are taken that keep the most importance while the measured latency table predicts the wanted
time. That is a multiple-choice knapsack, solved exactly (up to the rounding of times) by dynamic
programming over time, as SPDY does for sparsities: Frantar, Alistarh, "SPDY: Accurate Pruning with
Speedup Guarantees" (2022), section 3.2.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertworks.compression.pruning.latency import LatencyTable
from bertworks.errors import SpecError
from bertworks.models.config import EncoderConfig
from bertworks.models.layout import Axis, Weights, encoder_parameters

# Widths of feed-forward blocks: full vectors of the int8 kernels.
NEURON_STEP = 32
# Steps into which the time budget is cut; times are rounded up, so the budget is never broken.
TIME_STEPS = 10_000

Units = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Importance:
    """How much the loss depends on each unit; larger matters more.

    Attributes:
        heads: An array of one score a head, for each layer.
        neurons: An array of one score a feed-forward neuron, for each layer.
    """

    heads: tuple[NDArray[np.float64], ...]
    neurons: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True)
class PruningPlan:
    """Which units stay.

    Attributes:
        heads: Kept heads of each layer, rising.
        neurons: Kept neurons of each layer, rising.
        full_ms: Predicted milliseconds per 1,000 tokens before.
        pruned_ms: Predicted milliseconds per 1,000 tokens after.
        kept_importance: Share of all importance that stays; of several choices in turn the product.
    """

    heads: Units
    neurons: Units
    full_ms: float
    pruned_ms: float
    kept_importance: float

    @classmethod
    def everything(cls, config: EncoderConfig, time: float) -> PruningPlan:
        """The plan that drops nothing; `time` is the predicted time."""
        return cls(
            heads=tuple(tuple(range(count)) for count in config.num_heads),
            neurons=tuple(tuple(range(count)) for count in config.intermediate_sizes),
            full_ms=time,
            pruned_ms=time,
            kept_importance=1.0,
        )

    @property
    def speedup(self) -> float:
        """Predicted speed-up."""
        return self.full_ms / self.pruned_ms

    @property
    def num_heads(self) -> tuple[int, ...]:
        """Number of heads of each layer."""
        return tuple(map(len, self.heads))

    @property
    def intermediate_sizes(self) -> tuple[int, ...]:
        """Number of neurons of each layer."""
        return tuple(map(len, self.neurons))

    def then(self, later: PruningPlan) -> PruningPlan:
        """A plan of what this one leaves, as a plan of the full model."""

        def units(first: Units, second: Units) -> Units:
            return tuple(
                tuple(kept[unit] for unit in layer)
                for kept, layer in zip(first, second, strict=True)
            )

        return PruningPlan(
            heads=units(self.heads, later.heads),
            neurons=units(self.neurons, later.neurons),
            full_ms=self.full_ms,
            pruned_ms=later.pruned_ms,
            kept_importance=self.kept_importance * later.kept_importance,
        )

    def to_json(self) -> dict[str, object]:
        """A JSON value that `from_json` reads back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> PruningPlan:
        """Reads what `to_json` gave."""
        return cls(
            heads=tuple(tuple(map(int, layer)) for layer in value["heads"]),
            neurons=tuple(tuple(map(int, layer)) for layer in value["neurons"]),
            full_ms=float(value["full_ms"]),
            pruned_ms=float(value["pruned_ms"]),
            kept_importance=float(value["kept_importance"]),
        )


@dataclass(frozen=True)
class _Block:
    """The choices of one block: its widths, and the time and kept importance of each."""

    order: NDArray[np.int64]
    widths: list[int]
    times: NDArray[np.float64]
    values: NDArray[np.float64]


def choose(
    importance: Importance, table: LatencyTable, speedup: float, before: PruningPlan | None = None
) -> PruningPlan:
    """Chooses the units to keep so that the predicted time is at most the full time / speedup.

    Args:
        importance: Of every unit that may still be dropped.
        table: Times.
        speedup: What is wanted, of the full time.
        before: What an earlier choice kept, where `importance` is of what it left; None: all.

    Returns:
        The plan; with `before` too it names the units of the full model.

    Raises:
        SpecError: Not even an encoder without any block would be that fast.
    """
    heads = [len(scores) for scores in importance.heads]
    neurons = [len(scores) for scores in importance.neurons]
    full = before.full_ms if before else table.encoder_time(heads, neurons)
    check_reachable(table, len(heads), full, speedup)
    blocks = _blocks(importance, table)
    picks = knapsack(
        [block.times for block in blocks],
        [block.values for block in blocks],
        full / speedup - table.fixed,
    )
    kept = [_kept(block, pick) for block, pick in zip(blocks, picks, strict=True)]
    layers = len(heads)
    total = sum(float(block.values[-1]) for block in blocks)
    value = sum(float(block.values[pick]) for block, pick in zip(blocks, picks, strict=True))
    time = sum(float(block.times[pick]) for block, pick in zip(blocks, picks, strict=True))
    plan = PruningPlan(
        heads=tuple(kept[:layers]),
        neurons=tuple(kept[layers:]),
        full_ms=full,
        pruned_ms=table.fixed + time,
        kept_importance=value / total if total else 1.0,
    )
    return before.then(plan) if before else plan


def check_reachable(table: LatencyTable, layers: int, full_ms: float, speedup: float) -> None:
    """Refuses a speed-up that no widths can have.

    Raises:
        SpecError: Not even an encoder without any block would be that fast.
    """
    least = table.encoder_time([0] * layers, [0] * layers)
    if least > full_ms / speedup:
        raise SpecError(
            f"compress.prune.speedup: {speedup:g} cannot be reached. With every block "
            f"removed, what is left of the encoder would be {full_ms / least:.2f} times as fast.",
            f"Set compress.prune.speedup below {full_ms / least:.1f}.",
        )


def knapsack(
    times: Sequence[NDArray[np.float64]],
    values: Sequence[NDArray[np.float64]],
    budget: float,
    steps: int = TIME_STEPS,
) -> list[int]:
    """Picks one choice of each block: the greatest total value within a total time.

    Time is counted in steps of budget / steps above the cheapest choices, rounded up. Of equal
    totals the one with the earlier choices is taken, so that the answer is deterministic.

    Args:
        times: For each block, the time of each choice.
        values: For each block, the value of each choice.
        budget: Most total time; not below the sum of the cheapest choices.
        steps: Number of time steps.

    Returns:
        For each block, the index of its choice.
    """
    spare = budget - sum(float(time.min()) for time in times)
    unit = max(spare, 1e-12) / steps
    best = np.zeros(steps + 1)
    choices = []
    for time, value in zip(times, values, strict=True):
        costs = np.ceil((time - time.min()) / unit - 1e-9).astype(np.int64)
        totals = np.full((len(costs), steps + 1), -np.inf)
        for index, cost in enumerate(costs):
            if cost <= steps:
                totals[index, cost:] = best[: steps + 1 - cost] + value[index]
        picked = totals.argmax(axis=0)
        choices.append((picked, costs))
        best = totals.max(axis=0)
    left = steps
    picks = []
    for picked, costs in reversed(choices):
        picks.append(int(picked[left]))
        left -= int(costs[picks[-1]])
    return picks[::-1]


def slice_weights(
    config: EncoderConfig, weights: Weights, plan: PruningPlan
) -> tuple[EncoderConfig, Weights]:
    """Cuts the units that a plan drops out of the weights. Nothing else changes.

    Args:
        config: Sizes before.
        weights: Hugging Face names, torch layout (outputs, inputs).
        plan: Kept units of each layer.

    Returns:
        The narrower sizes and weights; weights outside the layers are the same arrays.
    """
    own = np.arange(config.head_size)
    kept: list[dict[Axis, NDArray[np.int64]]] = [
        {
            "heads": (np.array(heads, np.int64)[:, None] * config.head_size + own).ravel(),
            "each_head": np.array(heads, np.int64),
            "neurons": np.array(neurons, np.int64),
        }
        for heads, neurons in zip(plan.heads, plan.neurons, strict=True)
    ]
    sliced = dict(weights)
    for parameter in encoder_parameters(config):
        if parameter.layer is not None:
            array = weights[parameter.name]
            sliced[parameter.name] = parameter.take(array, kept[parameter.layer])
    narrower = dataclasses.replace(
        config, num_heads=plan.num_heads, intermediate_sizes=plan.intermediate_sizes
    )
    return narrower, sliced


def feed_forward_widths(full: int) -> list[int]:
    """The widths that a feed-forward block may take: none, multiples of 32, and the full width."""
    return sorted({*range(0, full, NEURON_STEP), full})


def _blocks(importance: Importance, table: LatencyTable) -> list[_Block]:
    """The choices of every attention block, then of every feed-forward block."""
    blocks = []
    for layer, scores in enumerate(importance.heads, start=1):
        last = layer == len(importance.heads)
        widths = list(range(len(scores) + 1))
        times = [table.attention_time(width, last=last) for width in widths]
        blocks.append(_block(scores, widths, times))
    for layer, scores in enumerate(importance.neurons, start=1):
        last = layer == len(importance.neurons)
        widths = feed_forward_widths(len(scores))
        times = [table.feed_forward_time(width, last=last) for width in widths]
        blocks.append(_block(scores, widths, times))
    return blocks


def _block(scores: NDArray[np.float64], widths: list[int], times: list[float]) -> _Block:
    order = np.argsort(-scores, kind="stable")
    cumulative = np.concatenate([[0.0], np.cumsum(scores[order], dtype=np.float64)])
    return _Block(order, widths, np.array(times), cumulative[widths])


def _kept(block: _Block, pick: int) -> tuple[int, ...]:
    return tuple(sorted(int(unit) for unit in block.order[: block.widths[pick]]))
