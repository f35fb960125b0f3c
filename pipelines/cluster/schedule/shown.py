"""What `bertworks schedule` prints: times, outcomes, tables."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.table import Table

from pipelines.cli.command import called
from pipelines.cluster.kfp.connection import Connection
from pipelines.cluster.kfp.submit import Uploaded
from pipelines.cluster.schedule.lifecycle import Outcome
from pipelines.cluster.schedule.view import Schedule
from pipelines.cluster.schedule.zones import Placed, zone_of

NEXT = 3
"""How many of the next times are shown."""


def note(text: str) -> None:
    """Says something beside the output."""
    typer.echo(text, err=True)


def as_json(value: object) -> None:
    """Prints for machines."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def times(placed: Placed, text: str, json_: bool) -> None:
    """Prints when a schedule runs, on both clocks."""
    if json_:
        as_json(_times(placed))
        return
    zone = zone_of(placed.zone)
    typer.echo(
        f"cron: {text} ({placed.zone}); for KFP, seconds first: {placed.actual.six()} "
        f"(on the scheduler's clock, {placed.scheduler})"
    )
    if placed.actual.either_day:
        typer.echo("  day of month and day of week are both given: it runs when either fits")
    for moment in placed.next(NEXT):
        utc = "" if placed.zone == "UTC" else f" = {moment:%d %b %H:%M} UTC"
        typer.echo(f"  next: {moment.astimezone(zone):%a %d %b %Y %H:%M} {placed.zone}{utc}")
    if placed.drifts is not None:
        local = placed.drifts.astimezone(zone)
        typer.echo(
            f"  warning: from {local:%d %b %Y} on it runs at {local:%H:%M} {placed.zone}, "
            "because the clocks change"
        )


def outcome(
    connection: Connection, done: Outcome, uploaded: Uploaded, placed: Placed, json_: bool
) -> None:
    """Prints what was done to a schedule."""
    link = connection.recurring_run_link(done.recurring_run_id)
    if json_:
        facts = {
            "name": done.name,
            "change": done.change,
            "active": done.active,
            "recurring_run_id": done.recurring_run_id,
            "version": uploaded.version_name,
            "link": link,
            "missed": [moment.isoformat() for moment in done.missed],
        }
        as_json({**facts, **_times(placed)})
        return
    state = "" if done.active else f", paused: {called()} schedule resume {done.name}"
    typer.echo(f"{done.name}: {done.change}{state}")
    typer.echo(f"  version: {uploaded.version_name} (pinned)")
    typer.echo(f"  page: {link}")
    if connection.hint:
        typer.echo(f"        reachable after: {connection.hint}")
    for moment in done.missed:
        typer.echo(
            f"  warning: an earlier change was cut off, and the run of {moment:%d %b %H:%M} UTC was "
            f"not started; start one with `{called()} submit`"
        )


def hints(clock: str, assumed: bool, kind: str) -> None:
    """Says what was taken for granted."""
    if assumed:
        note(
            f"note: the cluster could not be asked for its scheduler's zone, {clock} is assumed (as KFP "
            "is installed); --scheduler-timezone says otherwise"
        )
    if kind == "agent":
        note(
            "note: steps whose inputs are the same are taken from KFP's cache; sources were looked at "
            "now. --pipeline retrain (the default) looks at them each time"
        )


def table(found: Sequence[Schedule]) -> None:
    """Prints a line for each schedule."""
    drawn = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("name", "cron", "zone", "state", "next", "last run", "version"):
        drawn.add_column(column, overflow="fold")
    for one in found:
        drawn.add_row(
            one.name, one.cron, one.zone, one.state, one.next_text(), one.last_text(), one.version
        )
    width = None if sys.stdout.isatty() else max(200, int(os.environ.get("COLUMNS", 0) or 0))
    Console(width=width).print(drawn)


def _times(placed: Placed) -> dict[str, object]:
    return {
        "cron": placed.wanted.five(),
        "timezone": placed.zone,
        "kfp_cron": placed.actual.six(),
        "scheduler_timezone": placed.scheduler,
        "next": [moment.isoformat() for moment in placed.next(NEXT)],
        "drifts": placed.drifts.isoformat() if placed.drifts else None,
    }
