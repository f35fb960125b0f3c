"""The prune step as a whole, on a tiny model: the artifact that it writes, and what it refuses."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertworks.compression import measuring
from bertworks.compression.pruning.latency import LatencyTable, LayerTimes, Subject
from bertworks.contracts.tokens import TOKENS
from bertworks.errors import ArtifactError, DataError, SpecError
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import all_shapes, initialize
from bertworks.models.weights import load_folder, save_folder
from bertworks.storage import artifacts
from bertworks.storage.checkpoints import ROOT
from bertworks.text.tokenizer import Tokenizer
from bertworks.text.wordpiece import train
from tests.helpers.records import tokens_info
from tests.helpers.steps import prune

CONFIG = EncoderConfig(
    vocab_size=30, hidden_size=16, num_heads=(2, 2), head_size=8, intermediate_sizes=(64, 64),
    max_positions=16,
)  # fmt: skip
TASKS = {
    "classification": {"type": "classification"},
    "tagging": {"type": "tagging"},
    "regression": {"type": "regression", "pair": True},
}


def head_of(task: dict) -> Head:
    if task["type"] == "tagging":
        return Head("token", ("O", "B-X"))
    if task["type"] == "regression":
        return Head("sequence", ("score",), "regression")
    return Head("sequence", ("bad", "good"), "single_label_classification")


def write_tokens(folder, task: dict, counts=(48, 16)):
    random = np.random.default_rng(0)
    with artifacts.write(folder, kind="tokens", producer="transform") as out:
        for split, count in zip(("train", "validation"), counts, strict=True):
            (out / split).mkdir()
            ids = [random.integers(3, 30, random.integers(4, 12)) for _ in range(count)]
            columns = {
                "id": [f"{split}{row}" for row in range(count)],
                "input_ids": pa.array(ids, pa.list_(pa.int32())),
                "length": pa.array([len(row) for row in ids], pa.int32()),
            }
            if task["type"] == "tagging":
                columns["tags"] = pa.array([row % 2 for row in ids], pa.list_(pa.int32()))
            elif task["type"] == "regression":
                columns["scaled"] = pa.array([row[1] / 10 - 1.5 for row in ids], pa.float32())
            else:
                columns["label"] = pa.array([int(row[1] > 16) for row in ids], pa.int32())
            if task.get("pair"):
                types = [(np.arange(len(row)) > 2).astype(np.int8) for row in ids]
                columns["type_ids"] = pa.array(types, pa.list_(pa.int8()))
            pq.write_table(pa.table(columns), out / split / "part-00000.parquet")
        TOKENS.write(out, tokens_info(
            task=task, labels=list(head_of(task).labels),
            rows=dict(zip(("train", "validation"), counts, strict=True)),
            length_quantiles=[4, 5, 7, 9, 10, 11, 11],
        ))  # fmt: skip
    return folder


def write_model(folder, task: dict):
    with artifacts.write(folder, kind="model", producer="finetune") as out:
        weights = initialize(all_shapes(CONFIG, head_of(task)), seed=1)
        loud = {name: 8 * array if array.ndim == 2 else array for name, array in weights.items()}
        save_folder(out, CONFIG, loud, head_of(task))
        Tokenizer(train(["good bad text"], 50, True)).save(out)
        labels = list(head_of(task).labels) if task["type"] != "regression" else []
        agent = {
            "format": 1, "task": task, "labels": labels, "max_length": 16,
            "score": None, "base": "here", "parents": {},
        }  # fmt: skip
        artifacts.write_json(out / "agent.json", agent)
    return folder


@pytest.fixture(autouse=True)
def quick_table(monkeypatch):
    """Times that a real machine would have, without measuring; counts how often it was asked."""
    asked = []

    def made(subject: Subject, shapes, **options) -> LatencyTable:
        asked.append(subject)
        times = LayerTimes({0: 0.1, 2: 2.1}, {0: 0.1, 64: 4.1})
        return LatencyTable(times, times, 0.5, 0.0, 5, 1, subject, tuple(shapes))

    monkeypatch.setattr(measuring, "measure", made)
    return asked


def run(tmp_path, task: dict, **settings):
    section = {
        "task": task,
        "prune": {
            "batch_size": 8,
            "epochs": 1,
            "precision": "float32",
            "importance_rows": 16,
            "latency": "measured",
        }
        | settings,
    }
    return prune(
        section,
        model=write_model(tmp_path / "model", task),
        tokens=write_tokens(tmp_path / "tokens", task),
        pruned=tmp_path / "pruned",
    )


@pytest.mark.parametrize("name", TASKS)
def test_the_artifact_holds_a_narrower_model_and_how_it_came_about(tmp_path, name: str) -> None:
    result = run(tmp_path, TASKS[name], speedup=1.8)
    pruned = artifacts.open_artifact(tmp_path / "pruned", "model")
    config, weights, raw = load_folder(pruned.path)
    assert {key: array.shape for key, array in weights.items()} == all_shapes(
        config, head_of(TASKS[name])
    )
    assert raw["bertworks"]["num_heads"] == list(config.num_heads)
    scores = result.metrics
    assert scores["predicted_speedup"] >= 1.8 - 1e-4
    assert scores["measured_speedup"] > 0
    assert sum(config.num_heads) < 4 or sum(config.intermediate_sizes) < 128
    metric = {"classification": "accuracy", "tagging": "entity_f1", "regression": "pearson"}[name]
    for stage in ("_teacher", "_before_distillation", ""):
        assert -1.0 <= scores[f"validation_{metric}{stage}"] <= 1.0
    table = LatencyTable.from_json(pruned.json("latency.json"))
    assert table.encoder_time(config.num_heads, config.intermediate_sizes) <= 12.9 / 1.8 + 1e-6
    agent = pruned.json("agent.json")
    assert agent["labels"] == [] if name == "regression" else agent["labels"]
    assert set(agent["parents"]) == {"model", "tokens"} == set(pruned.parents)
    history = pruned.json("history.json")
    assert set(history) == {"points"} and history["points"]
    timings = {"seconds", "tokens_per_second", "predicted_speedup", "measured_speedup"}
    assert set(pruned.json("timings.json")) == timings
    page = (pruned.path / result.html).read_text(encoding="utf-8")
    assert "Heads kept in each layer" in page and "<script" not in page
    assert not list(tmp_path.glob(".*"))


def test_a_speedup_of_one_passes_the_model_through(tmp_path) -> None:
    result = run(tmp_path, TASKS["classification"], speedup=1.0)
    _, before, _ = load_folder(tmp_path / "model")
    config, after, _ = load_folder(tmp_path / "pruned")
    assert config.num_heads == CONFIG.num_heads
    assert all((array == after[name]).all() for name, array in before.items())
    scores = result.metrics
    assert scores["predicted_speedup"] == scores["measured_speedup"] == 1.0
    assert result.notices == []
    assert scores["validation_accuracy"] == scores["validation_accuracy_teacher"]


def test_no_epochs_leave_the_repaired_weights(tmp_path) -> None:
    scores = run(tmp_path, TASKS["classification"], speedup=1.5, epochs=0).metrics
    assert scores["validation_accuracy"] == scores["validation_accuracy_before_distillation"]


def test_a_killed_run_keeps_its_times_and_its_plan(tmp_path, monkeypatch, quick_table) -> None:
    from bertworks.training.objectives import distillation

    monkeypatch.setenv(ROOT, str(tmp_path / "checkpoints"))
    parts = distillation.TaughtFeed.parts
    calls = []

    def dies(self, *arguments):
        calls.append(arguments)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return parts(self, *arguments)

    monkeypatch.setattr(distillation.TaughtFeed, "parts", dies)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, TASKS["classification"], speedup=1.8)
    assert not (tmp_path / "pruned").exists()
    (kept,) = (tmp_path / "checkpoints").glob("*/plan.json")
    plan = json.loads(kept.read_text())
    monkeypatch.setattr(distillation.TaughtFeed, "parts", parts)
    run(tmp_path, TASKS["classification"], speedup=1.8)
    assert len(quick_table) == 1
    config, _, _ = load_folder(tmp_path / "pruned")
    assert config.num_heads == tuple(len(layer) for layer in plan["heads"])
    assert not list((tmp_path / "checkpoints").glob("*/*"))


def test_equal_inputs_give_equal_bytes_whatever_the_clock_says(tmp_path, quick_table, monkeypatch):
    """Widths once followed a latency measured by the clock."""
    from bertworks.compression.pruning import prune

    speeds = iter([(9.0, 8.0), (3.0, 1.0)])
    monkeypatch.setattr(prune, "compare", lambda *_, **__: next(speeds))
    monkeypatch.setattr(measuring.time, "perf_counter", np.random.default_rng().random)
    found = []
    for name in ("one", "two"):
        task = TASKS["classification"]
        result = run(tmp_path / name, task, speedup=1.5, latency="modelled")
        folder = tmp_path / name / "pruned"
        found.append(
            (folder / "model.safetensors").read_bytes() + (folder / "latency.json").read_bytes()
        )
        found.append(artifacts.open_artifact(folder).digest)
        table = LatencyTable.from_json(json.loads((folder / "latency.json").read_text()))
        assert table.rounds == 0 and "by the cost model" in (folder / "pruning.html").read_text()
        told = [notice.text for notice in result.notices]
        if name == "one":  # reached 1.125 where 1.5 was asked
            assert "1.5 times" in told[0] and "1.12 times" in told[0]
        else:
            assert not told and result.metrics["measured_speedup"] == 3.0
    assert found[:2] == found[2:] and not quick_table


def test_what_cannot_be_reached_is_refused_and_nothing_is_left(tmp_path) -> None:
    with pytest.raises(SpecError, match="prune.speedup: 20 cannot be reached"):
        run(tmp_path, TASKS["classification"], speedup=20.0)
    assert not (tmp_path / "pruned").exists()


def test_a_split_without_rows_and_a_wrong_artifact_are_refused(tmp_path) -> None:
    task = TASKS["classification"]
    section = {"task": task, "prune": {}}
    model = write_model(tmp_path / "model", task)
    tokens = write_tokens(tmp_path / "tokens", task, counts=(4, 0))
    with pytest.raises(DataError, match="validation split has no rows"):
        prune(section, model=model, tokens=tokens, pruned=tmp_path / "pruned")
    with pytest.raises(ArtifactError, match="kind 'tokens', where 'model' is needed"):
        prune(section, model=tokens, tokens=tokens, pruned=tmp_path / "pruned")
