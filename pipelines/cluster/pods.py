"""A run's pods: what they wait for, why they ended, their logs.

They carry KFP's label `pipeline/runid`, and those of our steps `app.kubernetes.io/component`. A pod may
be gone: its log is then in KFP's object store, which the Kubeflow UI reads.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from bertworks.errors import EnvironmentFault
from bertworks.notices import Notice, from_log
from pipelines.cluster.connection import Connection
from pipelines.cluster.kube import SECONDS, why
from pipelines.cluster.steps import Step

RUN_LABEL = "pipeline/runid"
STEP_LABEL = "app.kubernetes.io/component"
CONTAINER = "main"
REPORT_LINES = 500
STUCK = frozenset(
    {
        "ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull",
        "CreateContainerConfigError", "CreateContainerError", "RunContainerError",
        "CrashLoopBackOff",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Pod:
    """One attempt of a step.

    Attributes:
        waits: Why it does not start: an image that cannot be pulled, no node to run on; else empty.
        killed: Why it was ended from outside: out of memory, evicted; else empty.
    """

    name: str
    step: str
    phase: str
    created: str
    waits: str
    killed: str
    exit_code: int | None


def pods_of(connection: Connection, run_id: str) -> list[Pod]:
    """The pods of a run's steps, the oldest first.

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
    pods = [_pod(one) for one in found.items if STEP_LABEL in (one.metadata.labels or {})]
    return sorted(pods, key=lambda pod: pod.created)


def _pod(one: Any) -> Pod:
    status = one.status
    containers = [*(status.init_container_statuses or []), *(status.container_statuses or [])]
    main = next((c for c in status.container_statuses or [] if c.name == CONTAINER), None)
    ended = main and main.state and main.state.terminated
    return Pod(
        name=one.metadata.name,
        step=one.metadata.labels[STEP_LABEL],
        phase=status.phase or "",
        created=str(one.metadata.creation_timestamp or ""),
        waits=_waits(status, containers) if status.phase == "Pending" else "",
        killed=_killed(status, ended),
        exit_code=ended.exit_code if ended else None,
    )


def _waits(status: Any, containers: list[Any]) -> str:
    for container in containers:
        waiting = container.state and container.state.waiting
        if waiting and waiting.reason in STUCK:
            return f"{waiting.reason}: {_short(waiting.message or container.image)}"
    for condition in status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return f"{condition.reason}: {_short(condition.message or '')}"
    return ""


def _killed(status: Any, ended: Any) -> str:
    if ended and ended.reason == "OOMKilled":
        return (
            "the pod ran out of memory and was killed (OOMKilled)\n"
            "  fix: Raise `memory` of the step in resources.steps, or lower its batch_size."
        )
    if status.reason in ("Evicted", "DeadlineExceeded", "NodeLost", "Preempting", "Shutdown"):
        return f"the pod was ended from outside ({status.reason}): {_short(status.message or '')}"
    return ""


def _short(text: str, limit: int = 240) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= limit else f"{plain[: limit - 3]}..."


def waiting(connection: Connection, run_id: str) -> dict[str, str]:
    """Step to why its pod does not start, with what to do.

    Raises:
        EnvironmentFault: There is no kubeconfig, or it does not let us look.
    """
    pods = pods_of(connection, run_id)
    return {pod.step: f"{pod.waits} {_remedy(pod)}" for pod in pods if pod.waits}


@dataclass(frozen=True)
class Report:
    """What a step that succeeded said at its end."""

    metrics: dict[str, float]
    notices: list[Notice]


def reports_of(
    connection: Connection, run_id: str, steps: Collection[str] | None = None
) -> dict[str, Report]:
    """Step to what it reported, of all steps or of some: the last lines of its own in its log.

    KFP itself keeps the numbers where its API does not reach, and its launcher says a hundred lines
    more after the step's last.

    Raises:
        EnvironmentFault: There is no kubeconfig, or it does not let us look.
    """
    found = {}
    for pod in pods_of(connection, run_id):
        if pod.phase == "Succeeded" and (steps is None or pod.step in steps):
            log = "".join(lines(connection, pod.name, follow=False, tail=REPORT_LINES))
            if match := re.search(rf"^step {re.escape(pod.step)} succeeded .*?: (.*)$", log, re.M):
                pairs = (pair.partition("=") for pair in match.group(1).split(", ") if pair)
                metrics = {name: float(value) for name, _, value in pairs}
                found[pod.step] = Report(metrics, from_log(pod.step, log))
    return found


def _remedy(pod: Pod) -> str:
    if "Image" in pod.waits.split(":")[0]:
        return "(is the image in the registry, and resources.image right? image_pull_secrets?)"
    if pod.waits.startswith("Unschedulable"):
        return f"(no node fits: see resources.steps.{pod.step}; `bertworks doctor` lists nodes)"
    return f"(kubectl describe pod {pod.name})"


def log_of(connection: Connection, run: Any, step: Step) -> str:
    """The log of a step's last attempt, from its pod or from KFP's object store.

    Raises:
        EnvironmentFault: It cannot be had; says where it is.
    """
    reasons, run_id = [], str(run.run_id)
    try:
        pods = [pod for pod in pods_of(connection, run_id) if pod.step == step.name]
        if pods:
            return "".join(lines(connection, pods[-1].name, follow=False))
        reasons.append("its pod is gone")
    except EnvironmentFault as error:
        reasons.append(error.message.rstrip("."))
    day = f"{run.created_at:%Y-%m-%d}" if run.created_at else ""
    for name in step.pods[::-1]:
        if (shown := _from_ui(connection, name, day)) is not None:
            return shown
    if step.pods:
        reasons.append("the Kubeflow UI does not have it at this address")
    raise EnvironmentFault(
        f"The log of {step.name} cannot be had: {'; '.join(reasons)}.",
        f"Open {connection.run_link(run_id)}, click the step, and then Logs"
        f"{f' (first: {connection.hint})' if connection.hint else ''}; archived logs lie in KFP's "
        "object store (SeaweedFS or S3), in the workflow's folder, as main.log.",
    )


def lines(
    connection: Connection, pod: str, *, follow: bool, tail: int | None = None
) -> Iterator[str]:
    """The log of a pod's main container, as it comes.

    Raises:
        EnvironmentFault: The Kubernetes API does not give it.
    """
    from kubernetes import client

    core = client.CoreV1Api(connection.kube())
    try:
        answer = core.read_namespaced_pod_log(
            pod,
            connection.namespace,
            container=CONTAINER,
            follow=follow,
            **({"tail_lines": tail} if tail else {}),
            _preload_content=False,
            _request_timeout=(SECONDS[0], None) if follow else SECONDS,
        )
        rest = b""
        for chunk in answer.stream(decode_content=True):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                yield line.decode("utf-8", "replace") + "\n"
        if rest:
            yield rest.decode("utf-8", "replace") + "\n"
    except Exception as error:
        raise why(error) from None


def _from_ui(connection: Connection, pod: str, day: str) -> str | None:
    """A pod's log as the Kubeflow UI gives it, from the archive too; None when it does not.

    Only where the address of KFP is that of its UI, or of Kubeflow's gateway.
    """
    api = connection.client._run_api.api_client
    query = [("podname", pod), ("podnamespace", connection.namespace), ("createdat", day)]
    try:
        text: str = api.call_api(
            "/k8s/pod/logs", "GET", query_params=query, response_type="str",
            auth_settings=["Bearer"], header_params={"Accept": "text/plain"},
            _return_http_data_only=True,
        )  # fmt: skip
    except EnvironmentFault:
        return None
    return None if re.match(r"\s*<(!doctype|html)", text, re.I) else text
