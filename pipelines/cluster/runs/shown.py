"""What `bertworks submit` and `bertworks runs` print."""

from __future__ import annotations

import shutil
import sys

import typer
from rich.console import Console
from rich.table import Table

from bertworks.progress import duration
from pipelines.cluster.kfp.connection import Connection
from pipelines.cluster.kfp.facts import documents
from pipelines.cluster.kfp.submit import Compiled
from pipelines.cluster.runs import watch
from pipelines.cluster.runs.declared import RunStep, declared_steps
from pipelines.cluster.runs.records import Record
from pipelines.local.display import wrapped


def dry_run(made: Compiled) -> None:
    """Prints what would be sent."""
    found = declared_steps(documents(made.text)[0])
    typer.echo(f"pipeline {made.name}, version {made.version_name}: nothing was sent")
    typer.echo(f"steps: {', '.join(step.name for step in found)}")
    for name, value in vars(made.facts).items():
        typer.echo(f"{name}: {value}")


def started(connection: Connection, run_id: str) -> None:
    """Prints where a run is shown."""
    typer.echo(f"run {run_id}")
    typer.echo(connection.run_link(run_id))
    if connection.hint:
        typer.echo(f"to open the link: {connection.hint}")


def follow(connection: Connection, run_id: str) -> None:
    """Shows a run until it ends.

    Raises:
        BertworksError: It failed, was cancelled, or a gate refused its model.
        typer.Exit: Ctrl-C; the run goes on.
    """
    try:
        record = watch.follow(connection, run_id)
    except KeyboardInterrupt:
        typer.echo(
            f"\nthe run goes on.\nwatch it again: bertworks runs watch {run_id}\n"
            f"end it: bertworks runs cancel {run_id}",
            err=True,
        )
        raise typer.Exit(130) from None
    notices(record)
    watch.outcome(record)
    typer.echo(f"run {run_id} succeeded in {duration(record.seconds or 0)}")


def table(records: list[Record]) -> None:
    """Prints a line for each run."""
    drawn = Table(box=None, padding=(0, 1))
    for column in ("run", "name", "state", "started (UTC)", "took", "spec", "data", "code"):
        drawn.add_column(column, no_wrap=True)
    for one in records:
        drawn.add_row(
            one.id[:8],
            one.name,
            one.state,
            one.created[:16].replace("T", " "),
            duration(one.seconds) if one.seconds is not None else "",
            one.facts.spec[:8],
            one.facts.data[:8],
            one.facts.code,
        )
    _console().print(drawn)


def facts(record: Record) -> None:
    """Prints what stands above the steps; the reason of a failure comes first."""
    lines = []
    if record.failure:
        step = f"{record.failure.step}: " if record.failure.step else ""
        lines += [f"failed: {step}{record.failure.message}", ""]
    took = f" in {duration(record.seconds)}" if record.finished and record.seconds else ""
    lines += [f"run {record.id}  {record.name}", f"{record.state}{took}, started {record.created}"]
    if known := [f"{name} {value}" for name, value in vars(record.facts).items() if value]:
        lines.append(", ".join(known))
    if record.recurring_run:
        lines.append(f"started by schedule {record.recurring_run}")
    typer.echo("\n".join([*lines, record.link, ""]))


def steps(found: list[RunStep], hindrances: dict[str, str]) -> None:
    """Prints a line for each step, and what keeps them."""
    _console().print(watch.table(found))
    for name, why in hindrances.items():
        typer.echo(f"{name}: {why}")


def notices(record: Record) -> None:
    """Prints what the steps dropped, cut, merged or warn of."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in watch.told(record):
        for part in wrapped(line, width, indent=6) if width else [line]:
            typer.echo(part)


def _console() -> Console:
    # Into a file or a pipe, a row stays a line.
    return Console(width=None if sys.stdout.isatty() else 240, highlight=False)
