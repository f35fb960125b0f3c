"""The quantize step: which candidate wins, failures that must not stop it, the bundle it writes."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
from made_candidates import measured
from tiny_model import MAX_LENGTH, TEXTS, make_model, make_tokens

from bertworks.compression import builders, quantization
from bertworks.compression.candidates import Candidate, table
from bertworks.compression.choosing import FEW, TELLING, choose
from bertworks.compression.quantization import Compressed
from bertworks.contracts.bundle import EngineFile, Times, Tried
from bertworks.deadline import UNTIL
from bertworks.errors import ArtifactError, DataError, EnvironmentFault
from bertworks.evaluation.tokenized import value_on_tokens
from bertworks.pages.candidates import page
from bertworks.runtime import engines
from bertworks.runtime.agent import Agent
from bertworks.spec import Quantize, Task
from bertworks.storage.artifacts import open_artifact, write, write_json
from bertworks.tasks import for_task
from bertworks.timing import load_of
from components.quantize import step
from tests.fixes.taking import taken
from tests.helpers.steps import quantize

LABELS = {"classification": ["a", "b"], "tagging": ["B-X", "I-X", "O"], "regression": []}


def section(task, **quantize):
    task = Task.model_validate({"max_length": MAX_LENGTH, **task}).model_dump(mode="json")
    settings = Quantize.model_validate({"measure_rows": 16, "calibration_rows": 16, **quantize})
    gates = {"max_drop": 2.0, "max_size_mb": 25.0}
    return {"task": task, "quantize": settings.model_dump(mode="json"), "gates": gates}


def prepared(root, task, rows=40):
    labels = LABELS[task["type"]]
    score = {"mean": 2.0, "std": 3.0, "min": 0.0, "max": 5.0}
    regression = task["type"] == "regression"
    make_model(root / "model", task, labels, score=score if regression else None)
    make_tokens(root / "tokens", task, labels, rows)
    return {"model": root / "model", "tokens": root / "tokens", "bundle": root / "bundle"}


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
    result = quantize(section(task, candidates=names, max_drop=2.0), **paths)
    bundle = open_artifact(paths["bundle"], "bundle")
    agent, model = (
        bundle.json("agent.json"),
        json.loads((paths["model"] / "agent.json").read_text()),
    )
    for name in ("format", "task", "labels", "max_length", "score", "base"):
        assert agent[name] == model[name]
    assert [one["name"] for one in agent["candidates"]] == ["onnxruntime-fp32", *names]
    for one in table(bundle):
        times = one.times
        assert times.rows_per_second > 0 and times.p95_ms >= times.latency_ms > 0
        assert one.size_mb > 0 and times.reason and one.drop.rows == 16
        assert [check.setting for check in times.checks] == [
            "compress.quantize.max_drop", "gates.max_drop", "gates.max_size_mb",
        ]  # fmt: skip
    (chosen,) = [one for one in table(bundle) if one.chosen]
    assert f"{chosen.name} was chosen" in result.notices[0].text
    assert (bundle / agent["engine"]["file"]).is_file()
    assert chosen.name in (bundle / result.html).read_text()
    assert result.metrics["speedup"] > 0
    assert set(bundle.parents) == {"model", "tokens"}
    rows = [(text, text) for text in TEXTS] if task.get("pair") else TEXTS
    assert len(Agent.load(paths["bundle"]).predict(rows)) == len(rows)


@pytest.mark.parametrize("engine", ["onnxruntime-int8", "openvino-bf16"])
@pytest.mark.parametrize(
    "task",
    [{"type": "classification"}, {"type": "tagging"}, {"type": "regression", "pair": True}],
    ids=str,
)
def test_the_reported_metric_is_that_of_the_bundle_asked_row_by_row(
    tmp_path, monkeypatch, task, engine
):
    given = []  # what the step runs: the calibration rows, then those it measures on
    inputs = step.TokenizedRows.of
    monkeypatch.setattr(
        step.TokenizedRows,
        "of",
        staticmethod(lambda rows: given.append((rows, inputs(rows))) or given[-1][1]),
    )
    paths = prepared(tmp_path, task)
    asked = section(task, candidates=[engine], max_drop=2.0)
    result = quantize(asked, **paths)
    agent = json.loads((paths["bundle"] / "agent.json").read_text())
    (chosen,) = [one for one in table(open_artifact(paths["bundle"])) if one.chosen]
    assert chosen.name == engine and len(given) == 2
    rows, ids = given[-1]
    loaded = engines.load(paths["bundle"], EngineFile(**agent["engine"]), 1)
    alone = [
        loaded.run(
            np.array([ids.ids[row]]),
            np.ones((1, len(ids.ids[row])), np.int64),
            None if ids.types is None else np.array([ids.types[row]]),
        )[0]
        for row in range(len(ids.ids))
    ]
    handler = for_task(Task.model_validate(asked["task"]), agent["labels"], agent["score"])
    expected = value_on_tokens(handler, handler.default_metric, rows.truth, rows.combine(alone))
    assert len(ids.ids) == 16 and expected not in (0.0, 1.0)
    assert result.metrics["metric"] == chosen.metric == pytest.approx(expected, rel=1e-5)


def test_nncf_bundle_answers_like_the_model(tmp_path):
    paths = prepared(tmp_path, {"type": "classification"})
    result = quantize(
        section({"type": "classification"}, candidates=["openvino-int8"], max_drop=2.0), **paths
    )
    found = table(open_artifact(paths["bundle"]))
    assert found[1].name == "openvino-int8" and found[1].metric is not None, found
    assert result.metrics["size_mb"] > 0


def test_a_candidate_that_cannot_be_built_is_recorded(tmp_path, monkeypatch):
    def fail(source, calibration, folder):
        (folder / "half.bin").write_bytes(b"x")
        raise RuntimeError("no such instruction")

    monkeypatch.setitem(builders.BUILDERS, "openvino-int8", fail)
    paths = prepared(tmp_path, {"type": "classification"})
    quantize(section({"type": "classification"}, candidates=["openvino-int8"]), **paths)
    bundle = open_artifact(paths["bundle"], "bundle")
    found = table(bundle)
    assert found[1].times.reason == "RuntimeError: no such instruction"
    assert found[0].chosen and not (bundle / "half.bin").exists()


def test_errors_in_a_candidate_are_escaped_in_the_page():
    found = [*measured({"fp32": (9, 1, 0, 0)}), Candidate("x", Path(), reason="<script>")]
    choose(found)
    shown = page(Compressed(found, load_of([1.0])), "accuracy", 2)
    assert "<script>" not in shown and "&lt;script&gt;" in shown


def test_no_validation_rows(tmp_path):
    paths = prepared(tmp_path, {"type": "classification"}, rows=0)
    with pytest.raises(DataError, match="no train rows"):
        quantize(section({"type": "classification"}), **paths)
    assert not paths["bundle"].exists()


def test_a_damaged_model_leaves_no_bundle(tmp_path):
    paths = prepared(tmp_path, {"type": "classification"})
    (paths["model"] / "config.json").write_text("{}")
    with pytest.raises(ArtifactError, match="config.json"):
        quantize(section({"type": "classification"}), **paths)
    assert not paths["bundle"].exists()


def test_a_full_disk_ends_the_step(tmp_path, monkeypatch):
    def fail(source, calibration, folder):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(builders.BUILDERS, "openvino-bf16", fail)
    paths = prepared(tmp_path, {"type": "classification"})
    with pytest.raises(EnvironmentFault, match="No space left"):
        quantize(section({"type": "classification"}, candidates=["openvino-bf16"]), **paths)
    assert not paths["bundle"].exists()


def test_equal_results_have_equal_digests(tmp_path):
    paths = prepared(tmp_path, {"type": "classification"})
    asked = section({"type": "classification"}, candidates=["onnxruntime-int8"], max_drop=2.0)
    made = []
    for name in ("one", "two"):
        quantize(asked, **{**paths, "bundle": tmp_path / name})
        made.append(open_artifact(tmp_path / name))
    assert made[0].digest == made[1].digest and made[0].metadata == made[1].metadata
    assert made[0].json("timings.json") != made[1].json("timings.json")


def test_an_older_bundle_shows_its_candidates_too(tmp_path):
    with write(tmp_path / "old", kind="bundle", producer="quantize") as out:
        agent = {"task": {}, "max_length": 16, "candidates": [{"name": "x", "p95_ms": 2.0}]}
        write_json(out / "agent.json", agent)
    assert table(open_artifact(tmp_path / "old")) == [Tried("x", times=Times(p95_ms=2.0))]


def test_the_runs_metric_is_what_candidates_are_judged_by(tmp_path):
    paths = prepared(tmp_path, {"type": "classification"})
    asked = section({"type": "classification"}, candidates=["onnxruntime-fp32"])
    quantize({**asked, "metric": "roc_auc"}, **paths)
    (one,) = table(open_artifact(paths["bundle"]))
    assert one.drop.metric == "roc_auc" and 0 < one.metric < 1


def test_the_gates_limits_reach_the_choice(tmp_path):
    """No graph is that small: the nearest is taken, and which gate will refuse is told at once."""
    paths = prepared(tmp_path, {"type": "classification"})
    asked = section({"type": "classification"}, candidates=["onnxruntime-int8"], max_drop=2.0)
    asked["gates"]["max_size_mb"] = 0.001
    result = quantize(asked, **paths)
    warning = next(one for one in result.notices if one.level == "warning")
    assert "the gates will refuse" in warning.text and "gates.max_size_mb" in warning.text
    found = {one.name: one for one in table(open_artifact(paths["bundle"]))}
    sizes = {name: one.size_mb for name, one in found.items()}
    assert next(name for name, one in found.items() if one.chosen) == min(sizes, key=sizes.get)


@pytest.mark.parametrize("engine", ["onnxruntime-int8", "openvino-bf16", "openvino-int8"])
def test_a_vector_behind_the_logits_changes_no_answer(tmp_path, engine):
    paths = prepared(tmp_path, {"type": "classification"})
    asked = section({"type": "classification"}, candidates=[engine], max_drop=1.0)
    quantize(asked, **paths)
    asked["confidence"] = {"out_of_scope": 0.1}
    quantize(asked, **{**paths, "bundle": tmp_path / "scoped"})
    plain, scoped = (Agent.load(one) for one in (paths["bundle"], tmp_path / "scoped"))
    known = scoped.info.calibration
    assert known.vector == scoped._scope.width > 0 and known.in_scope_from is not None
    ids = plain.encode(TEXTS).ids
    before, after = (np.stack(one.predict_logits(ids)) for one in (plain, scoped))
    np.testing.assert_allclose(before, after, atol=2e-2 * np.abs(before).max())
    told = scoped.predict(TEXTS)
    assert all(isinstance(one["out_of_scope"], bool) for one in told)
    vectors = taken(
        "bertworks/runtime/agent.py",
        "texts out of scope",
        lambda agent=plain: agent.vectors(TEXTS),
        lambda advice: (scoped,),
    )
    assert vectors.shape == (len(TEXTS), known.vector)
    assert "out_of_scope" not in plain.predict(TEXTS)[0]


def test_where_time_is_over_the_most_promising_are_tried_and_the_choice_is_made(
    tmp_path, monkeypatch
):
    paths = prepared(tmp_path, {"type": "classification"})
    monkeypatch.setenv(UNTIL, "1000")
    names = ["openvino-bf16", "onnxruntime-int8"]
    quantize(section({"type": "classification"}, candidates=names), **paths)
    tried = {one.name: one for one in table(open_artifact(paths["bundle"], "bundle"))}
    assert list(tried) == ["onnxruntime-fp32", *names]
    assert tried["openvino-bf16"].metric is None
    assert "minutes were over" in tried["openvino-bf16"].times.reason
    chosen = tried["onnxruntime-int8"]
    assert chosen.chosen and len(chosen.times.batch_ms) == FEW


def test_rounds_go_on_until_they_can_tell(tmp_path, monkeypatch):
    monkeypatch.setattr(quantization, "SECONDS", 0.0)
    paths = prepared(tmp_path, {"type": "classification"})
    quantize(section({"type": "classification"}, candidates=["onnxruntime-int8"]), **paths)
    rounds = {len(one.times.batch_ms) for one in table(open_artifact(paths["bundle"], "bundle"))}
    assert rounds <= {FEW, TELLING}  # the first where one is far ahead
