"""What can be compared of a run on the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertworks.spec import AgentSpec
from bertworks.storage.store import Store
from pipelines.cluster.kfp.connection import Connection
from pipelines.cluster.runs.declared import RunStep
from pipelines.cluster.runs.records import detailed, find, source_of
from pipelines.local.sides import Side, StepTime, add_version

EVALUATED = {"bundle": "evaluate-bundle", "model": "evaluate"}
PLACES = {"prune": "compress.prune", "quantize": "compress.quantize"}
"""What steps call parts of the spec, where that is not their place in it."""
OPTIONAL = ("pretrain", "tune", "compress.prune")
"""Parts that leave no box where they are off."""
OF_THEIR_OWN = ("compare", "register", "deploy", "notify")
"""Boxes whose sections are no parts of the spec."""


def of_cluster(connection: Connection, wanted: str, store: str | None) -> Side:
    """A run on the cluster: what its pipeline declares, what its steps said, and its version's answers.

    Args:
        connection: To Kubeflow Pipelines.
        wanted: A run's id, the beginning of one, or `latest`.
        store: Where this machine sees the model store that the run registers in; None: as its pods do.

    Raises:
        BertworksError: There is no such run.
    """
    run = find(connection, wanted)
    record = detailed(connection, run)
    declared, _ = source_of(connection, run)
    sections = declared.sections() if declared else {}
    kept = sections.get("register", {})
    agent = str(kept.get("name") or record.facts.agent)
    side = Side(
        id=record.id,
        agent=agent,
        state=record.state,
        metric=str(sections.get("finetune", {}).get("metric", "")),
        spec=_spec(sections) if sections else None,
        whole=False,
        values={
            stage: dict(step.metrics)
            for stage, box in EVALUATED.items()
            for step in record.steps
            if step.name == box and step.metrics
        },
        steps={step.name: _time(step) for step in record.steps},
    )
    number = next(
        (step.metrics.get("version") for step in record.steps if step.name == "register"), None
    )
    place = store or kept.get("store")
    if number is None or not place:
        side.lacks.append("no answers row by row: it has registered no version, or its log is gone")
        return side
    version = f"{agent}/{int(number)}"
    try:
        add_version(side, Store(str(place)), agent, int(number))
    except Exception as error:  # drivers of buckets raise what they like
        side.lacks.append(
            f"no answers row by row: {version} in {place} cannot be read from here "
            f"({str(error).splitlines()[0]:.200}); --store names the place as this machine sees it"
        )
    return side


def _time(step: RunStep) -> StepTime:
    return StepTime(step.seconds or 0.0, step.state, step.state == "cached")


def _spec(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The spec as far as steps were given it: the last box that was given a part has it in full."""
    known = {field.alias or name for name, field in AgentSpec.model_fields.items()}
    found: dict[str, Any] = {}
    for box, settings in sections.items():
        for name, value in settings.items() if box not in OF_THEIR_OWN else ():
            place = PLACES.get(name, name)
            if place.partition(".")[0] in known:
                found[place] = value
    for place in OPTIONAL:
        found.setdefault(place, {"enabled": False})
    spec: dict[str, Any] = {}
    for place, value in found.items():
        part, _, inner = place.partition(".")
        if inner:
            spec.setdefault(part, {})[inner] = value
        else:
            spec[part] = value
    return spec
