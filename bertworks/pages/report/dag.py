"""The DAG of a run as a drawing: boxes in the order of the data, each with its state and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bertworks.contracts.runs import RunRecord, RunStep
from bertworks.notices import tally
from bertworks.pages.views import View
from bertworks.progress import duration
from bertworks.storage.artifacts import Artifact

WIDTH, GAP, HEIGHT, ROW, ARC = 124, 20, 60, 96, 18
COLORS = [f"var(--c{number})" for number in range(6)]


DrawnEdge = tuple[float, float, float, float, float, float, float, float]
"""A curve: where it begins, two points that bend it, and where it ends."""


@dataclass(frozen=True)
class DrawnBox:
    """A step as drawn: the place of its left upper corner, and how wide the bar of its time is."""

    name: str
    state: str
    time: str
    warnings: str
    x: int
    y: int
    share: float


@dataclass(frozen=True)
class Drawing(View):
    """The DAG as inline SVG of `width` by `height` pixels, all boxes of one size.

    On a screen narrower than `least_width` it is scrolled: made to fit, nobody could read it.
    """

    template = "report/drawing.html.j2"

    boxes: Sequence[DrawnBox]
    edges: Sequence[DrawnEdge]
    width: int
    height: int
    least_width: int
    box_width: int = WIDTH
    box_height: int = HEIGHT


@dataclass(frozen=True)
class TimeSpent:
    """A step's share of the time, in percent and as colour; narrow ones have no place in the legend."""

    label: str
    percent: str
    color: str
    in_legend: bool


@dataclass(frozen=True)
class CacheSaving:
    """Steps that were taken from the cache, and how long they took when they were made."""

    steps: int
    time: str


@dataclass(frozen=True)
class Overhead:
    """How long the steps were at work, and what went into starting them and the runner itself."""

    work: str
    rest: str


@dataclass(frozen=True)
class DagPart(View):
    """The drawing, and where the time went."""

    template = "report/dag.html.j2"

    drawing: Drawing
    spent: Sequence[TimeSpent]
    saved: CacheSaving | None
    overhead: Overhead | None


def section(run: RunRecord, opened: dict[str, Artifact]) -> View | None:
    """The drawing, and one bar that shows where the time went."""
    steps = run.steps
    if not steps:
        return None
    spent = _where_time_went(steps)
    return DagPart(draw(steps), spent, _saved(steps) if spent else None, _overhead(run, steps))


def draw(steps: Sequence[RunStep]) -> Drawing:
    """The DAG as inline SVG."""
    edges = _edges(steps)
    places = _places(steps, edges)
    most = max([step.seconds for step in steps] + [1e-9])
    boxes = [
        DrawnBox(
            name=step.name,
            state=step.state,
            time=_time(step),
            warnings=tally([one for one in step.told() if one.level == "warning"]),
            x=places[step.name][0],
            y=places[step.name][1],
            share=round((WIDTH - 20) * step.seconds / most, 1),
        )
        for step in steps
    ]
    width = max(x for x, _ in places.values()) + WIDTH + 2
    return Drawing(
        boxes,
        [_edge(places[parent], places[name]) for parent, name in edges],
        width=width,
        height=max(y for _, y in places.values()) + HEIGHT + 2,
        least_width=round(0.85 * width),
    )


def _places(steps: Sequence[RunStep], edges: list[tuple[str, str]]) -> dict[str, tuple[int, int]]:
    """Left upper corner of each box: in the order of the steps, each row pushed right until a line
    from the row above falls straight down (from `evaluate` to the gate, which compares its scores).
    """
    rows: dict[int, list[str]] = {}
    for step in steps:
        rows.setdefault(step.row, []).append(step.name)
    columns: dict[str, int] = {}
    for names in (rows[row] for row in sorted(rows)):
        down = [
            columns[start] - names.index(end)
            for start, end in edges
            if start in columns and end in names
        ]
        shift = max(min(down, default=0), 0)
        columns |= {name: shift + place for place, name in enumerate(names)}
    row_of = {name: row for row, number in enumerate(sorted(rows)) for name in rows[number]}
    # A line that passes over boxes of its row needs room above it.
    arcs = any(row_of[a] == row_of[b] and columns[b] - columns[a] > 1 for a, b in edges)
    top = 2 + (ARC if arcs else 0)
    return {
        name: (2 + column * (WIDTH + GAP), top + row_of[name] * ROW)
        for name, column in columns.items()
    }


def _edges(steps: Sequence[RunStep]) -> list[tuple[str, str]]:
    names = {step.name for step in steps}
    return [(parent, step.name) for step in steps for parent in step.after if parent in names]


def _edge(start: tuple[int, int], end: tuple[int, int]) -> DrawnEdge:
    """A curve from the right side, or from below to the box's top in the next line.

    Over boxes that stand between the two in their line it bends above them.
    """
    if start[1] == end[1] and end[0] - start[0] > WIDTH + GAP:
        x1, x2, top = start[0] + WIDTH / 2, end[0] + WIDTH / 2, start[1]
        return (x1, top, x1, top - ARC, x2, top - ARC, x2, top)
    if start[1] == end[1]:
        middle = start[1] + HEIGHT / 2
        right, left = start[0] + WIDTH, end[0]
        return (right, middle, right + 8, middle, left - 8, middle, left, middle)
    x1, y1 = start[0] + WIDTH / 2, start[1] + HEIGHT
    x2, y2 = end[0] + WIDTH / 2, end[1]
    return (x1, y1, x1, y1 + 16, x2, y2 - 16, x2, y2)


def _time(step: RunStep) -> str:
    if step.from_cache:
        made = step.made_in_seconds
        return f"cached: {duration(made)}" if made else "cached"
    if step.state == "waiting":
        return "–"
    if step.state == "skipped":
        return "skipped"
    return duration(step.seconds)


def _where_time_went(steps: Sequence[RunStep]) -> list[TimeSpent]:
    timed = [(one.name, one.seconds) for one in steps]
    timed = [(name, seconds) for name, seconds in timed if seconds > 0]
    total = sum(seconds for _, seconds in timed)
    return [
        TimeSpent(
            label=f"{name} {duration(seconds)}",
            percent=f"{100 * seconds / total:.2f}",
            color=COLORS[index % 6],
            in_legend=100 * seconds / total >= 2,
        )
        for index, (name, seconds) in enumerate(timed)
    ]


def _saved(steps: Sequence[RunStep]) -> CacheSaving | None:
    """What the cached steps took in the run that made them."""
    made = [step.made_in_seconds for step in steps if step.from_cache]
    return CacheSaving(len(made), duration(sum(made))) if any(made) else None


def _overhead(run: RunRecord, steps: Sequence[RunStep]) -> Overhead | None:
    work = sum(step.work_seconds for step in steps)
    whole = run.seconds
    return Overhead(duration(work), duration(whole - work)) if 0 < work <= whole else None
