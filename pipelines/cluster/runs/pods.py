"""A run's pods: what they wait for, and why they ended.

They carry KFP's label `pipeline/runid`, and those of our steps `app.kubernetes.io/component`; the others
are KFP's own, its drivers, without which no step begins.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pipelines.cluster.kfp.connection import Connection
from pipelines.cluster.kube.client import SECONDS, why

RUN_LABEL = "pipeline/runid"
STEP_LABEL = "app.kubernetes.io/component"
NODE = "workflows.argoproj.io/node-name"
CONTAINER = "main"
STUCK = frozenset(
    {
        "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull",
        "CreateContainerConfigError", "CreateContainerError", "RunContainerError",
        "CrashLoopBackOff",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Pod:
    """One attempt of a step, or of what KFP runs beside it.

    Attributes:
        step: The step's name; empty for a pod of KFP's own.
        node: Argo's name of what it does: "ingest-driver".
        waits: Why it does not start: an image that cannot be pulled, no node to run on; else empty.
        killed: Why it was ended from outside: out of memory, evicted; else empty.
        broken: The container beside the main one that failed, Argo's "init" or "wait"; else empty.
        said: What that container said at its end.
    """

    name: str
    step: str
    node: str
    phase: str
    created: str
    waits: str
    killed: str
    exit_code: int | None
    broken: str = ""
    said: str = ""


def pods_of(connection: Connection, run_id: str) -> list[Pod]:
    """The pods of a run's steps, the oldest first.

    Raises:
        EnvironmentFault: There is no kubeconfig, or it does not let us look.
    """
    return [pod for pod in all_pods(connection, run_id) if pod.step]


def all_pods(connection: Connection, run_id: str) -> list[Pod]:
    """All pods of a run, the oldest first.

    Raises:
        EnvironmentFault: There is no kubeconfig, or it does not let us look.
    """
    from kubernetes import client

    api = connection.kube()
    try:
        found = client.CoreV1Api(api).list_namespaced_pod(
            connection.namespace, label_selector=f"{RUN_LABEL}={run_id}", _request_timeout=SECONDS
        )
    except Exception as error:
        raise why(error) from None
    return sorted((_pod(one) for one in found.items), key=lambda pod: pod.created)


def _pod(one: Any) -> Pod:
    status = one.status
    containers = [*(status.init_container_statuses or []), *(status.container_statuses or [])]
    main = next((c for c in status.container_statuses or [] if c.name == CONTAINER), None)
    ended = main and main.state and main.state.terminated
    broken, said = _broken(containers) if not (ended and ended.exit_code) else ("", "")
    node = (one.metadata.annotations or {}).get(NODE, "").rpartition(".")[2]
    return Pod(
        name=one.metadata.name,
        step=(one.metadata.labels or {}).get(STEP_LABEL, ""),
        node=re.sub(r"(\(\d+\))+$", "", node) or one.metadata.name,
        phase=status.phase or "",
        created=str(one.metadata.creation_timestamp or ""),
        waits=_waits(status, containers) if status.phase == "Pending" else "",
        killed=_killed(status, ended),
        exit_code=ended.exit_code if ended else None,
        broken=broken,
        said=said,
    )


def _broken(containers: list[Any]) -> tuple[str, str]:
    for one in containers:
        ended = one.state and one.state.terminated
        if one.name != CONTAINER and ended and ended.exit_code:
            return one.name, ended.message or ""
    return "", ""


def _waits(status: Any, containers: list[Any]) -> str:
    for container in containers:
        waiting = container.state and container.state.waiting
        if waiting and waiting.reason in STUCK:
            return f"{waiting.reason}: {short(waiting.message or container.image)}"
    for condition in status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"{condition.reason}: {short(condition.message or '')}"
    return ""


def _killed(status: Any, ended: Any) -> str:
    if ended and ended.reason == "OOMKilled":
        return (
            "the pod ran out of memory and was killed (OOMKilled)\n"
            "  fix: Raise `memory` of the step in resources.steps, or lower its batch_size."
        )
    if status.reason in ("Evicted", "DeadlineExceeded", "NodeLost", "Preempting", "Shutdown"):
        return f"the pod was ended from outside ({status.reason}): {short(status.message or '')}"
    return ""


def short(text: str, limit: int = 240) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= limit else f"{plain[: limit - 3]}..."
