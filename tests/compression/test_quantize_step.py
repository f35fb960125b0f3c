"""The quantize step: which candidate wins, failures that must not stop it, the bundle it writes."""

import errno
import json
from pathlib import Path

import pytest
from tiny_model import MAX_LENGTH, TEXTS, make_model, make_tokens

from bertworks.artifacts import open_artifact
from bertworks.compression import builders
from bertworks.compression.quantization import Candidate, choose, page
from bertworks.errors import ArtifactError, DataError, EnvironmentFault
from bertworks.serving.runtime import Agent
from bertworks.spec import Quantize, Task
from components.quantize import step

LABELS = {"classification": ["a", "b"], "tagging": ["B-X", "I-X", "O"], "regression": []}


def candidate(name, metric, speed, reason=""):
    alone = 2000 / speed if speed else None
    return Candidate(
        name, Path(), metric=metric, rows_per_second=speed, p95_ms=alone, reason=reason
    )


def section(task, **quantize):
    task = Task.model_validate({"max_length": MAX_LENGTH, **task}).model_dump(mode="json")
    settings = Quantize.model_validate({"measure_rows": 16, "calibration_rows": 16, **quantize})
    return {"task": task, "quantize": settings.model_dump(mode="json")}


def prepared(root, task, rows=40):
    labels = LABELS[task["type"]]
    score = {"mean": 2.0, "std": 3.0, "min": 0.0, "max": 5.0}
    regression = task["type"] == "regression"
    make_model(root / "model", task, labels, score=score if regression else None)
    make_tokens(root / "tokens", task, labels, rows)
    return {"model": root / "model", "tokens": root / "tokens", "bundle": root / "bundle"}


def test_the_fastest_within_the_limit_wins():
    found = [
        candidate("fp32", 0.90, 100.0),
        candidate("small", 0.80, 900.0),
        candidate("good", 0.895, 400.0),
        candidate("better", 0.91, 300.0),
        candidate("broken", None, None, "RuntimeError: no"),
    ]
    assert choose(found, 0.005).name == "good"
    assert [one.chosen for one in found] == [False, False, True, False, False]
    assert "falls by 0.1000, more than 0.005" in found[1].reason
    assert found[4].reason == "RuntimeError: no"
    assert all(one.reason for one in found)


def test_float32_wins_where_all_others_lose_too_much():
    found = [candidate("fp32", 0.9, 100.0), candidate("small", 0.8, 900.0)]
    assert choose(found, 0.01).name == "fp32"
    assert found[0].reason == "no other candidate keeps the metric within the limit"


@pytest.mark.parametrize(
    ("prefer", "winner"),
    [("throughput", "batches"), ("latency", "singles"), ("balanced", "singles")],
)
def test_what_fastest_means(prefer, winner):
    found = [candidate("fp32", 0.9, 100.0), candidate("batches", 0.9, 900.0)]
    found.append(candidate("singles", 0.9, 800.0))
    found[0].p95_ms, found[1].p95_ms, found[2].p95_ms = 9.0, 20.0, 2.0
    assert choose(found, 0.01, prefer).name == winner


def test_a_baseline_that_does_not_run_is_an_error():
    with pytest.raises(EnvironmentFault, match="no such op"):
        choose([candidate("fp32", None, None, "no such op"), candidate("x", 0.9, 1.0)], 0.01)


@pytest.mark.parametrize(
    "task",
    [
        {"type": "classification"},
        {"type": "classification", "multi_label": True},
        {"type": "tagging"},
        {"type": "regression", "pair": True},
    ],
    ids=str,
)
def test_bundles_hold_what_the_contract_says(tmp_path, task):
    paths = prepared(tmp_path, task)
    names = ["onnxruntime-int8", "openvino-bf16"]
    result = step.run(section(task, candidates=names, max_drop=2.0), **paths)
    bundle = open_artifact(paths["bundle"], "bundle")
    agent, model = (
        bundle.json("agent.json"),
        json.loads((paths["model"] / "agent.json").read_text()),
    )
    for name in ("format", "task", "labels", "max_length", "score", "base"):
        assert agent[name] == model[name]
    assert [one["name"] for one in agent["candidates"]] == ["onnxruntime-fp32", *names]
    for one in agent["candidates"]:
        assert one["rows_per_second"] > 0 and one["p95_ms"] >= one["latency_ms"] > 0
        assert one["size_mb"] > 0 and one["reason"]
    (chosen,) = [one for one in agent["candidates"] if one["chosen"]]
    fastest = min(
        agent["candidates"], key=lambda one: 1000 / one["rows_per_second"] + one["p95_ms"]
    )
    assert chosen == fastest
    assert (bundle / agent["engine"]["file"]).is_file()
    assert chosen["name"] in (bundle / result["html"]).read_text()
    assert result["metrics"]["speedup"] > 0
    assert set(bundle.parents) == {"model", "tokens"}
    rows = [(text, text) for text in TEXTS] if task.get("pair") else TEXTS
    assert len(Agent.load(paths["bundle"]).predict(rows)) == len(rows)


def test_nncf_bundle_answers_like_the_model(tmp_path):
    paths = prepared(tmp_path, {"type": "classification"})
    result = step.run(
        section({"type": "classification"}, candidates=["openvino-int8"], max_drop=2.0), **paths
    )
    table = open_artifact(paths["bundle"]).json("agent.json")["candidates"]
    assert table[1]["name"] == "openvino-int8" and table[1]["metric"] is not None, table
    assert result["metrics"]["size_mb"] > 0


def test_a_candidate_that_cannot_be_built_is_recorded(tmp_path, monkeypatch):
    def fail(source, calibration, folder):
        (folder / "half.bin").write_bytes(b"x")
        raise RuntimeError("no such instruction")

    monkeypatch.setitem(builders.BUILDERS, "openvino-int8", fail)
    paths = prepared(tmp_path, {"type": "classification"})
    step.run(section({"type": "classification"}, candidates=["openvino-int8"]), **paths)
    bundle = open_artifact(paths["bundle"], "bundle")
    table = bundle.json("agent.json")["candidates"]
    assert table[1]["reason"] == "RuntimeError: no such instruction"
    assert table[0]["chosen"] and not (bundle / "half.bin").exists()


def test_errors_in_a_candidate_are_escaped_in_the_page():
    found = [candidate("fp32", 0.9, 100.0), candidate("x", None, None, "<script>")]
    choose(found, 0.1)
    assert "<script>" not in page(found, "accuracy", 2)


def test_no_validation_rows(tmp_path):
    paths = prepared(tmp_path, {"type": "classification"}, rows=0)
    with pytest.raises(DataError, match="no train rows"):
        step.run(section({"type": "classification"}), **paths)
    assert not paths["bundle"].exists()


def test_a_damaged_model_leaves_no_bundle(tmp_path):
    paths = prepared(tmp_path, {"type": "classification"})
    (paths["model"] / "config.json").write_text("{}")
    with pytest.raises(ArtifactError, match="config.json"):
        step.run(section({"type": "classification"}), **paths)
    assert not paths["bundle"].exists()


def test_a_full_disk_ends_the_step(tmp_path, monkeypatch):
    def fail(source, calibration, folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(builders.BUILDERS, "openvino-bf16", fail)
    paths = prepared(tmp_path, {"type": "classification"})
    with pytest.raises(EnvironmentFault, match="No space left"):
        step.run(section({"type": "classification"}, candidates=["openvino-bf16"]), **paths)
    assert not paths["bundle"].exists()
