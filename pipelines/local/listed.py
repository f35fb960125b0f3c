"""What `bertworks runs list` and `runs show` print of runs on this machine."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import typer

from bertworks.contracts.files import to_json
from bertworks.contracts.runs import RunRecord
from bertworks.notices import tally
from bertworks.progress import duration
from pipelines.local.display import MARKS, figures, grouped
from pipelines.local.record import newest_first
from pipelines.local.root import Root

KUBECONFIG = Path("~/.kube/config")


@dataclass(frozen=True)
class Listed:
    """A line of `runs list`.

    Attributes:
        id: The run's id.
        name: The agent.
        kind: "agent" or "retrain".
        state: How it ended, or "running".
        created: When it began, ISO 8601, UTC.
        seconds: How long it took.
        spec_file: The spec that it ran.
        report: Its report; "" where it has none.
    """

    id: str
    name: str
    kind: str
    state: str
    created: str
    seconds: float
    spec_file: str
    report: str


def cluster_is_named() -> bool:
    """Whether something here tells of a cluster: KFP_HOST, a kubeconfig, or that this is a pod."""
    from pipelines.cluster.kfp.connection import in_pod

    named = os.environ.get("KFP_HOST") or os.environ.get("KUBECONFIG")
    return bool(named) or in_pod() or KUBECONFIG.expanduser().is_file()


def line_of(record: RunRecord) -> Listed:
    """A run in short."""
    began = record.started
    if isinstance(began, (int, float)):
        began = datetime.fromtimestamp(began, UTC).isoformat(timespec="seconds")
    report = record.folder / "report.html"
    return Listed(
        record.folder.name, record.name, record.kind, record.state, began or "", record.seconds,
        record.spec_file, str(report) if report.is_file() else "",
    )  # fmt: skip


def print_list(
    root: Root, agent: str | None, states: Iterable[str] | None, limit: int, as_json: bool
) -> None:
    """Prints a line a run, the newest first."""
    wanted = None if states is None else set(states)
    found = (
        record
        for record in newest_first(root)
        if agent in (None, record.name) and (wanted is None or record.state in wanted)
    )
    lines = [line_of(record) for record in islice(found, limit)]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in lines], indent=2, ensure_ascii=False))
        return
    if not lines:
        typer.echo(f"no runs{f' of {agent}' if agent else ''} in {root.runs}")
        return
    from rich.table import Table

    drawn = Table(box=None, padding=(0, 1))
    for column in ("run", "agent", "state", "started (UTC)", "took", "spec"):
        drawn.add_column(column, no_wrap=column == "run")
    for one in lines:
        began = one.created[:16].replace("T", " ")
        drawn.add_row(one.id, one.name, one.state, began, duration(one.seconds), one.spec_file)
    _print(drawn)


def print_run(record: RunRecord, as_json: bool) -> None:
    """Prints a run: why it failed, its steps, what they told."""
    if as_json:
        typer.echo(json.dumps(to_json(record), indent=2, ensure_ascii=False))
        return
    one = line_of(record)
    if record.message:
        typer.echo(f"{record.state}: {record.message}\n")
    typer.echo(f"run {one.id}  {one.name}")
    typer.echo(f"{one.state} in {duration(one.seconds)}, started {one.created}")
    typer.echo(f"{one.report or 'no report'}\n")
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, padding=(0, 1))
    for name in ("", "step", "state", "time", ""):
        drawn.add_column(name, justify="right" if name == "time" else "left")
    for step in record.steps:
        mark, style = MARKS.get(step.state, ("?", ""))
        said = ", ".join(part for part in (tally(step.told()), figures(step.metrics)) if part)
        took = duration(step.seconds) if step.seconds else ""
        drawn.add_row(
            Text(mark, style=style), Text(step.name, style=style), step.state, took, Text(said)
        )
    _print(drawn)
    for line in grouped([(step.name, step.told()) for step in record.steps], one.report):
        typer.echo(line)


def _print(drawn: object) -> None:
    from rich.console import Console

    # Into a file or a pipe, a row stays a line.
    Console(width=None if sys.stdout.isatty() else 240, highlight=False).print(drawn)
