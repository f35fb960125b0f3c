"""Live progress in a terminal; plain lines where there is none."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Iterable, Mapping
from typing import Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bertworks.notices import Notice, tally
from bertworks.pages.text import number
from bertworks.progress import duration
from pipelines.local.events import Event, StageEvent, StepEvent
from pipelines.local.record import Run, Step

MARKS = {
    "waiting": ("·", "dim"),
    "running": ("▸", "bold cyan"),
    "succeeded": ("✓", "green"),
    "cached": ("✓", "green dim"),
    "failed": ("✗", "bold red"),
    "skipped": ("–", "dim"),
}
FIGURES = 5  # numbers shown of a step
NOTICES = 12  # shown of a step at the end of the run


class Display(Protocol):
    """Shows a run as it goes."""

    def start(self, run: Run) -> None: ...

    def update(self, run: Run, events: list[Event]) -> None: ...

    def stop(self, run: Run) -> None: ...


def choose() -> Display:
    """A live table in a terminal, lines elsewhere."""
    return LiveTable() if sys.stdout.isatty() else ProgressLines()


class Nothing:
    """Shows nothing; the run's record has all of it."""

    def start(self, run: Run) -> None: ...

    def update(self, run: Run, events: list[Event]) -> None: ...

    def stop(self, run: Run) -> None: ...


class ProgressLines:
    """One line when a step starts, ends, or enters a new stage; at most one each 15 s between."""

    def __init__(self) -> None:
        self._last = 0.0
        self._stage = ("", "")

    def start(self, run: Run) -> None:
        print(f"run {run.id}: {' -> '.join(run.steps)}", flush=True)

    def update(self, run: Run, events: list[Event]) -> None:
        for event in events:
            step = run.steps.get(event.step)
            if step is None:
                continue
            if isinstance(event, StepEvent) and event.state == "started":
                print(f"{step.name}: started", flush=True)
            elif isinstance(event, StepEvent):
                took = [] if step.state == "cached" else [duration(step.seconds)]
                print(f"{step.name}: {' '.join([step.state, *took, numbers(step)])}".rstrip())
                for notice in step.told():
                    print(f"{step.name}: {notice.line()}")
                sys.stdout.flush()
            elif time.monotonic() - self._last > 15 or (step.name, event.stage) != self._stage:
                self._last, self._stage = time.monotonic(), (step.name, event.stage)
                print(f"{step.name}: {doing(event)}", flush=True)

    def stop(self, run: Run) -> None:
        skipped = [step.name for step in run.steps.values() if step.state == "skipped"]
        if skipped:
            print(f"skipped: {', '.join(skipped)}", flush=True)
        for line in closing(run):
            print(line)
        print(f"run {run.id}: {run.state} after {duration(run.seconds)}", flush=True)


class LiveTable:
    """The DAG as a table that redraws in place."""

    def __init__(self) -> None:
        self._live = Live(console=Console(), refresh_per_second=4, transient=False)

    def start(self, run: Run) -> None:
        self._live.start()
        self._live.update(draw(run))

    def update(self, run: Run, events: list[Event]) -> None:
        for event in events:
            step = run.steps.get(event.step)
            if step is not None and isinstance(event, StepEvent) and step.finished:
                for notice in step.told():
                    self._print(f"{step.name}: {notice.line()}", indent=4)
        self._live.update(draw(run))

    def stop(self, run: Run) -> None:
        self._live.update(draw(run))
        self._live.stop()
        for line in closing(run):
            self._print(line, indent=6)

    def _print(self, line: str, indent: int) -> None:
        """A line above the table, broken between words, what follows indented."""
        console = self._live.console
        for part in wrapped(line, console.width, indent):
            console.print(Text(part), soft_wrap=True)


def draw(run: Run) -> Table:
    """The DAG, a row a box: its state, time, and what it does or found."""
    table = Table(box=None, padding=(0, 1), title=run.id, title_justify="left")
    for name in ("", "step", "time", "doing"):
        table.add_column(name, justify="right" if name == "time" else "left")
    for step in run.steps.values():
        mark, style = MARKS[step.state]
        seconds = time.time() - step.started if step.state == "running" else step.seconds
        shown = doing(step.stage) if step.state == "running" else numbers(step)
        table.add_row(
            Text(mark, style=style),
            Text(step.name, style=style),
            duration(seconds) if seconds else "",
            Text(_said(step, shown), overflow="ellipsis", no_wrap=True),
        )
    return table


def doing(stage: StageEvent | None) -> str:
    """What a running step is doing: stage, share done, rate, time left, a note."""
    if stage is None:
        return "starting"
    parts = [stage.stage]
    if stage.total:
        parts.append(f"{stage.done:,.0f}/{stage.total:,.0f} {stage.unit}")
    elif stage.done:
        parts.append(f"{stage.done:,.0f} {stage.unit}")
    if stage.rate and stage.unit:
        parts.append(f"{stage.rate:,.1f} {stage.unit}/s")
        if stage.total and stage.state == "running":
            parts.append(f"{duration((stage.total - stage.done) / stage.rate)} left")
    if stage.note:
        parts.append(stage.note)
    return ", ".join(parts)


def _said(step: Step, shown: str) -> str:
    """A row's last column."""
    if step.state == "skipped":
        return step.state
    state = "cached" if step.state == "cached" else ""
    return ", ".join(part for part in (state, tally(step.told()), shown) if part)


def numbers(step: Step) -> str:
    """A finished step's numbers, a few of them."""
    return figures(step.metrics)


def figures(metrics: Mapping[str, float | None]) -> str:
    """The first few of a step's numbers: "train_rows 15,000, read 20,000"."""
    return ", ".join(f"{name} {number(value)}" for name, value in list(metrics.items())[:FIGURES])


def closing(run: Run) -> list[str]:
    """What the steps told, once more at the end of the run: step by step, and where all of it is."""
    told = [(step.name, step.told()) for step in run.steps.values()]
    more = run.folder / "report.html"
    return grouped(told, str(more) if more.exists() else str(run.folder / "run.json"))


def grouped(told: Iterable[tuple[str, list[Notice]]], more: str) -> list[str]:
    """Lines with the notices of steps.

    Args:
        told: (step, its notices).
        more: Where all of them stand; a step with many shows a part.
    """
    found = [(name, notices) for name, notices in told if notices]
    if not found:
        return []
    lines = [f"{tally(notice for _, notices in found for notice in notices)}:"]
    for name, notices in found:
        lines.append(f"  {name}")
        lines += [f"    {notice.line()}" for notice in notices[:NOTICES]]
        if len(notices) > NOTICES:
            lines.append(f"    and {len(notices) - NOTICES} more: {more}")
    return lines


def wrapped(line: str, width: int, indent: int) -> list[str]:
    """A line broken between words to fit a terminal; paths stay whole."""
    return textwrap.wrap(
        line, max(width, 40), subsequent_indent=" " * indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip
