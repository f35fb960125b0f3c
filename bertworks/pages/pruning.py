"""The prune step's HTML view: what was asked, what came out, and the width of every block."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bertworks.compression.pruning.latency import Curve, LatencyTable
from bertworks.compression.pruning.widths import PruningPlan
from bertworks.contracts.history import Point
from bertworks.pages.charts import BarChart, LineChart, bar_chart, line_chart
from bertworks.pages.parts import Table
from bertworks.pages.views import View


@dataclass(frozen=True)
class PruningPage(View):
    """What was asked, what came out, the width of every block, and how distillation went."""

    template = "pruning.html.j2"

    measures: Table
    heads: BarChart
    neurons: BarChart
    timed_by: str
    times: LineChart
    distillation: LineChart | None


def render(
    plan: PruningPlan, table: LatencyTable, scores: Mapping[str, float], points: Iterable[Point]
) -> str:
    """A self-contained page.

    Args:
        plan: What stays.
        table: The times that the widths were chosen by.
        scores: The step's metrics.
        points: Of history.json.
    """
    numbers = [(name.replace("_", " "), value) for name, value in scores.items()]
    layers = [f"layer {layer}" for layer in range(1, len(plan.heads) + 1)]
    curve = [(point.epoch, point.value) for point in points if point.split == "train"]
    view = PruningPage(
        measures=Table(["measure", "value"], numbers, numeric=[1]),
        heads=bar_chart(layers, plan.num_heads),
        neurons=bar_chart(layers, plan.intermediate_sizes),
        timed_by=_source(table),
        times=line_chart(_shares(table), "share of the units kept", "ms"),
        distillation=line_chart({"loss": curve}, "epoch", "loss") if curve else None,
    )
    return str(view)


def _source(table: LatencyTable) -> str:
    shapes = ", ".join(f"{shape.rows} x {shape.length}" for shape in table.shapes)
    if not table.rounds:
        return (
            f"int8 on onnxruntime, by the cost model, batches of {shapes} (rows x tokens). Embeddings "
            f"and head: {table.fixed:.2f} ms. What the machine's clock says is the measured speedup."
        )
    return (
        f"int8 on onnxruntime, {table.threads} threads, batches of {shapes} (rows x tokens), "
        f"{table.rounds} rounds, spread {100 * table.spread:.0f} %. Embeddings and head: "
        f"{table.fixed:.2f} ms."
    )


def _shares(table: LatencyTable) -> dict[str, list[tuple[float, float]]]:
    """The curves over the share of a full block's units, so that they fit one picture."""

    def over_share(curve: Curve) -> list[tuple[float, float]]:
        full = max(curve)
        return [(width / full, ms) for width, ms in sorted(curve.items())] if full else []

    found = {
        "attention": over_share(table.inner.attention),
        "feed-forward": over_share(table.inner.feed_forward),
    }
    if table.last != table.inner:
        found["attention, last layer"] = over_share(table.last.attention)
        found["feed-forward, last layer"] = over_share(table.last.feed_forward)
    return found
