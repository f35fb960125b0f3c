"""The logs of a run's pods, and what steps say at their ends.

A pod may be gone: its log is then in KFP's object store, which the Kubeflow UI reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bertworks.errors import EnvironmentFault
from bertworks.notices import Notice, from_log
from pipelines.cluster.kfp.connection import Connection
from pipelines.cluster.kfp.faults import Answer
from pipelines.cluster.kfp.transport import LOGS
from pipelines.cluster.kube.client import SECONDS, why
from pipelines.cluster.runs.declared import RunStep
from pipelines.cluster.runs.pods import CONTAINER, all_pods, pods_of

TAILS = (500, 5000, None)
"""Lines of a log's end that are read in turn, until a step's last line is among them."""


@dataclass(frozen=True)
class StepReport:
    """What a step that succeeded said at its end."""

    metrics: dict[str, float]
    notices: list[Notice]


def log_of(connection: Connection, run: Any, step: RunStep) -> str:
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


def reports_of(
    connection: Connection, run_id: str, steps: Sequence[RunStep], day: str = ""
) -> dict[str, StepReport]:
    """Step to what it reported, of those that have succeeded: the last lines of its own in its log.

    KFP keeps the numbers where its API does not reach. Its launcher says a hundred lines more after the
    step's last, so that the log is read backwards. Of a pod that is gone the archive has the log.

    Args:
        day: When the run was made, as the Kubeflow UI wants to know it: 2026-11-26.

    Raises:
        EnvironmentFault: Neither the pods nor the archive can be read.
    """
    wanted = [step for step in steps if step.state == "succeeded"]
    found: dict[str, StepReport] = {}
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


def _report(step: str, log: str) -> StepReport | None:
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
    return StepReport(metrics, from_log(step, log))


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
