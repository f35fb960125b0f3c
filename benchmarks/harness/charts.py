"""Static charts for docs/performance.md: SVG files that read on a light page and on a dark one."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from benchmarks.harness.results import Row
from bertworks.pages import charts, views
from bertworks.pages.text import cut

WIDTH, LABELS, NUMBERS = 760, 330, 110


@dataclass(frozen=True)
class RatioBar:
    """A bar with its label on the left and its value on the right; `goal` is where a line stands."""

    y: int
    kind: str
    width: str
    label: str
    full: str
    value: str
    value_at: str
    goal: str | None


def ratio_chart(rows: Sequence[Row]) -> str:
    """Horizontal bars, one a row: its ratio, coloured by whether it met its goal, a line at the goal.

    Args:
        rows: Rows with a ratio.
    """
    most = max(max(row.ratio or 0.0, row.goal or 0.0) for row in rows)
    scale = (WIDTH - LABELS - NUMBERS) / (most or 1.0)
    bars = []
    for number, row in enumerate(rows):
        ratio, name = row.ratio or 0.0, f"{row.what}: {row.peer}"
        bars.append(
            RatioBar(
                y=26 * number + 4,
                kind={None: "plain", True: "met", False: "short"}[row.met],
                width=f"{ratio * scale:.1f}",
                label=cut(name, 54),
                full=name,
                value=f"{ratio:.2f}x{'' if row.goal is None else f' of {row.goal:g}x'}",
                value_at=f"{LABELS + max(ratio, row.goal or 0.0) * scale + 8:.1f}",
                goal=None if row.goal is None else f"{LABELS + row.goal * scale:.1f}",
            )
        )
    template = _environment().get_template("ratios.svg.j2")
    return template.render(bars=bars, left=LABELS, width=WIDTH, height=26 * len(rows) + 8)


def line_chart(
    curves: Mapping[str, Sequence[tuple[float, float]]], x_label: str, y_label: str
) -> str:
    """One curve a name, through its points in the order of x."""
    chart = charts.line_chart({k: sorted(v) for k, v in curves.items()}, x_label, y_label)
    template = _environment().get_template("curves.svg.j2")
    return template.render(chart=chart, width=chart.width, height=chart.height)


@functools.cache
def _environment() -> jinja2.Environment:
    """That of the pages, with this folder's templates."""
    pages = views.environment()
    here = jinja2.FileSystemLoader(Path(__file__).parent)
    return pages.overlay(loader=jinja2.ChoiceLoader([here, pages.loader]))
