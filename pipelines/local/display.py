"""Live progress in a terminal; plain lines where there is none."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bertworks.progress import duration
from pipelines.local.record import Run, Step

MARKS = {
    "waiting": ("·", "dim"),
    "running": ("▸", "bold cyan"),
    "succeeded": ("✓", "green"),
    "cached": ("✓", "green dim"),
    "failed": ("✗", "bold red"),
    "skipped": ("–", "dim"),
}


class Display(Protocol):
    """Shows a run as it goes."""

    def start(self, run: Run) -> None: ...

    def update(self, run: Run, events: list[dict[str, Any]]) -> None: ...

    def stop(self, run: Run) -> None: ...


def choose() -> Display:
    """A live table in a terminal, lines elsewhere."""
    return LiveTable() if sys.stdout.isatty() else Lines()


class Lines:
    """One line when a step starts, ends, or enters a new stage; at most one each 15 s between."""

    def __init__(self) -> None:
        self._last = 0.0
        self._stage = ("", "")

    def start(self, run: Run) -> None:
        print(f"run {run.id}: {' -> '.join(run.steps)}", flush=True)

    def update(self, run: Run, events: list[dict[str, Any]]) -> None:
        for event in events:
            step = run.steps.get(event["step"])
            if step is None:
                continue
            if event["event"] == "step" and event["state"] == "started":
                print(f"{step.name}: started", flush=True)
            elif event["event"] == "step":
                print(
                    f"{step.name}: {step.state} {duration(step.seconds)} {numbers(step)}",
                    flush=True,
                )
            elif time.monotonic() - self._last > 15 or (step.name, event["stage"]) != self._stage:
                self._last, self._stage = time.monotonic(), (step.name, event["stage"])
                print(f"{step.name}: {doing(event)}", flush=True)

    def stop(self, run: Run) -> None:
        skipped = [step.name for step in run.steps.values() if step.state == "skipped"]
        if skipped:
            print(f"skipped: {', '.join(skipped)}", flush=True)
        print(f"run {run.id}: {run.state} after {duration(run.seconds)}", flush=True)


class LiveTable:
    """The DAG as a table that redraws in place."""

    def __init__(self) -> None:
        self._live = Live(console=Console(), refresh_per_second=4, transient=False)

    def start(self, run: Run) -> None:
        self._live.start()
        self._live.update(self._draw(run))

    def update(self, run: Run, events: list[dict[str, Any]]) -> None:
        self._live.update(self._draw(run))

    def stop(self, run: Run) -> None:
        self._live.update(self._draw(run))
        self._live.stop()

    def _draw(self, run: Run) -> Table:
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
                Text(
                    step.state if step.state in ("cached", "skipped") else shown,
                    overflow="ellipsis",
                    no_wrap=True,
                ),
            )
        return table


def doing(stage: dict[str, Any]) -> str:
    """What a running step is doing: stage, share done, rate, time left, a note."""
    if not stage:
        return "starting"
    parts = [stage["stage"]]
    if stage["total"]:
        parts.append(f"{stage['done']:,.0f}/{stage['total']:,.0f} {stage['unit']}")
    elif stage["done"]:
        parts.append(f"{stage['done']:,.0f} {stage['unit']}")
    if stage["rate"] and stage["unit"]:
        parts.append(f"{stage['rate']:,.1f} {stage['unit']}/s")
        if stage["total"] and stage["state"] == "running":
            parts.append(f"{duration((stage['total'] - stage['done']) / stage['rate'])} left")
    if stage["note"]:
        parts.append(stage["note"])
    return ", ".join(parts)


def numbers(step: Step) -> str:
    """A finished step's numbers, a few of them."""
    shown = list(step.metrics.items())[:4]
    return ", ".join(f"{name} {value:.4g}" for name, value in shown)
