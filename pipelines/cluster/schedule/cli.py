"""`bertworks schedule`: retrain on the cluster at set times.

Nothing heavy is imported at module level, so that `bertworks --help` answers at once.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer
from typer.core import TyperGroup

from bertworks.errors import SpecError
from pipelines.command import called
from pipelines.options import (
    DebugOption,
    HostOption,
    InsecureOption,
    JsonOption,
    NamespaceOption,
    SetOption,
    SpecPath,
)

if TYPE_CHECKING:
    from pipelines.cluster.kfp.connection import Connection
    from pipelines.cluster.schedule.lifecycle import Outcome
    from pipelines.cluster.schedule.view import Row
    from pipelines.cluster.schedule.zones import Placed


class SetByDefault(TyperGroup):
    """`bertworks schedule SPEC ...` is `bertworks schedule set SPEC ...`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts `set` in front where the first word is no command."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            near = difflib.get_close_matches(args[0], self.commands, n=1, cutoff=0.7)
            if near and not Path(args[0]).exists():
                ctx.fail(
                    f"There is no command {args[0]!r} and no such spec. Did you mean {near[0]!r}?"
                )
            args = ["set", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=SetByDefault,
    help="Retrain on the cluster at set times.\n\n"
    'bertworks schedule agent.yaml --cron "0 3 * * 1"   (short for: schedule set agent.yaml ...)',
    no_args_is_help=True,
)

NameArgument = Annotated[
    str, typer.Argument(help="The schedule or its agent, see `schedule list`.", metavar="NAME")
]
Pipeline = Literal["retrain", "agent"]


@app.command("set")
def set_(
    spec: SpecPath,
    cron: Annotated[
        str | None,
        typer.Option(
            help='Five fields: minute hour day month weekday, e.g. "0 3 * * 1"; or @daily, ...',
            show_default="schedule.cron",
        ),
    ] = None,
    timezone: Annotated[
        str | None,
        typer.Option(
            help="Zone of those times, e.g. Europe/Berlin.", show_default="schedule.timezone"
        ),
    ] = None,
    pipeline: Annotated[
        str,
        typer.Option(
            help="retrain: train only when there is something new. agent: the whole DAG each time."
        ),
    ] = "retrain",
    allow_dst_shift: Annotated[
        bool,
        typer.Option(
            "--allow-dst-shift",
            help="Where the scheduler's clock and the zone's drift apart in summer: keep today's "
            "difference, so that the run comes an hour off for a part of the year.",
        ),
    ] = False,
    scheduler_timezone: Annotated[
        str | None,
        typer.Option(
            help="Zone that KFP's scheduler reads (its CRON_SCHEDULE_TIMEZONE).",
            show_default="asked of the cluster, else UTC",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the times, ask the cluster nothing.")
    ] = False,
    set_options: SetOption = None,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Create the schedule of SPEC, or make it what SPEC says now.

    Uploads the pipeline and pins its version, so that what runs is what was compiled here: after a
    change of the spec or the code call it again. An unchanged schedule is left alone; a changed one is
    replaced so that no run is lost or started twice (KFP cannot update it); a paused one stays paused.

    KFP's scheduler reads all cron lines on one clock, UTC as installed. Other zones are converted where
    their clocks do not drift apart.
    """
    from bertworks import spec_file
    from pipelines.cluster.schedule.cron import parse

    loaded = spec_file.load(spec, set_options or [])
    wanted = loaded.spec.schedule
    kind = _kind(pipeline)
    text = cron or wanted.cron
    if text is None:
        raise SpecError(
            f"{spec} has no schedule.cron, and --cron was not given.",
            f'{called()} schedule {spec} --cron "0 3 * * 1"',
        )
    zone = timezone or wanted.timezone
    schedule = parse(text)
    if dry_run:
        placed = _place(schedule, zone, scheduler_timezone or "UTC", allow_dst_shift)
        _print_times(placed, text, as_json)
        return
    with _connected(host, namespace, insecure) as connection:
        from pipelines.cluster.kfp import submit
        from pipelines.cluster.schedule import lifecycle as schedules
        from pipelines.cluster.schedule.scheduler import scheduler_zone

        clock, how = (
            (scheduler_timezone, "given") if scheduler_timezone else scheduler_zone(connection)
        )
        placed = _place(schedule, zone, clock, allow_dst_shift)
        if not as_json:
            for line in _time_lines(placed, text):
                typer.echo(line)
        uploaded = submit.upload(connection, loaded, kind)
        from pipelines.cluster.schedule.recurring import Setting

        setting = Setting(
            cron=schedule.five(),
            six=placed.actual.six(),
            zone=zone,
            clock=clock,
            pipeline_id=uploaded.pipeline_id,
            version_id=uploaded.version_id,
            experiment_id=submit.experiment(connection, loaded.spec.name),
            service_account=loaded.spec.resources.service_account,
            max_concurrency=wanted.max_concurrency,
            catch_up=wanted.catch_up,
        )
        done = schedules.apply(connection, uploaded.name, setting, lambda line: _note(line))
        _print_outcome(connection, done, uploaded, placed, as_json)
        if not as_json:
            _hints(clock, how, kind)


@app.command("list")
def list_(
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the schedules: when, in which zone, next and last run, which version."""
    from pipelines.cluster.schedule.view import rows

    with _connected(host, namespace, insecure) as connection:
        found = rows(connection)
        if as_json:
            typer.echo(json.dumps([_plain(row) for row in found], indent=2, ensure_ascii=False))
            return
        if not found:
            typer.echo(
                f"no schedules in {connection.namespace}: make one with "
                f'`{called()} schedule SPEC --cron "0 3 * * 1"`'
            )
            return
        _print_table(found)


@app.command("show")
def show(
    name: NameArgument,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show one schedule: its times, version, settings, and last runs."""
    from pipelines.cluster.schedule.lifecycle import resolve
    from pipelines.cluster.schedule.view import row_of

    with _connected(host, namespace, insecure) as connection:
        row = row_of(connection, resolve(connection, name))
        if as_json:
            typer.echo(json.dumps(_plain(row), indent=2, ensure_ascii=False))
            return
        for line in row.lines():
            typer.echo(line)


@app.command("pause")
def pause(
    name: NameArgument,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """Let a schedule start no more runs; those under way go on."""
    from pipelines.cluster.schedule import lifecycle as schedules

    with _connected(host, namespace, insecure) as connection:
        full = schedules.resolve(connection, name)
        done = schedules.pause(connection, full)
        said = "paused" if done.change == "paused" else "was paused already"
        typer.echo(f"{full}: {said}; go on with `{called()} schedule resume {full}`")


@app.command("resume")
def resume(
    name: NameArgument,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """Let a paused schedule run again, from its next time on."""
    from pipelines.cluster.schedule import lifecycle as schedules
    from pipelines.cluster.schedule.view import row_of

    with _connected(host, namespace, insecure) as connection:
        full = schedules.resolve(connection, name)
        done = schedules.resume(connection, full)
        row = row_of(connection, full)
        said = "runs again" if done.change == "resumed" else "was not paused"
        typer.echo(f"{full}: {said}; next: {row.next_text()}")


@app.command("delete")
def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """Delete a schedule. The runs that it started stay; those under way go on."""
    from pipelines.cluster.schedule import lifecycle as schedules

    with _connected(host, namespace, insecure) as connection:
        full = schedules.resolve(connection, name)
        if not yes:
            typer.confirm(f"Delete the schedule {full} in {connection.namespace}?", abort=True)
        schedules.delete(connection, full)
        typer.echo(f"{full}: deleted")


@contextmanager
def _connected(host: str | None, namespace: str | None, insecure: bool) -> Iterator[Connection]:
    from pipelines.cluster.kfp.connection import connect

    connection = connect(host, namespace, insecure=insecure)
    try:
        yield connection
    finally:
        connection.close()


def _kind(text: str) -> Pipeline:
    if text not in ("retrain", "agent"):
        raise SpecError(f"--pipeline is retrain or agent. Received: {text}", "Leave it out.")
    return cast(Pipeline, text)


def _place(schedule: Any, zone: str, clock: str, allow: bool) -> Placed:
    from datetime import UTC

    from pipelines.cluster.schedule.zones import place

    return place(schedule, zone, clock, datetime.now(UTC), allow_dst_shift=allow)


def _note(text: str) -> None:
    typer.echo(text, err=True)


def _times(placed: Placed) -> Iterator[tuple[str, str]]:
    from pipelines.cluster.schedule.zones import zone_of

    zone = zone_of(placed.zone)
    for moment in placed.next(3):
        yield (
            f"{moment.astimezone(zone):%a %d %b %Y %H:%M} {placed.zone}",
            f"{moment:%d %b %H:%M} UTC",
        )


def _print_times(placed: Placed, text: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_times_as_json(placed), indent=2))
        return
    for line in _time_lines(placed, text):
        typer.echo(line)


def _time_lines(placed: Placed, text: str) -> Iterator[str]:
    from pipelines.cluster.schedule.zones import zone_of

    clock = f"on the scheduler's clock, {placed.scheduler}"
    yield f"cron: {text} ({placed.zone}); for KFP, seconds first: {placed.actual.six()} ({clock})"
    if placed.actual.either_day:
        yield "  day of month and day of week are both given: it runs when either fits"
    for local, utc in _times(placed):
        yield f"  next: {local}" + ("" if placed.zone == "UTC" else f" = {utc}")
    if placed.drifts is not None:
        then = placed.drifts.astimezone(zone_of(placed.zone))
        yield (
            f"  warning: from {then:%d %b %Y} on it runs at {then:%H:%M} {placed.zone}, "
            "because the clocks change"
        )


def _times_as_json(placed: Placed) -> dict[str, Any]:
    return {
        "cron": placed.wanted.five(),
        "timezone": placed.zone,
        "kfp_cron": placed.actual.six(),
        "scheduler_timezone": placed.scheduler,
        "next": [moment.isoformat() for moment in placed.next(3)],
        "drifts": placed.drifts.isoformat() if placed.drifts else None,
    }


def _print_outcome(
    connection: Connection,
    done: Outcome,
    uploaded: Any,
    placed: Placed,
    as_json: bool,
) -> None:
    link = connection.recurring_run_link(done.recurring_run_id)
    if as_json:
        facts = {
            "name": uploaded.name,
            "change": done.change,
            "active": done.active,
            "recurring_run_id": done.recurring_run_id,
            "version": uploaded.version_name,
            "link": link,
            "missed": [moment.isoformat() for moment in done.missed],
        }
        typer.echo(json.dumps({**facts, **_times_as_json(placed)}, indent=2, ensure_ascii=False))
        return
    state = "" if done.active else f", paused: {called()} schedule resume {uploaded.name}"
    typer.echo(f"{uploaded.name}: {done.change}{state}")
    typer.echo(f"  version: {uploaded.version_name} (pinned)")
    typer.echo(f"  page: {link}")
    if connection.hint:
        typer.echo(f"        reachable after: {connection.hint}")
    for moment in done.missed:
        typer.echo(
            f"  warning: an earlier change was cut off, and the run of {moment:%d %b %H:%M} UTC was "
            f"not started; start one with `{called()} submit`"
        )


def _hints(clock: str, how: str, kind: Pipeline) -> None:
    if how == "assumed":
        _note(
            f"note: the cluster could not be asked for its scheduler's zone, {clock} is assumed (as KFP "
            "is installed); --scheduler-timezone says otherwise"
        )
    if kind == "agent":
        _note(
            "note: steps whose inputs are the same are taken from KFP's cache; sources were looked at "
            "now. --pipeline retrain (the default) looks at them each time"
        )


def _plain(row: Row) -> dict[str, Any]:
    return {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in asdict(row).items()
    }


def _print_table(found: Sequence[Row]) -> None:
    import sys

    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("name", "cron", "zone", "state", "next", "last run", "version"):
        table.add_column(column, overflow="fold")
    for row in found:
        table.add_row(
            row.name, row.cron, row.zone, row.state, row.next_text(), row.last_text(), row.version
        )
    width = None if sys.stdout.isatty() else max(200, int(os.environ.get("COLUMNS", 0) or 0))
    Console(width=width).print(table)
