"""`bertworks schedule`: retrain on the cluster at set times.

Nothing heavy is imported at module level, so that `bertworks --help` answers at once.
"""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
from typer.core import TyperGroup

from bertworks.errors import SpecError
from pipelines.cli.command import called
from pipelines.cli.options import (
    DebugOption,
    HostOption,
    InsecureOption,
    JsonOption,
    NamespaceOption,
    SetOption,
    SpecPath,
)


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
    from bertworks.spec import file as spec_file
    from pipelines.cluster.schedule import shown
    from pipelines.cluster.schedule.cron import parse
    from pipelines.cluster.schedule.zones import place

    loaded = spec_file.load_any(spec, set_options or [])
    wanted = loaded.spec.schedule
    if pipeline not in ("retrain", "agent"):
        raise SpecError(f"--pipeline is retrain or agent. Received: {pipeline}", "Leave it out.")
    kind = cast(Literal["retrain", "agent"], pipeline)
    text, zone, now = cron or wanted.cron, timezone or wanted.timezone, datetime.now(UTC)
    if text is None:
        raise SpecError(
            f"{spec} has no schedule.cron, and --cron was not given.",
            f'{called()} schedule {spec} --cron "0 3 * * 1"',
        )
    schedule = parse(text)
    if dry_run:
        clock = scheduler_timezone or "UTC"
        placed = place(schedule, zone, clock, now, allow_dst_shift=allow_dst_shift)
        shown.times(placed, text, as_json)
        return
    from pipelines.cluster.kfp import submit
    from pipelines.cluster.kfp.connection import connect
    from pipelines.cluster.schedule import lifecycle
    from pipelines.cluster.schedule.recurring import Setting
    from pipelines.cluster.schedule.scheduler import scheduler_zone
    from pipelines.compile import frozen

    connection = connect(host, namespace, insecure=insecure)
    clock, assumed = (
        (scheduler_timezone, False) if scheduler_timezone else scheduler_zone(connection)
    )
    placed = place(schedule, zone, clock, now, allow_dst_shift=allow_dst_shift)
    if not as_json:
        shown.times(placed, text, as_json)
    uploaded = submit.upload(connection, loaded, kind)
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
    done = lifecycle.apply(connection, uploaded.name, setting, shown.note)
    shown.outcome(connection, done, uploaded, placed, as_json)
    if not as_json:
        shown.hints(clock, assumed, kind)
        for said in frozen(loaded, kind):
            shown.note(f"note: {said}")


@app.command("list")
def list_(
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """List the schedules: when, in which zone, next and last run, which version."""
    from pipelines.cluster.kfp.connection import connect
    from pipelines.cluster.schedule import shown, view

    connection = connect(host, namespace, insecure=insecure)
    found = view.schedules(connection)
    if as_json:
        shown.as_json([one.plain() for one in found])
    elif found:
        shown.table(found)
    else:
        typer.echo(
            f"no schedules in {connection.namespace}: make one with "
            f'`{called()} schedule SPEC --cron "0 3 * * 1"`'
        )


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
    from pipelines.cluster.kfp.connection import connect
    from pipelines.cluster.schedule import lifecycle, shown, view

    connection = connect(host, namespace, insecure=insecure)
    found = view.schedule_of(connection, lifecycle.known(connection, name))
    if as_json:
        shown.as_json(found.plain())
    else:
        typer.echo("\n".join(found.lines()))


@app.command("pause")
def pause(
    name: NameArgument,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """Let a schedule start no more runs; those under way go on."""
    from pipelines.cluster.kfp.connection import connect
    from pipelines.cluster.schedule import lifecycle

    done = lifecycle.pause(connect(host, namespace, insecure=insecure), name)
    said = "paused" if done.change == "paused" else "was paused already"
    typer.echo(f"{done.name}: {said}; go on with `{called()} schedule resume {done.name}`")


@app.command("resume")
def resume(
    name: NameArgument,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """Let a paused schedule run again, from its next time on."""
    from pipelines.cluster.kfp.connection import connect
    from pipelines.cluster.schedule import lifecycle, view

    connection = connect(host, namespace, insecure=insecure)
    done = lifecycle.resume(connection, name)
    said = "runs again" if done.change == "resumed" else "was not paused"
    found = view.schedule_of(connection, lifecycle.known(connection, name))
    typer.echo(f"{done.name}: {said}; next: {found.next_text()}")


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
    from pipelines.cluster.kfp.connection import connect
    from pipelines.cluster.schedule import lifecycle

    connection = connect(host, namespace, insecure=insecure)
    full = lifecycle.known(connection, name)[0].name
    if not yes:
        typer.confirm(f"Delete the schedule {full} in {connection.namespace}?", abort=True)
    lifecycle.delete(connection, full)
    typer.echo(f"{full}: deleted")
