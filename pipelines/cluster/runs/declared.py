"""The steps that a pipeline's spec declares."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bertworks.failures import ROOT
from bertworks.notices import Notice


@dataclass
class RunStep:
    """One step of a run.

    Attributes:
        name: As in the DAG: "evaluate-bundle".
        task: KFP's name of the box: "evaluate-2".
        path: The boxes around it and itself, as in Argo's node names.
        after: The paths of the tasks that must have ended before it begins.
        state: waiting, starting, running, succeeded, cached, failed, skipped, cancelled.
        started: When; None before.
        ended: When; None before.
        attempts: How often it was tried; 0 before the first.
        template: Argo's name of the executor's template, which is in the pods' names.
        pods: Names of its pods as far as they can be told, the last attempt at the end.
        note: What it waits for, or why it failed, in a few words.
        metrics: The numbers that it reported.
        notices: What it dropped, cut, merged or warns of.
    """

    name: str
    task: str
    path: tuple[str, ...]
    after: tuple[tuple[str, ...], ...] = ()
    state: str = "waiting"
    started: datetime | None = None
    ended: datetime | None = None
    attempts: int = 0
    template: str = "system-container-impl"
    pods: list[str] = field(default_factory=list)
    note: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    notices: list[Notice] = field(default_factory=list)

    @property
    def seconds(self) -> float | None:
        """How long it ran, or has run so far."""
        if self.started is None:
            return None
        return max(0.0, ((self.ended or datetime.now(UTC)) - self.started).total_seconds())


@dataclass(frozen=True)
class Declared:
    """What a run's pipeline says of the run, read from the pipeline's spec as KFP has it."""

    spec: Mapping[str, Any]

    def steps(self) -> list[RunStep]:
        """Its steps in running order, of which none has begun."""
        return list(declared_steps(self.spec))

    def sections(self) -> dict[str, Mapping[str, Any]]:
        """Box to what its step was given of the spec, in running order."""
        spec, found = self.spec.get("pipeline_spec", self.spec), {}
        for task in _tasks(spec):
            given = task.get("inputs", {}).get("parameters", {}).get("section", {})
            text = given.get("runtimeValue", {}).get("constant")
            with contextlib.suppress(ValueError, TypeError, KeyError):
                found[task["taskInfo"]["name"]] = json.loads(text)["settings"]
        order = [step.name for step in self.steps()]
        return {name: found[name] for name in order if name in found}

    @property
    def failures(self) -> str | None:
        """Where the run's pods keep why they failed; None where it names no place."""
        spec = self.spec.get("pipeline_spec", self.spec)
        executors = spec.get("deploymentSpec", {}).get("executors", {}).values()
        variables = (one for each in executors for one in each.get("container", {}).get("env", []))
        places = (str(one.get("value")) for one in variables if one.get("name") == ROOT)
        return next(places, None)


def declared_steps(pipeline: Mapping[str, Any]) -> Iterator[RunStep]:
    """The steps that a pipeline's spec declares, boxes in boxes flattened, in running order."""
    spec = pipeline.get("pipeline_spec", pipeline)
    platforms = pipeline.get("platform_spec", {}).get("platforms", {})
    settings = platforms.get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})

    def walk(
        dag: Mapping[str, Any], around: tuple[str, ...], before: tuple[tuple[str, ...], ...]
    ) -> Iterator[RunStep]:
        tasks = dag.get("tasks", {})
        for name in _in_order(tasks):
            task = tasks[name]
            named = [one for one in task.get("dependentTasks", []) if one in tasks]
            after = (*before, *((*around, one) for one in named))
            component = spec.get("components", {}).get(
                task.get("componentRef", {}).get("name", ""), {}
            )
            if "dag" in component:
                yield from walk(component["dag"], (*around, name), after)
                continue
            shown = task.get("taskInfo", {}).get("name") or name
            own = settings.get(component.get("executorLabel", ""), {})
            yield RunStep(shown, name, (*around, name), after, template=_template(task, own))

    yield from walk(spec.get("root", {}).get("dag", {}), (), ())


def _tasks(spec: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The tasks of the pipeline and of every box in it."""
    components = spec.get("components", {}).values()
    for dag in (spec.get("root", {}), *components):
        yield from dag.get("dag", {}).get("tasks", {}).values()


def _template(task: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """KFP's name of the template that runs a task (argocompiler/container.go)."""
    name = "system-container-impl"
    if "retryPolicy" in task:
        name = f"retry-{name}"
    if metadata := settings.get("podMetadata"):
        counts = [len(metadata.get(part, {})) for part in ("annotations", "labels")]
        name = f"metadata-{counts[0]}-{counts[1]}-{name}"
    return name


def _in_order(tasks: Mapping[str, Any]) -> list[str]:
    """The tasks' names, each after those that it depends on; else as KFP's file has them (sorted)."""
    order: list[str] = []
    waiting = list(tasks)
    while waiting:
        ready = [
            name
            for name in waiting
            if all(
                one in order or one not in tasks for one in tasks[name].get("dependentTasks", [])
            )
        ]
        # The exit handler's last task comes when all else is over.
        ready.sort(key=lambda name: "triggerPolicy" in tasks[name])
        chosen = ready[0] if ready else waiting[0]
        order.append(chosen)
        waiting.remove(chosen)
    return order
