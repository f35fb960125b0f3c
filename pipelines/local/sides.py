"""What can be compared of a run on this machine, or of a version in a model store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bertworks.contracts.agent import AGENT
from bertworks.contracts.latency import LATENCY, Speed
from bertworks.contracts.metrics import METRICS, overall
from bertworks.contracts.registered import REGISTERED
from bertworks.contracts.runs import RunRecord
from bertworks.errors import ArtifactError, BertworksError
from bertworks.evaluation.pairing import Evaluated
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.storage.store import Store
from pipelines.cli.models import named
from pipelines.cli.served import no_champion
from pipelines.local.record import latest, newest_first
from pipelines.local.root import Root

BEGINS_WITH_A_DAY = re.compile(r"20\d\d[01]\d[0-3]\d(-\d{6}-|-?\d{0,6}$)")
SHOWN = 10  # runs that an error names
STAGES = {"bundle": "bundle_metrics", "model": "model_metrics"}
"""What is evaluated of a run, to the report's name of its metrics."""


@dataclass(frozen=True)
class StepTime:
    """How long a box took.

    Attributes:
        seconds: From its start to its end; of one from the cache, what it took when it was made.
        state: As in the run's record.
        cached: Whether the cache gave it.
    """

    seconds: float
    state: str
    cached: bool = False


@dataclass(frozen=True)
class Side:
    """One of the two that are compared.

    Attributes:
        id: What it is called: a run's id, NAME/VERSION.
        agent: The agent's name.
        state: How the run ended; of a version, whether its gates let it pass.
        metric: What the run goes by; "" where that is not known.
        spec: The spec as it was run; None where it is not kept.
        whole: Whether that is all of the spec; of a run on the cluster it is what its steps were given.
        evaluated: "bundle" and "model", those that were evaluated and are whole.
        values: Likewise, metrics on their own test rows.
        speeds: Likewise, their latencies and sizes.
        steps: Box to its time.
        lacks: What it does not have, and why.
    """

    id: str
    agent: str
    state: str
    metric: str = ""
    spec: Mapping[str, Any] | None = None
    whole: bool = True
    evaluated: dict[str, Evaluated] = field(default_factory=dict)
    values: dict[str, dict[str, float]] = field(default_factory=dict)
    speeds: dict[str, Speed] = field(default_factory=dict)
    steps: dict[str, StepTime] = field(default_factory=dict)
    lacks: list[str] = field(default_factory=list)


def is_of_this_machine(run_id: str) -> bool:
    """Whether a run's id, or the beginning of one, begins with a day: those of a cluster are UUIDs."""
    return BEGINS_WITH_A_DAY.match(run_id) is not None


def find(root: Root, wanted: str, store: str | None = None) -> Side:
    """What `wanted` names: `latest`, a run's id or the beginning of one, or a version.

    Args:
        root: This machine's runs and models.
        wanted: As above; a version is NAME/NUMBER, NAME/latest or NAME/champion.
        store: URI or path of the model store that versions are of; None: this machine's.

    Raises:
        BertworksError: There is none, or more than one.
    """
    if "/" in wanted:
        return of_version(root, Store(store or str(root.models)), wanted)
    return of_run(find_run(root, wanted))


def find_run(root: Root, wanted: str) -> RunRecord:
    """A run by `latest`, its id or the beginning of one.

    Raises:
        BertworksError: There is none, or more than one.
    """
    records = list(newest_first(root))
    found = [one for one in records if wanted == "latest" or one.folder.name.startswith(wanted)]
    exact = [one for one in found if one.folder.name == wanted]
    if exact or (found and wanted == "latest"):
        return (exact or found)[0]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(one.folder.name for one in found[:SHOWN])
        raise BertworksError(f"{wanted!r} fits {len(found)} runs: {ids}.", "Give more of the id.")
    if not records:
        return latest(root, wanted)  # says so
    more = f" and {len(records) - SHOWN} more" if len(records) > SHOWN else ""
    there = ", ".join(one.folder.name for one in records[:SHOWN])
    raise BertworksError(
        f"There is no run {wanted!r} in {root.runs}.",
        f"There is: {there}{more}. A version of the model store is NAME/NUMBER.",
    )


def of_run(record: RunRecord) -> Side:
    """What a run on this machine left."""
    side = Side(
        id=record.folder.name,
        agent=record.name,
        state=record.state,
        metric=_metric(record.spec),
        spec=record.spec,
        steps={
            step.name: StepTime(
                step.made_in_seconds if step.from_cache else step.seconds,
                step.state,
                step.from_cache,
            )
            for step in record.steps
        },
    )
    for stage, metrics in STAGES.items():
        agent, measured = record.artifacts.get(stage), record.artifacts.get(metrics)
        if agent and measured:
            try:
                _add(side, stage, open_artifact(agent), open_artifact(measured))
            except ArtifactError as error:
                side.lacks.append(f"no {stage}: {error.message}")
        elif stage == "bundle":
            side.lacks.append("no bundle: the run ended before one was evaluated")
    return side


def of_version(root: Root, store: Store, wanted: str) -> Side:
    """A version of a model store; with the run that made it, where this machine has it.

    Raises:
        BertworksError: There is no such version.
        ArtifactError: It is damaged.
    """
    name, number = _version(store, wanted)
    version = store.show(name, number)
    made = _run_of(root, name, number, version.digest)
    if made is None:
        metric = version.record.decision.metric if version.record else ""
        lacks = ["no spec and no times a step: the run that made it is not on this machine"]
        side = Side(f"{name}/{number}", name, version.state, metric, lacks=lacks)
    else:
        side = replace(of_run(made), id=f"{name}/{number}", state=version.state)
        # The run's own artifacts may be gone: the store has what is said of the bundle.
        side.lacks[:] = [one for one in side.lacks if not one.startswith("no bundle")]
    add_version(side, store, name, number)
    return side


def add_version(side: Side, store: Store, name: str, number: int) -> None:
    """Takes in the bundle of a model store's version, and how it was evaluated.

    Raises:
        ArtifactError: There is no such version, or it is damaged.
    """
    _add(side, "bundle", store.fetch(name, number), store.fetch(name, number, "metrics"))


def _version(store: Store, wanted: str) -> tuple[str, int]:
    name, number = named(store, wanted)
    if number is None:
        raise no_champion(store, name)
    return name, number


def _run_of(root: Root, name: str, number: int, digest: str) -> RunRecord | None:
    """The newest run that ended with this version, if it is on this machine."""
    for record in newest_first(root):
        place = record.artifacts.get("registered")
        if record.name != name or not place:
            continue
        try:
            kept = REGISTERED.read(Path(place))
        except ArtifactError:
            continue
        if (kept.version, kept.digest) == (number, digest):
            return record
    return None


def _add(side: Side, stage: str, agent: Artifact, metrics: Artifact) -> None:
    """Takes in what was evaluated.

    Raises:
        ArtifactError: A file of it cannot be read.
    """
    says = AGENT.read(agent)
    side.evaluated[stage] = Evaluated(metrics, says.task, says.labels)
    side.values[stage] = {name: one.value for name, one in overall(METRICS.read(metrics)).items()}
    side.speeds[stage] = LATENCY.read(metrics)


def _metric(spec: Mapping[str, Any]) -> str:
    """What a run goes by, from its spec; "" where an older spec cannot be read."""
    from bertworks.spec import AgentSpec

    try:
        return AgentSpec.model_validate(dict(spec)).metric
    except ValueError:
        return ""
