import json
from pathlib import Path

import numpy as np
import pytest
from tiny_tokens import (
    CLASSIFICATION,
    MULTI_LABEL,
    REGRESSION,
    TAGGING,
    finetune_section,
    make_base,
    make_tokens,
)

from bertworks.errors import BertworksError, DataError, SpecError
from bertworks.models.weights import load_folder, read_tensors
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.history import read_history
from tests.helpers.steps import finetune as run

pytestmark = pytest.mark.usefixtures("uncompiled")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("base") / "base")


def finetune(base, work, section, **options):
    tokens = make_tokens(work / "tokens", section["task"], **options)
    return run(section, tokens=tokens, initial=base, model=work / "model")


@pytest.mark.parametrize(
    ("task", "options", "metric"),
    [
        (CLASSIFICATION, {"pair": True}, "accuracy"),
        (MULTI_LABEL, {}, "accuracy"),
        (REGRESSION, {}, "pearson"),
        (TAGGING, {}, "entity_f1"),
    ],
    ids=["classification", "multi-label", "regression", "tagging"],
)
def test_every_task_learns(base, tmp_path, task, options, metric):
    rate = 1e-2 if task == TAGGING else 5e-3
    section = finetune_section(task, epochs=10, learning_rate=rate)
    result = finetune(base, tmp_path, section, **options)
    assert result.metrics[f"validation_{metric}"] > 0.9


def test_the_artifact_holds_what_the_contract_says(base, tmp_path):
    result = finetune(base, tmp_path, finetune_section(epochs=1))
    model = open_artifact(tmp_path / "model", "model")
    names = {path.name for path in Path(model.path).iterdir()}
    assert names == {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "agent.json",
        "history.json", "timings.json", "manifest.json",
    }  # fmt: skip
    config = model.json("config.json")
    assert config["architectures"] == ["BertForSequenceClassification"]
    assert config["id2label"] == {"0": "n", "1": "y"}
    agent = model.json("agent.json")
    assert agent["labels"] == ["n", "y"]
    assert agent["max_length"] == 16
    assert agent["clean"] == {"html": False, "unicode": "NFKC", "whitespace": True}
    assert agent["base"] == "test://tiny"
    assert agent["parents"] == dict(model.parents)
    points = model.json("history.json")["points"]
    last = [point for point in points if point["split"] == "validation"][-1]
    assert last["value"] == result.metrics["validation_accuracy"]
    assert {point["name"] for point in points} == {"loss", "accuracy"}
    assert load_folder(model.path)[0].num_layers == 2


@pytest.mark.parametrize(
    "settings",
    [
        {"accumulate": 3},
        {"class_weights": "balanced", "label_smoothing": 0.1, "layer_decay": 0.8},
        {"decay": "cosine", "warmup": 0.3, "dropout": 0.0, "metric": "macro_f1"},
    ],
    ids=["accumulate", "weights", "schedule"],
)
def test_settings_train(base, tmp_path, settings):
    result = finetune(base, tmp_path, finetune_section(epochs=10, **settings))
    metric = settings.get("metric", "accuracy")
    assert result.metrics[f"validation_{metric}"] > 0.8


def test_accumulated_steps_equal_undivided_ones(base, tmp_path):
    plain = {"epochs": 1, "dropout": 0.0, "precision": "float32"}
    found = []
    for parts in (1, 4):
        work = tmp_path / str(parts)
        finetune(base, work, finetune_section(TAGGING, **plain, accumulate=parts))
        found.append(read_tensors(work / "model/model.safetensors"))
    for name in found[0]:
        # Adam divides by the gradient's size, so rounding shows where gradients are near zero.
        close = np.isclose(found[0][name], found[1][name], atol=2e-4)
        assert close.mean() > 0.99, name


def test_it_stops_when_patience_runs_out(base, tmp_path):
    section = finetune_section(epochs=20, patience=1, learning_rate=1e-8)
    finetune(base, tmp_path, section)
    history = json.loads((tmp_path / "model/history.json").read_text())
    assert max(point["epoch"] for point in history["points"]) == 2


def test_equal_seeds_give_equal_bytes_and_others_do_not(base, tmp_path):
    files, digests, times = [], [], []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        finetune(base, tmp_path / name, finetune_section(epochs=1, seed=seed))
        model = open_artifact(tmp_path / name / "model")
        files.append((model / "model.safetensors").read_bytes())
        digests.append(model.digest)
        times.append(model.json("timings.json"))
    assert files[0] == files[1] != files[2]
    # What the clock said differs, and stands beside what the digest covers.
    assert digests[0] == digests[1] != digests[2] and times[0] != times[1]
    found = read_history(model)
    assert found.points and found.seconds and found.tokens_per_second


def test_a_scratch_base_starts_fresh(tmp_path):
    base = make_base(tmp_path / "base", scratch=True)
    assert finetune(base, tmp_path, finetune_section(epochs=1)).metrics["best_epoch"] == 1


@pytest.mark.parametrize(
    ("task", "settings", "error", "named"),
    [
        (CLASSIFICATION, {"metric": "pearson"}, SpecError, "`metric`"),
        (CLASSIFICATION, {"learning_rate": 1e30}, BertworksError, "diverged"),
    ],
    ids=["metric", "diverged"],
)
def test_what_cannot_work_is_refused_by_name(base, tmp_path, task, settings, error, named):
    with pytest.raises(error, match=named):
        finetune(base, tmp_path, finetune_section(task, **settings))
    assert not (tmp_path / "model").exists()


def test_an_empty_validation_split_is_refused(base, tmp_path):
    with pytest.raises(DataError, match="validation split has no rows"):
        finetune(base, tmp_path, finetune_section(), rows=(16, 0, 0))
