"""A measured latency model of this machine.

An encoder's time is taken as a sum: the part that pruning cannot touch (embeddings, head), one
attention block a layer and one feed-forward block a layer. The blocks are timed at a handful of
widths, in the int8 ONNX Runtime graph that serves: encoders of one layer that has heads alone or
neurons alone, less an encoder of no layer. The widths between are read off a straight line between
neighbours. The last layer under a sequence head has times of its own, as its graph computes one row
of each sequence only. A latency table as the constraint of structured pruning follows Kurtic,
Frantar, Alistarh, "ZipLM: Inference-Aware Structured Pruning of Language Models" (2023).

All times are milliseconds per 1,000 tokens, so that shapes of different size can be averaged.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertworks.artifacts import write_json
from bertworks.compression.engines import OnnxRuntime, available_threads
from bertworks.encoder.config import EncoderConfig, Head
from bertworks.encoder.layout import all_shapes, initialize
from bertworks.progress import stage

# Quantiles of tokens/info.json's "length_quantiles".
QUANTILES = (0.0, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
# Rows are served in batches of similar length: the short half, the middle, and the long tenth.
GROUPS = (0.0, 0.5, 0.9, 1.0)
# The time of a look-up hardly depends on the table's length: a short one keeps the graphs small.
VOCABULARY = 1024
SEED = 0

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
    """Times of an encoder's parts, as measured.

    Attributes:
        inner: Every layer but the last.
        last: The last layer.
        fixed: Embeddings and head.
        spread: Median over all measured points of (75 % - 25 % quantile) / median of CPU time.
        rounds: Interleaved repeats behind every time.
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

    def to_json(self) -> dict[str, Any]:
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


def measured_widths(full: int, points: int = 8) -> list[int]:
    """None, the narrowest, and evenly spaced widths up to `full`: where a block is timed."""
    step = 32 if full >= 32 * points else 1
    inner = {max(step, round(full * point / points / step) * step) for point in range(1, points)}
    return sorted({0, min(step, full), full} | {width for width in inner if width < full})


def measure(
    subject: Subject,
    shapes: Sequence[Shape],
    *,
    seconds: float = 10.0,
    threads: int | None = None,
    rounds: tuple[int, int] = (5, 25),
) -> LatencyTable:
    """Times the blocks on this machine.

    Every round times every graph at every shape once, in an order that changes from round to round,
    so that a disturbance of the machine falls on all of them. How the graphs compare is taken from
    the CPU time of their cheapest round, which other work on the machine hardly touches; the level
    of all of them is then set by the wall clock's fastest rounds. The curves are made rising with
    the width (isotonic least squares).

    Args:
        subject: The full sizes of a layer, and the head.
        shapes: Batch shapes, from `representative_shapes`.
        seconds: Stop after this long, once the least number of rounds is done.
        threads: CPU threads; None: all that this process may use.
        rounds: Least and greatest number of rounds.
    """
    threads = threads or available_threads()
    keys = _graphs(subject)
    calls: list[Call] = []
    for key in keys:
        calls += _calls(_tiny_graph(subject, key), shapes, subject.pair, VOCABULARY, threads)
    with stage("measuring latency", unit="rounds") as progress:
        wall, busy = time_calls(calls, seconds, rounds, progress.advance)
    cost = busy.min(axis=1) * (wall.min(axis=1).sum() / busy.min(axis=1).sum())
    low, median, high = np.quantile(busy, [0.25, 0.5, 0.75], axis=1)
    per_graph = cost.reshape(len(keys), -1) @ _per_thousand_tokens(shapes)
    times = dict(zip(keys, per_graph.tolist(), strict=True))
    return LatencyTable(
        inner=_differences(times, "encoder"),
        last=_differences(times, subject.head if subject.head == "sequence" else "encoder"),
        fixed=round(times[subject.head, None], 6),
        spread=round(float(np.median((high - low) / median)), 4),
        rounds=wall.shape[1],
        threads=threads,
        subject=subject,
        shapes=tuple(shapes),
    )


def load_or_measure(
    file: Path | None,
    subject: Subject,
    shapes: Sequence[Shape],
    *,
    seconds: float = 10.0,
    threads: int | None = None,
) -> LatencyTable:
    """Reads the table that an earlier try of the same run left in `file`, else measures and saves.

    A run that was killed and begins again must choose the same widths, so it must not measure anew.
    A table of another subject or of other shapes is replaced.
    """
    if file is not None and file.exists():
        try:
            table = LatencyTable.from_json(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError):
            table = None
        if table and table.subject == subject and table.shapes == tuple(shapes):
            return table
    table = measure(subject, shapes, seconds=seconds, threads=threads)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, table.to_json())
    return table


def compare(
    graphs: Sequence[bytes],
    shapes: Sequence[Shape],
    *,
    pair: bool,
    vocabulary: int,
    seconds: float = 8.0,
    threads: int | None = None,
) -> list[float]:
    """Wall-clock milliseconds per 1,000 tokens of whole graphs, timed in turn.

    Args:
        graphs: ONNX models with inputs input_ids, attention_mask (and type_ids).
        shapes: Batch shapes, from `representative_shapes`.
        pair: Whether the graphs take type_ids.
        vocabulary: Token ids are drawn below this.
        seconds: Stop after this long, once five rounds are done.
        threads: CPU threads; None: all that this process may use.
    """
    threads = threads or available_threads()
    calls: list[Call] = []
    for graph in graphs:
        calls += _calls(graph, shapes, pair, vocabulary, threads)
    wall, _ = time_calls(calls, seconds, (5, 40))
    per_graph = wall.min(axis=1).reshape(len(graphs), -1) @ _per_thousand_tokens(shapes)
    return [float(value) for value in per_graph]


Call = Callable[[], object]


def time_calls(
    calls: Sequence[Call],
    seconds: float,
    rounds: tuple[int, int],
    advance: Callable[[], object] = lambda: None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times every call once a round, in an order that changes from round to round.

    Args:
        calls: What to time; each is called once before, uncounted.
        seconds: Stop after this long, once the least number of rounds is done.
        rounds: Least and greatest number of rounds.
        advance: Called after each round.

    Returns:
        Seconds by the wall clock, and of CPU time in this process: each (calls, rounds).
    """
    for call in calls:
        call()
    order = np.random.default_rng(SEED)
    wall, busy = [], []
    began = time.perf_counter()
    while len(wall) < rounds[0] or (
        len(wall) < rounds[1] and time.perf_counter() - began < seconds
    ):
        walls, busies = np.zeros(len(calls)), np.zeros(len(calls))
        for index in order.permutation(len(calls)):
            start, start_busy = time.perf_counter(), time.process_time()
            calls[index]()
            walls[index] = time.perf_counter() - start
            busies[index] = time.process_time() - start_busy
        wall.append(walls)
        busy.append(busies)
        advance()
    return np.stack(wall, axis=1), np.stack(busy, axis=1)


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


# The head that stands on a measured graph, and its one layer's (heads, neurons), if it has a layer.
Key = tuple[str, tuple[int, int] | None]


def _graphs(subject: Subject) -> list[Key]:
    """Which small encoders are timed."""
    attention = [(heads, 0) for heads in measured_widths(subject.num_heads)]
    feed_forward = [(0, neurons) for neurons in measured_widths(subject.intermediate_size)[1:]]
    layers = [None, *attention, *feed_forward]
    if subject.head != "sequence":
        return [(subject.head, None), *(("encoder", layer) for layer in layers)]
    last: list[tuple[int, int] | None] = [None]
    last += [(heads, 0) for heads in measured_widths(subject.num_heads, points=4)]
    last += [(0, neurons) for neurons in measured_widths(subject.intermediate_size, points=2)[1:]]
    return [*(("encoder", layer) for layer in layers), *(("sequence", layer) for layer in last)]


def _tiny_graph(subject: Subject, key: Key) -> bytes:
    """The graph of an encoder with random weights and one layer or none."""
    from bertworks.compression.graph import build_graph

    kind, layer = key
    config = EncoderConfig(
        vocab_size=VOCABULARY,
        hidden_size=subject.hidden_size,
        num_heads=() if layer is None else layer[:1],
        head_size=subject.head_size,
        intermediate_sizes=() if layer is None else layer[1:],
    )
    heads = {"sequence": Head("sequence", ("a", "b")), "token": Head("token", ("a", "b"))}
    head = heads.get(kind, Head("encoder"))
    weights = initialize(all_shapes(config, head), SEED)
    model = build_graph(config, weights, head, pair=subject.pair, form="dynamic-int8")
    return bytes(model.SerializeToString())


def _calls(
    graph: bytes, shapes: Sequence[Shape], pair: bool, vocabulary: int, threads: int
) -> list[Call]:
    """For each shape, a call that runs a graph on random tokens."""
    engine = OnnxRuntime(graph, {}, threads)
    random = np.random.default_rng(SEED)

    def call(shape: Shape) -> Call:
        ids = random.integers(0, vocabulary, (shape.rows, shape.length))
        mask, types = np.ones_like(ids), np.zeros_like(ids) if pair else None
        return lambda: engine.run(ids, mask, types)

    return [call(shape) for shape in shapes]


def _per_thousand_tokens(shapes: Sequence[Shape]) -> NDArray[np.float64]:
    """What turns the seconds of each shape into milliseconds per 1,000 tokens, when summed."""
    return np.array([1e6 * shape.share / (shape.rows * shape.length) for shape in shapes])


def _differences(times: Mapping[Key, float], kind: str) -> LayerTimes:
    """What the blocks of one layer add to an encoder of no layer.

    A layer of which nothing is left still takes some time (two sums and norms): half goes to each.
    """
    none = times[kind, None]
    rest = (times[kind, (0, 0)] - none) / 2
    layers = {layer: time - none for (own, layer), time in times.items() if own == kind and layer}
    attention = {layer[0]: time - rest for layer, time in layers.items() if layer and not layer[1]}
    neurons = {layer[1]: time - rest for layer, time in layers.items() if layer and not layer[0]}
    return LayerTimes(rising(_positive(attention)), rising(_positive(neurons)))


def _positive(curve: Mapping[int, float]) -> Curve:
    return {width: max(0.0, ms) for width, ms in curve.items()}


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
