"""`bertworks runs ...`: runs on the cluster, and on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bertworks.errors import BertworksError
from pipelines.cli.options import (
    DebugOption,
    HostOption,
    InsecureOption,
    JsonOption,
    NamespaceOption,
    RootOption,
)

RunArgument = Annotated[
    str, typer.Argument(help="A run's id, the beginning of one, or `latest`.", metavar="RUN")
]

LocalOption = Annotated[
    bool,
    typer.Option(
        "--local", help="On this machine, as where no KFP_HOST and no kubeconfig name a cluster."
    ),
]

app = typer.Typer(
    help="Runs: list, show and compare, here and on the cluster; logs, watch, cancel, retry there.",
    no_args_is_help=True,
)


@app.command("list")
def list_runs(
    agent: Annotated[
        str | None,
        typer.Argument(help="A spec or an agent's name: its runs only.", metavar="AGENT"),
    ] = None,
    state: Annotated[
        str | None, typer.Option(help="Only runs in this state: running, failed, ...")
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, at most.", min=1)] = 20,
    local: LocalOption = False,
    root: RootOption = None,
    json_: JsonOption = False,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """List runs, the newest first."""
    from itertools import islice

    from pipelines.cluster.kfp.connection import connect
    from pipelines.cluster.runs import records as runs
    from pipelines.cluster.runs import shown

    name = _agent_name(agent)
    if _is_here(local, host):
        from pipelines.local import listed
        from pipelines.local.root import find_root

        listed.print_list(find_root(root), name, state and [state.lower()], limit, json_)
        return
    wanted = _state(state)
    connection = connect(host, namespace, insecure=insecure)
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


@app.command()
def show(
    run: RunArgument = "latest",
    local: LocalOption = False,
    root: RootOption = None,
    json_: JsonOption = False,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """Show a run: why it failed, then its steps."""
    from pipelines.local import sides

    if _is_here(local, host) or sides.is_of_this_machine(run):
        from pipelines.local import listed
        from pipelines.local.root import find_root

        listed.print_run(sides.find_run(find_root(root), run), json_)
        return
    from pipelines.cluster.kfp.connection import connect
    from pipelines.cluster.runs import records as runs
    from pipelines.cluster.runs import shown

    connection = connect(host, namespace, insecure=insecure)
    record = runs.detailed(connection, runs.find(connection, run))
    if json_:
        typer.echo(json.dumps(record.as_json(details=True), indent=2))
        return
    shown.facts(record)
    shown.steps(record.steps, record.hindrances)
    shown.notices(record)
    if connection.hint:
        typer.echo(f"to open the link: {connection.hint}")


@app.command()
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
    from pipelines.cluster.kfp.connection import connect
    from pipelines.cluster.runs import logs as logs_
    from pipelines.cluster.runs import records as runs
    from pipelines.cluster.runs.pods import pods_of
    from pipelines.cluster.runs.steps import chosen_step, steps_of

    connection = connect(host, namespace, insecure=insecure)
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


@app.command()
def watch(
    run: RunArgument = "latest",
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """Show a run's steps until it ends; the exit code is its outcome, as with submit --wait."""
    from pipelines.cluster.kfp.connection import connect
    from pipelines.cluster.runs import records as runs
    from pipelines.cluster.runs import shown

    connection = connect(host, namespace, insecure=insecure)
    run_id = str(runs.find(connection, run).run_id)
    shown.started(connection, run_id)
    shown.follow(connection, run_id)


@app.command()
def cancel(
    run: RunArgument,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """End a run."""
    from pipelines.cluster.kfp.connection import connect
    from pipelines.cluster.runs import records as runs

    connection = connect(host, namespace, insecure=insecure)
    found = runs.find(connection, run)
    runs.cancel(connection, found)
    typer.echo(f"run {found.run_id}: cancelled; its pods end within a minute")


@app.command()
def retry(
    run: RunArgument,
    host: HostOption = None,
    namespace: NamespaceOption = None,
    insecure: InsecureOption = False,
    debug: DebugOption = False,
) -> None:
    """Run the failed steps of a run again, and what comes after them."""
    from pipelines.cluster.kfp.connection import connect
    from pipelines.cluster.runs import records as runs

    connection = connect(host, namespace, insecure=insecure)
    found = runs.find(connection, run)
    runs.retry(connection, found)
    typer.echo(f"run {found.run_id} goes on\nwatch it: bertworks runs watch {found.run_id}")


def _is_here(local: bool, host: str | None) -> bool:
    from pipelines.local.listed import cluster_is_named

    return local or not (host or cluster_is_named())


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
    from bertworks.spec import file as spec_file

    return spec_file.load(given).spec.name
