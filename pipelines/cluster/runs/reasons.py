"""Why a run failed: the failing step's own words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from bertworks.errors import EnvironmentFault, GateRefused
from pipelines.boxes import TABLE
from pipelines.cluster.kfp.connection import Connection
from pipelines.cluster.runs.declared import Declared, RunStep
from pipelines.cluster.runs.hindrances import cause
from pipelines.cluster.runs.logs import lines, log_of
from pipelines.cluster.runs.pods import Pod, all_pods
from pipelines.cluster.runs.steps import DRIVER_FAILED
from pipelines.cluster.runs.workflows import workflow_of

# What components/launch.py prints, and what KFP's launcher says when a step's process has ended. (Argo
# adds a line of its own, with the launcher's status.)
# A message may go on in indented lines: a gate's reasons, what to do.
SAID = re.compile(r"^step (?P<task>[\w-]+) failed: (?P<message>.*(?:\n[ \t]+\S.*)*)", re.M)
ENDED_BY_SIGNAL = re.compile(
    r"failed to execute .*(?:signal: (?:terminated|killed)|exit status 1(?:43|37)\b)"
)
STATUS = re.compile(r"failed to execute .*exit status (\d+)")
GATES = frozenset(box.name for box in TABLE if box.refuses)
NOTHING_BEGAN = (
    "it failed before any step began, and neither Kubeflow nor a pod says why\n  fix: Open the run's "
    "page; with a kubeconfig (KUBECONFIG) the pods of Kubeflow's own drivers are read from here."
)


@dataclass(frozen=True)
class Reason:
    """Why a step failed.

    Attributes:
        step: The step's name; empty when the run failed before any.
        message: What is wrong and what to do about it.
        exit_code: The step's, where it is known.
        gate: Whether it is a gate's refusal, which is an answer and not a fault.
    """

    step: str
    message: str
    exit_code: int | None = None
    gate: bool = False


def reason_of(
    connection: Connection, run: Any, steps: list[RunStep], declared: Declared | None
) -> Reason:
    """The reason of a failed run, from where it can be had: the kept reasons, the pods, KFP itself."""
    root = declared.failures if declared else None
    failed = sorted(
        (step for step in steps if step.state == "failed"),
        key=lambda step: (step.ended is None, step.ended and step.ended.timestamp()),
    )
    run_id = str(run.run_id)
    if not failed:
        said = (run.error and run.error.message) or _of_history(run)
        return (
            _of_driver(connection, run_id, "")
            or _of_workflow(connection, run_id)
            or Reason("", said or NOTHING_BEGAN)
        )
    first = failed[0]
    if first.note == DRIVER_FAILED:
        driver = f"{first.task}-driver"
        told = _of_driver(connection, run_id, driver) or _of_workflow(connection, run_id, driver)
        if told is not None:
            return Reason(first.name, f"{DRIVER_FAILED}: {told.message}")
    return (
        _kept(root, run_id, [step.name for step in failed])
        or _of_pod(connection, run_id, first)
        or _of_archive(connection, run, first)
        or Reason(first.name, first.note or _of_history(run) or _nothing_known(run, first, root))
    )


def parse(step: str, log: str) -> Reason | None:
    """The reason in a step's log: the last one, since a retry repeats it."""
    found = list(SAID.finditer(log))
    status = STATUS.findall(log)
    code = int(status[-1]) if status else None
    if not found:
        return None
    message = found[-1]["message"].rstrip()
    gate = code == GateRefused.exit_code if code is not None else step in GATES
    return Reason(step, message, code, gate)


def _kept(root: str | None, run_id: str, steps: list[str]) -> Reason | None:
    """From the kept reasons, where this machine can read them: in a bucket, or inside the cluster."""
    from bertworks import failures

    if root is None:
        return None
    try:
        found = failures.read(root, run_id)
    except Exception:  # fsspec's drivers have errors of their own; there are other ways to know
        return None
    for one in found:
        if one.task in steps:
            return Reason(one.task, one.message, one.exit_code, one.kind == "gate")
    return None


def _of_pod(connection: Connection, run_id: str, step: RunStep) -> Reason | None:
    try:
        pods = [pod for pod in all_pods(connection, run_id) if pod.step == step.name]
        if not pods:
            return None
        last = pods[-1]
        if last.killed:
            return Reason(step.name, last.killed, last.exit_code)
        if last.broken:
            return Reason(step.name, _beside(connection, last), last.exit_code)
        log = "".join(lines(connection, last.name, follow=False, tail=500))
    except EnvironmentFault:
        return None
    return parse(step.name, log) or _last_lines(step, log)


def _beside(connection: Connection, pod: Pod) -> str:
    return f"Argo's container {pod.broken} of its pod failed: {cause(connection, pod)}"


def _of_driver(connection: Connection, run_id: str, node: str) -> Reason | None:
    """From the last pod of KFP's own that failed: of one node, or of any."""
    try:
        pods = [
            pod
            for pod in all_pods(connection, run_id)
            if not pod.step and pod.phase == "Failed" and node in ("", pod.node)
        ]
        if not pods:
            return None
        last = pods[-1]
        said = _beside(connection, last) if last.broken else cause(connection, last)
    except EnvironmentFault:
        return None
    tries = sum(pod.node == last.node for pod in pods)
    return Reason(last.node, f"{f'tried {tries} times: ' if tries > 1 else ''}{said}")


def _of_workflow(connection: Connection, run_id: str, node: str = "") -> Reason | None:
    """From Argo's own record: of pods that could not even be made, there is nothing else."""
    try:
        found = workflow_of(connection, run_id)
    except EnvironmentFault:
        return None
    for one, message in found.messages if found else ():
        if node in ("", one):
            return Reason(one, message)
    return None


def _last_lines(step: RunStep, log: str) -> Reason | None:
    """A step that died without a word of its own: a signal, or the end of its log."""
    if ENDED_BY_SIGNAL.search(log):
        return Reason(
            step.name,
            "it was ended from outside: the run was cancelled, or its node was taken away\n"
            "  fix: `bertworks runs retry` goes on from the last checkpoint.",
        )
    kept = [line for line in log.splitlines() if line.strip()][-5:]
    return Reason(step.name, "its log ends:\n  " + "\n  ".join(kept)) if kept else None


def _of_archive(connection: Connection, run: Any, step: RunStep) -> Reason | None:
    try:
        log = log_of(connection, run, step)
    except EnvironmentFault:
        return None
    return parse(step.name, log) or _last_lines(step, log)


def _of_history(run: Any) -> str:
    for status in reversed(run.state_history or []):
        if status.error is not None and status.error.message:
            return str(status.error.message)
    return ""


def _nothing_known(run: Any, step: RunStep, root: str | None) -> str:
    place = f"; on the cluster it lies in {root}/{run.run_id}/{step.name}.json" if root else ""
    return (
        "why, Kubeflow does not say, and its pod's log is out of reach from here"
        f"{place}\n  fix: Give a kubeconfig (KUBECONFIG), or open the run's page."
    )
