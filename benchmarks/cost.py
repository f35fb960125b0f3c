"""Fits the cost model that pruning chooses widths by: `make bench-cost`.

Blocks of several encoders are timed at several lengths, each at a handful of widths; the times a unit
of work are those that come closest to all of them (non-negative least squares of the relative error).
The result goes into `MEASURED` of bertworks/compression/pruning/cost.py by hand: it belongs to the
code, so that the same commit chooses the same widths.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator

import numpy as np
from scipy.optimize import nnls

from benchmarks.harness.results import Result, Row
from bertworks.compression.measuring import measure
from bertworks.compression.pruning import cost
from bertworks.compression.pruning.cost import Costs, Work
from bertworks.compression.pruning.latency import LatencyTable, Shape, Subject

# Hidden size, width of a head, heads, neurons: MiniLM-L6 and L12, BERT-base, and a small one.
SIZES = ((384, 32, 12, 1536), (768, 64, 12, 3072), (256, 64, 4, 1024))
LENGTHS = (16, 64)
ROWS = 32

Sample = tuple[Work, float]


def main() -> None:
    """Measures, fits and writes the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=8.0, help="timing of each size and length")
    parser.add_argument("--rounds", type=int, default=5, help="least rounds of each")
    options = parser.parse_args()
    tables = [
        measure(Subject(*sizes, "sequence", pair=False), [Shape(ROWS, length, 1.0)],
                seconds=options.seconds, threads=cost.THREADS, rounds=(options.rounds, 25),
                by_wall=False)
        for sizes in SIZES
        for length in LENGTHS
    ]  # fmt: skip
    found = fit([sample for table in tables for sample in samples(table)])
    for name, value in dataclasses.asdict(found).items():
        print(f"    {name}={value:.4g},")
    result(tables, found).save()


def samples(table: LatencyTable) -> Iterator[Sample]:
    """The work of each measured block, and its milliseconds per 1,000 tokens."""
    (shape,) = table.shapes
    for last, times in ((False, table.inner), (True, table.last)):
        for heads, ms in times.attention.items():
            yield cost.attention_work(table.subject, heads, shape.length, last), ms
        for neurons, ms in times.feed_forward.items():
            yield cost.feed_forward_work(table.subject, neurons, shape.length, last), ms
    yield cost.fixed_work(table.subject, shape.length), table.fixed


def fit(known: list[Sample]) -> Costs:
    """The costs that come closest, each sample's error taken relative to its time.

    What takes next to nothing is not measured well, and matters little: it counts as taking a fiftieth
    of the median.
    """
    names = cost.names()
    least = float(np.median([ms for _, ms in known])) / 50
    work = np.array([[units.get(name, 0.0) / 1000 for name in names] for units, _ in known])
    times = np.array([ms for _, ms in known])
    weight = 1.0 / np.maximum(times, least)
    scale = np.abs(work).max(axis=0)
    solution, _ = nnls(work / scale * weight[:, np.newaxis], times * weight)
    return Costs(**dict(zip(names, (solution / scale).tolist(), strict=True)))


def result(tables: list[LatencyTable], costs: Costs) -> Result:
    """How far the model is off whole encoders, and what it was fitted to."""
    rows = []
    for table in tables:
        (shape,) = table.shapes
        model = cost.modelled(table.subject, table.shapes, costs)
        heads, neurons = table.subject.num_heads, table.subject.intermediate_size
        widths = [(heads, neurons), (heads // 2, neurons // 2), (max(1, heads // 4), neurons // 4)]
        # Six layers; how many times as fast the narrower ones are is what pruning asks.
        real, said = (
            [kind.encoder_time([h] * 6, [n] * 6) for h, n in widths] for kind in (table, model)
        )
        rows.append(
            Row(
                what=f"hidden {table.subject.hidden_size}, {shape.rows} x {shape.length} tokens",
                peer="the cost model",
                unit="ms per 1,000 tokens",
                own=real[0],
                peer_value=said[0],
                rounds=table.rounds,
                quality={
                    "half as wide, measured speed-up": round(real[0] / real[1], 3),
                    "half as wide, by the model": round(said[0] / said[1], 3),
                    "a quarter, measured speed-up": round(real[0] / real[2], 3),
                    "a quarter, by the model": round(said[0] / said[2], 3),
                },
                note=f"spread of the measurement {100 * table.spread:.0f} %",
            )
        )
    told = ", ".join(f"{name} {value:.4g}" for name, value in dataclasses.asdict(costs).items())
    return Result(
        name="cost",
        title="Blocks of encoders: the cost model against the clock",
        command="make bench-cost",
        data="random weights and tokens; CPU time of the cheapest rounds, shared by "
        f"{cost.THREADS} threads; nanoseconds a unit of work: {told}",
        rows=rows,
    )


if __name__ == "__main__":
    main()
