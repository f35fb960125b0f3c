"""`bertworks submit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.options import (
    DebugOption,
    HostOption,
    InsecureOption,
    NamespaceOption,
    SetOption,
    SpecPath,
)

if TYPE_CHECKING:
    from pipelines.box import Kind


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
    from bertworks.spec import file as spec_file

    loaded = spec_file.load_any(spec, set_ or [])
    from pipelines.cluster.kfp import submit as submitting
    from pipelines.cluster.kfp.connection import connect
    from pipelines.cluster.runs import shown
    from pipelines.compile import frozen, notes

    kind: Kind = "retrain" if retrain else "agent"
    made = submitting.compiled(loaded, kind)
    for note in (*notes(loaded.spec), *frozen(loaded, kind)):
        typer.echo(f"note: {note}", err=True)
    if dry_run:
        shown.dry_run(made)
        return
    connection = connect(host, namespace, insecure=insecure)
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
        shown.follow(connection, run_id)
    else:
        typer.echo(f"watch it: bertworks runs watch {run_id}")
