"""What an MLflow server is told of a run: one run for it, one nested in it for each trial.

Params are the spec's values; metrics are what the steps measured (`evaluate-bundle.accuracy`) and the
points of their curves (`finetune.validation.loss`); tags name the run and the bundle; the report is a
file of it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bertworks.contracts.runs import RunRecord, RunStep
from bertworks.errors import BertworksError
from bertworks.notices import Notice
from bertworks.spec import Track
from bertworks.storage.artifacts import open_artifact
from bertworks.tracking import curves
from bertworks.tracking.client import Metric, Server, Status, TrackedRun
from bertworks.tracking.curves import Scalar

AGENT, RUN, STATE, BUNDLE = (
    "bertworks.agent",
    "bertworks.run",
    "bertworks.state",
    "bertworks.bundle",
)
ENDED: dict[str, Status] = {"succeeded": "FINISHED", "interrupted": "KILLED", "running": "RUNNING"}
_NO_NAME = re.compile(r"[^\w\-. /]")  # what MLflow takes in a name


def tell(record: RunRecord, track: Track, report: Path, server: Server | None = None) -> Notice:
    """Tells the server of a finished run of this machine.

    Args:
        record: The run.
        track: Which server; one must be named.
        report: The report's page, which need not be there.
        server: How it is spoken to; None: by the environment.

    Returns:
        Where it stands now; a warning, with what to do, where it does not, or where files are missing.
    """
    try:
        server = server or Server(str(track.mlflow))
        began = record.started if isinstance(record.started, float) else 0.0
        tags = {AGENT: record.name, RUN: record.id, STATE: record.state, **_bundle(record)}
        run = server.begin(
            server.experiment(track.experiment or record.name), record.id, began, tags
        )
        server.log(run.id, metrics=_metrics(record, began), params=flat(record.spec))
        for step in record.steps:
            if step.state == "succeeded":  # what the cache gave was told when it was made
                tell_trials(server, run, step.name, _outputs(step), began)
        files = {report.name: report} if report.is_file() else {}
        taken = server.upload(run, files)
        server.end(run.id, ENDED.get(record.state, "FAILED"), began + record.seconds)
    except BertworksError as error:
        return Notice(f"MLflow was not told of this run. {error.message} {error.fix}", "warning")
    except Exception as error:  # an answer that no MLflow server gives must not fail the run
        reason = f"{type(error).__name__}: {error}"
        return Notice(f"MLflow was not told of this run. {reason}", "warning")
    where = f"{server.uri}/#/experiments/{run.experiment}/runs/{run.id}"
    if not taken and files:
        return Notice(
            f"MLflow has this run, but not its report: the server keeps files in {run.artifacts}, which "
            f"it does not write itself. Start it with --serve-artifacts. {where}",
            "warning",
        )
    return Notice(f"MLflow: {where}")


def tell_trials(
    server: Server, parent: TrackedRun, box: str, outputs: list[Path], began: float
) -> None:
    """A nested run for each trial of a search.

    Args:
        server: The server.
        parent: The run that they are nested in.
        box: Whose search it is.
        outputs: Its artifacts.
        began: When, in seconds since 1970.
    """
    for trial, points in curves.trials(box, outputs):
        ends = began + (points[-1].seconds if points else 0.0)
        name, tags = f"trial {trial.number}", {"bertworks.ended": trial.ended}
        run = server.begin(parent.experiment, name, began, tags, parent.id)
        params = {
            name: value if isinstance(value, str) else f"{value:g}"
            for name, value in trial.settings.given().items()
        }
        finite = [_metric(one.tag, one, began) for one in points if math.isfinite(one.value)]
        server.log(run.id, metrics=finite, params=params)
        server.end(run.id, "FAILED" if trial.ended == "diverged" else "FINISHED", ends)


def curve_metrics(box: str, outputs: list[Path], began: float) -> Iterator[Metric]:
    """The points of what a box has trained."""
    for point in curves.trainings(box, outputs):
        if math.isfinite(point.value):  # MLflow's databases take no other
            yield _metric(f"{point.curves.replace('/', '.')}.{point.tag}", point, began)


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """A spec's values by their names with dots; lists as JSON. What is unset is left out."""
    found: dict[str, str] = {}
    for key, value in values.items():
        name = _NO_NAME.sub("_", f"{above}{key}")
        if isinstance(value, Mapping):
            found |= flat(value, f"{name}.")
        elif value is not None and value != []:
            plain = isinstance(value, str)
            found[name] = value if plain else json.dumps(value, ensure_ascii=False)
    return found


def _metrics(record: RunRecord, began: float) -> Iterator[Metric]:
    ended = began + record.seconds
    for step in record.steps:
        for name, value in step.metrics.items():
            if value is not None and math.isfinite(value):
                yield Metric(f"{step.name}.{name}", float(value), 0, ended)
        yield from curve_metrics(step.name, _outputs(step), began)


def _metric(key: str, point: Scalar, began: float) -> Metric:
    return Metric(_NO_NAME.sub("", key), point.value, point.step, began + point.seconds)


def _bundle(record: RunRecord) -> dict[str, str]:
    place = record.artifacts.get("bundle")
    if place is None:
        return {}
    try:
        return {BUNDLE: open_artifact(place).digest}
    except BertworksError:  # damaged or gone: the record says so
        return {}


def _outputs(step: RunStep) -> list[Path]:
    return [Path(output) for output in step.outputs.values()]
