"""Charts as inline SVG, and confusion matrices as shaded tables: where each shape of them stands."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bertworks.pages import axes
from bertworks.pages.text import cut, number, visible
from bertworks.pages.views import View

WIDTH = 400
"""Of most charts, in pixels; on a narrow screen they shrink."""
DOTTED = 40
"""Points of a curve up to which each has a dot."""


class Chart(View):
    """A drawing that a macro of charts.html.j2 shows."""

    template = "charts.html.j2"


@dataclass(frozen=True)
class HorizontalBar:
    """A bar with its label on the left and its value on the right; pixels."""

    y: int
    width: float
    label: str
    full: str
    value: str


@dataclass(frozen=True)
class BarChart(Chart):
    """Horizontal bars."""

    macro = "bars"

    bars: Sequence[HorizontalBar]
    height: int
    width: int = WIDTH


@dataclass(frozen=True)
class UprightBar:
    """A bar over a range of values; pixels."""

    x: float
    width: float
    height: float
    range: str
    value: str


@dataclass(frozen=True)
class HistogramChart(Chart):
    """Upright bars without gaps."""

    macro = "histogram"

    bars: Sequence[UprightBar]
    ticks: Sequence[axes.Tick]
    unit: str
    width: int


@dataclass(frozen=True)
class Dot:
    """A point of a curve."""

    x: float
    y: float
    label: str


@dataclass(frozen=True)
class ChartCurve:
    """A line through points, and its name in the legend at height `y`."""

    name: str
    color: str
    points: str
    dots: Sequence[Dot]
    y: int


@dataclass(frozen=True)
class LineChart(Chart):
    """Curves over one another."""

    macro = "lines"

    curves: Sequence[ChartCurve]
    x_label: str
    y_label: str
    x_ticks: Sequence[axes.Tick]
    y_ticks: Sequence[axes.Tick]
    height: int
    width: int = WIDTH


@dataclass(frozen=True)
class HeatCell:
    """A cell of a confusion matrix: its count, and its share of the row in words and as strength."""

    text: str
    share: str
    strength: str


@dataclass(frozen=True)
class HeatRow:
    """A row of a confusion matrix."""

    label: str
    cells: Sequence[HeatCell]


@dataclass(frozen=True)
class HeatTable(Chart):
    """A confusion matrix."""

    macro = "heat"

    labels: Sequence[object]
    rows: Sequence[HeatRow]


@dataclass(frozen=True)
class Whisker:
    """A value as a dot, with a line from end to end of its interval where it has one; pixels."""

    name: str
    value: str
    y: int
    at: float
    ends: tuple[float, float] | None
    color: str


@dataclass(frozen=True)
class Intervals(Chart):
    """Values with their intervals on one scale."""

    macro = "intervals"

    title: str
    entries: Sequence[Whisker]
    height: int
    width: int = WIDTH


def bar_chart(labels: Sequence[object], values: Sequence[float], unit: str = "") -> BarChart:
    """Horizontal bars, one a label, in the order given; values are at least 0, NaN has no bar."""
    most = max((value for value in values if math.isfinite(value)), default=0) or 1
    bars = [
        HorizontalBar(
            y=24 * index,
            width=round(max(160 * value / most, 0), 1) if math.isfinite(value) else 0,
            label=cut(label, 22),
            full=visible(label),
            value=f"{number(value)} {unit}".strip(),
        )
        for index, (label, value) in enumerate(zip(labels, values, strict=True))
    ]
    return BarChart(bars, height=24 * max(len(bars), 1))


def histogram(
    edges: Sequence[float], counts: Sequence[float], unit: str = "", width: int = 300
) -> HistogramChart:
    """Upright bars without gaps: `edges` holds one number more than `counts`; width in pixels."""
    most = max(counts, default=0) or 1
    step = (width - 20) / max(len(counts), 1)
    bars = [
        UprightBar(
            x=round(10 + step * index, 2),
            width=round(step * 0.92, 2),
            height=round(110 * count / most, 1),
            range=f"{number(edges[index])} to {number(edges[index + 1])}",
            value=number(count),
        )
        for index, count in enumerate(counts)
    ]
    ticks = axes.within(edges[0], edges[-1]) if len(edges) else []
    placed = axes.labelled(ticks, (edges[0], edges[-1]), 10, width - 20) if ticks else []
    return HistogramChart(bars, placed, unit, width)


def line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]], x_label: str = "", y_label: str = ""
) -> LineChart:
    """One curve a series of (x, y) points; points that are not finite are left out."""
    finite = {
        name: [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        for name, points in series.items()
    }
    every = [point for points in finite.values() for point in points]
    x_range = axes.span([x for x, _ in every])
    x_ticks = axes.within(*x_range, whole=all(float(x).is_integer() for x, _ in every))
    y_range, y_ticks = axes.around(*axes.span([y for _, y in every]))
    curves = []
    for index, (name, points) in enumerate(finite.items()):
        dots = [
            Dot(
                x=round(64 + 321 * axes.place(x, x_range), 1),
                y=round(190 - 180 * axes.place(y, y_range), 1),
                label=f"{number(x)}: {number(y)}",
            )
            for x, y in points
        ]
        curves.append(
            ChartCurve(
                name=name,
                color=f"var(--c{index % 6})",
                points=" ".join(f"{dot.x},{dot.y}" for dot in dots),
                dots=dots if len(dots) <= DOTTED else [],
                y=246 + 18 * index,
            )
        )
    return LineChart(
        curves,
        x_label,
        y_label,
        x_ticks=axes.labelled(x_ticks, x_range, 64, 321),
        y_ticks=axes.labelled(y_ticks, y_range, 190, -180),
        height=242 + 18 * len(curves),
    )


def heat_table(labels: Sequence[object], matrix: Sequence[Sequence[float]]) -> HeatTable:
    """A confusion matrix: rows are true labels, columns predicted; shaded by the row's share."""
    rows = []
    for label, values in zip(labels, matrix, strict=True):
        total = sum(values) or 1
        cells = [
            HeatCell(
                text=number(value),
                share=f"{100 * value / total:.1f} %",
                strength=f"{0.75 * value / total:.2f}",
            )
            for value in values
        ]
        rows.append(HeatRow(visible(label), cells))
    return HeatTable(labels, rows)
