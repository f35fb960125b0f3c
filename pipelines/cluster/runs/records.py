"""Runs on the cluster: find, list, show, as plain records."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from bertworks.errors import BertworksError, EnvironmentFault
from pipelines.box import KINDS
from pipelines.cluster.kfp.connection import Connection, every
from pipelines.cluster.kfp.facts import Facts
from pipelines.cluster.kfp.faults import Answer
from pipelines.cluster.runs.declared import Declared, RunStep
from pipelines.cluster.runs.hindrances import hindrances
from pipelines.cluster.runs.logs import reports_of
from pipelines.cluster.runs.reasons import Reason, reason_of
from pipelines.cluster.runs.steps import ENDED, state_of, steps_of, time_of
from pipelines.cluster.runs.workflows import workflow_of
from pipelines.dag import pipeline_name

PAGE = 50  # each run comes with its tasks
LOOK_BACK = 2000  # runs
STATES = (
    "pending", "running", "succeeded", "failed", "canceling", "canceled", "skipped", "paused",
)  # fmt: skip


@dataclass
class Record:
    """A run, as `runs list` and `runs show` print it.

    Attributes:
        state: As in the API, in small letters: succeeded, failed, canceled, running, ...
        seconds: From start to end, or until now.
        facts: What it was made of; empty for runs that bertworks did not start.
        recurring_run: Id of the recurring run that started it; empty when a person did.
        hindrances: Pods of KFP's own to what keeps them; the steps' stand in their notes.
    """

    id: str
    name: str
    state: str
    created: str
    finished: str
    seconds: float | None
    link: str
    facts: Facts
    recurring_run: str = ""
    failure: Reason | None = None
    steps: list[RunStep] = field(default_factory=list)
    hindrances: dict[str, str] = field(default_factory=dict)

    def as_json(self, details: bool) -> dict[str, object]:
        """For machines."""
        plain = asdict(self)
        plain |= plain.pop("facts")
        if not details:
            del plain["steps"], plain["failure"], plain["hindrances"]
            return plain
        plain["steps"] = [
            {
                "name": step.name,
                "state": step.state,
                "started": _text(step.started),
                "ended": _text(step.ended),
                "seconds": step.seconds,
                "attempts": step.attempts,
                "note": step.note,
                "metrics": step.metrics,
                "notices": [notice.to_json() for notice in step.notices],
            }
            for step in self.steps
        ]
        return plain


def record(connection: Connection, run: Any, facts: Facts | None = None) -> Record:
    """A run's record without its steps."""
    created, finished = time_of(run.created_at), time_of(run.finished_at)
    return Record(
        id=str(run.run_id),
        name=run.display_name or "",
        state=state_of(run).lower(),
        created=_text(created),
        finished=_text(finished),
        seconds=RunStep("", "", (), started=created, ended=finished).seconds,
        link=connection.run_link(str(run.run_id)),
        facts=facts or Facts.from_text(run.description),
        recurring_run=run.recurring_run_id or "",
    )


def detailed(connection: Connection, run: Any, *, cancelled: bool = False) -> Record:
    """A run's record with its steps and, when it failed, the reason.

    Args:
        cancelled: The run is known to have been cancelled, whatever KFP calls it now.
    """
    declared, facts = source_of(connection, run)
    found = record(connection, run, facts)
    if found.state == "failed" and (cancelled or _was_stopped(connection, found.id)):
        found.state = "canceled"
    found.steps = steps_of(run, declared, cancelled=found.state == "canceled")
    if found.state == "failed":
        found.failure = reason_of(connection, run, found.steps, declared)
    # What only the pods know is an extra: where they are out of reach it is left out.
    with contextlib.suppress(EnvironmentFault):
        if not run_has_ended(found):
            _add_hindrances(connection, found)
    with contextlib.suppress(EnvironmentFault):
        said = reports_of(connection, found.id, found.steps, found.created[:10])
        for step in found.steps:
            if (report := said.get(step.name)) is not None:
                step.metrics, step.notices = report.metrics, report.notices
    return found


def _was_stopped(connection: Connection, run_id: str) -> bool:
    """Whether a run that KFP calls failed was ended by somebody: KFP's history may leave that out."""
    with contextlib.suppress(EnvironmentFault):
        found = workflow_of(connection, run_id)
        return found is not None and found.stopped
    return False


def _add_hindrances(connection: Connection, found: Record) -> None:
    keeps = hindrances(connection, found.id)
    for step in found.steps:
        step.note = keeps.pop(step.name, step.note)
    found.hindrances = keeps


def run_has_ended(found: Record) -> bool:
    """Whether nothing more will happen in a run by itself."""
    return found.state.upper() in ENDED


def source_of(connection: Connection, run: Any) -> tuple[Declared | None, Facts]:
    """(what is declared, facts) of a run: its own, or those of the version that it runs.

    Runs that the scheduler started say nothing of themselves: their version does.
    """
    own = Facts.from_text(run.description)
    reference = run.pipeline_version_reference
    if run.pipeline_spec or reference is None or not reference.pipeline_version_id:
        return run.pipeline_spec and Declared(run.pipeline_spec), own
    try:
        version = connection.client.get_pipeline_version(
            reference.pipeline_id, reference.pipeline_version_id
        )
    except Answer:  # deleted since
        return None, own
    found = version.pipeline_spec and Declared(version.pipeline_spec)
    return found, own if own.spec else Facts.from_text(version.description)


def listed(connection: Connection, runs: Iterable[Any]) -> Iterator[Record]:
    """The records of runs without their steps; of each version that they name it is asked once."""
    known: dict[str, Facts] = {}
    for run in runs:
        facts, reference = Facts.from_text(run.description), run.pipeline_version_reference
        if not facts.spec and reference is not None and reference.pipeline_version_id:
            version = str(reference.pipeline_version_id)
            if version not in known:
                known[version] = source_of(connection, run)[1]
            facts = known[version]
        yield record(connection, run, facts)


def newest(
    connection: Connection, limit: int = LOOK_BACK, agent: str | None = None
) -> Iterator[Any]:
    """The runs of the namespace, the newest first; of one agent if it is named."""
    pipelines = pipeline_ids(connection, agent) if agent else set()
    found = every(
        connection.client.list_runs,
        "runs",
        namespace=connection.scope,
        page_size=PAGE,
        sort_by="created_at desc",
    )
    for run in islice(found, limit):
        if agent is None or _is_of(run, agent, pipelines):
            yield run


def pipeline_ids(connection: Connection, agent: str) -> set[str]:
    """The ids of an agent's pipelines: its training and its retraining."""
    found = set()
    for name in (pipeline_name(agent, kind) for kind in KINDS):
        try:
            pipeline = connection.client.pipelines.pipeline_service_get_pipeline_by_name(
                name, namespace=connection.scope
            )
        except Answer as error:
            if error.status != 404:
                raise
            continue
        found.add(str(pipeline.pipeline_id))
    return found


def _is_of(run: Any, agent: str, pipelines: set[str]) -> bool:
    reference = run.pipeline_version_reference
    if reference is not None and str(reference.pipeline_id) in pipelines:
        return True
    return Facts.from_text(run.description).agent == agent


def find(connection: Connection, wanted: str) -> Any:
    """A run by id, unique beginning of an id, or `latest`.

    Raises:
        BertworksError: There is none, or more than one.
    """
    if wanted != "latest":
        try:
            return connection.client.get_run(wanted)
        except Answer as error:
            if error.status not in (400, 404):
                raise
    found = []
    for run in newest(connection):
        if wanted == "latest" or str(run.run_id).startswith(wanted.lower()):
            found.append(run)
        if found and wanted == "latest":
            break
    if len(found) == 1:
        return connection.client.get_run(str(found[0].run_id))
    if not found:
        raise BertworksError(
            f"There is no run {wanted!r} in {connection.namespace} at {connection.host}."
            if wanted != "latest"
            else f"There are no runs in {connection.namespace} at {connection.host} yet.",
            "`bertworks runs list` shows what there is; `bertworks submit SPEC` starts one.",
        )
    raise BertworksError(
        f"{wanted!r} fits {len(found)} runs: "
        f"{', '.join(str(run.run_id)[:12] for run in found[:5])}{' ...' if len(found) > 5 else ''}",
        "Give more of the id.",
    )


def cancel(connection: Connection, run: Any) -> None:
    """Ends a run.

    Raises:
        BertworksError: It has ended already.
    """
    state = str(run.state)
    if state in ("CANCELED", "CANCELING"):
        return
    if state in ENDED:
        raise BertworksError(
            f"Run {run.run_id} has {state.lower()} already: there is nothing to cancel.",
            "`bertworks runs show` tells how it ended.",
        )
    connection.client.terminate_run(str(run.run_id))


def retry(connection: Connection, run: Any) -> None:
    """Runs the failed steps of a run again, and what comes after them.

    Raises:
        BertworksError: It did not fail.
        EnvironmentFault: KFP cannot: Argo's record of the run is gone.
    """
    state = str(run.state)
    if state not in ("FAILED", "CANCELED"):
        raise BertworksError(
            f"Run {run.run_id} is {state.lower()}: only failed and cancelled runs can be retried.",
            "Start a new one: `bertworks submit SPEC`; what is done is taken from the cache.",
        )
    try:
        connection.client.runs.run_service_retry_run(str(run.run_id))
    except Answer as error:
        raise EnvironmentFault(
            error.message,
            "Start a new run: `bertworks submit SPEC`; what is done is taken from the cache.",
        ) from None


def _text(value: Any) -> str:
    return value.isoformat(timespec="seconds") if value else ""
