"""The commands that talk to Kubeflow Pipelines: `bertworks submit`, `bertworks runs ...`."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bertworks.errors import BertworksError
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
    from pipelines.cluster.runs.records import Record
    from pipelines.cluster.runs.steps import Step

RunArgument = Annotated[
    str, typer.Argument(help="A run's id, the beginning of one, or `latest`.", metavar="RUN")
]

runs_app = typer.Typer(
    help="Runs on the cluster: list, show, logs, watch, cancel, retry.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    """Adds the commands to the command line."""
    app.command("submit")(submit)
    app.add_typer(runs_app, name="runs")


def submit(
    spec: SpecPath,
    wait: Annotated[
        bool, typer.Option("--wait", help="Show the steps until the run ends.")
    ] = False,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="The retraining: only if data has changed.")
    ] = False,
    set_: SetOption = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run every step anew.")] = False,
    experiment: Annotated[
        str | None,
        typer.Option(help="KFP's folder for runs; the agent's name by default.", metavar="NAME"),
    ] = None,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compile and check; send nothing.")
    ] = False,
    debug: DebugOption = False,
) -> None:
    """Run the DAG of SPEC on Kubeflow Pipelines.

    The pipeline is uploaded when this version of it is not there yet, a run is started, and its link
    printed. With --wait the exit code is the run's outcome: 0 succeeded, 6 a gate refused the model,
    8 failed, 9 cancelled.
    """
    from bertworks import spec_file

    loaded = spec_file.load(spec, set_ or [])
    from pipelines.cluster.kfp import submit as submitting
    from pipelines.compile import notes

    made = submitting.compiled(loaded, "retrain" if retrain else "agent")
    for note in notes(loaded.spec):
        typer.echo(f"note: {note}", err=True)
    if dry_run:
        _tell_dry(made)
        return
    connection = _connect(host, namespace, insecure)
    uploaded = submitting.upload_compiled(connection, made, loaded.spec.description)
    typer.echo(
        f"pipeline {uploaded.name}, version {uploaded.version_name} "
        f"({'uploaded' if uploaded.new else 'was there already'})"
    )
    run_id = submitting.start(
        connection,
        uploaded,
        made,
        service_account=loaded.spec.resources.service_account,
        experiment_name=experiment or loaded.spec.name,
        cache=not no_cache,
    )
    _tell_run(connection, run_id)
    if wait:
        _follow(connection, run_id)
    else:
        typer.echo(f"watch it: bertworks runs watch {run_id}")


@runs_app.command("list")
def list_runs(
    agent: Annotated[
        str | None,
        typer.Argument(help="A spec or an agent's name: its runs only.", metavar="AGENT"),
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="Only runs in this state: running, failed, ...")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, at most.", min=1)] = 20,
    json_: JsonOption = False,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """List runs, the newest first."""
    from itertools import islice

    from pipelines.cluster.runs import records as runs

    wanted = _state(state)
    name = _agent_name(agent)
    connection = _connect(host, namespace, insecure)
    found = (
        run
        for run in runs.newest(connection, agent=name)
        if wanted is None or str(run.state).lower() in wanted
    )
    records = list(runs.listed(connection, islice(found, limit)))
    if json_:
        typer.echo(json.dumps([one.as_json(details=False) for one in records], indent=2))
    elif records:
        _table(records)
    else:
        typer.echo("no runs" + (f" of {name}" if name else "") + (f" {state}" if state else ""))


@runs_app.command()
def show(
    run: RunArgument = "latest",
    json_: JsonOption = False,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """Show a run: why it failed, then its steps."""
    from pipelines.cluster.runs import records as runs

    connection = _connect(host, namespace, insecure)
    record = runs.detailed(connection, runs.find(connection, run))
    if json_:
        typer.echo(json.dumps(record.as_json(details=True), indent=2))
        return
    for line in _described(record):
        typer.echo(line)
    _draw_steps(record.steps, record.hindrances)
    _tell_notices(record)
    if connection.hint:
        typer.echo(f"to open the link: {connection.hint}")


@runs_app.command()
def logs(
    run: RunArgument = "latest",
    step: Annotated[
        str | None,
        typer.Argument(
            help="A step, or a pod of Kubeflow's own (root-driver); by default what failed, or runs.",
            metavar="STEP",
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as it grows.")] = False,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """Print a step's log, from its pod or from Kubeflow's archive."""
    from pipelines.cluster.runs import pods
    from pipelines.cluster.runs import records as runs
    from pipelines.cluster.runs.steps import steps_of

    connection = _connect(host, namespace, insecure)
    found = runs.find(connection, run)
    steps = steps_of(found, runs.source_of(connection, found)[0])
    run_id = str(found.run_id)
    if step is not None and step.endswith("-driver"):
        for line in pods.own_log(connection, run_id, step):
            typer.echo(line, nl=False)
        return
    chosen = _chosen_step(steps, step)
    if follow:
        mine = [pod for pod in pods.pods_of(connection, run_id) if pod.step == chosen.name]
        if mine:
            for line in pods.lines(connection, mine[-1].name, follow=True):
                typer.echo(line, nl=False)
            return
    typer.echo(pods.log_of(connection, found, chosen), nl=False)


@runs_app.command()
def watch(
    run: RunArgument = "latest",
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """Show a run's steps until it ends; the exit code is its outcome, as with submit --wait."""
    from pipelines.cluster.runs import records as runs

    connection = _connect(host, namespace, insecure)
    run_id = str(runs.find(connection, run).run_id)
    _tell_run(connection, run_id)
    _follow(connection, run_id)


@runs_app.command()
def cancel(
    run: RunArgument,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """End a run."""
    from pipelines.cluster.runs import records as runs

    connection = _connect(host, namespace, insecure)
    found = runs.find(connection, run)
    runs.cancel(connection, found)
    typer.echo(f"run {found.run_id}: cancelled; its pods end within a minute")


@runs_app.command()
def retry(
    run: RunArgument,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """Run the failed steps of a run again, and what comes after them."""
    from pipelines.cluster.runs import records as runs

    connection = _connect(host, namespace, insecure)
    found = runs.find(connection, run)
    runs.retry(connection, found)
    typer.echo(f"run {found.run_id} goes on\nwatch it: bertworks runs watch {found.run_id}")


def _connect(host: str | None, namespace: str | None, insecure: bool) -> Connection:
    from pipelines.cluster.kfp.connection import connect

    return connect(host, namespace, insecure=insecure)


def _tell_dry(made: Any) -> None:
    from pipelines.cluster.kfp.facts import documents
    from pipelines.cluster.runs.steps import declared_steps

    steps = declared_steps(documents(made.text)[0])
    typer.echo(f"pipeline {made.name}, version {made.version_name}: nothing was sent")
    typer.echo(f"steps: {', '.join(step.name for step in steps)}")
    for name, value in vars(made.facts).items():
        typer.echo(f"{name}: {value}")


def _tell_run(connection: Connection, run_id: str) -> None:
    typer.echo(f"run {run_id}")
    typer.echo(connection.run_link(run_id))
    if connection.hint:
        typer.echo(f"to open the link: {connection.hint}")


def _follow(connection: Connection, run_id: str) -> None:
    from pipelines.cluster.runs import watch as watching

    try:
        record = watching.follow(connection, run_id)
    except KeyboardInterrupt:
        typer.echo(
            f"\nthe run goes on.\nwatch it again: bertworks runs watch {run_id}\n"
            f"end it: bertworks runs cancel {run_id}",
            err=True,
        )
        raise typer.Exit(130) from None
    _tell_notices(record)
    watching.outcome(record)
    from bertworks.progress import duration

    typer.echo(f"run {run_id} succeeded in {duration(record.seconds or 0)}")


def _state(given: str | None) -> set[str] | None:
    from pipelines.cluster.runs.records import STATES

    if given is None:
        return None
    plain = given.lower().replace("cancell", "cancel")
    if plain not in STATES:
        raise BertworksError(f"There is no state {given!r}.", f"Name one of: {', '.join(STATES)}.")
    return {plain}


def _agent_name(given: str | None) -> str | None:
    """The name in a spec, or the name as it is."""
    if given is None or not (given.endswith((".yaml", ".yml")) or Path(given).is_file()):
        return given
    from bertworks import spec_file

    return spec_file.load(given).spec.name


def _table(records: list[Record]) -> None:
    from rich.table import Table

    from bertworks.progress import duration

    table = Table(box=None, padding=(0, 1))
    for column in ("run", "name", "state", "started (UTC)", "took", "spec", "data", "code"):
        table.add_column(column, no_wrap=True)
    for one in records:
        table.add_row(
            one.id[:8],
            one.name,
            one.state,
            one.created[:16].replace("T", " "),
            duration(one.seconds) if one.seconds is not None else "",
            one.facts.spec[:8],
            one.facts.data[:8],
            one.facts.code,
        )
    _console().print(table)


def _described(record: Record) -> list[str]:
    """The lines above the steps; the reason of a failure comes first."""
    from bertworks.progress import duration

    lines = []
    if record.failure:
        step = f"{record.failure.step}: " if record.failure.step else ""
        lines += [f"failed: {step}{record.failure.message}", ""]
    took = f" in {duration(record.seconds)}" if record.finished and record.seconds else ""
    lines += [f"run {record.id}  {record.name}", f"{record.state}{took}, started {record.created}"]
    facts = {name: value for name, value in vars(record.facts).items() if value}
    if facts:
        lines.append(", ".join(f"{name} {value}" for name, value in facts.items()))
    if record.recurring_run:
        lines.append(f"started by schedule {record.recurring_run}")
    return [*lines, record.link, ""]


def _draw_steps(steps: list[Step], hindrances: dict[str, str]) -> None:
    from pipelines.cluster.runs.watch import table

    _console().print(table(steps))
    for name, why in hindrances.items():
        typer.echo(f"{name}: {why}")


def _tell_notices(record: Record) -> None:
    from pipelines.cluster.runs.watch import told
    from pipelines.local.display import wrapped

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for line in told(record):
        for part in wrapped(line, width, indent=6) if width else [line]:
            typer.echo(part)


def _console() -> Any:
    from rich.console import Console

    # Into a file or a pipe, a row stays a line.
    return Console(width=None if sys.stdout.isatty() else 240, highlight=False)


def _chosen_step(steps: list[Step], wanted: str | None) -> Step:
    """The named step; else the first that failed, then the last that runs or ran."""
    ran = [step for step in steps if step.state not in ("waiting", "skipped", "cached")]
    if wanted is not None:
        for step in steps:
            if wanted in (step.name, step.task):
                if step.state == "cached":
                    raise BertworksError(
                        f"{step.name} did not run: its result came from the cache.",
                        "Its log is with the run that made the result.",
                    )
                return step
        raise BertworksError(
            f"The run has no step {wanted!r}.",
            f"Name one of: {', '.join(step.name for step in steps)}.",
        )
    for state in ("failed", "running"):
        for step in ran:
            if step.state == state:
                return step
    if not ran:
        raise BertworksError("No step of this run has run yet.", "Try `bertworks runs show`.")
    return ran[-1]
