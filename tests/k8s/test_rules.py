"""Every rule can fail: a set that keeps them all, broken in one place at a time."""

import copy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifest import matches, quantity
from rendering import parsed
from rules import RULES

GOOD = parsed((Path(__file__).parent / "good_manifests.yaml").read_text())
GONE = object()
POD = "spec.template.spec"
ONE = f"{POD}.containers.0"
PREDICTOR = "InferenceService spec.predictor"

# What is broken, with what, by which rule it is found, and with which words.
BROKEN: list[tuple[str, Any, str, str]] = [
    ("Deployment spec.replica", 2, "schema_valid", "replica"),
    ("Deployment spec.replicas", "two", "schema_valid", "two"),
    ("Service spec.ports.0.port", GONE, "schema_valid", "port"),
    ("Job apiVersion", "batch/v1beta9", "schema_valid", "no such kind"),
    ("ServiceMonitor apiVersion", "monitoring.coreos.com/v9", "schema_valid", "no such kind"),
    (f"{PREDICTOR}.minReplica", 1, "inference_services_valid", "minReplica"),
    (f"{PREDICTOR}.containers.0.name", "server", "inference_services_valid", "kserve-container"),
    (f"{PREDICTOR}.minReplicas", 9, "inference_services_valid", "above"),
    (f"{PREDICTOR}.model", {}, "inference_services_valid", "not both"),
    ("InferenceService spec.predict", {}, "inference_services_valid", "predict"),
    ("InferenceService metadata.name", "a" * 60, "inference_services_valid", "63"),
    ("ServiceMonitor spec.endpoints.0.port", "metrics", "monitors_resolve", "metrics"),
    ("ServiceMonitor spec.endpoints", [], "monitors_resolve", "no endpoints"),
    ("ServiceMonitor spec.selector.matchLabels.a", "b", "monitors_resolve", "selects nothing"),
    ("PodMonitor spec.selector.matchLabels.a", "b", "monitors_resolve", "selects nothing"),
    ("PodMonitor spec.podMetricsEndpoints.0.port", "x", "monitors_resolve", "no port x"),
    ("PodMonitor spec.podMetricsEndpoints", [], "monitors_resolve", "no endpoints"),
    ("PrometheusRule spec.groups.0.rules.0.expr", "sum(up", "alerts_valid", "expression"),
    ("PrometheusRule spec.groups.0.rules.0.for", "5 minutes", "alerts_valid", "5 minutes"),
    ("PrometheusRule spec.groups.0.rules.0.labels", {}, "alerts_valid", "severity"),
    ("PrometheusRule spec.groups.0.rules.0.annotations.summary", "", "alerts_valid", "summary"),
    ("PrometheusRule spec.groups.0.rules.0.record", "r", "alerts_valid", "alert or record"),
    ("ConfigMap data.board.json", "{", "dashboards_valid", "not JSON"),
    ("ConfigMap data.board.json", '{"title": "t", "uid": "u"}', "dashboards_valid", "panels"),
    (
        "ConfigMap data.board.json",
        '{"title": "t", "uid": "u", "panels": [{"id": 1, "title": "p"}]}',
        "dashboards_valid",
        "asks nothing",
    ),
    ("Deployment metadata.name", "Agent_1", "names_valid", "Agent_1"),
    ("Deployment metadata.name", "a" * 64, "names_valid", "not a valid name"),
    ("Service metadata.name", "1agent", "names_valid", "1agent"),
    (f"Deployment {ONE}.name", "the.server", "names_valid", "container name"),
    (f"Deployment {ONE}.ports.0.name", "a-name-much-too-long", "names_valid", "port name"),
    (f"Deployment {POD}.volumes.0.name", "da_ta", "names_valid", "volume name"),
    ("Service metadata.labels", {}, "labels_valid", "no label"),
    ("Service metadata.labels.a b", "c", "labels_valid", "a b"),
    ("Service metadata.labels.a", "-", "labels_valid", "'-'"),
    ("Service metadata.labels.a", True, "labels_valid", "True"),
    ("Service metadata.annotations", {"/x": "1"}, "labels_valid", "annotation"),
    (
        "Deployment spec.template.metadata.labels.app.kubernetes.io/component",
        GONE,
        "labels_valid",
        "component",
    ),
    ("Deployment spec.selector.matchLabels.a", "b", "selectors_match", "its own pods"),
    (
        f"Deployment {POD}.topologySpreadConstraints.0.labelSelector.matchLabels.a",
        "b",
        "selectors_match",
        "spreads",
    ),
    ("PodDisruptionBudget spec.selector.matchLabels.a", "b", "selectors_match", "no pod"),
    ("PodDisruptionBudget spec.minAvailable", 1, "selectors_match", "not both"),
    ("Service spec.selector.a", "b", "selectors_match", "no pod"),
    ("Service spec.ports.0.targetPort", "https", "selectors_match", "https"),
    ("Service spec.ports.0.targetPort", 8081, "selectors_match", "8081"),
    ("HorizontalPodAutoscaler spec.scaleTargetRef.name", "x", "selectors_match", "not there"),
    ("HorizontalPodAutoscaler spec.minReplicas", 3, "selectors_match", "above"),
    ("HorizontalPodAutoscaler spec.metrics", [], "selectors_match", "no metric"),
    ("Deployment spec.replicas", 2, "selectors_match", "autoscaler"),
    (f"Deployment {POD}.serviceAccountName", "x", "references_exist", "account x"),
    (
        f"Deployment {POD}.volumes.0.persistentVolumeClaim.claimName",
        "x",
        "references_exist",
        "claim x",
    ),
    (f"Deployment {ONE}.envFrom.0.configMapRef.name", "x", "references_exist", "config map x"),
    (
        f"Deployment {ONE}.env.0.valueFrom.configMapKeyRef.key",
        "x",
        "references_exist",
        "key x",
    ),
    (f"Deployment {POD}.hostNetwork", True, "restricted", "hostNetwork"),
    (f"Deployment {POD}.hostPID", True, "restricted", "hostPID"),
    (f"Deployment {POD}.volumes.0", {"name": "data", "hostPath": {}}, "restricted", "hostPath"),
    (f"Deployment {POD}.securityContext.runAsUser", 0, "restricted", "user 0"),
    (f"Deployment {POD}.securityContext.runAsNonRoot", GONE, "restricted", "runAsNonRoot"),
    (f"Deployment {POD}.securityContext.seccompProfile", GONE, "restricted", "seccompProfile"),
    (
        f"Deployment {POD}.securityContext.sysctls",
        [{"name": "kernel.msgmax", "value": "1"}],
        "restricted",
        "sysctl",
    ),
    (f"Deployment {ONE}.securityContext.runAsUser", 0, "restricted", "user 0"),
    (f"Deployment {ONE}.securityContext.runAsNonRoot", False, "restricted", "runAsNonRoot"),
    (f"Deployment {ONE}.securityContext.privileged", True, "restricted", "privileged"),
    (
        f"Deployment {ONE}.securityContext.allowPrivilegeEscalation",
        GONE,
        "restricted",
        "allowPrivilegeEscalation",
    ),
    (f"Deployment {ONE}.securityContext.capabilities.drop", [], "restricted", "drop ALL"),
    (
        f"Deployment {ONE}.securityContext.capabilities.add",
        ["SYS_ADMIN"],
        "restricted",
        "SYS_ADMIN",
    ),
    (
        f"Deployment {ONE}.securityContext.seccompProfile",
        {"type": "Unconfined"},
        "restricted",
        "Unconfined",
    ),
    (f"Deployment {ONE}.securityContext.procMount", "Unmasked", "restricted", "procMount"),
    (
        f"Deployment {ONE}.securityContext.seLinuxOptions",
        {"user": "x"},
        "restricted",
        "SELinux",
    ),
    (f"Deployment {ONE}.ports.0.hostPort", 80, "restricted", "hostPort"),
    (f"{PREDICTOR}.hostIPC", True, "restricted", "hostIPC"),
    (
        f"Deployment {ONE}.securityContext.readOnlyRootFilesystem",
        GONE,
        "read_only_root",
        "writable",
    ),
    (f"Deployment {ONE}.resources.requests.cpu", "1500m", "requests_fit_limits", "1500m"),
    (f"Deployment {ONE}.resources.requests.memory", "1025Mi", "requests_fit_limits", "1025Mi"),
    (f"Deployment {ONE}.resources.limits.memory", GONE, "requests_fit_limits", "memory"),
    (f"Job {ONE}.resources", {}, "requests_fit_limits", "cpu"),
    (f"Deployment {ONE}.image", "bertworks/serving:latest", "images_pinned", ":latest"),
    (f"Deployment {ONE}.image", "bertworks/serving", "images_pinned", "bertworks/serving"),
    (f"Deployment {ONE}.image", "registry:5000/serving", "images_pinned", "registry:5000"),
    (f"{PREDICTOR}.containers.0.image", "x", "images_pinned", "'x'"),
    (f"Deployment {ONE}.readinessProbe", GONE, "servers_probed", "readinessProbe"),
    (f"Deployment {ONE}.startupProbe", GONE, "servers_probed", "startupProbe"),
    (f"Deployment {ONE}.livenessProbe.httpGet.port", 9, "servers_probed", "port 9"),
    (f"Deployment {ONE}.volumeMounts.0.name", "x", "mounts_exist", "no volume"),
    (f"Deployment {ONE}.volumeMounts", [], "mounts_exist", "nowhere"),
    ("Job spec.ttlSecondsAfterFinished", GONE, "bounded_jobs", "ttlSecondsAfterFinished"),
    ("Job spec.activeDeadlineSeconds", GONE, "bounded_jobs", "activeDeadlineSeconds"),
    ("Role rules.0.verbs", ["*"], "roles_are_narrow", "wildcard in verbs"),
    ("Role rules.0.resources", ["*"], "roles_are_narrow", "wildcard in resources"),
    ("Role rules.0.apiGroups", ["*"], "roles_are_narrow", "wildcard in apiGroups"),
    ("Role rules.0.resourceNames", GONE, "roles_are_narrow", "all secrets"),
    ("Role rules.0.verbs", ["list"], "roles_are_narrow", "do not work"),
    ("Role rules.0.verbs", ["escalate"], "roles_are_narrow", "escalate"),
    ("Role rules.0.resources", ["pods/exec"], "roles_are_narrow", "any pod"),
    ("Role kind", "ClusterRole", "roles_are_narrow", "every namespace"),
    ("RoleBinding roleRef.name", "x", "bindings_resolve", "no role x"),
    ("RoleBinding subjects.0.namespace", "other", "bindings_resolve", "no account"),
    ("RoleBinding subjects.0.name", "other", "bindings_resolve", "no account"),
    ("RoleBinding kind", "ConfigMap", "bindings_resolve", "nobody"),
    ("Role", {"kind": "Secret", "data": {"a": "YQ=="}}, "no_secrets", "carries values"),
    (
        f"Deployment {ONE}.env.0",
        {"name": "S3_SECRET_ACCESS_KEY", "value": "x"},
        "no_secrets",
        "S3_SECRET_ACCESS_KEY",
    ),
    ("ConfigMap data.db_password", "x", "no_secrets", "db_password"),
    (
        "ServiceAccount automountServiceAccountToken",
        True,
        "servers_have_no_token",
        "Deployment/agent",
    ),
    (f"Job {POD}.automountServiceAccountToken", GONE, "servers_have_no_token", "Job/agent"),
    ("ResourceQuota spec.hard.requests.cpu", "9", "quota_spares_kubeflow", "requests.cpu"),
    ("ResourceQuota spec.hard.memory", "9Gi", "quota_spares_kubeflow", "memory"),
    ("ResourceQuota spec.hard.nvidia.com/gpu", "1", "quota_spares_kubeflow", "only as"),
    (
        "ResourceQuota",
        {"kind": "LimitRange", "spec": {"limits": [{"type": "Container"}]}},
        "quota_spares_kubeflow",
        "own pods",
    ),
    ("Service metadata.namespace", "other", "one_namespace", "several"),
    ("Namespace metadata.name", "other", "one_namespace", "nothing is in it"),
    (
        "Namespace metadata.labels.pod-security.kubernetes.io/enforce",
        "restricted",
        "one_namespace",
        "enforcing",
    ),
    ("Namespace metadata.labels.pod-security.kubernetes.io/warn", GONE, "one_namespace", "warn"),
    ("Role kind", "ClusterRole", "one_namespace", "cluster-wide"),
]


def _broken(where: str, value: Any) -> list[dict[str, Any]]:
    """The good set with one place changed; the last key of the way may itself hold dots."""
    items = copy.deepcopy(GOOD)
    kind, _, way = where.partition(" ")
    place: Any = next(item for item in items if item["kind"] == kind)
    while way:
        head, _, rest = way.partition(".")
        if isinstance(place, list):
            step: Any = int(head)
        elif head in place and rest and isinstance(place[head], dict | list):
            step = head
        else:
            step, rest = way, ""
        if rest:
            place, way = place[step], rest
        elif value is GONE:
            del place[step]
            return items
        else:
            place[step] = value
            return items
    place.update(value)
    return items


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_good_manifests_keep_every_rule(rule) -> None:
    assert list(rule(GOOD)) == []


@pytest.mark.parametrize(
    "where, value, rule, words", BROKEN, ids=[f"{b[2]}-{b[0]}" for b in BROKEN]
)
def test_each_breach_is_found(where: str, value: Any, rule: str, words: str) -> None:
    (check,) = (r for r in RULES if r.__name__ == rule)
    found = list(check(_broken(where, value)))
    assert any(words in complaint for complaint in found), found


def test_every_rule_is_shown_to_fail() -> None:
    assert {rule.__name__ for rule in RULES} == {case[2] for case in BROKEN}


def test_the_same_object_twice_is_found() -> None:
    (check,) = (r for r in RULES if r.__name__ == "names_valid")
    assert any("2 times" in complaint for complaint in check([*GOOD, GOOD[1]]))


@given(st.integers(0, 10**6), st.sampled_from(["", "k", "Ki", "M", "Mi", "G", "Gi", "T", "Ti"]))
def test_quantities_are_compared_by_value(number: int, suffix: str) -> None:
    assert quantity(f"{number}{suffix}") <= quantity(f"{number + 1}{suffix}")
    assert quantity(f"{number}Gi") == quantity(f"{number * 1024}Mi")
    assert quantity(number) == quantity(f"{number * 1000}m")


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "1Zi", "-1", "Gi", "1.2.3"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        quantity(text)


def test_selectors_follow_kubernetes() -> None:
    expressions = {
        "matchExpressions": [
            {"key": "a", "operator": "In", "values": ["1", "2"]},
            {"key": "b", "operator": "NotIn", "values": ["3"]},
            {"key": "c", "operator": "Exists"},
            {"key": "d", "operator": "DoesNotExist"},
        ]
    }
    assert matches(expressions, {"a": "1", "c": ""})
    assert not matches(expressions, {"a": "3", "c": ""})
    assert not matches(expressions, {"a": "1", "b": "3", "c": ""})
    assert not matches(expressions, {"a": "1"})
    assert not matches(expressions, {"a": "1", "c": "", "d": ""})
    # An empty selector is every pod, none at all is no pod.
    assert matches({}, {"a": "1"}) and not matches(None, {"a": "1"})
