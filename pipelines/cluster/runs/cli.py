"""The commands that talk to Kubeflow Pipelines: `bertworks submit`, `bertworks runs ...`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    from pipelines.cluster.runs import shown
    from pipelines.compile import notes

    made = submitting.compiled(loaded, "retrain" if retrain else "agent")
    for note in notes(loaded.spec):
        typer.echo(f"note: {note}", err=True)
    if dry_run:
        shown.dry_run(made)
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
    shown.started(connection, run_id)
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
    from pipelines.cluster.runs import shown

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
        shown.table(records)
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
    from pipelines.cluster.runs import shown

    connection = _connect(host, namespace, insecure)
    record = runs.detailed(connection, runs.find(connection, run))
    if json_:
        typer.echo(json.dumps(record.as_json(details=True), indent=2))
        return
    shown.facts(record)
    shown.steps(record.steps, record.hindrances)
    shown.notices(record)
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
    from pipelines.cluster.runs import logs as logs_
    from pipelines.cluster.runs import records as runs
    from pipelines.cluster.runs.pods import pods_of
    from pipelines.cluster.runs.steps import chosen_step, steps_of

    connection = _connect(host, namespace, insecure)
    found = runs.find(connection, run)
    steps = steps_of(found, runs.source_of(connection, found)[0])
    run_id = str(found.run_id)
    if step is not None and step.endswith("-driver"):
        for line in logs_.own_log(connection, run_id, step):
            typer.echo(line, nl=False)
        return
    chosen = chosen_step(steps, step)
    if follow:
        mine = [pod for pod in pods_of(connection, run_id) if pod.step == chosen.name]
        if mine:
            for line in logs_.lines(connection, mine[-1].name, follow=True):
                typer.echo(line, nl=False)
            return
    typer.echo(logs_.log_of(connection, found, chosen), nl=False)


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
    from pipelines.cluster.runs import shown

    connection = _connect(host, namespace, insecure)
    run_id = str(runs.find(connection, run).run_id)
    shown.started(connection, run_id)
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


def _follow(connection: Connection, run_id: str) -> None:
    from bertworks.progress import duration
    from pipelines.cluster.runs import shown
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
    shown.notices(record)
    watching.outcome(record)
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
