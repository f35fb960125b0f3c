"""A latency model of an encoder: how its time comes about from the widths of its layers.

An encoder's time is taken as a sum: the part that pruning cannot touch (embeddings, head), one
attention block a layer and one feed-forward block a layer. `cost.py` computes the blocks' times at a
handful of widths, or `bertworks.compression.measuring` times them; the widths
between are read off a straight line between neighbours. The last layer under a sequence head has times
of its own, as its graph computes one row of each sequence only. A latency table as the constraint of
structured pruning follows Kurtic, Frantar, Alistarh, "ZipLM: Inference-Aware Structured Pruning of
Language Models" (2023).

All times are milliseconds per 1,000 tokens, so that shapes of different size can be averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bertworks.models.config import EncoderConfig, Head

# Quantiles of tokens/info.json's "length_quantiles".
QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
# Rows are served in batches of similar length: the short half, the middle, and the long tenth.
GROUPS = (0.0, 0.5, 0.9, 1.0)

Curve = dict[int, float]


@dataclass(frozen=True)
class Shape:
    """One batch shape to time, and the share of all tokens that come in such batches."""

    rows: int
    length: int
    share: float


@dataclass(frozen=True)
class Subject:
    """What decides the blocks' times, besides their widths and the machine.

    Attributes:
        hidden_size: Width of the residual stream.
        head_size: Width of a head.
        num_heads: Heads of a full layer.
        intermediate_size: Neurons of a full layer.
        head: "sequence" or "token".
        pair: Whether rows are pairs of texts.
    """

    hidden_size: int
    head_size: int
    num_heads: int
    intermediate_size: int
    head: str
    pair: bool

    @classmethod
    def of(cls, config: EncoderConfig, head: Head, pair: bool) -> Subject:
        """The subject of a model's full sizes."""
        return cls(
            config.hidden_size, config.head_size, max(config.num_heads),
            max(config.intermediate_sizes), head.kind, pair,
        )  # fmt: skip


@dataclass(frozen=True)
class LayerTimes:
    """Milliseconds per 1,000 tokens of one layer's blocks, rising with their widths.

    Attributes:
        attention: Heads to time.
        feed_forward: Neurons to time.
    """

    attention: Curve
    feed_forward: Curve


@dataclass(frozen=True)
class LatencyTable:
    """Times of an encoder's parts.

    Attributes:
        inner: Every layer but the last.
        last: The last layer.
        fixed: Embeddings and head.
        spread: Median over all measured points of (75 % - 25 % quantile) / median of CPU time.
        rounds: Interleaved repeats behind every time; 0: it is computed, not measured.
        threads: CPU threads of the engine.
        subject: What was measured.
        shapes: The batch shapes that were averaged.
    """

    inner: LayerTimes
    last: LayerTimes
    fixed: float
    spread: float
    rounds: int
    threads: int
    subject: Subject
    shapes: tuple[Shape, ...]

    def attention_time(self, heads: int, *, last: bool) -> float:
        """Milliseconds per 1,000 tokens of an attention block with `heads` heads."""
        return _read((self.last if last else self.inner).attention, heads)

    def feed_forward_time(self, neurons: int, *, last: bool) -> float:
        """Milliseconds per 1,000 tokens of a feed-forward block with `neurons` neurons."""
        return _read((self.last if last else self.inner).feed_forward, neurons)

    def encoder_time(self, num_heads: Sequence[int], intermediate_sizes: Sequence[int]) -> float:
        """Milliseconds per 1,000 tokens of an encoder with these widths, a number a layer."""
        total = self.fixed
        for layer, sizes in enumerate(zip(num_heads, intermediate_sizes, strict=True), start=1):
            last = layer == len(num_heads)
            total += self.attention_time(sizes[0], last=last)
            total += self.feed_forward_time(sizes[1], last=last)
        return total

    def to_json(self) -> dict[str, object]:
        """A JSON value that `from_json` reads back."""
        return {**asdict(self), "unit": "milliseconds per 1000 tokens"}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> LatencyTable:
        """Reads what `to_json` gave, also after a trip through a JSON file."""
        return cls(
            inner=_layer_times(value["inner"]),
            last=_layer_times(value["last"]),
            fixed=float(value["fixed"]),
            spread=float(value["spread"]),
            rounds=int(value["rounds"]),
            threads=int(value["threads"]),
            subject=Subject(**value["subject"]),
            shapes=tuple(Shape(**shape) for shape in value["shapes"]),
        )


def representative_shapes(length_quantiles: Sequence[float], rows: int = 32) -> tuple[Shape, ...]:
    """Three batch shapes that stand for the rows' lengths, weighted by the tokens they hold.

    Lengths are taken as spread evenly between neighbouring quantiles.

    Args:
        length_quantiles: [min, .25, .5, .75, .9, .99, max], tokens with [CLS] and [SEP].
        rows: Rows a batch.
    """
    grid = np.linspace(0.0, 1.0, 1001)
    lengths = np.interp(grid, QUANTILES, np.asarray(length_quantiles, dtype=float))
    found: dict[int, float] = {}
    for low, high in zip(GROUPS[:-1], GROUPS[1:], strict=True):
        mean = float(lengths[(grid >= low) & (grid <= high)].mean())
        length = max(1, round(mean))
        found[length] = found.get(length, 0.0) + mean * (high - low)
    tokens = sum(found.values())
    return tuple(Shape(rows, length, share / tokens) for length, share in sorted(found.items()))


def rising(curve: Mapping[int, float]) -> Curve:
    """The closest curve (least squares) that never falls with the width: pool adjacent violators.

    A wider block cannot truly be faster; where the measurement says so it is noise.
    """
    pools: list[tuple[float, int]] = []
    for width in sorted(curve):
        pools.append((curve[width], 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (first, few), (second, more) = pools[-2], pools[-1]
            pools[-2:] = [((first * few + second * more) / (few + more), few + more)]
    level = [value for value, count in pools for _ in range(count)]
    return {width: round(ms, 6) for width, ms in zip(sorted(curve), level, strict=True)}


def _layer_times(value: Mapping[str, Any]) -> LayerTimes:
    curves = {
        name: {int(width): float(ms) for width, ms in value[name].items()}
        for name in ("attention", "feed_forward")
    }
    return LayerTimes(**curves)


def _read(curve: Curve, width: int) -> float:
    widths = sorted(curve)
    if not widths[0] <= width <= widths[-1]:
        raise ValueError(
            f"`width` must lie between {widths[0]} and {widths[-1]}. Received: {width}"
        )
    return float(np.interp(width, widths, [curve[known] for known in widths]))
