"""What runs the pipelines and serves the models: KFP's parts, retry policy, KServe, scheduler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import yaml

from bertworks.errors import BertworksError
from pipelines.cluster.doctor.checks.base import SYSTEM_NAMESPACE, Case, Finding, listed

PARTS = (
    "ml-pipeline",
    "ml-pipeline-persistenceagent",
    "ml-pipeline-scheduledworkflow",
    "workflow-controller",
)
CONTROLLER_SETTINGS = "workflow-controller-configmap"
APPLY_POLICY = (
    "kubectl -n kubeflow patch configmap workflow-controller-configmap --patch-file "
    "k8s/components/preemption/workflow-defaults.yaml (read the README.md beside it first)"
)


def check_parts(case: Case) -> Iterator[Finding]:
    """KFP's deployments have a ready pod."""
    path = f"/apis/apps/v1/namespaces/{SYSTEM_NAMESPACE}/deployments"
    there = {item["metadata"]["name"]: item for item in case.reader.list(path)}
    if "ml-pipeline" not in there:
        yield Finding(
            "KFP's parts",
            "warning",
            f"not in the namespace {SYSTEM_NAMESPACE} of this cluster",
            "Is this kubeconfig that of KFP's cluster? kubectl config current-context",
        )
        return
    down = [
        name
        for name in PARTS
        if name not in there or not (there[name].get("status") or {}).get("readyReplicas")
    ]
    image = there["ml-pipeline"]["spec"]["template"]["spec"]["containers"][0].get("image", "")
    tag = image.partition("@")[0].rpartition(":")[2]
    if down:
        yield Finding(
            "KFP's parts",
            "error",
            f"not ready: {listed(down)} (ml-pipeline {tag})",
            f"kubectl -n {SYSTEM_NAMESPACE} describe deployment {down[0]}",
        )
    else:
        yield Finding("KFP's parts", "ok", f"ready; ml-pipeline {tag}")


def check_retries(case: Case) -> Iterator[Finding]:
    """Whether pods that are taken away are tried again, and what else is."""
    wanting = [need.step for need in case.needs if need.retries]
    path = f"/api/v1/namespaces/{SYSTEM_NAMESPACE}/configmaps/{CONTROLLER_SETTINGS}"
    found = case.reader.find(path)
    if found is None:
        yield Finding(
            "retries",
            "skipped",
            f"not checked: there is no {CONTROLLER_SETTINGS} in {SYSTEM_NAMESPACE}",
        )
        return
    strategy = retry_strategy(found.get("data") or {})
    policy, meaning, good = verdict(strategy)
    text = f"policy of the workflow controller: {policy}; {meaning}"
    if good or not wanting:
        note = "" if wanting or case.spec is None else " (no step of the spec asks for retries)"
        yield Finding("retries", "ok", text + note)
        return
    yield Finding("retries", "warning", f"{text} (asked for by {listed(wanting)})", APPLY_POLICY)


@dataclass(frozen=True)
class RetryStrategy:
    """Which failures Argo tries again, as its settings have it; empty where they do not say."""

    policy: str = ""
    expression: str = ""


def retry_strategy(data: Mapping[str, str]) -> RetryStrategy:
    """The retry strategy that the controller merges into every template."""
    text = data.get("workflowDefaults")
    try:
        if text is None:  # the older form: all settings in one key
            text = yaml.safe_dump((yaml.safe_load(data.get("config") or "") or {}).get(
                "workflowDefaults"))  # fmt: skip
        spec = (yaml.safe_load(text) or {}).get("spec") or {}
        said = (spec.get("templateDefaults") or {}).get("retryStrategy") or {}
        return RetryStrategy(str(said.get("retryPolicy") or ""), str(said.get("expression") or ""))
    except (yaml.YAMLError, AttributeError):
        return RetryStrategy()


def verdict(strategy: RetryStrategy) -> tuple[str, str, bool]:
    """(policy, what it means for a task with retries, whether preemptions alone are tried again).

    KFP compiles a task's retries without a policy, so that the controller's default counts. To Argo a
    pod that vanished is an Error; one that ended, also because its node said so, is a Failure.
    """
    policy = strategy.policy or ("Always" if strategy.expression else "OnFailure")
    if strategy.expression:
        text = " ".join(strategy.expression.split())
        return (
            policy,
            f"only where {text[:120]}{'...' if len(text) > 120 else ''}",
            policy == "Always",
        )
    meanings = {
        "OnFailure": "a step that fails is tried again (and ends at once with the same message), a pod "
        "that vanishes with its node is not",
        "OnError": "a pod that is deleted, with its node or by an eviction through the API, is tried "
        "again, one that its node tells to end (preemption, pressure) is not",
        "OnTransientError": "only what matches the controller's TRANSIENT_ERROR_PATTERN is tried again",
        "Always": "whatever ends a pod, it is tried again (a step that fails ends at once with the same "
        "message)",
    }
    return policy, meanings.get(policy, "not a policy of Argo"), policy == "Always"


def check_kserve(case: Case) -> Iterator[Finding]:
    """KServe, as far as the spec wants it."""
    there = case.reader.find("/apis/serving.kserve.io") is not None
    wanted = case.spec.serve.deploy.kind if case.spec else "auto"
    if there:
        used = "an InferenceService" if wanted != "deployment" else "a Deployment, as the spec says"
        yield Finding("KServe", "ok", f"there; `deploy` makes {used}")
    elif wanted == "kserve":
        yield Finding(
            "KServe",
            "error",
            "not there, and serve.deploy.kind is kserve",
            "Install KServe, or set serve.deploy.kind: auto.",
        )
    else:
        yield Finding("KServe", "ok", "not there; `deploy` makes a Deployment and a Service")


def check_schedule(case: Case) -> Iterator[Finding]:
    """The clock that scheduled runs go by, and whether the spec's times can be kept on it."""
    from pipelines.cluster.schedule.cron import parse
    from pipelines.cluster.schedule.scheduler import read_zone
    from pipelines.cluster.schedule.zones import place

    clock = read_zone(case.reader.api)
    wanted = case.spec.schedule if case.spec else None
    if wanted is None or wanted.cron is None:
        yield Finding("scheduler", "ok", f"its clock is {clock}")
        return
    try:
        placed = place(parse(wanted.cron), wanted.timezone, clock, datetime.now(UTC))
    except BertworksError as error:
        yield Finding("scheduler", "warning", error.message, error.fix)
        return
    following = next(iter(placed.next(1)), None)
    when = f"{following:%a %d %b %H:%M} UTC" if following else "never"
    yield Finding(
        "scheduler",
        "ok",
        f"its clock is {clock}; {wanted.cron} ({wanted.timezone}) is next at {when}",
    )
