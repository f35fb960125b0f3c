"""Follows a run until it ends: a live table in a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from datetime import datetime
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bertworks.errors import BertworksError, EnvironmentFault, GateRefused
from bertworks.notices import tally
from bertworks.progress import duration
from pipelines.cluster.kfp.connection import Connection
from pipelines.cluster.kfp.faults import Answer, Unreachable
from pipelines.cluster.runs.declared import Declared, RunStep
from pipelines.cluster.runs.hindrances import hindrances
from pipelines.cluster.runs.logs import StepReport, reports_of
from pipelines.cluster.runs.records import Record, detailed, source_of
from pipelines.cluster.runs.steps import ENDED, steps_of
from pipelines.local.display import MARKS, figures, grouped

POLL_SECONDS = 3.0
LOOK_AT_PODS_SECONDS = 20.0
PATIENCE_SECONDS = 900.0  # without an answer from KFP
STYLES = {
    **MARKS,
    "starting": ("▹", "cyan"),
    "skipped": ("-", "dim"),
    "cancelled": ("✗", "yellow"),
}


class RunFailed(BertworksError):
    """A run on the cluster failed."""

    exit_code = 8


class RunCancelled(BertworksError):
    """A run on the cluster was cancelled."""

    exit_code = 9


class Display(Protocol):
    """Shows the steps of a run as it goes."""

    def show(self, steps: list[RunStep], notes: dict[str, str], trouble: str) -> None: ...

    def close(self) -> None: ...


def follow(connection: Connection, run_id: str, display: Display | None = None) -> Record:
    """Shows a run until it has ended, and returns its record.

    Passing faults of KFP are waited out. The run does not depend on us: Ctrl-C ends the watching only.

    Raises:
        EnvironmentFault: KFP has not answered for a quarter of an hour, or no longer knows the run.
        KeyboardInterrupt: Ctrl-C.
    """
    shown = display or choose()
    cancelling = False
    watch = _Watch(connection, run_id)
    try:
        while True:
            run = watch.look(shown)
            if run is not None:
                cancelling = cancelling or str(run.state) == "CANCELING"
                if str(run.state) in ENDED:
                    break
            time.sleep(POLL_SECONDS)
    finally:
        shown.close()
    return detailed(connection, run, cancelled=cancelling)


class _Watch:
    """Asks KFP, and now and then the pods."""

    def __init__(self, connection: Connection, run_id: str) -> None:
        self._connection, self._run_id = connection, run_id
        self._declared: Declared | None = None
        self._knows_pipeline = False
        self._steps: list[RunStep] = []
        self._notes: dict[str, str] = {}
        self._answered = self._pods_seen = time.monotonic()
        self._looks = 3  # at pods that may be out of reach
        self._reports: dict[str, StepReport] = {}

    def look(self, shown: Display) -> Any:
        """The run as it is now, shown; None when KFP does not answer."""
        try:
            run = self._connection.client.get_run(self._run_id)
            if not self._knows_pipeline:
                self._declared, _ = source_of(self._connection, run)
                self._knows_pipeline = True
        except (Answer, Unreachable) as error:
            if getattr(error, "status", None) == 404:
                raise
            quiet = time.monotonic() - self._answered
            if not error.passing or quiet > PATIENCE_SECONDS:
                raise EnvironmentFault(
                    error.message,
                    f"{error.fix}\n  the run goes on without us: bertworks runs watch {self._run_id}",
                ) from None
            shown.show(self._steps, self._notes, f"KFP does not answer, trying on: {error.message}")
            return None
        self._answered = time.monotonic()
        self._steps = steps_of(run, self._declared)
        self._look_at_pods(run)
        self._read_reports(f"{run.created_at:%Y-%m-%d}" if run.created_at else "")
        shown.show(self._steps, self._notes, "")
        return run

    def _look_at_pods(self, run: Any) -> None:
        """What keeps pods from starting, KFP's own included: KFP says "running" for ever (#10634)."""
        since = time.monotonic() - self._pods_seen
        if str(run.state) in ENDED or since < LOOK_AT_PODS_SECONDS or self._looks == 0:
            return
        try:
            self._notes = hindrances(self._connection, self._run_id)
        except EnvironmentFault:
            self._looks -= 1
        self._pods_seen = time.monotonic()

    def _read_reports(self, day: str) -> None:
        """What the steps that have ended since the last look said; each is asked once."""
        new = [
            step
            for step in self._steps
            if step.state == "succeeded" and step.name not in self._reports
        ]
        if new and self._looks:
            try:
                found = reports_of(self._connection, self._run_id, new, day)
                self._reports |= {
                    step.name: found.get(step.name, StepReport({}, [])) for step in new
                }
            except EnvironmentFault:
                self._looks -= 1
        for step in self._steps:
            if (report := self._reports.get(step.name)) is not None:
                step.metrics, step.notices = report.metrics, report.notices


def outcome(record: Record) -> None:
    """Raises what the command line ends with, unless the run succeeded.

    Raises:
        GateRefused: A gate said no (exit code 6, as in local runs).
        RunFailed: A step failed (8).
        RunCancelled: It was cancelled (9).
    """
    if record.state == "succeeded":
        return
    if record.state in ("canceled", "skipped"):
        raise RunCancelled(
            f"Run {record.id} was {record.state}.", "`bertworks runs retry` runs the rest of it."
        )
    reason = record.failure
    if reason is None:
        raise RunFailed(f"Run {record.id} is {record.state}.", f"See {record.link}")
    message, _, fix = reason.message.partition("\n  fix: ")
    said = f"{reason.step}: {message}" if reason.step else message
    began = any(step.name == reason.step for step in record.steps)
    log = f"bertworks runs logs {record.id}{'' if began or not reason.step else ' ' + reason.step}"
    where = f"{record.link}\n       {log}"
    kind = GateRefused if reason.gate else RunFailed
    raise kind(said, f"{fix}\n  see: {where}" if fix else f"see {where}")


def told(record: Record) -> list[str]:
    """Lines with what the run's steps dropped, cut, merged or warn of."""
    return grouped([(step.name, step.notices) for step in record.steps], record.link)


def choose() -> Display:
    """A live table in a terminal, lines elsewhere."""
    return LiveTable() if sys.stdout.isatty() else PlainDisplay()


class PlainDisplay:
    """A line whenever a step's state changes, and when something waits or breaks."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def show(self, steps: list[RunStep], notes: dict[str, str], trouble: str) -> None:
        for step in steps:
            self._say(step.name, self._line(step), silent=step.state == "waiting")
            for notice in step.notices:
                self._say(f"{step.name}/{notice.text}", f"{step.name}: {notice.line()}")
        for name, note in notes.items():
            self._say(f"{name}/{note}", f"{name}: {note}")
        self._say("", trouble, silent=not trouble)

    def close(self) -> None:
        pass

    def _line(self, step: RunStep) -> str:
        took = duration(step.seconds) if step.ended and step.seconds is not None else ""
        tries = f"(attempt {step.attempts})" if step.attempts > 1 else ""
        return " ".join(part for part in (f"{step.name}: {step.state}", took, tries) if part)

    def _say(self, key: str, line: str, silent: bool = False) -> None:
        if self._last.get(key) == line:
            return
        self._last[key] = line
        if not silent:
            print(f"{datetime.now():%H:%M:%S} {line}", flush=True)


class LiveTable:
    """The steps as a table that redraws in place."""

    def __init__(self, console: Console | None = None) -> None:
        self._live = Live(console=console or Console(), refresh_per_second=4, transient=False)
        self._live.start()

    def show(self, steps: list[RunStep], notes: dict[str, str], trouble: str) -> None:
        self._live.update(table(steps, notes, trouble))

    def close(self) -> None:
        self._live.stop()


def table(steps: list[RunStep], notes: dict[str, str] | None = None, trouble: str = "") -> Table:
    """The steps with state, time and attempts."""
    own = {step.name for step in steps}
    below = [f"{name}: {note}" for name, note in (notes or {}).items() if name not in own]
    caption = "\n".join([*below, trouble] if trouble else below)
    drawn = Table(box=None, padding=(0, 1), caption=caption or None, caption_justify="left")
    for name in ("", "step", "state", "time", "tries", ""):
        drawn.add_column(name, justify="right" if name in ("time", "tries") else "left")
    for step in steps:
        mark, style = STYLES.get(step.state, ("?", ""))
        said = ", ".join(part for part in (tally(step.notices), figures(step.metrics)) if part)
        drawn.add_row(
            Text(mark, style=style),
            Text(step.name, style=style),
            step.state,
            duration(step.seconds) if step.seconds is not None else "",
            str(step.attempts) if step.attempts > 1 else "",
            Text((notes or {}).get(step.name) or step.note.split("\n")[0] or said),
        )
    return drawn
