"""`bertworks doctor` against an API server whose objects are checked as Kubernetes 1.36 checks them."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from fake_kfp import FakeKfp
from fake_kubernetes import FakeKubernetes, Refused, Request
from test_schedule import scheduler_in
from typer.testing import CliRunner

from bertworks.spec import file as spec_file
from pipelines.cli.main import app
from pipelines.cluster.doctor.checks import engine, images
from pipelines.cluster.doctor.checks.base import Finding
from pipelines.cluster.doctor.checks.images import Image
from pipelines.cluster.doctor.examine import examine

SPEC = """\
name: mini
data: {sources: [{uri: /bertworks/data/rows.csv}]}
base: {uri: scratch}
corpus: {include_training_text: true}
"""
NS = "kubeflow"
GPU = "nvidia.com/gpu"
PIPELINE = "docker.io/bertworks/pipeline:0.1.0"
PIPELINE_GPU = "docker.io/bertworks/pipeline-gpu:0.1.0"
POLICY = Path(__file__).parents[2] / "k8s/components/preemption/workflow-defaults.yaml"


def node(
    name: str,
    *,
    labels: dict[str, str] | None = None,
    taints: list[Any] | None = None,
    ready: str = "True",
    cordoned: bool = False,
    loaded: bool = True,
    **amounts: str,
) -> Any:
    given = {"cpu": "8", "memory": "32Gi", "pods": "110"}
    given |= {key.replace("gpu", GPU): value for key, value in amounts.items()}
    spec: dict[str, Any] = {"taints": taints} if taints else {}
    if cordoned:
        spec["unschedulable"] = True
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": spec,
        "status": {
            "allocatable": given,
            "capacity": given,
            "conditions": [{"type": "Ready", "status": ready}],
            "images": [{"names": [PIPELINE, PIPELINE_GPU], "sizeBytes": 1}] if loaded else [],
        },
    }


def pod(name: str, on: str, phase: str = "Running", **amounts: str) -> Any:
    asked = {key.replace("gpu", GPU): value for key, value in amounts.items()}
    limits = {key: value for key, value in asked.items() if key == GPU}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "other"},
        "spec": {
            "nodeName": on,
            "containers": [
                {"name": "main", "image": "x:1", "resources": {"requests": asked, "limits": limits}}
            ],
        },
        "status": {"phase": phase},
    }


def deployment(name: str, ready: int = 1) -> Any:
    labels = {"app": name}
    containers = [{"name": name, "image": f"ghcr.io/kubeflow/kfp-{name}:2.17.0"}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NS},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
        "status": {"readyReplicas": ready, "replicas": 1},
    }


def claim(modes: list[str], phase: str = "Bound", kind: str = "standard") -> Any:
    status = {"phase": phase, "accessModes": modes, "capacity": {"storage": "50Gi"}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "bertworks", "namespace": NS},
        "spec": {
            "accessModes": modes,
            "storageClassName": kind,
            "resources": {"requests": {"storage": "50Gi"}},
        },
        "status": status if phase == "Bound" else {"phase": phase},
    }


def storage_class(name: str, default: bool = True, mode: str = "Immediate") -> Any:
    key = "storageclass.kubernetes.io/is-default-class"
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name, "annotations": {key: "true"} if default else {}},
        "provisioner": "rancher.io/local-path",
        "volumeBindingMode": mode,
    }


def named(kind: str, name: str, namespace: str = NS, **parts: Any) -> Any:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, **parts}


def healthy() -> list[Any]:
    """A small cluster on which all is well."""
    return [
        node("one"),
        storage_class("standard"),
        claim(["ReadWriteMany"]),
        named("ServiceAccount", "bertworks-pipeline"),
        *(deployment(name) for name in engine.PARTS if name != "ml-pipeline-scheduledworkflow"),
        *(
            item if item["kind"] != "Deployment" else {**item, "status": {"readyReplicas": 1}}
            for item in scheduler_in("UTC")
        ),
        controller({"retryPolicy": "OnError", "limit": "2"}),
    ]


def controller(strategy: dict[str, Any] | None) -> Any:
    defaults = {"spec": {"templateDefaults": {"retryStrategy": strategy}}}
    data = {"workflowDefaults": json.dumps(defaults)} if strategy is not None else {}
    return named("ConfigMap", "workflow-controller-configmap", data=data)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKubernetes]:
    """A healthy cluster; the registry is out of reach."""
    monkeypatch.setattr(images, "registry_has", lambda image: (None, "no network"))
    with FakeKubernetes() as server:
        server.add(*healthy())
        server.use(monkeypatch, tmp_path)
        yield server


def look(tmp_path: Path, more: str = "", **options: Any) -> dict[str, list[Finding]]:
    """The findings by topic, for a spec with these lines added."""
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC + more, "utf-8")
    by_topic: dict[str, list[Finding]] = {}
    for finding in examine(spec_file.load(file).spec, **options):
        by_topic.setdefault(finding.topic, []).append(finding)
    return by_topic


def levels(found: dict[str, list[Finding]]) -> dict[str, str]:
    return {
        topic: max((one.level for one in group), key=["ok", "skipped", "warning", "error"].index)
        for topic, group in found.items()
    }


def text_of(found: dict[str, list[Finding]], topic: str) -> str:
    return " | ".join(f"{one.level}: {one.text} {one.fix}" for one in found[topic])


def steps(text: str) -> str:
    return "resources:\n  steps:\n    finetune: " + text + "\n"


def test_all_is_well(kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path) -> None:
    found = look(tmp_path)
    assert set(levels(found).values()) == {"ok"}, [
        one for group in found.values() for one in group if one.level != "ok"
    ]
    assert "2.17.0" in text_of(found, "KFP version")
    assert "v1.36" in text_of(found, "cluster")
    assert not kfp.refused
    # It changes nothing: reviews are the only things it posts.
    posts = {r.path.rpartition("/")[2] for r in cluster.requests if r.method != "GET"}
    assert posts == {"selfsubjectaccessreviews", "subjectaccessreviews"}


# ---- nodes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "pods", "step", "level", "said"),
    [
        ([], [], "{gpu: 1}", "error", "no node offers nvidia.com/gpu"),
        ([node("g", gpu="4")], [], "{gpu: 1}", "ok", "4 of 4 free on 1 node"),
        ([node("g", gpu="4")], [pod("a", "g", gpu="3")], "{gpu: 1}", "ok", "1 of 4 free"),
        ([node("g", gpu="4")], [pod("a", "g", gpu="3")], "{gpu: 2}", "warning", "would wait"),
        ([node("g", gpu="1")], [pod("a", "g", "Succeeded", gpu="1")], "{gpu: 1}", "ok", "1 of 1"),
        ([node("g", gpu="1")], [pod("a", "g", "Failed", gpu="1")], "{gpu: 1}", "ok", "1 of 1"),
        ([node("g", gpu="2"), node("h", gpu="2")], [], "{gpu: 3}", "error", "no node has more than 2"),
        ([node("g", gpu="1", cordoned=True)], [], "{gpu: 1}", "error", "no node offers"),
        ([node("g", gpu="1", ready="False")], [], "{gpu: 1}", "error", "no node offers"),
        ([node("g", gpu="1")], [], "{gpu: 1, gpu_type: amd.com/gpu}", "error",
         "no node offers amd.com/gpu; offered: nvidia.com/gpu"),
        # A device plugin that went away leaves a count of 0.
        ([node("g", gpu="0")], [], "{gpu: 1}", "error", "no node offers nvidia.com/gpu: g has 0 of it"),
        ([node("g", gpu="0")], [], "{gpu: 1, gpu_type: amd.com/gpu}", "error",
         "no node offers amd.com/gpu"),
        # The GPUs' own taint is tolerated by itself.
        ([node("g", gpu="1", taints=[{"key": GPU, "value": "present", "effect": "NoSchedule"}])], [],
         "{gpu: 1}", "ok", "1 of 1"),
        ([node("g", gpu="1", taints=[{"key": "team", "value": "a", "effect": "NoSchedule"}])], [],
         "{gpu: 1}", "error", "taint team=a:NoSchedule is not tolerated"),
        ([node("g", gpu="1", taints=[{"key": "team", "value": "a", "effect": "NoSchedule"}])], [],
         "{gpu: 1, tolerations: [{key: team, value: a}]}", "ok", "1 of 1"),
        ([node("g", gpu="1", taints=[{"key": "team", "value": "b", "effect": "NoExecute"}])], [],
         "{gpu: 1, tolerations: [{key: team, value: a}]}", "error", "taint team=b"),
        ([node("g", gpu="1", taints=[{"key": "x", "effect": "PreferNoSchedule"}])], [],
         "{gpu: 1}", "ok", "1 of 1"),
        ([node("g", gpu="1", labels={"pool": "a"})], [],
         "{gpu: 1, node_selector: {pool: a}}", "ok", "1 of 1"),
        ([node("g", gpu="1", labels={"pool": "b"})], [],
         "{gpu: 1, node_selector: {pool: a}}", "error", "label pool=a is missing"),
        ([node("g", gpu="1", labels={"gen": "8"})], [],
         "{gpu: 1, affinity: [{key: gen, operator: Gt, values: ['7']}]}", "ok", "1 of 1"),
        ([node("g", gpu="1", labels={"gen": "7"})], [],
         "{gpu: 1, affinity: [{key: gen, operator: Gt, values: ['7']}]}", "error", "affinity gen Gt"),
        ([node("g", gpu="1", labels={"gen": "7"})], [],
         "{gpu: 1, affinity: [{key: gen, operator: Gt, values: ['7'], weight: 5}]}", "ok", "1 of 1"),
    ],
)  # fmt: skip
def test_gpus(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path,
    nodes: list[Any], pods: list[Any], step: str, level: str, said: str,
) -> None:  # fmt: skip
    cluster.add(*nodes, *pods)
    [finding] = look(tmp_path, steps(step))["GPU of finetune"]
    assert finding.level == level, finding
    assert said in finding.text
    assert bool(finding.fix) == (level != "ok")
    if "has 0" in said:
        assert "offered" not in finding.text


def test_a_missing_gpu_is_not_called_missing_memory(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path
) -> None:
    found = look(tmp_path, steps("{gpu: 1}"))
    assert [one.level for one in found["GPU of finetune"]] == ["error"]
    assert levels(found)["CPU and memory"] == "ok", text_of(found, "CPU and memory")
    # Memory counts on the nodes that have the GPUs.
    cluster.add(node("small", gpu="1", memory="2Gi"))
    assert "largest: small" in text_of(look(tmp_path, steps("{gpu: 1}")), "CPU and memory")


def test_an_autoscaler_may_add_the_node(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path
) -> None:
    cluster.add(named("ConfigMap", "cluster-autoscaler-status", "kube-system"))
    [finding] = look(tmp_path, steps("{gpu: 1}"))["GPU of finetune"]
    assert (finding.level, "autoscaler may add one" in finding.text) == ("warning", True)


@pytest.mark.parametrize(
    ("nodes", "pods", "step", "level", "said"),
    [
        ([], [], "{memory: 16Gi}", "ok", "largest step (finetune: 1 CPU, 16Gi) fits"),
        (
            [],
            [],
            "{memory: 64Gi}",
            "error",
            "more than any node has (largest: one with 8 CPU and 32Gi)",
        ),
        ([node("big", memory="128Gi")], [], "{memory: 64Gi}", "ok", "64Gi) fits, now on 1 node"),
        ([], [], "{cpu: '16'}", "error", "asks for 16 CPU"),
        ([], [pod("a", "one", memory="20Gi")], "{memory: 16Gi}", "warning", "would wait"),
        ([], [pod("a", "one", "Succeeded", memory="20Gi")], "{memory: 16Gi}", "ok", "fits"),
        ([], [], "{node_selector: {disk: ssd}}", "error", "label disk=ssd is missing"),
    ],
)
def test_cpu_and_memory(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path,
    nodes: list[Any], pods: list[Any], step: str, level: str, said: str,
) -> None:  # fmt: skip
    cluster.add(*nodes, *pods)
    found = look(tmp_path, steps(step))
    assert levels(found)["CPU and memory"] == level, found["CPU and memory"]
    assert said in text_of(found, "CPU and memory")


def test_nodes_that_take_no_pods(kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path) -> None:
    cluster.add(node("two", cordoned=True), node("three", ready="Unknown"))
    assert "three (not ready), two (cordoned)" in text_of(look(tmp_path), "nodes")
    cluster.remove("Node", "one")
    assert levels(look(tmp_path))["nodes"] == "error"


# ---- volume, secrets, quotas ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("objects", "level", "said"),
    [
        ([claim(["ReadWriteMany"])], "ok", "bound, 50Gi, ReadWriteMany"),
        ([claim(["ReadWriteOnce"])], "ok", "ReadWriteOnce"),
        ([claim(["ReadWriteOnce"]), node("two")], "warning", "one node at a time (2 nodes)"),
        ([claim(["ReadWriteMany"]), node("two")], "ok", "bound"),
        ([claim(["ReadWriteOncePod"])], "error", "several pods must write"),
        ([claim(["ReadWriteMany"], "Pending")], "error", "is not bound"),
        ([claim(["ReadWriteMany"], "Lost")], "error", "has lost its volume"),
        ([claim(["ReadWriteMany"], "Pending", "late"),
          storage_class("late", mode="WaitForFirstConsumer")], "ok", "made with the first pod"),
        (None, "error", "is not in kubeflow"),
    ],
)  # fmt: skip
def test_the_volume(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path,
    objects: list[Any] | None, level: str, said: str,
) -> None:  # fmt: skip
    if objects is None:
        cluster.remove("PersistentVolumeClaim", "bertworks")
    else:
        cluster.add(*objects)
    [finding] = look(tmp_path)["volume"]
    assert finding.level == level
    assert said in finding.text


def test_no_volume_is_wanted(kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path) -> None:
    cluster.remove("PersistentVolumeClaim", "bertworks")
    more = "resources: {volume: {claim: null}, store: 's3://b/models'}\n"
    spec = SPEC.replace("/bertworks/data/rows.csv", "s3://b/rows.csv")
    (tmp_path / "s.yaml").write_text(spec + more, "utf-8")
    found = examine(spec_file.load(tmp_path / "s.yaml").spec)
    assert next(one for one in found if one.topic == "volume").level == "ok"


def test_a_cluster_without_default_storage_class(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path
) -> None:
    cluster.add(storage_class("standard", default=False))
    assert levels(look(tmp_path))["storage classes"] == "ok"  # the claim is bound already
    cluster.remove("PersistentVolumeClaim", "bertworks")
    assert levels(look(tmp_path))["storage classes"] == "warning"


def test_secrets_by_reference_and_never_their_values(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path
) -> None:
    more = """\
retrain: {webhook: {secret: hook, key: url}}
resources:
  image_pull_secrets: [registry]
  default: {secrets: {AWS_KEY: {secret: bucket, key: id}}}
"""
    found = look(tmp_path, more)["secrets"]
    assert {one.level for one in found} == {"error"}
    assert len(found) == 3
    value = base64.b64encode(b"top-secret-value").decode()
    cluster.add(
        named("Secret", "hook", data={"url": ""}),
        named("Secret", "bucket", data={"other": value}),
        named("Secret", "registry", data={"x": value}),
    )
    said = text_of({"s": look(tmp_path, more)["secrets"]}, "s")
    assert "warning: hook: the value of url is empty" in said
    assert "bucket has no key 'id'" in said
    assert "it has: other" in said
    assert "of type None" in said
    docker = base64.b64encode(b"{}").decode()
    cluster.add(
        named("Secret", "hook", data={"url": value}),
        named("Secret", "bucket", data={"id": value}),
        named(
            "Secret",
            "registry",
            type="kubernetes.io/dockerconfigjson",
            data={".dockerconfigjson": docker},
        ),
    )
    [finding] = look(tmp_path, more)["secrets"]
    assert (finding.level, finding.text) == ("ok", "there: bucket/id, hook/url, registry")
    assert value not in said
    assert "top-secret" not in said


@pytest.mark.parametrize(
    ("hard", "used", "level", "said"),
    [
        ({"pods": "10"}, {"pods": "2"}, "ok", "room for a step in q"),
        ({"pods": "10"}, {"pods": "9"}, "warning", "would be refused until"),
        ({"requests.memory": "2Gi"}, {}, "error", "asks for 4Gi requests.memory, the quota is 2Gi"),
        ({f"requests.{GPU}": "1"}, {}, "error", "asks for 2 requests.nvidia.com/gpu"),
        ({f"requests.{GPU}": "4"}, {f"requests.{GPU}": "3"}, "warning", "of 4 3 are taken"),
        ({"limits.memory": "99Gi"}, {}, "error", "pods without limits are refused"),
    ],
)
def test_quotas(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path,
    hard: dict[str, str], used: dict[str, str], level: str, said: str,
) -> None:  # fmt: skip
    status = {"hard": hard, "used": {**dict.fromkeys(hard, "0"), **used}}
    cluster.add(named("ResourceQuota", "q", spec={"hard": hard}, status=status))
    found = look(tmp_path, steps("{gpu: 2}"))
    assert levels(found)["quotas"] == level
    assert said in text_of(found, "quotas")


# ---- permissions ------------------------------------------------------------------------------------


def test_permissions_are_asked_for_each_verb(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []

    def allowed(attributes: dict[str, Any]) -> bool:
        asked.append(attributes)
        if "user" in attributes:
            return attributes["resource"] != "workflowtaskresults"
        return (attributes["verb"], attributes["resource"]) != ("patch", "deployments")

    cluster.allowed = allowed
    found = look(tmp_path)
    assert "missing in kubeflow: patch deployments" in text_of(found, "permission to deploy")
    assert levels(found)["permission to deploy"] == "warning"
    runs = text_of(found, "permissions of bertworks-pipeline")
    assert (
        "error: missing in kubeflow: create workflowtaskresults, patch workflowtaskresults" in runs
    )
    assert any(one.get("subresource") == "log" for one in asked)
    users = {one["user"] for one in asked if "user" in one}
    assert users == {"system:serviceaccount:kubeflow:bertworks-pipeline"}
    # KFP is at a given address: no port-forward is needed, and multi-user rights are not asked for.
    assert "permission to reach KFP" not in found
    assert not [one for one in asked if one["group"] == "pipelines.kubeflow.org"]


def test_multi_user_rights(cluster: FakeKubernetes, tmp_path: Path,
                           monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    cluster.add(named("ServiceAccount", "bertworks-pipeline", "team"))
    cluster.allowed = lambda attributes: attributes["resource"] != "jobs"
    with FakeKfp(multi_user=True) as kfp:
        monkeypatch.setenv("KFP_HOST", kfp.url)
        found = look(tmp_path, namespace="team")
    said = text_of(found, "permission to submit and schedule")
    assert "error: missing in team: create jobs" in said
    assert "multi-user, runs in team" in text_of(found, "KFP")


def test_what_may_not_be_read_is_said_and_the_rest_goes_on(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path
) -> None:
    def refuse(request: Request) -> None:
        part = request.path.rstrip("/").rpartition("/")[2]
        if part in ("nodes", "pods", "subjectaccessreviews", "resourcequotas"):
            raise Refused(403, "Forbidden", f'{part} is forbidden: User "dev" cannot list')

    cluster.refuse = refuse
    found = look(tmp_path, steps("{gpu: 1}"))
    said = levels(found)
    assert said["nodes"] == said["quotas"] == "warning"
    assert said["permissions of bertworks-pipeline"] == "warning"
    assert "cannot list" in text_of(found, "nodes")
    assert said["volume"] == "ok"
    assert "error" not in said.values()


@pytest.mark.parametrize("kind", ["storageclasses", "namespaces", "nodes"])
def test_the_role_edit_still_sees_a_missing_claim_and_account(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path, kind: str
) -> None:
    """Kubernetes' role `edit` may not read what belongs to the whole cluster."""

    def refuse(request: Request) -> None:
        parts = request.path.rstrip("/").split("/")
        if parts[-1] == kind or parts[-2] == kind:
            raise Refused(403, "Forbidden", f'{kind} is forbidden: User "dev" cannot list')

    cluster.refuse = refuse
    topic = {"storageclasses": "storage classes", "namespaces": "namespace"}.get(kind, kind)
    [unread] = look(tmp_path)[topic]
    assert unread.level == "warning" and "not checked" in unread.text and unread.fix
    cluster.add(claim(["ReadWriteMany"], "Pending", "late"))
    [pending] = look(tmp_path)["volume"]
    assert pending.level == ("warning" if kind == "storageclasses" else "error")
    assert ("storage classes" in pending.text) == (kind == "storageclasses")
    cluster.remove("PersistentVolumeClaim", "bertworks")
    cluster.remove("ServiceAccount", "bertworks-pipeline")
    found = look(tmp_path)
    assert levels(found)["volume"] == levels(found)["service account"] == "error"
    (tmp_path / "agent.yaml").write_text(SPEC)
    assert CliRunner().invoke(app, ["doctor", str(tmp_path / "agent.yaml")]).exit_code == 7


def test_pods_that_may_not_be_listed_leave_free_unknown(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path
) -> None:
    cluster.add(node("g", gpu="4"))

    def refuse(request: Request) -> None:
        if request.path == "/api/v1/pods":
            raise Refused(403, "Forbidden", "no")

    cluster.refuse = refuse
    assert "how many are free is not known" in text_of(
        look(tmp_path, steps("{gpu: 1}")), "GPU of finetune"
    )


# ---- namespace, parts, retries, KServe, schedule ------------------------------------------------


def test_a_namespace_that_is_not_there(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path
) -> None:
    found = look(tmp_path, namespace="nowhere")
    assert "nowhere does not exist" in text_of(found, "namespace")
    cluster.remove("ServiceAccount", "bertworks-pipeline")
    assert "no pod of a run can start" in text_of(look(tmp_path), "service account")


def test_a_part_of_kfp_that_is_down(kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path) -> None:
    cluster.add(deployment("workflow-controller", ready=0))
    assert "error: not ready: workflow-controller" in text_of(look(tmp_path), "KFP's parts")
    cluster.remove("Deployment", "ml-pipeline")
    assert levels(look(tmp_path))["KFP's parts"] == "warning"


@pytest.mark.parametrize(
    ("strategy", "level", "said"),
    [
        (None, "warning", "OnFailure; a step that fails is tried again"),
        ({"limit": 2}, "warning", "OnFailure"),
        (
            {"limit": 2, "retryPolicy": "OnError"},
            "warning",
            "an eviction through the API, is tried again",
        ),
        ({"retryPolicy": "OnTransientError"}, "warning", "TRANSIENT_ERROR_PATTERN"),
        ({"retryPolicy": "Always"}, "ok", "whatever ends a pod"),
        ({"expression": "asInt(lastRetry.exitCode) > 1"}, "ok", "Always; only where asInt"),
        ({"retryPolicy": "OnError", "expression": "x"}, "warning", "OnError; only where x"),
    ],
)
def test_the_retry_policy(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path,
    strategy: dict[str, Any] | None, level: str, said: str,
) -> None:  # fmt: skip
    cluster.add(controller(strategy))
    [finding] = look(tmp_path, steps("{spot: true}"))["retries"]
    assert finding.level == level
    assert said in finding.text
    # Nobody asks for retries: nothing to be done.
    assert levels(look(tmp_path))["retries"] == "ok"


def test_the_policy_that_this_repository_ships_is_the_right_one() -> None:
    import yaml

    shipped = yaml.safe_load(POLICY.read_text("utf-8"))["data"]
    policy, _, good = engine.verdict(engine.retry_strategy(shipped))
    assert (policy, good) == ("Always", True)
    older = {
        "config": yaml.safe_dump({"workflowDefaults": yaml.safe_load(shipped["workflowDefaults"])})
    }
    assert engine.retry_strategy(older) == engine.retry_strategy(shipped)
    assert engine.retry_strategy({"workflowDefaults": "{broken"}) == engine.RetryStrategy()


def test_kserve(kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path) -> None:
    wanted = "serve: {deploy: {kind: kserve}}\n"
    assert levels(look(tmp_path, wanted))["KServe"] == "error"
    assert "Deployment and a Service" in text_of(look(tmp_path), "KServe")
    cluster.serve("kserve")
    assert "InferenceService" in text_of(look(tmp_path, wanted), "KServe")


def test_the_scheduler(kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path) -> None:
    berlin = 'schedule: {cron: "0 3 * * 1", timezone: Europe/Berlin}\n'
    found = look(tmp_path, berlin)
    assert levels(found)["scheduler"] == "warning"
    assert "CRON_SCHEDULE_TIMEZONE=Europe/Berlin" in text_of(found, "scheduler")
    cluster.add(scheduler_in("Europe/Berlin")[0])
    assert "its clock is Europe/Berlin" in text_of(look(tmp_path, berlin), "scheduler")


# ---- images -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("bertworks/pipeline:0.1.0", "docker.io/bertworks/pipeline:0.1.0"),
        ("python:3.13", "docker.io/library/python:3.13"),
        ("python", "docker.io/library/python:latest"),
        ("localhost:5001/a/b:1", "localhost:5001/a/b:1"),
        ("ghcr.io/x/y@sha256:ab", "ghcr.io/x/y@sha256:ab"),
        ("ghcr.io/x/y:1@sha256:ab", "ghcr.io/x/y@sha256:ab"),
    ],
)
def test_names_of_images(name: str, full: str) -> None:
    assert str(Image.parse(name)) == full


@pytest.mark.parametrize(
    ("nodes", "answer", "more", "level", "said"),
    [
        ([], (None, "x"), "", "ok", "on every node that takes the steps (1)"),
        ([node("two", loaded=False)], (False, "has no such image"), "", "warning", "on one, not on"),
        ([node("one", loaded=False)], (False, "has no such image"), "", "error", "on no node"),
        ([node("one", loaded=False)], (True, ""), "", "ok", "its registry has it"),
        ([node("one", loaded=False)], (None, "ConnectTimeout"), "", "error", "could not be asked"),
        ([node("two", loaded=False)], (None, "ConnectTimeout"), "", "ok", "on one, not on"),
        ([node("one", loaded=False)], (True, ""), "resources: {image_pull_policy: Never}\n", "error",
         "image_pull_policy is Never"),
        ([node("one", loaded=False)], (False, "x"), "resources: {image_pull_secrets: [r]}\n",
         "warning", "pulled with r"),
        ([node("two", loaded=False)], (False, "x"), "resources: {image_pull_secrets: [r]}\n", "ok",
         "pulled with r"),
        # A registry that hides nothing says so without a password.
        ([node("one", loaded=False)], (False, images.MISSING),
         "resources: {image_pull_secrets: [r]}\n", "error", "has no such image"),
    ],
)  # fmt: skip
def test_images(
    kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    nodes: list[Any], answer: Any, more: str, level: str, said: str,
) -> None:  # fmt: skip
    cluster.add(*nodes)
    monkeypatch.setattr(images, "registry_has", lambda image: answer)
    [finding] = look(tmp_path, more)["image bertworks/pipeline:0.1.0"]
    assert finding.level == level
    assert said in finding.text


def test_a_registry_is_asked_as_the_protocol_has_it() -> None:
    seen: list[str] = []

    class Registry(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            seen.append(self.path)
            known = self.path == "/v2/team/agent/manifests/1"
            self.send_response(200 if known and "oci.image" in self.headers["Accept"] else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    place = f"127.0.0.1:{server.server_address[1]}"
    assert images.registry_has(Image.parse(f"{place}/team/agent:1")) == (True, "")
    assert images.registry_has(Image.parse(f"{place}/team/agent:2")) == (False, "has no such image")
    server.shutdown()
    server.server_close()
    assert images.registry_has(Image.parse(f"{place}/team/agent:1"))[0] is None


# ---- the whole --------------------------------------------------------------------------------------


def test_without_a_kubeconfig_kfp_alone_is_looked_at(kfp: FakeKfp, tmp_path: Path) -> None:
    found = look(tmp_path)
    assert levels(found)["KFP"] == "ok"
    assert "not checked: No cluster is configured" in text_of(found, "cluster")
    assert levels(found)["nodes"] == "skipped"


def test_a_dead_host_does_not_hold_it_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both servers take the connection and never answer."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with FakeKubernetes() as server:
            file = Path(server.kubeconfig(tmp_path))
            file.write_text(file.read_text().replace(server.url, url))
            monkeypatch.setattr(
                "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(file)
            )
            monkeypatch.setenv("KUBECONFIG", str(file))
        monkeypatch.setenv("KFP_HOST", url)
        found = look(tmp_path, deadline=1.5)
    assert "did not answer within 2 s" in text_of(found, "KFP")
    assert levels(found)["KFP"] == "error"
    assert levels(found)["volume"] == "skipped"


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["doctor", *words])


def test_exit_codes_and_json(kfp: FakeKfp, cluster: FakeKubernetes, tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text(SPEC, "utf-8")
    done = run(str(file))
    assert done.exit_code == 0, done.output
    assert "ok" in done.output
    assert run().exit_code == 0

    cluster.add(node("two", cordoned=True))
    assert run(str(file)).exit_code == 0
    assert run(str(file), "--strict").exit_code == 1

    cluster.remove("PersistentVolumeClaim", "bertworks")
    done = run(str(file), "--json")
    assert done.exit_code == 7
    said = json.loads(done.output)
    assert said["exit_code"] == 7
    assert said["count"]["error"] == 1
    [volume] = [one for one in said["findings"] if one["topic"] == "volume"]
    assert volume["fix"]


def test_an_old_or_wrong_server_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeKfp(v1_only=True) as old:
        monkeypatch.setenv("KFP_HOST", old.url)
        assert levels(look(tmp_path))["KFP"] == "error"
    with FakeKfp(token="secret") as closed:
        monkeypatch.setenv("KFP_HOST", closed.url)
        assert "KFP_TOKEN" in text_of(look(tmp_path), "KFP")
