"""Times the parts of an encoder on this machine, in the int8 ONNX Runtime graph that serves.

A block's time is that of an encoder of one layer that has heads alone, or neurons alone, less that
of an encoder of no layer.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bertworks.compression.graph import build_graph
from bertworks.compression.pruning.latency import (
    Curve,
    LatencyTable,
    LayerTimes,
    Shape,
    Subject,
    rising,
)
from bertworks.cpus import available_threads
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import all_shapes, initialize
from bertworks.progress import stage
from bertworks.runtime.engines import OnnxRuntime
from bertworks.storage.artifacts import write_json

# The time of a look-up hardly depends on the table's length: a short one keeps the graphs small.
VOCABULARY = 1024
SEED = 0

# The head that stands on a measured graph, and its one layer's (heads, neurons), if it has a layer.
Key = tuple[str, tuple[int, int] | None]
Call = Callable[[], object]


def measure(
    subject: Subject,
    shapes: Sequence[Shape],
    *,
    seconds: float = 10.0,
    threads: int | None = None,
    rounds: tuple[int, int] = (5, 25),
    by_wall: bool = True,
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
        by_wall: Set the level by the wall clock; else it is that of the CPU time, shared evenly by
            the threads, which compares across runs on a busy machine.
    """
    threads = threads or available_threads()
    keys = _graphs(subject)
    calls: list[Call] = []
    for key in keys:
        calls += _calls(_tiny_graph(subject, key), shapes, subject.pair, VOCABULARY, threads)
    with stage("measuring latency", unit="rounds") as progress:
        wall, busy = time_calls(calls, seconds, rounds, progress.advance)
    level = wall.min(axis=1).sum() / busy.min(axis=1).sum() if by_wall else 1.0 / threads
    cost = busy.min(axis=1) * level
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


def measured_widths(full: int, points: int = 8) -> list[int]:
    """None, the narrowest, and evenly spaced widths up to `full`: where a block is timed."""
    step = 32 if full >= 32 * points else 1
    inner = {max(step, round(full * point / points / step) * step) for point in range(1, points)}
    return sorted({0, min(step, full), full} | {width for width in inner if width < full})


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
    wall: list[NDArray[np.float64]] = []
    busy: list[NDArray[np.float64]] = []
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
    model = build_graph(config, weights, head, pair=subject.pair, form="int8")
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
