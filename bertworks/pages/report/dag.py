"""The DAG of a run as a drawing: boxes in the order of the data, each with its state and time."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from bertworks.contracts.runs import RunRecord, RunStep
from bertworks.notices import tally
from bertworks.pages import html
from bertworks.progress import duration
from bertworks.storage.artifacts import Artifact

WIDTH, GAP, HEIGHT, ROW, ARC = 124, 20, 60, 96, 18
COLORS = [f"var(--c{number})" for number in range(6)]

_SVG = Markup(
    '<div class="scroll"><svg class="dag" role="img" viewBox="0 0 {0} {1}" width="{0}" height="{1}" '
    'style="min-width: {3}px"><defs>'
    '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" '
    'orient="auto"><path d="M0 0 8 4 0 8z" fill="var(--soft)"/></marker></defs>{2}</svg></div>'
)
_BOX = Markup(
    '<g class="step {state}"><title>{name}: {state}, {time}</title>'
    '<rect class="box {state}" x="{x}" y="{y}" width="{w}" height="{h}" rx="8"/>'
    '<text class="name" x="{mid}" y="{line1}" text-anchor="middle">{name}</text>'
    '<text x="{mid}" y="{line2}" text-anchor="middle">{time}</text>{warnings}'
    '<rect class="share" x="{bar}" y="{low}" width="{share}" height="3" rx="1.5"/></g>'
)
_WARNINGS = Markup(
    '<g class="warnings"><title>{0}</title><circle class="warnings" cx="{1}" cy="{2}" r="4.5"/></g>'
)
_EDGE = Markup(
    '<path class="edge" d="M{} {} C{} {} {} {} {} {}" fill="none" marker-end="url(#tip)"/>'
)


def section(run: RunRecord, opened: dict[str, Artifact]) -> Markup:
    """The drawing, and one bar that shows where the time went."""
    steps = run.steps
    if not steps:
        return Markup("")
    return draw(steps) + _where_time_went(steps) + _overhead(run, steps)


def draw(steps: Sequence[RunStep]) -> Markup:
    """The DAG as inline SVG."""
    edges = _edges(steps)
    places = _places(steps, edges)
    most = max([step.seconds for step in steps] + [1e-9])
    shapes = [_edge(places[parent], places[name]) for parent, name in edges]
    for step in steps:
        x, y = places[step.name]
        seconds = step.seconds
        shapes.append(
            _BOX.format(
                name=step.name,
                state=step.state,
                time=_time(step),
                warnings=_warnings(step, x + WIDTH - 10, y + 10),
                x=x,
                y=y,
                w=WIDTH,
                h=HEIGHT,
                mid=x + WIDTH / 2,
                line1=y + 23,
                line2=y + 40,
                bar=x + 10,
                low=y + HEIGHT - 9,
                share=round((WIDTH - 20) * seconds / most, 1),
            )
        )
    right = max(x for x, _ in places.values()) + WIDTH + 2
    low = max(y for _, y in places.values()) + HEIGHT + 2
    # On a phone it is scrolled: made to fit, nobody could read it.
    return _SVG.format(right, low, Markup("").join(shapes), round(0.85 * right))


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


def _edge(start: tuple[int, int], end: tuple[int, int]) -> Markup:
    """A curve from the right side, or from below to the box's top in the next line.

    Over boxes that stand between the two in their line it bends above them.
    """
    if start[1] == end[1] and end[0] - start[0] > WIDTH + GAP:
        x1, x2, top = start[0] + WIDTH / 2, end[0] + WIDTH / 2, start[1]
        return _EDGE.format(x1, top, x1, top - ARC, x2, top - ARC, x2, top)
    if start[1] == end[1]:
        middle = start[1] + HEIGHT / 2
        right, left = start[0] + WIDTH, end[0]
        return _EDGE.format(right, middle, right + 8, middle, left - 8, middle, left, middle)
    x1, y1 = start[0] + WIDTH / 2, start[1] + HEIGHT
    x2, y2 = end[0] + WIDTH / 2, end[1]
    return _EDGE.format(x1, y1, x1, y1 + 16, x2, y2 - 16, x2, y2)


def _time(step: RunStep) -> str:
    if step.from_cache:
        made = step.made_in_seconds
        return f"cached: {duration(made)}" if made else "cached"
    if step.state == "waiting":
        return "–"
    if step.state == "skipped":
        return "skipped"
    return duration(step.seconds)


def _warnings(step: RunStep, x: float, y: float) -> Markup:
    """A dot on the box of a step that warns of something."""
    told = [one for one in step.told() if one.level == "warning"]
    return _WARNINGS.format(tally(told), x, y) if told else Markup("")


def _where_time_went(steps: Sequence[RunStep]) -> Markup:
    timed = [(one.name, one.seconds) for one in steps]
    timed = [(name, seconds) for name, seconds in timed if seconds > 0]
    total = sum(seconds for _, seconds in timed)
    if total <= 0:
        return Markup("")
    bars, legend = Markup(""), Markup("")
    for index, (name, seconds) in enumerate(timed):
        color, share = COLORS[index % 6], 100 * seconds / total
        label = f"{name} {duration(seconds)}"
        bars += Markup('<span style="width:{:.2f}%;background:{}" title="{}"></span>').format(
            share, color, html.visible(label)
        )
        if share >= 2:
            legend += Markup(
                '<span><span class="swatch" style="background:{}"></span>{}</span>'
            ).format(color, html.visible(label))
    drawn = Markup('<div class="stack">{}</div><div class="legend">{}</div>').format(bars, legend)
    return drawn + _saved(steps)


def _saved(steps: Sequence[RunStep]) -> Markup:
    """What the cached steps took in the run that made them."""
    made = [step.made_in_seconds for step in steps if step.from_cache]
    if not any(made):
        return Markup("")
    count = f"{len(made)} steps" if len(made) > 1 else "1 step"
    return Markup('<p class="soft">From the cache: {}, made in {} by earlier runs.</p>').format(
        count, duration(sum(made))
    )


def _overhead(run: RunRecord, steps: Sequence[RunStep]) -> Markup:
    """How long the steps were at work, and what went into starting them and the runner itself."""
    work = sum(step.work_seconds for step in steps)
    whole = run.seconds
    if not 0 < work <= whole:
        return Markup("")
    return Markup('<p class="soft">At work: {}; starting steps and running them: {}.</p>').format(
        duration(work), duration(whole - work)
    )
