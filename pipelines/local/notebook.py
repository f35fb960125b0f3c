"""Progress in a notebook: one output of the cell, changed in place."""

from __future__ import annotations

import importlib
import sys
import time
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.jupyter import JupyterMixin
from rich.table import Table
from rich.text import Text

from bertworks.progress import duration
from pipelines.local.display import closing, draw
from pipelines.local.events import Event
from pipelines.local.record import Run

SECONDS = 1.0
"""Between two drawings at least: each is a message to the browser, and all of them are kept."""


def is_one() -> bool:
    """Whether this process is the kernel of a notebook."""
    # Not imported: where nobody has, this is none.
    shell = sys.modules.get("IPython")
    return shell is not None and hasattr(shell.get_ipython(), "kernel")


class Shown(JupyterMixin):
    """The DAG, and lines below it, for a terminal's and a browser's eyes."""

    def __init__(self, table: Table, lines: list[str]) -> None:
        self._table, self._lines = table, lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self._table
        for line in self._lines:
            yield Text(line)


class CellTable:
    """The DAG as a table in the cell's output."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._drawn = 0.0

    def start(self, run: Run) -> None:
        shell: Any = importlib.import_module("IPython.display")
        # Rich's own live display needs ipywidgets, and prints a warning where they are not there.
        self._handle = shell.DisplayHandle()
        self._handle.display(Shown(draw(run), []))
        self._drawn = time.monotonic()

    def update(self, run: Run, events: list[Event]) -> None:
        if time.monotonic() - self._drawn >= SECONDS:
            self._draw(run, [])

    def stop(self, run: Run) -> None:
        ended = f"run {run.id}: {run.state} after {duration(run.seconds)}"
        self._draw(run, [*closing(run), ended])

    def _draw(self, run: Run, lines: list[str]) -> None:
        self._handle.update(Shown(draw(run), lines))
        self._drawn = time.monotonic()
