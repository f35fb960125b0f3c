"""A run's steps, from what KFP says of it.

KFP shows the nodes of Argo's workflow: of each step a driver, a box with the task's name, and in it an
"executor", which does not say whose it is. What the boxes are called and in which order they run is in
the pipeline's spec.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from bertworks.errors import BertworksError
from pipelines.cluster.runs.declared import Declared, RunStep
from pipelines.cluster.runs.pod_names import find_pods

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"})
CANCELLED = ("CANCELING", "CANCELED")
DRIVER_FAILED = "Kubeflow's driver of this step failed"
CACHED_SECONDS = 2.0


def state_of(run: Any) -> str:
    """A run's state as KFP has it; Argo calls a run that was cancelled a failed one."""
    history = [str(status.state) for status in run.state_history or []]
    if history[-2:] == ["CANCELING", "FAILED"]:
        return "CANCELED"
    return str(run.state or "")


def steps_of(run: Any, declared: Declared | None, *, cancelled: bool = False) -> list[RunStep]:
    """The steps of a run in the order of the DAG.

    Args:
        run: The run, as KFP shows it.
        declared: By its pipeline; None where that cannot be had: then the nodes' names must do.
        cancelled: The run is known to have been cancelled, whatever KFP calls it.
    """
    tasks = list((run.run_details and run.run_details.task_details) or [])
    steps = declared.steps() if declared else list(_guessed(tasks))
    named: dict[str, list[Any]] = {}
    for task in tasks:
        named.setdefault(task.display_name or "", []).append(task)
    skipped = any(str(one.state) == "SKIPPED" for one in named.get("executor", []))
    state = "CANCELED" if cancelled and str(run.state) in ENDED else state_of(run)
    for step in steps:
        _fill(step, named, skipped, state)
    if state not in ENDED:
        _await_again(steps, _retried(run))
    find_pods(steps, named)
    return steps


def chosen_step(steps: list[RunStep], wanted: str | None) -> RunStep:
    """The named step; else the first that failed, then the last that runs or ran."""
    ran = [step for step in steps if step.state not in ("waiting", "skipped", "cached")]
    if wanted is not None:
        for step in steps:
            if wanted in (step.name, step.task):
                if step.state == "cached":
                    raise BertworksError(
                        f"{step.name} did not run: its result came from the cache.",
                        "Its log is with the run that made the result.",
                    )
                return step
        raise BertworksError(
            f"The run has no step {wanted!r}.",
            f"Name one of: {', '.join(step.name for step in steps)}.",
        )
    for state in ("failed", "running"):
        for step in ran:
            if step.state == state:
                return step
    if not ran:
        raise BertworksError("No step of this run has run yet.", "Try `bertworks runs show`.")
    return ran[-1]


def _retried(run: Any) -> datetime | None:
    """When a run that had ended went on; None: it never did."""
    states = [str(status.state) for status in run.state_history or []]
    for number in range(len(states) - 1, 0, -1):
        if states[number - 1] in ENDED and states[number] not in ENDED:
            return time_of(run.state_history[number].update_time)
    return None


def _await_again(steps: list[RunStep], retried: datetime | None) -> None:
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


def _guessed(tasks: list[Any]) -> Iterator[RunStep]:
    """The steps by the nodes' names alone: whatever has a driver."""
    names = {task.display_name or "" for task in tasks}
    began = {task.display_name: time_of(task.start_time) for task in tasks}
    steps = [name.removesuffix("-driver") for name in names if name.endswith("-driver")]
    epoch = datetime.fromtimestamp(0, UTC)
    for name in sorted(steps, key=lambda one: (began.get(f"{one}-driver") or epoch, one)):
        if name != "root":
            yield RunStep(name=name, task=name, path=(name,))


def _fill(step: RunStep, named: dict[str, list[Any]], skipped: bool, run_state: str) -> None:
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
