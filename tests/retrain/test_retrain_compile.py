"""The compiled retraining: what runs always, what only when something is new, and who is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2
from tiny_agent import REPOSITORY

from bertworks.spec import file as spec_file
from pipelines.compile import compile_agent, dag_of

SENTIMENT = REPOSITORY / "examples/sentiment.yaml"
HOOK = "retrain.webhook={secret: chat, key: url}"
BRANCH = {
    "validate", "transform", "finetune", "evaluate", "evaluate-2", "prune", "quantize", "gate",
    "register",
}  # fmt: skip


NEVER_CACHED = {"ingest", "compare", "gate", "register", "deploy", "notify"}


def sections(*settings: str) -> dict[str, str]:
    return dag_of(spec_file.load(SENTIMENT, list(settings)), "retrain").sections()


def compiled(folder: Path, *settings: str) -> tuple[dict[str, Any], dict[str, Any], str]:
    loaded = spec_file.load(SENTIMENT, list(settings))
    compile_agent(loaded, folder / "p.yaml", kind="retrain")
    text = (folder / "p.yaml").read_text()
    pipeline, platform = yaml.load_all(text, yaml.CSafeLoader)
    json_format.ParseDict(pipeline, pipeline_spec_pb2.PipelineSpec())
    return pipeline, platform, text


def dag(pipeline: dict[str, Any], component: str) -> dict[str, Any]:
    return pipeline["components"][component]["dag"]["tasks"]


def test_what_runs_when(tmp_path: Path) -> None:
    pipeline, _, _ = compiled(tmp_path, "serve.deploy.enabled=true")
    assert pipeline["pipelineInfo"]["name"] == "sentiment-retrain"
    root = pipeline["root"]["dag"]["tasks"]
    assert set(root) == {"exit-handler-1", "notify"}
    assert root["notify"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
    assert set(dag(pipeline, "comp-exit-handler-1")) == {"ingest", "compare", "condition-2"}
    guard = dag(pipeline, "comp-exit-handler-1")["condition-2"]["triggerPolicy"]["condition"]
    assert guard == "inputs.parameter_values['pipelinechannel--compare-Output'] == 'changed'"
    assert set(dag(pipeline, "comp-condition-2")) == {*BRANCH, "condition-3"}
    assert set(dag(pipeline, "comp-condition-3")) == {"deploy"}
    guard = dag(pipeline, "comp-condition-2")["condition-3"]["triggerPolicy"]["condition"]
    assert guard == "inputs.parameter_values['pipelinechannel--register-Output'] == 'promoted'"
    without, _, _ = compiled(tmp_path, "compress.prune.enabled=false")
    assert set(dag(without, "comp-condition-2")) == BRANCH - {"prune"}


def test_what_others_change_is_never_cached(tmp_path: Path) -> None:
    pipeline, _, _ = compiled(tmp_path, "serve.deploy.enabled=true")
    tasks = {
        **pipeline["root"]["dag"]["tasks"],
        **dag(pipeline, "comp-exit-handler-1"),
        **dag(pipeline, "comp-condition-2"),
        **dag(pipeline, "comp-condition-3"),
    }
    plain = {name: task for name, task in tasks.items() if task["componentRef"]["name"][5:] == name}
    plain = {name: task for name, task in plain.items() if "-" not in name}
    cached = {name for name, task in plain.items() if task["cachingOptions"].get("enableCache")}
    assert set(plain) - cached == NEVER_CACHED


def test_every_pod_can_leave_a_reason_and_notify_finds_it(tmp_path: Path) -> None:
    pipeline, platform, _ = compiled(tmp_path, HOOK)
    pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    containers = pipeline["deploymentSpec"]["executors"]
    assert set(pods) == set(containers) and "exec-notify" in pods
    for name, pod in pods.items():
        json_format.ParseDict(pod, kubernetes_executor_config_pb2.KubernetesExecutorConfig())
        assert "KFP_RUN_ID" in {one["name"] for one in pod["fieldPathAsEnv"]}, name
        assert pod["pvcMount"][0]["mountPath"] == "/bertworks", name
        environment = {one["name"] for one in containers[name]["container"]["env"]}
        assert "BERTWORKS_FAILURES" in environment, name
        assert "BERTWORKS_WEBHOOK" not in environment
        assert bool(pod.get("secretAsEnv")) is (name == "exec-notify")
    (secret,) = pods["exec-notify"]["secretAsEnv"]
    assert (secret["secretName"], secret["optional"]) == ("chat", True)
    assert secret["keyToEnv"] == [{"secretKey": "url", "envVar": "BERTWORKS_WEBHOOK"}]
    assert "http" not in json.dumps(secret)


def test_the_same_spec_gives_the_same_bytes(tmp_path: Path) -> None:
    assert compiled(tmp_path, HOOK)[2] == compiled(tmp_path, HOOK)[2]


@pytest.mark.parametrize(
    ("setting", "same"),
    [
        ("retrain.min_new_rows=5", True),
        (HOOK, True),
        ("resources.default.cpu='2'", True),
        ("retrain.rehearsal=2.0", False),
        ("finetune.epochs=9", False),
        ("data.clean.unicode=NFKC", False),
        ("gates.minimum=0.5", False),
    ],
)
def test_the_recipe_is_how_a_challenger_is_made(setting: str, same: bool) -> None:
    def recipe(*settings: str) -> tuple[str, str]:
        parts = sections(*settings)
        found = [json.loads(parts[step])["settings"] for step in ("compare", "register")]
        return found[0]["recipe"], found[1]["recipe"]

    before, after = recipe(), recipe(setting)
    assert before[0] == before[1] and after[0] == after[1]
    assert (before == after) is same


def test_a_new_label_is_no_anomaly_in_a_retraining() -> None:
    parts = sections("validate.baseline=/bertworks/statistics")
    assert "/bertworks/statistics" in parts["validate"]
    found = json.loads(sections()["validate"])["settings"]["validate"]["baseline"]
    assert found == "none"
