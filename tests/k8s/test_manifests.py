"""The manifests in k8s/, rendered, against every rule."""

import shutil
from pathlib import Path

import pytest
import yaml
from manifest import matches, name, of_kind, pods
from rendering import K8S, REPOSITORY, SETS, objects, render
from rules import RULES

import bertworks
from bertworks.spec.cluster import Resources, Serve

pytestmark = pytest.mark.usefixtures("kubectl")

# What a set stands on: it is looked at together with these.
BELOW = {"references_exist", "monitors_resolve"}


def _rendered(key: str) -> list[dict]:
    return objects(K8S / key)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("key", SETS)
def test_manifests_keep_every_rule(key: str, rule) -> None:
    items = _rendered(key)
    if rule.__name__ in BELOW and not key.startswith(("base", "overlays")):
        items = items + objects(K8S / "base") + objects(K8S / "serving/deployment")
    assert list(rule(items)) == []


def test_the_folders_are_found() -> None:
    assert {"base", "overlays/kind", "overlays/gpu"} <= set(SETS)


def test_no_manifest_lies_about_unused() -> None:
    """Every YAML file under a kustomization is named by one, except specs' settings."""
    for folder in {file.parent for file in K8S.rglob("kustomization.yaml")}:
        text = (folder / "kustomization.yaml").read_text()
        files = {f.name for f in folder.glob("*.yaml")} - {"kustomization.yaml", "resources.yaml"}
        assert not {file for file in files if file not in text}, folder


@pytest.mark.parametrize("component", ["base/namespace", "components/preemption"])
def test_components_work_in_an_overlay(component: str, tmp_path: Path) -> None:
    """The whole moves to another namespace: objects, subjects of bindings, the namespace itself."""
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "argo.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\n"
        "metadata: {name: workflow-controller-configmap}\ndata: {other: kept}\n"
    )
    for folder in ("base", "components"):
        shutil.copytree(K8S / folder, tmp_path / folder)
    (overlay / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: team-a\n"
        f"resources: [../base, argo.yaml]\ncomponents: [../{component}]\n"
    )
    items = objects(overlay)
    assert {item["metadata"].get("namespace", "team-a") for item in items} == {"team-a"}
    for binding in of_kind(items, "RoleBinding"):
        assert [subject["namespace"] for subject in binding["subjects"]] == ["team-a"]
    for space in of_kind(items, "Namespace"):
        assert name(space) == "team-a"
    (controller,) = (i for i in items if name(i) == "workflow-controller-configmap")
    assert controller["data"]["other"] == "kept"
    assert ("workflowDefaults" in controller["data"]) == component.endswith("preemption")


def test_an_overlay_of_the_gpu_overlay_moves_all_of_it(tmp_path: Path) -> None:
    """As docs/cluster.md says: another namespace, images of one's own registry."""
    shutil.copytree(K8S, tmp_path / "k8s")
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: team-a\n"
        "resources: [../k8s/overlays/gpu]\nimages:\n  - name: bertworks/pipeline\n"
        "    newName: registry.example.com/team/bertworks/pipeline\n    newTag: 0.1.0\n"
    )
    items = objects(mine)
    for rule in RULES:
        assert list(rule(items)) == [], rule.__name__
    (pod,) = pods(items)
    (container,) = pod.containers
    assert container["image"] == "registry.example.com/team/bertworks/pipeline:0.1.0"
    assert "kubeflow" not in render(mine)


def test_runs_and_servers_are_told_apart_by_the_network_rules() -> None:
    policies = {
        name(p): p["spec"]["podSelector"] for p in of_kind(_rendered("base"), "NetworkPolicy")
    }
    base = {"app.kubernetes.io/name": "bertworks"}
    server = {**base, "app.kubernetes.io/component": "server"}
    step = {**base, "app.kubernetes.io/component": "finetune"}
    assert matches(policies["bertworks-serving"], server)
    assert not matches(policies["bertworks-serving"], step)
    assert matches(policies["bertworks-runs"], step)
    assert not matches(policies["bertworks-runs"], server)
    # Kubeflow's own pods are nobody's business.
    for selector in policies.values():
        assert not matches(selector, {"app": "ml-pipeline"})


@pytest.mark.parametrize("key", [key for key in SETS if key.startswith("serving/")])
def test_servers_are_reached_through_the_network_rules(key: str) -> None:
    (policy,) = (
        p for p in of_kind(_rendered("base"), "NetworkPolicy") if name(p) == "bertworks-serving"
    )
    open_ports = {p["port"] for rule in policy["spec"]["ingress"] for p in rule["ports"]}
    served = list(pods(_rendered(key)))
    assert served
    for pod in served:
        assert matches(policy["spec"]["podSelector"], pod.labels)
        for container in pod.spec["containers"]:
            assert {p["containerPort"] for p in container["ports"]} <= open_ports


def test_accounts_and_claim_are_those_the_spec_names() -> None:
    items, defaults = _rendered("base"), Resources()
    accounts = {name(i): i for i in of_kind(items, "ServiceAccount")}
    assert accounts[defaults.service_account]["automountServiceAccountToken"] is True
    assert accounts["bertworks-serving"]["automountServiceAccountToken"] is False
    assert [name(i) for i in of_kind(items, "PersistentVolumeClaim")] == [defaults.volume.claim]
    (config,) = of_kind(items, "ConfigMap")
    assert config["data"]["BERTWORKS_ROOT"] == defaults.volume.mount


def test_runs_may_do_what_kubeflow_pipelines_needs_and_no_more() -> None:
    """The list is the contract: whoever widens it says so here."""
    assert _granted("bertworks-pipeline") == {
        ("workflowtaskresults", "create"): None,
        ("workflowtaskresults", "patch"): None,
        ("workflowtasksets", "list"): None,
        ("workflowtasksets", "watch"): None,
        ("workflowtasksets/status", "patch"): None,
        ("pods", "get"): None,
        ("pods", "list"): None,
        ("configmaps", "get"): ["kfp-launcher"],
        ("secrets", "get"): ["mlpipeline-minio-artifact"],
    }


def test_the_deploy_step_may_apply_each_kind_that_it_knows_and_only_see_pods() -> None:
    from components.deploy.cluster import PATHS

    granted: dict[str, set[str]] = {}
    for resource, verb in _granted("bertworks-deploy"):
        granted.setdefault(resource, set()).add(verb)
    seen = {"pods", "events"}
    applied = {plural for _, plural in PATHS.values()} - seen
    assert granted.keys() == applied | seen | {"pods/log"}
    for resource in applied:
        assert {"get", "create", "patch"} <= granted[resource] <= {"get", "list", "create", "patch"}
    assert granted["pods"] == {"get", "list"} and granted["pods/log"] == {"get"}
    assert granted["events"] == {"list"}


def _granted(role: str) -> dict[tuple[str, str], list[str] | None]:
    (found,) = (r for r in of_kind(_rendered("base"), "Role") if name(r) == role)
    return {
        (resource, verb): rule.get("resourceNames")
        for rule in found["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def test_overlays_differ_where_they_should() -> None:
    kind, gpu = _rendered("overlays/kind"), _rendered("overlays/gpu")
    (small,), (large,) = (of_kind(i, "PersistentVolumeClaim") for i in (kind, gpu))
    assert small["spec"]["accessModes"] == ["ReadWriteOnce"]
    assert small["spec"]["storageClassName"] == "standard"
    assert large["spec"]["accessModes"] == ["ReadWriteMany"]
    (few,), (many,) = (of_kind(i, "ResourceQuota") for i in (kind, gpu))
    assert few["spec"]["hard"]["requests.nvidia.com/gpu"] == "2"
    assert many["spec"]["hard"]["requests.nvidia.com/gpu"] == "8"
    # The namespace belongs to Kubeflow: only the throw-away cluster may have it.
    assert len(of_kind(kind, "Namespace")) == 1
    assert not of_kind(gpu, "Namespace") and not of_kind(_rendered("base"), "Namespace")


@pytest.mark.parametrize("overlay", ["kind", "gpu"])
def test_settings_for_specs_are_valid(overlay: str) -> None:
    given = yaml.safe_load((K8S / "overlays" / overlay / "resources.yaml").read_text())
    resources = Resources.model_validate(given.pop("resources"))
    Serve.model_validate(given.pop("serve", {}))
    assert not given
    gpus = {step: own.gpu for step, own in resources.steps.items() if own.gpu}
    assert bool(gpus) == (overlay == "gpu")
    # Its latency is measured on the CPU that will serve.
    assert "quantize" not in gpus


@pytest.mark.parametrize("overlay", ["kind", "gpu"])
def test_settings_join_to_a_spec_as_their_comment_says(overlay: str, tmp_path: Path) -> None:
    from bertworks.spec import file as spec_file

    joined = tmp_path / "joined.yaml"
    joined.write_text(
        (REPOSITORY / "examples/sentiment.yaml").read_text()
        + "\n"
        + (K8S / "overlays" / overlay / "resources.yaml").read_text()
    )
    loaded = spec_file.load(joined)
    assert loaded.spec.resources.default.memory == {"kind": "3Gi", "gpu": "8Gi"}[overlay]


def test_images_carry_the_version_of_this_code() -> None:
    for key in SETS:
        for pod in pods(_rendered(key)):
            for container in pod.containers:
                assert container["image"].endswith(f":{bertworks.__version__}"), key
        for item in _rendered(key):
            version = item["metadata"].get("labels", {}).get("app.kubernetes.io/version")
            assert version in (None, bertworks.__version__)
