"""May we, and may the pods of a run, do what is needed: by access reviews."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipelines.cluster.doctor.checks.base import SYSTEM_NAMESPACE, Case, Finding, listed

PIPELINES = "pipelines.kubeflow.org"


@dataclass(frozen=True)
class Right:
    """Verbs on a resource; `name` narrows it to one object."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    name: str = ""

    def attributes(self, verb: str, namespace: str) -> dict[str, str]:
        """As an access review has them."""
        resource, _, sub = self.resource.partition("/")
        return {
            "verb": verb,
            "group": self.group,
            "resource": resource,
            "namespace": namespace,
            **({"subresource": sub} if sub else {}),
            **({"name": self.name} if self.name else {}),
        }


DEPLOY = (
    Right("apps", "deployments", ("get", "create", "patch")),
    Right("", "services", ("get", "create", "patch")),
    Right("autoscaling", "horizontalpodautoscalers", ("get", "create", "patch")),
    Right("policy", "poddisruptionbudgets", ("get", "create", "patch")),
)
KSERVE = Right("serving.kserve.io", "inferenceservices", ("get", "create", "patch"))
FORWARD = (
    Right("", "services", ("get",)),
    Right("", "pods", ("list",)),
    Right("", "pods/portforward", ("get", "create")),  # get: over a websocket
)
LOOK = (Right("", "pods", ("get", "list")), Right("", "pods/log", ("get",)))
# What KFP asks for in multi-user mode; in single-user mode whoever reaches it may do all.
MULTI_USER = (
    Right(PIPELINES, "pipelines", ("create", "get", "list")),
    Right(PIPELINES, "experiments", ("create", "get", "list")),
    Right(PIPELINES, "runs", ("create", "get", "list", "terminate", "retry")),
    Right(PIPELINES, "jobs", ("create", "get", "list", "enable", "disable", "delete")),
)
# As in k8s/base/role-runs.yaml.
OF_RUNS = (
    Right("argoproj.io", "workflowtaskresults", ("create", "patch")),
    Right("", "pods", ("get",)),
    Right("", "configmaps", ("get",), "kfp-launcher"),
)


def check_namespace(case: Case) -> Iterator[Finding]:
    """The namespace of the runs is there."""
    found = case.reader.find(f"/api/v1/namespaces/{case.namespace}")
    if found is None:
        yield Finding(
            "namespace",
            "error",
            f"{case.namespace} does not exist",
            "Check --namespace and KFP_NAMESPACE; standalone KFP runs in kubeflow.",
        )
        return
    if (found.get("status") or {}).get("phase") == "Terminating":
        yield Finding(
            "namespace", "error", f"{case.namespace} is being deleted", "Use another one."
        )
        return
    yield Finding("namespace", "ok", case.namespace)


def check_account(case: Case) -> Iterator[Finding]:
    """The service account that the runs use is there."""
    name = case.resources.service_account
    path = f"/api/v1/namespaces/{case.namespace}/serviceaccounts/{name}"
    if case.reader.find(path) is None:
        yield Finding(
            "service account",
            "error",
            f"{name} is not in {case.namespace}: no pod of a run can start",
            "kubectl apply -k k8s/base (or the overlay that fits) creates it; or name another one: "
            "resources.service_account",
        )
    else:
        yield Finding("service account", "ok", name)


def check_own(case: Case) -> Iterator[Finding]:
    """What the commands need of us."""
    if case.forwards:
        yield _own(case, "reach KFP", FORWARD, SYSTEM_NAMESPACE, "error")
    yield _own(case, "see pods and logs", LOOK, case.namespace, "warning")
    if _multi_user(case):
        yield _own(case, "submit and schedule", MULTI_USER, case.namespace, "error")
    deploy = case.spec.serve.deploy.namespace if case.spec else None
    kserve = _has_kserve(case)
    rights = (*DEPLOY, KSERVE) if kserve else DEPLOY
    yield _own(case, "deploy", rights, deploy or case.namespace, "warning")


def _own(case: Case, purpose: str, rights: Sequence[Right], namespace: str, level: str) -> Finding:
    missing = [
        f"{verb} {right.resource}"
        for right in rights
        for verb in right.verbs
        if not case.reader.may(right.attributes(verb, namespace))
    ]
    topic = f"permission to {purpose}"
    if not missing:
        return Finding(topic, "ok", f"in {namespace}")
    return Finding(
        topic,
        level,  # type: ignore[arg-type]
        f"missing in {namespace}: {listed(missing, 6)}",
        "Ask who runs the cluster for a Role with these; "
        f"kubectl auth can-i {missing[0]} -n {namespace} shows one.",
    )


def check_of_runs(case: Case) -> Iterator[Finding]:
    """What the pods of a run need of their service account."""
    from kubernetes.client import ApiException

    account = case.resources.service_account
    user = f"system:serviceaccount:{case.namespace}:{account}"
    topic = f"permissions of {account}"
    rights = list(OF_RUNS)
    if case.spec is not None and case.spec.serve.deploy.enabled:
        rights += [*DEPLOY, KSERVE] if _has_kserve(case) else DEPLOY
    try:
        missing = [
            f"{verb} {right.resource}" + (f" {right.name}" if right.name else "")
            for right in rights
            for verb in right.verbs
            if not case.reader.may(right.attributes(verb, case.namespace), user)
        ]
    except ApiException as error:
        if error.status in (401, 403):
            text = "not checked: no permission to ask about others (subjectaccessreviews)"
            yield Finding(topic, "warning", text, "Have somebody with that right run `doctor`.")
            return
        raise
    if missing:
        yield Finding(
            topic,
            "error",
            f"missing in {case.namespace}: {listed(missing, 6)}",
            "kubectl apply -k k8s/base gives them (role-runs.yaml, role-deploy.yaml).",
        )
    else:
        yield Finding(topic, "ok", f"in {case.namespace}")


def _multi_user(case: Case) -> bool:
    """Whether KFP keeps namespaces apart: then its runs are not in its own."""
    return case.namespace != SYSTEM_NAMESPACE


def _has_kserve(case: Case) -> bool:
    return case.reader.find("/apis/serving.kserve.io") is not None
