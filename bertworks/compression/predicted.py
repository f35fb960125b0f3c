"""What a compressed model will weigh, and how fast it will be, before it is trained.

By the cost model that chooses widths, and by a byte a weight: good enough to leave out what is far from
the limits, not to judge an agent. That the gate does, by what was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bertworks.compression.pruning.cost import modelled
from bertworks.compression.pruning.latency import QUANTILES, Shape, Subject
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import all_parameters

SLACK = 1.25
"""A prediction must be so many times beyond a limit: this machine is not the one that was measured."""
P95 = 0.95


@dataclass(frozen=True)
class Prediction:
    """Of a pruned int8 model.

    Attributes:
        latency_ms: Of one row alone that is as long as 95 % of the rows are at most.
        size_mb: 10^6 bytes, with what the bundle holds beside the graph.
    """

    latency_ms: float
    size_mb: float


def predict(
    config: EncoderConfig,
    head: Head,
    *,
    pair: bool,
    lengths: list[float],
    max_length: int,
    speedup: float = 1.0,
    beside_mb: float = 0.0,
) -> Prediction:
    """Predicts a model's speed and size.

    Args:
        config: Sizes before pruning.
        head: The task's.
        pair: Whether rows are pairs of texts.
        lengths: Tokens of the rows at `QUANTILES`.
        max_length: Tokens that are read at once.
        speedup: That pruning will bring to the encoder.
        beside_mb: What a bundle holds beside the graph.
    """
    longest = min(max_length, float(np.interp(P95, QUANTILES, lengths)))
    table = modelled(Subject.of(config, head, pair), [Shape(1, max(1, round(longest)), 1.0)])
    time = table.encoder_time(config.num_heads, config.intermediate_sizes)
    inside = outside = 0
    for each in all_parameters(config, head):
        count = math.prod(each.shape(config, head))
        inside += count if each.layer is not None else 0
        outside += count if each.layer is None else 0
    return Prediction(
        time * longest / 1000 / speedup, (outside + inside / speedup) / 1e6 + beside_mb
    )


def beyond(predicted: Prediction, max_latency_ms: float | None, max_size_mb: float | None) -> str:
    """Which limit a model cannot meet, with the figures; "" where it may."""
    found = []
    if max_latency_ms is not None and predicted.latency_ms > SLACK * max_latency_ms:
        found.append(
            f"about {predicted.latency_ms:.1f} ms a row, gates.max_latency_ms is {max_latency_ms:g}"
        )
    if max_size_mb is not None and predicted.size_mb > SLACK * max_size_mb:
        found.append(f"about {predicted.size_mb:.0f} MB, gates.max_size_mb is {max_size_mb:g}")
    return "; ".join(found)
