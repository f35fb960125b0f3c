"""What a pod tells an MLflow server of its step.

There are two ways to one. The spec names a server (`track.mlflow`): each step is a run there, nested in
one for the whole pipeline, whose status is that of its newest step. Or the cluster's Kubeflow Pipelines
(2.17 on) has an MLflow server of its own and hands the task's run over by environment: it then tells
parameters and scalar metrics itself, and only what it does not know is added: curves, trials, the page.

On a laptop the run is told whole when it is over, and steps tell nothing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bertworks import failures, progress
from bertworks.errors import BertworksError
from bertworks.storage.artifacts import open_artifact
from bertworks.tracking import client
from bertworks.tracking.client import Metric, Server, TrackedRun
from bertworks.tracking.report import AGENT, BUNDLE, RUN, STATE, curve_metrics, flat, tell_trials

SERVER = "BERTWORKS_MLFLOW"
EXPERIMENT = "BERTWORKS_MLFLOW_EXPERIMENT"
NAME = "BERTWORKS_AGENT"


def tell(
    box: str,
    section: str,
    numbers: Mapping[str, float],
    outputs: Mapping[str, Path],
    page: Path,
    began: float,
) -> None:
    """Tells of a step that has ended well; what goes wrong is said in the log, and no more.

    Args:
        box: The task's name in the DAG.
        section: Its part of the spec, as JSON.
        numbers: What it measured.
        outputs: Its artifacts.
        page: Its HTML page.
        began: When, in seconds since 1970.
    """

    def work(server: Server, own: bool) -> None:
        run = _step_run(server, box, began) if own else server.run(os.environ[client.RUN])
        made = list(outputs.values())
        digest = _bundle(outputs)
        server.log(run.id, metrics=curve_metrics(box, made, began), tags=digest)
        tell_trials(server, run, box, made, began)
        server.upload(run, {f"{box}.html": page})
        if own:
            ended = time.time()
            params = flat(json.loads(section)["settings"])
            measured = [Metric(name, value, 0, ended) for name, value in numbers.items()]
            server.log(run.id, metrics=measured, params=params)
            server.end(run.id, "FINISHED", ended)
            whole = _whole_run(server, began)
            server.log(whole.id, tags={**digest, STATE: f"{box} succeeded"})
            server.end(whole.id, "FINISHED", ended)

    _with_server(work)


def tell_failure(box: str, message: str) -> None:
    """Tells a server that the spec names why a step failed; KFP tells its own."""

    def work(server: Server, own: bool) -> None:
        if own:
            whole = _whole_run(server, time.time())
            server.log(whole.id, tags={STATE: f"{box} failed: {message}"})
            server.end(whole.id, "FAILED", time.time())

    _with_server(work)


def _with_server(work: Callable[[Server, bool], None]) -> None:
    """Calls `work` with the server and whether it is the spec's, where this pod has one."""
    if os.environ.get(progress.EVENTS):
        return
    own = os.environ.get(SERVER)
    given = os.environ.get(client.URI) if os.environ.get(client.RUN) else None
    if own is None and given is None:
        return
    try:
        work(Server(str(own or given)), own is not None)
    except BertworksError as error:
        _say(f"{error.message} {error.fix}")
    except Exception as error:  # an answer that no MLflow server gives must not fail the step
        _say(f"{type(error).__name__}: {error}")


def _say(reason: str) -> None:
    print(f"warning: MLflow was not told of this step. {reason}", file=sys.stderr, flush=True)


def _whole_run(server: Server, began: float) -> TrackedRun:
    """The run of the whole pipeline; the first step that tells of itself begins it."""
    name = os.environ.get(failures.RUN, "")
    agent = os.environ.get(NAME, "")
    experiment = server.experiment(os.environ.get(EXPERIMENT) or agent or "bertworks")
    tags = {RUN: name, AGENT: agent}
    return server.find(experiment, tags) or server.begin(experiment, f"{agent} {name}", began, tags)


def _step_run(server: Server, box: str, began: float) -> TrackedRun:
    whole = _whole_run(server, began)
    return server.begin(whole.experiment, box, began, {}, whole.id)


def _bundle(outputs: Mapping[str, Path]) -> dict[str, str]:
    """The digest of the bundle among a step's artifacts, as a tag."""
    made = [open_artifact(path) for path in outputs.values()]
    return dict([(BUNDLE, one.digest) for one in made if one.kind == "bundle"][:1])
