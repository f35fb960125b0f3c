"""Puts an agent's pipeline on the cluster and starts it: `upload()`, `start()`.

Everything is named by content or looked up by name first, so that the same command again changes
nothing that is there already, and two at the same time do not get into each other's way.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bertworks.errors import EnvironmentFault
from bertworks.retries import retrying
from bertworks.spec.file import DialogueFile, SpecFile
from bertworks.storage.scratch import Scratch
from pipelines.box import Kind
from pipelines.cluster.kfp.connection import Connection
from pipelines.cluster.kfp.facts import Facts, documents
from pipelines.cluster.kfp.faults import Answer, Unreachable
from pipelines.dag import Dag, pipeline_name

UPLOAD_SECONDS = (10.0, 180.0)
TRIES = 3


@dataclass(frozen=True)
class Compiled:
    """A pipeline file in memory.

    Attributes:
        name: The pipeline's name in KFP.
        version_name: NAME-HASH: the same content has the same name. Names of versions are unique in a
            whole namespace where KFP keeps pipelines as Kubernetes objects: so NAME is in it.
        text: The file's content.
        facts: What it was made of.
    """

    name: str
    version_name: str
    text: str
    facts: Facts


@dataclass(frozen=True)
class Uploaded:
    """A pipeline's version that is on the server.

    Attributes:
        new: Whether it was not there before.
    """

    pipeline_id: str
    version_id: str
    name: str
    version_name: str
    new: bool = False


def compiled(loaded: SpecFile | DialogueFile, kind: Kind) -> Compiled:
    """Compiles a spec as the cluster gets it.

    Raises:
        SpecError: A source lies where the cluster's pods cannot see it.
    """
    from pipelines.compile import compile_agent

    with Scratch() as folder:
        file = Path(folder) / "pipeline.yaml"
        compile_agent(loaded, file, kind=kind)
        text = file.read_text("utf-8")
    name = pipeline_name(loaded.spec.name, kind)
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Compiled(name, f"{name}-{digest}", text, Facts.of_pipeline(text, loaded.spec.name, kind))


def compiled_dag(dag: Dag) -> Compiled:
    """Compiles a DAG of its own, which is no training."""
    from kfp import compiler

    from pipelines.wiring import build

    with Scratch() as folder:
        file = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(build(dag, dag.sections()), str(file))
        text = file.read_text("utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    facts = Facts.of_pipeline(text, dag.spec.name, dag.kind)
    return Compiled(dag.name, f"{dag.name}-{digest}", text, facts)


def upload(connection: Connection, loaded: SpecFile | DialogueFile, kind: Kind) -> Uploaded:
    """Compiles a spec and makes sure that KFP has exactly this version of its pipeline.

    Args:
        connection: Where to.
        loaded: The spec, as read.
        kind: The training of the agent, or its retraining.

    Raises:
        SpecError: A source lies where the cluster's pods cannot see it; nothing was uploaded.
        EnvironmentFault: KFP does not take it.
    """
    return upload_compiled(connection, compiled(loaded, kind), loaded.spec.description)


def upload_compiled(connection: Connection, made: Compiled, description: str = "") -> Uploaded:
    """Makes sure that KFP has this version."""
    pipeline_id, _ = _find_or_make(
        lambda: _find_pipeline(connection, made.name),
        lambda: _make_pipeline(connection, made.name, description),
        f"pipeline {made.name}",
    )
    version_id, new = _find_or_make(
        lambda: _find_version(connection, pipeline_id, made.version_name),
        lambda: _make_version(connection, pipeline_id, made),
        f"version {made.version_name}",
    )
    return Uploaded(pipeline_id, version_id, made.name, made.version_name, new)


def _find_or_make(
    find: Callable[[], str | None], make: Callable[[], str], what: str
) -> tuple[str, bool]:
    """(id, made by us?). Making is tried again after looking, because a lost answer may mean done."""
    from tenacity import TryAgain

    def once() -> tuple[str, bool]:
        if (found := find()) is not None:
            return found, False
        try:
            return make(), True
        except (Answer, Unreachable) as error:
            if error.passing or getattr(error, "status", 0) == 409:
                raise TryAgain from error
            raise

    try:
        # TryAgain asks for it by itself.
        return retrying([0.2 * number for number in range(TRIES - 1)], lambda _: False)(once)
    except TryAgain as error:
        last = error.__cause__
    if (found := find()) is not None:
        return found, False
    assert isinstance(last, EnvironmentFault)
    raise EnvironmentFault(f"The {what} could not be made: {last.message}", last.fix)


def _find_pipeline(connection: Connection, name: str) -> str | None:
    try:
        found = connection.client.pipelines.pipeline_service_get_pipeline_by_name(
            name, namespace=connection.scope
        )
    except Answer as error:
        if error.status == 404:
            return None
        raise
    return str(found.pipeline_id)


def _make_pipeline(connection: Connection, name: str, description: str) -> str:
    import kfp_server_api as api

    # Not the call that uploads both at once: its first version would be named like the pipeline.
    made = connection.client.pipelines.pipeline_service_create_pipeline(
        api.V2beta1Pipeline(
            name=name,
            display_name=name,
            description=description or None,
            namespace=connection.scope,
        )
    )
    return str(made.pipeline_id)


def _find_version(connection: Connection, pipeline_id: str, name: str) -> str | None:
    found = connection.client.list_pipeline_versions(
        pipeline_id, page_size=100, filter=equals("name", name)
    )
    named = [one for one in found.pipeline_versions or [] if name in (one.name, one.display_name)]
    return str(named[0].pipeline_version_id) if named else None


def _make_version(connection: Connection, pipeline_id: str, made: Compiled) -> str:
    with Scratch() as folder:
        file = Path(folder) / "pipeline.yaml"
        file.write_text(made.text, "utf-8")
        answer = connection.client.pipeline_uploads.upload_pipeline_version(
            str(file),
            name=made.version_name,
            display_name=made.version_name,
            pipelineid=pipeline_id,
            description=made.facts.as_text(),
            _request_timeout=UPLOAD_SECONDS,
        )
    return str(answer.pipeline_version_id)


def equals(key: str, value: str) -> str:
    """A list call's filter: one field has one value."""
    predicate = {"operation": "EQUALS", "key": key, "stringValue": value}
    return json.dumps({"predicates": [predicate]})


def experiment(connection: Connection, name: str) -> str:
    """The id of an experiment by name; it is made when there is none.

    Raises:
        EnvironmentFault: It is archived, or KFP does not make it.
    """
    import kfp_server_api as api

    def find() -> str | None:
        found = connection.client.list_experiments(
            namespace=connection.scope, filter=equals("display_name", name)
        )
        for one in found.experiments or []:
            if one.storage_state == "ARCHIVED":
                raise EnvironmentFault(
                    f"The experiment {name} is archived.",
                    "Restore it in the Kubeflow UI, or name another one with --experiment.",
                )
            return str(one.experiment_id)
        return None

    def make() -> str:
        made = connection.client.experiments.experiment_service_create_experiment(
            api.V2beta1Experiment(display_name=name, namespace=connection.scope)
        )
        return str(made.experiment_id)

    return _find_or_make(find, make, f"experiment {name}")[0]


def start(
    connection: Connection,
    uploaded: Uploaded,
    made: Compiled,
    *,
    service_account: str,
    experiment_name: str,
    cache: bool = True,
) -> str:
    """Starts a run of an uploaded version and returns its id.

    Args:
        cache: False: every step runs anew. KFP knows no such switch for a version's run, so the run
            then carries its own copy of the pipeline.

    Raises:
        EnvironmentFault: KFP does not start it.
    """
    import kfp_server_api as api

    experiment_id = experiment(connection, experiment_name)
    began = datetime.now(UTC)
    short = uploaded.version_name.rpartition("-")[2][:7]
    name = f"{uploaded.name} {began:%Y-%m-%d %H:%M:%S} {short}"
    version = api.V2beta1PipelineVersionReference(
        pipeline_id=uploaded.pipeline_id, pipeline_version_id=uploaded.version_id
    )
    description = made.facts.as_text(mark=uuid.uuid4().hex[:8])
    body = api.V2beta1Run(
        experiment_id=experiment_id,
        display_name=name,
        description=description,
        service_account=service_account,
        runtime_config=api.V2beta1RuntimeConfig(parameters={}),
        pipeline_version_reference=version if cache else None,
        pipeline_spec=None if cache else without_cache(made.text),
    )
    try:
        return str(connection.client.runs.run_service_create_run(body).run_id)
    except Unreachable as error:
        # The answer was lost, not necessarily the run: never start it twice.
        if error.passing and (found := _started(connection, experiment_id, name, description)):
            return found
        raise


def _started(connection: Connection, experiment_id: str, name: str, mark: str) -> str | None:
    """The run that we have just asked for; another's of the same second has another mark."""
    found = connection.client.list_runs(
        experiment_id=experiment_id, page_size=100, filter=equals("display_name", name)
    )
    return next((str(run.run_id) for run in found.runs or [] if run.description == mark), None)


def without_cache(text: str) -> dict[str, object]:
    """A compiled pipeline as a run carries it, with the cache of every task switched off."""
    spec, *platforms = documents(text)
    for part in (spec["root"], *spec.get("components", {}).values()):
        for task in part.get("dag", {}).get("tasks", {}).values():
            task["cachingOptions"] = {"enableCache": False}
    return {"pipeline_spec": spec, **({"platform_spec": platforms[0]} if platforms else {})}
