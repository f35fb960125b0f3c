"""A run's steps, from what KFP says of it.

KFP shows the nodes of Argo's workflow: of each step a driver, a box with the task's name, and in it an
"executor", which does not say whose it is. What the boxes are called and in which order they run is in
the pipeline's spec.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from bertworks.notices import Notice

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"})
CANCELLED = ("CANCELING", "CANCELED")
DRIVER_FAILED = "Kubeflow's driver of this step failed"
TRIES_AT_MOST = 50
TRIES_OF_GROUPS = 4
CACHED_SECONDS = 2.0


@dataclass
class Step:
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


def state_of(run: Any) -> str:
    """A run's state as KFP has it; Argo calls a run that was cancelled a failed one."""
    history = [str(status.state) for status in run.state_history or []]
    if history[-2:] == ["CANCELING", "FAILED"]:
        return "CANCELED"
    return str(run.state or "")


def steps_of(run: Any, pipeline: dict[str, Any] | None, *, cancelled: bool = False) -> list[Step]:
    """The steps of a run in the order of the DAG.

    Args:
        run: The run, as KFP shows it.
        pipeline: The pipeline's spec; None where it cannot be had: then the nodes' names must do.
        cancelled: The run is known to have been cancelled, whatever KFP calls it.
    """
    tasks = list((run.run_details and run.run_details.task_details) or [])
    declared = list(declared_steps(pipeline)) if pipeline else list(_guessed(tasks))
    named: dict[str, list[Any]] = {}
    for task in tasks:
        named.setdefault(task.display_name or "", []).append(task)
    skipped = any(str(one.state) == "SKIPPED" for one in named.get("executor", []))
    state = "CANCELED" if cancelled and str(run.state) in ENDED else state_of(run)
    for step in declared:
        _fill(step, named, skipped, state)
    if state not in ENDED:
        _await_again(declared, _retried(run))
    _find_pods(declared, named)
    return declared


def _retried(run: Any) -> datetime | None:
    """When a run that had ended went on; None: it never did."""
    states = [str(status.state) for status in run.state_history or []]
    for number in range(len(states) - 1, 0, -1):
        if states[number - 1] in ENDED and states[number] not in ENDED:
            return time_of(run.state_history[number].update_time)
    return None


def _await_again(steps: list[Step], retried: datetime | None) -> None:
    """In a run that goes on, a step whose predecessors have not ended is not skipped: it waits.

    Argo keeps the nodes of the first try: "omitted" for what came after the failure.
    """
    for step in steps:
        old = retried and step.ended and step.ended < retried
        if step.state in ("failed", "cancelled") and old:
            step.state, step.note = "waiting", ""
        if step.state == "skipped" and any(
            other.path[: len(path)] == path and other.state in ("waiting", "starting", "running")
            for path in step.after
            for other in steps
        ):
            step.state, step.note = "waiting", ""
        if step.state == "waiting":
            step.started = step.ended = None
            step.attempts = 0


def declared_steps(pipeline: dict[str, Any]) -> Iterator[Step]:
    """The steps that a pipeline's spec declares, boxes in boxes flattened, in running order."""
    spec = pipeline.get("pipeline_spec", pipeline)
    platforms = pipeline.get("platform_spec", {}).get("platforms", {})
    settings = platforms.get("kubernetes", {}).get("deploymentSpec", {}).get("executors", {})

    def walk(
        dag: dict[str, Any], around: tuple[str, ...], before: tuple[tuple[str, ...], ...]
    ) -> Iterator[Step]:
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
            yield Step(shown, name, (*around, name), after, template=_template(task, own))

    yield from walk(spec.get("root", {}).get("dag", {}), (), ())


def _template(task: dict[str, Any], settings: dict[str, Any]) -> str:
    """KFP's name of the template that runs a task (argocompiler/container.go)."""
    name = "system-container-impl"
    if "retryPolicy" in task:
        name = f"retry-{name}"
    if metadata := settings.get("podMetadata"):
        counts = [len(metadata.get(part, {})) for part in ("annotations", "labels")]
        name = f"metadata-{counts[0]}-{counts[1]}-{name}"
    return name


def _in_order(tasks: dict[str, Any]) -> list[str]:
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


def _guessed(tasks: list[Any]) -> Iterator[Step]:
    """The steps by the nodes' names alone: whatever has a driver."""
    names = {task.display_name or "" for task in tasks}
    began = {task.display_name: time_of(task.start_time) for task in tasks}
    steps = [name.removesuffix("-driver") for name in names if name.endswith("-driver")]
    epoch = datetime.fromtimestamp(0, UTC)
    for name in sorted(steps, key=lambda one: (began.get(f"{one}-driver") or epoch, one)):
        if name != "root":
            yield Step(name=name, task=name, path=(name,))


def _fill(step: Step, named: dict[str, list[Any]], skipped: bool, run_state: str) -> None:
    box = next(iter(named.get(step.task, [])), None)
    driver = next(iter(named.get(f"{step.task}-driver", [])), None)
    over = run_state in ENDED
    if box is None:
        if driver is not None and str(driver.state) == "FAILED":
            step.state = "cancelled" if run_state in CANCELLED else "failed"
            step.note = DRIVER_FAILED
            step.started, step.ended = time_of(driver.start_time), time_of(driver.end_time)
        elif over:
            step.state = "skipped"
        elif driver is not None:
            step.state = "starting"
        return
    step.started, step.ended = time_of(box.start_time), time_of(box.end_time)
    if box.error is not None and box.error.message:
        step.note = box.error.message
    step.state = {
        "PENDING": "starting",
        "RUNNING": "running",
        "PAUSED": "waiting",
        "SUCCEEDED": "succeeded",
        "FAILED": "failed",
        "CANCELING": "cancelled",
        "CANCELED": "cancelled",
        "SKIPPED": "skipped",
    }.get(str(box.state), "skipped" if over else "waiting")
    if step.state == "failed" and run_state in CANCELLED:
        step.state = "cancelled"
    if step.state in ("running", "starting") and run_state == "CANCELED":
        step.state = "cancelled"
    if step.state == "succeeded" and skipped and (step.seconds or 0) <= CACHED_SECONDS:
        # A pod takes longer; a cached step's executor is skipped at once.
        step.state = "cached"
    if step.state in ("running", "succeeded", "failed"):
        step.attempts = 1


def _find_pods(steps: list[Step], named: dict[str, list[Any]]) -> None:
    """Names the steps' pods, and counts the attempts.

    KFP does not say whose the pods are; but a pod's name ends with the hash of its node's name, and
    those can be built. Which were tried is told by the nodes inside each "executor", and, by some
    versions, by a list of the attempts that failed.
    """
    boxes = named.get("executor", [])
    failed = {
        pod.rpartition("-")[2]: pod
        for task in boxes
        if task.executor_detail
        for pod in task.executor_detail.failed_main_jobs or []
    }
    inside = {
        (child.pod_name or "").rpartition("-")[2]
        for task in boxes
        for child in task.child_tasks or []
    }
    for step in steps:
        workflow, executors, counted = _executors(step, named)
        if not executors or not step.attempts:
            continue
        hashes = [
            str(node_hash(f"{node}({number})"))
            for node in executors
            for number in range(TRIES_AT_MOST)
        ]
        tried = [one for one in hashes if one in inside or one in failed]
        if not tried:
            last = hashes[-TRIES_AT_MOST] if counted else str(node_hash(executors[-1]))
            tried = [last]
        elif step.state != "failed" and not inside.intersection(tried):
            tried.append(hashes[hashes.index(tried[-1]) + 1])  # the one after those that failed
        step.pods = [failed.get(one) or f"{workflow}-{step.template}-{one}" for one in tried]
        step.attempts = len(tried)


def _executors(step: Step, named: dict[str, list[Any]]) -> tuple[str, list[str], bool]:
    """(workflow, Argo's names of the step's executors, are their attempts counted?), as far as told.

    Argo counts the attempts of what has a retry rule: "executor(0)". A rule among the controller's
    defaults, as KFP installs one, holds for groups as well: "run(0).root(0).finetune(0).executor(0)";
    each attempt of the group has an executor of its own.
    """
    workflow, found, counted = "", [], False
    for box in named.get(step.task, []):
        for child in box.child_tasks or []:
            name, _, digits = (child.pod_name or "").rpartition("-")
            if not name:
                continue
            node = ".".join((name, "root", *step.path, "executor"))
            if digits == str(node_hash(node)):
                return name, [node], "retry-" in step.template
            around = ".".join(f"{one}(0)" for one in (name, "root", *step.path[:-1]))
            for number in range(TRIES_OF_GROUPS):
                group = f"{around}.{step.path[-1]}({number})"
                if digits == str(node_hash(group)):
                    workflow, counted = name, True
                    found.append(f"{group}.executor")
    return workflow, found, counted


def node_hash(name: str) -> int:
    """FNV-1a with 32 bits (Fowler, Noll, Vo), with which Argo makes ids and pod names of node names."""
    value = 0x811C9DC5
    for byte in name.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def time_of(value: Any) -> datetime | None:
    """A time as KFP sends it; the years 1 and 1970 stand for none."""
    if value is None:
        return None
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    found: datetime = value
    return found if found.year > 1970 else None
