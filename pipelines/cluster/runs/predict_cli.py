"""`bertworks predict --on cluster`: a pipeline of its own."""

from __future__ import annotations

from pathlib import Path

import typer

from pipelines.batch import Asked, batch_dag


def submit_predictions(spec: Path, asked: Asked, *, wait: bool, dry_run: bool) -> None:
    """Puts the pipeline on the cluster and starts it.

    Args:
        spec: The agent's spec: its name, and what its pods get.
        asked: What is to be answered.
        wait: Whether to show the step until it ends.
        dry_run: Compile and check alone.

    Raises:
        SpecError: The file is not where pods see it.
        EnvironmentFault: The cluster does not take it.
    """
    from bertworks.spec import file as spec_file

    loaded = spec_file.load(spec, [])
    dag = batch_dag(loaded, asked)
    from pipelines.cluster.kfp import submit as submitting
    from pipelines.cluster.runs import shown

    made = submitting.compiled_dag(dag)
    if dry_run:
        shown.dry_run(made)
        return
    from pipelines.cluster.kfp.connection import connect

    connection = connect(None, None)
    uploaded = submitting.upload_compiled(connection, made, f"Answers for {asked.file}")
    run_id = submitting.start(
        connection, uploaded, made, service_account=loaded.spec.resources.service_account,
        experiment_name=loaded.spec.name, cache=False,
    )  # fmt: skip
    shown.started(connection, run_id)
    if wait:
        shown.follow(connection, run_id)
    else:
        typer.echo(f"watch it: bertworks runs watch {run_id}")
