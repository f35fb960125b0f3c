"""A run's pods: what they wait for, why they ended, their logs.

They carry KFP's label `pipeline/runid`, and those of our steps `app.kubernetes.io/component`; the others
are KFP's own, its drivers, without which no step begins. A pod may be gone: its log is then in KFP's
object store, which the Kubeflow UI reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bertworks.errors import EnvironmentFault
from bertworks.notices import Notice, from_log
from pipelines.cluster.kfp.connection import Connection
from pipelines.cluster.kfp.transport import LOGS, Answer
from pipelines.cluster.kube.client import SECONDS, why
from pipelines.cluster.runs.steps import Step

RUN_LABEL = "pipeline/runid"
STEP_LABEL = "app.kubernetes.io/component"
NODE = "workflows.argoproj.io/node-name"
CONTAINER = "main"
TAILS = (500, 5000, None)
"""Lines of a log's end that are read in turn, until a step's last line is among them."""
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


def hindrances(connection: Connection, run_id: str) -> dict[str, str]:
    """Step, or pod of KFP's own, to what keeps it: it does not start, or fails by no fault of its own.

    Raises:
        EnvironmentFault: There is no kubeconfig, or it does not let us look.
    """
    found: dict[str, str] = {}
    others: dict[str, list[Pod]] = {}
    for pod in all_pods(connection, run_id):
        if pod.waits:
            found[pod.step or pod.node] = f"waits: {pod.waits} {_remedy(pod)}"
        else:
            others.setdefault(pod.step or pod.node, []).append(pod)
    for node, pods in others.items():
        # A step's own failure is its reason, which is asked for at the end.
        failed = [
            pod
            for pod in pods
            if pod.phase == "Failed" and (pod.broken or pod.killed or not pod.step)
        ]
        if failed and pods[-1].phase != "Succeeded" and node not in found:
            times = f" {len(failed)} times" if len(failed) > 1 else ""
            try:
                why_ = cause(connection, failed[-1]).partition("\n")[0]
            except EnvironmentFault as error:
                why_ = f"its log cannot be read: {error.message}"
            found[node] = f"failed{times}: {_short(why_)}"
    return found


def own_log(connection: Connection, run_id: str, node: str) -> Iterator[str]:
    """The log of the last pod of KFP's own for a node: root-driver, ingest-driver.

    Raises:
        EnvironmentFault: There is none, or it cannot be read.
    """
    own = [pod for pod in all_pods(connection, run_id) if not pod.step]
    mine = [pod for pod in own if pod.node == node]
    if not mine:
        there = ", ".join(sorted({pod.node for pod in own})) or "none"
        raise EnvironmentFault(
            f"The run has no pod of Kubeflow's own that is called {node}; there is: {there}.",
            "Pods are removed some time after their run; name a step for its archived log.",
        )
    yield from lines(
        connection, mine[-1].name, follow=False, container=mine[-1].broken or CONTAINER
    )


def cause(connection: Connection, pod: Pod) -> str:
    """Why a pod failed, as far as it shows: what ended it, its last fatal line, the end of its log.

    Raises:
        EnvironmentFault: Its log may not be read.
    """
    if pod.killed:
        return pod.killed
    container = pod.broken or CONTAINER
    text = pod.said
    if not text:
        log = "".join(lines(connection, pod.name, follow=False, tail=200, container=container))
        # klog of KFP's driver and launcher; logfmt of Argo's containers.
        fatal = re.findall(r"^F\d{4} .*?\] (.*)$|level=(?:fatal|error) .*?msg=(.*)$", log, re.M)
        kept = [line for line in log.splitlines() if line.strip()][-3:]
        said = next((a or b for a, b in fatal[::-1]), " | ".join(kept))
        text = said.strip('"').replace('\\"', '"')
    return f"{_short(text, 600) or 'its log is empty'}{_advice(text)}"


def _advice(text: str) -> str:
    if re.search(r"forbidden|cannot (?:create|get|patch|list) resource", text):
        return (
            "\n  fix: Give the run's service account its rights (kubectl apply -k k8s/base), or name "
            "another one: resources.service_account; `bertworks doctor` lists what is missing."
        )
    if re.search(
        r"NoSuchBucket|bucket.*(?:not exist|not found)|(?:open|access).*bucket", text, re.I
    ):
        return (
            "\n  fix: Make the bucket of KFP's pipeline root (the ConfigMap kfp-launcher, and "
            "mlpipeline-minio-artifact for its password), or name one that is there."
        )
    return ""


@dataclass(frozen=True)
class Report:
    """What a step that succeeded said at its end."""

    metrics: dict[str, float]
    notices: list[Notice]


def reports_of(
    connection: Connection, run_id: str, steps: Sequence[Step], day: str = ""
) -> dict[str, Report]:
    """Step to what it reported, of those that have succeeded: the last lines of its own in its log.

    KFP keeps the numbers where its API does not reach. Its launcher says a hundred lines more after the
    step's last, so that the log is read backwards. Of a pod that is gone the archive has the log.

    Args:
        day: When the run was made, as the Kubeflow UI wants to know it: 2026-11-26.

    Raises:
        EnvironmentFault: Neither the pods nor the archive can be read.
    """
    wanted = [step for step in steps if step.state == "succeeded"]
    found: dict[str, Report] = {}
    trouble: EnvironmentFault | None = None
    try:
        for pod in pods_of(connection, run_id) if wanted else []:
            if pod.step in {step.name for step in wanted}:
                for tail in TAILS:
                    log = "".join(lines(connection, pod.name, follow=False, tail=tail))
                    if report := _report(pod.step, log):
                        found[pod.step] = report
                    if report or not tail or log.count("\n") < tail:
                        break
    except EnvironmentFault as error:
        trouble = error
    for step in wanted:
        for name in step.pods[::-1] if step.name not in found else ():
            try:
                log = _from_ui(connection, name, day) or ""
            except EnvironmentFault:  # no Kubeflow UI at this address
                if trouble:
                    raise trouble from None
                return found
            if report := _report(step.name, log):
                found[step.name] = report
                break
    return found


def _report(step: str, log: str) -> Report | None:
    ended = list(re.finditer(rf"^step {re.escape(step)} succeeded .*?: ?(.*)$", log, re.M))
    if not ended:
        return None
    metrics = {}
    for pair in re.split(r", (?=[^,=]+=)", ended[-1].group(1)):
        name, _, value = pair.rpartition("=")
        try:
            metrics[name] = float(value)
        except ValueError:
            continue
    return Report(metrics, from_log(step, log))


def _remedy(pod: Pod) -> str:
    if "Image" in pod.waits.split(":")[0]:
        return "(is the image in the registry, and resources.image right? image_pull_secrets?)"
    if pod.waits.startswith("Unschedulable") and pod.step:
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
        try:
            shown = _from_ui(connection, name, day)
        except EnvironmentFault:
            break
        if shown is not None:
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
    connection: Connection,
    pod: str,
    *,
    follow: bool,
    tail: int | None = None,
    container: str = CONTAINER,
) -> Iterator[str]:
    """The log of a pod's container, as it comes.

    Raises:
        EnvironmentFault: The Kubernetes API does not give it.
    """
    from kubernetes import client

    core = client.CoreV1Api(connection.kube())
    try:
        answer = core.read_namespaced_pod_log(
            pod,
            connection.namespace,
            container=container,
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
    """A pod's log as the Kubeflow UI gives it, from the archive too; None when it has none.

    Raises:
        EnvironmentFault: The address of KFP is not that of its UI, or of Kubeflow's gateway.
    """
    api = connection.client._run_api.api_client
    query = [("podname", pod), ("podnamespace", connection.namespace), ("createdat", day)]
    try:
        text: str = api.call_api(
            LOGS, "GET", query_params=query, response_type="str",
            auth_settings=["Bearer"], header_params={"Accept": "text/plain"},
            _return_http_data_only=True,
        )  # fmt: skip
    except Answer as error:
        if error.passing:  # what the UI says of a log that it does not find
            return None
        raise
    if re.match(r"\s*<(!doctype|html)", text, re.I):
        raise EnvironmentFault(f"{connection.host} has no logs.", "Open the run's page.")
    return text
