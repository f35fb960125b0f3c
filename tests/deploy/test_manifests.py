"""The manifests: as files, as `bertworks deploy` fills them, and as they are installed."""

import subprocess
from dataclasses import fields, replace
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.errors import SpecError
from bertworks.spec import AgentSpec
from bertworks.spec import file as spec_file
from bertworks.spec.cluster import Volume
from components.deploy import manifests
from components.deploy.settings import Serving, settings_of
from pipelines.deploying import deploy_section
from tests.helpers import wheels

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ["deployment", "kserve"]
NAMES = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,41}[a-z0-9])?\Z")


def pod_of(objects):
    top = objects[0]["spec"]
    return top["template"]["spec"] if "template" in top else top["predictor"]


def pod_labels(objects):
    top = objects[0]["spec"]
    return (
        top["template"]["metadata"]["labels"] if "template" in top else top["predictor"]["labels"]
    )


def validate(one):
    """The schema of the kind; an InferenceService's pods by that of a Pod."""
    if one["kind"] != "InferenceService":
        kubernetes_validate.validate(one, "1.36", strict=True)
        return
    apart = {"labels", "minReplicas", "maxReplicas", "scaleMetric", "scaleTarget"}
    apart |= {"deploymentStrategy"}
    spec = {key: value for key, value in one["spec"]["predictor"].items() if key not in apart}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}
    kubernetes_validate.validate(pod, "1.36", strict=True)


def section(**spec):
    given = {"name": "mood", "data": {"sources": [{"uri": "a.csv"}]}, **spec}
    parsed = AgentSpec.model_validate(given)
    return deploy_section(parsed, parsed.resources.store or "/bertworks/models")


@given(
    name=NAMES,
    version=st.integers(1, 10_000),
    kind=st.sampled_from(FOLDERS),
    cpu=st.sampled_from(["1", "500m", "2.5"]),
    replicas=st.tuples(st.integers(1, 9), st.integers(0, 9)),
    bucket=st.booleans(),
    keys=st.sampled_from([None, "team-keys"]),
)
@settings(max_examples=12, deadline=None)
def test_every_filling_is_valid_and_hangs_together(
    name, version, kind, cpu, replicas, bucket, keys
):
    serving = Serving(
        name=name, version=version, digest="a" * 64, image="registry:5000/bertworks/serving:0.1.0",
        store="s3://models" if bucket else "/bertworks/models", cpu=cpu,
        min_replicas=replicas[0], max_replicas=sum(replicas), claim=None if bucket else "disk",
        env={"AWS_REGION": "eu-west-1", "OMP_NUM_THREADS": "2"} if bucket else {},
        secrets={"AWS_SECRET": {"secret": "aws", "key": "secret"}} if bucket else {},
        node_selector={"pool": "cpu"}, pull_secrets=["pull"], keys=keys,
        tolerations=[{"key": "a", "operator": "Exists", "effect": "NoSchedule"}],
    )  # fmt: skip
    objects = manifests.render(serving, kind, "runs", [serving])
    for one in objects:
        validate(one)
        assert one["metadata"]["name"] == f"bertworks-{name}"
        assert one["metadata"]["namespace"] == "runs"
    pod, labels = pod_of(objects), pod_labels(objects)
    (container,) = pod["containers"]
    assert f"--agent={name}/{version}" in container["args"]
    assert "--host=0.0.0.0" in container["args"]
    assert container["resources"]["requests"] == container["resources"]["limits"]
    variables = [one["name"] for one in container["env"]]
    assert len(variables) == len(set(variables))
    mounted = {one["name"] for one in container["volumeMounts"]}
    assert mounted == {one["name"] for one in pod["volumes"]}
    assert ("store" in mounted) == (not bucket)
    assert ("keys" in mounted) == (f"--keys={manifests.KEYS}" in container["args"]) == bool(keys)
    assert ("--open" in container["args"]) == (keys is None)
    if keys:
        (mount,) = (one for one in container["volumeMounts"] if one["name"] == "keys")
        assert mount == {"name": "keys", "mountPath": manifests.KEYS, "readOnly": True}
        (volume,) = (one for one in pod["volumes"] if one["name"] == "keys")
        assert volume["secret"] == {"secretName": keys, "optional": True}
    for one in objects:
        chosen = one["spec"].get("selector", {})
        chosen = chosen.get("matchLabels", chosen)
        assert chosen.items() <= labels.items()
    for spread in pod["topologySpreadConstraints"]:
        assert spread["labelSelector"]["matchLabels"].items() <= labels.items()
    assert Serving.from_dict(serving.as_dict()) == serving
    assert "sentiment" not in yaml.safe_dump(objects) or "sentiment" in name


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_files_are_what_is_filled_in_for_the_default_agent(folder):
    """What `kubectl apply -k` applies and what the command applies are one and the same."""
    told = subprocess.run(
        ["kubectl", "kustomize", ROOT / "k8s/serving" / folder],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    applied = {one["kind"]: one for one in yaml.safe_load_all(told.stdout)}
    loaded = spec_file.load(ROOT / "examples/sentiment.yaml", [])
    serving = settings_of(deploy_section(loaded.spec, "/bertworks/models"), 1, "")
    for one in manifests.render(serving, folder, "runs"):
        del one["metadata"]["namespace"]
        pod_label = pod_labels([one]) if one["kind"] in manifests.TOP.values() else {}
        pod_label.pop(manifests.ROLLOUT, None)
        assert one == applied.pop(one["kind"])
    assert not applied


@pytest.mark.parametrize("folder", FOLDERS)
def test_pods_meet_the_restricted_standard_and_end_gracefully(folder):
    from bertworks.serving.server import GRACE_SECONDS

    objects = manifests.render(Serving("mood", 1, "", "/bertworks/models", "i:1"), folder, "runs")
    pod = pod_of(objects)
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert pod["automountServiceAccountToken"] is False
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)
    store = next(one for one in container["volumeMounts"] if one["name"] == "store")
    assert store == {"name": "store", "mountPath": "/bertworks", "readOnly": True}
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= pause + GRACE_SECONDS + 10
    strategy = objects[0]["spec"].get("strategy") or pod["deploymentStrategy"]
    assert strategy["rollingUpdate"]["maxUnavailable"] == 0


def test_the_mark_changes_with_the_pods_and_only_with_them():
    base = Serving("mood", 1, "a" * 64, "/bertworks/models", "i:1")
    changed = {
        "version": 2, "digest": "b" * 64, "image": "i:2", "cpu": "2", "memory": "2Gi",
        "threads": 2, "store": "/bertworks/other", "claim": "disk",
    }  # fmt: skip
    same = {"min_replicas": 1, "max_replicas": 9, "target_cpu_percent": 50, "timeout_minutes": 1}
    assert set(changed) | set(same) <= {one.name for one in fields(Serving)}
    for kind in FOLDERS:
        marks = [
            manifests.rollout_of(manifests.render(replace(base, **{key: value}), kind, "runs"))
            for key, value in changed.items()
        ]
        own = manifests.rollout_of(manifests.render(base, kind, "runs"))
        assert len({own, *marks}) == len(changed) + 1
        assert own == manifests.rollout_of(
            manifests.render(replace(base, **same), kind, "runs", [base])
        )


def test_a_name_that_kserve_cannot_take_is_refused():
    serving = Serving("a" * 44, 1, "", "/bertworks/models", "i:1")
    manifests.render(serving, "deployment", "runs")
    with pytest.raises(SpecError, match="too long for KServe"):
        manifests.render(serving, "kserve", "runs")


def test_threads_follow_the_cpu_limit():
    def threads(cpu, wanted=None):
        given = section(serve={"threads": wanted, "deploy": {"cpu": cpu}})
        return settings_of(given, 1, "").threads

    assert [threads("500m"), threads("1"), threads("2500m"), threads("4")] == [1, 1, 3, 4]
    assert [threads("4", 2), threads("1", 8)] == [2, 1]


def test_only_servers_of_buckets_get_what_the_steps_reach_them_with():
    given = {
        "default": {
            "env": {"AWS_REGION": "eu"},
            "secrets": {"AWS_KEY": {"secret": "aws", "key": "key"}},
        }
    }
    on_volume = settings_of(section(resources=given), 1, "")
    assert (on_volume.env, on_volume.secrets, on_volume.service_account) == ({}, {}, None)
    in_bucket = settings_of(section(resources={**given, "store": "s3://models"}), 1, "")
    assert in_bucket.env == {"AWS_REGION": "eu"} and in_bucket.claim is None
    assert in_bucket.secrets == {"AWS_KEY": {"secret": "aws", "key": "key"}}
    assert in_bucket.service_account == "bertworks-pipeline"


@pytest.mark.parametrize(
    ("changes", "namespace", "message"),
    [
        ({"store": "/elsewhere/models"}, "runs", "is not on the volume"),
        ({"store": ".bertworks/models"}, "runs", "is not on the volume"),
        ({"volume": Volume(claim=None)}, "runs", "there is no volume"),
        ({}, "other", "cannot be mounted from another namespace"),
    ],
)
def test_stores_that_the_pods_cannot_reach_are_refused(changes, namespace, message):
    given = section(serve={"deploy": {"namespace": "runs"}}).model_copy(update=changes)
    with pytest.raises(SpecError, match=message):
        settings_of(given, 1, "", namespace)


def test_the_wheel_holds_the_manifests(tmp_path):
    site = wheels.installed(tmp_path)
    wanted = {
        f"components/deploy/serving/{kind}/{file}.yaml"
        for kind, files in manifests.FILES.items()
        for file in files
    }
    assert all((site / file).is_file() for file in wanted)
    code = (
        "from components.deploy import manifests as m, settings as s;"
        "print(m.__file__, len(m.render(s.Serving('mood', 1, '', '/b/m', 'i:1'), 'kserve', 'n')))"
    )
    told = wheels.run(site, code)
    assert told.split() == [str(site / "components/deploy/manifests.py"), "2"]


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("given", [{"follow": {}}, {"canary": {}}, {"shadow": {}}])
def test_servers_that_follow_are_the_same_pods_for_every_version(folder, given):
    one, two = (
        manifests.render(settings_of(section(serve=given), version, digest * 64), folder, "runs")
        for version, digest in ((1, "a"), (2, "b"))
    )
    assert one[0]["metadata"]["labels"] != two[0]["metadata"]["labels"] or folder == "kserve"
    assert (pod_of(one), pod_labels(one)) == (pod_of(two), pod_labels(two))
    validate(one[0])
    (container,) = pod_of(one)["containers"]
    assert {"--agent=mood", "--follow"} <= set(container["args"])
    assert not any(word.startswith("--digest") for word in container["args"])
    (store,) = (mount for mount in container["volumeMounts"] if mount["name"] == "store")
    servers = [one["value"] for one in container["env"] if one["name"] == "BERTWORKS_SERVERS"]
    # What decides about a challenger writes that into the store, and is not alone.
    assert (store["readOnly"], servers) == ((False, ["6"]) if "canary" in given else (True, []))


def test_a_server_that_serves_one_version_is_rolled_out_for_the_next():
    one, two = (
        manifests.render(settings_of(section(), version, "a" * 64), "deployment", "runs")
        for version in (1, 2)
    )
    assert manifests.rollout_of(one) != manifests.rollout_of(two)
    assert "--follow" not in pod_of(one)["containers"][0]["args"]


def ports_of(objects):
    """The container's ports and the Service's, by name."""
    (container,) = pod_of(objects)["containers"]
    own = {one["name"]: one["containerPort"] for one in container["ports"]}
    services = [one for one in objects if one["kind"] == "Service"]
    return own, {one["name"]: one for service in services for one in service["spec"]["ports"]}


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("tls", [None, "agents-tls"])
@pytest.mark.parametrize("grpc", [None, 9000])
def test_grpc_and_tls_are_in_ports_probes_arguments_and_service(folder, tls, grpc):
    given = section(serve={"grpc_port": grpc, "deploy": {"tls": tls}})
    serving = settings_of(given, 1, "a" * 64)
    objects = manifests.render(serving, folder, "runs", [serving])
    for one in objects:
        validate(one)
    pod = pod_of(objects)
    (container,) = pod["containers"]
    name = "https" if tls else "http"
    own, service = ports_of(objects)
    assert own == {name: 8080, **({"grpc": 8081} if grpc else {})}
    assert ("--grpc-port=8081" in container["args"]) == bool(grpc)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        assert (asked["port"], asked.get("scheme", "HTTP")) == (name, name.upper())
    if folder == "deployment":
        assert set(service) == set(own)
        assert all(one["targetPort"] == key for key, one in service.items())
        assert service[name]["port"] == (443 if tls else 80)
        assert service[name]["appProtocol"] == name
        if grpc:
            assert service["grpc"]["port"] == 8081
            assert service["grpc"]["appProtocol"] == ("https" if tls else "kubernetes.io/h2c")
    secrets = {one["name"]: one["secret"] for one in pod["volumes"] if "secret" in one}
    mounts = {one["name"]: one for one in container["volumeMounts"]}
    if tls:
        assert secrets["tls"] == {"secretName": tls}  # not optional: it cannot start without
        folder_ = mounts["tls"]["mountPath"]
        assert mounts["tls"]["readOnly"] and "subPath" not in mounts["tls"]
        assert f"--tls-cert={folder_}/tls.crt" in container["args"]
        assert f"--tls-key={folder_}/tls.key" in container["args"]
    else:
        assert "tls" not in secrets | mounts and not any(
            "--tls" in one for one in container["args"]
        )
    back = manifests.read_back(objects[0])
    assert (back.grpc, back.tls) == (bool(grpc), tls)


def test_the_command_line_takes_what_the_pods_are_given():
    """The names of options, as a pod's arguments have them."""
    from typer.main import get_command

    from pipelines.cli.main import app

    serving = settings_of(section(serve={"grpc_port": 1, "deploy": {"tls": "t"}}), 1, "a" * 64)
    (container,) = pod_of(manifests.render(serving, "deployment", "runs"))["containers"]
    context = get_command(app).commands["serve"].make_context("serve", list(container["args"]))
    assert context.params["grpc_port"] == manifests.GRPC_PORT
    assert str(context.params["tls_cert"]) == f"{manifests.TLS}/tls.crt"


def test_the_mark_changes_with_grpc_and_tls():
    base = Serving("mood", 1, "a" * 64, "/bertworks/models", "i:1")
    marks = {
        manifests.rollout_of(manifests.render(one, "deployment", "runs"))
        for one in (base, replace(base, grpc=True), replace(base, tls="a"), replace(base, tls="b"))
    }
    assert len(marks) == 4


def test_the_network_policy_lets_both_ports_in():
    policy = yaml.safe_load((ROOT / "k8s/base/network-serving.yaml").read_text())
    first = policy["spec"]["ingress"][0]["ports"]
    assert [one["port"] for one in first] == [manifests.PORT, manifests.GRPC_PORT]
