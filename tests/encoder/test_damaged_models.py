"""Checkpoints and bundles that hold what no encoder can have are named, not computed with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertworks.contracts.agent import AGENT
from bertworks.errors import ArtifactError
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.weights import load_folder, save_folder
from bertworks.runtime import engines
from tests.helpers.tiny_model import config, random_weights

HEAD = Head("encoder")
RAW = config().to_huggingface()


@pytest.mark.parametrize(
    "edit",
    [
        {"num_hidden_layers": -1},
        {"num_hidden_layers": 0},
        {"num_hidden_layers": 1_000_000_000},
        {"num_hidden_layers": "2"},
        {"num_hidden_layers": 2.0},
        {"num_hidden_layers": True},
        {"num_attention_heads": 0},
        {"hidden_size": 10**12},
        {"vocab_size": 0},
        {"intermediate_size": -4, "bertworks": None},
        {"max_position_embeddings": 0},
        {"layer_norm_eps": 0},
        {"layer_norm_eps": float("nan")},
        {"hidden_dropout_prob": 1.5},
        {"bertworks": {"num_heads": [-1, 2], "intermediate_sizes": [4, 4], "head_size": 4}},
        {"bertworks": {"num_heads": [1, 2], "intermediate_sizes": [4, 10**9], "head_size": 4}},
        {"bertworks": {"num_heads": [1], "intermediate_sizes": [4, 4], "head_size": 4}},
        {"bertworks": {"num_heads": [1, 1], "intermediate_sizes": [4, 4], "head_size": -4}},
    ],
)
def test_sizes_that_no_encoder_has(edit: dict[str, Any]) -> None:
    with pytest.raises(ArtifactError, match=r"config\.json") as raised:
        EncoderConfig.from_huggingface(RAW | edit)
    assert raised.value.fix and len(raised.value.message) < 500


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(tmp_path: Path, value: float) -> None:
    weights = random_weights(config(), HEAD)
    name = "bert.embeddings.word_embeddings.weight"
    weights[name][1, 2] = value
    save_folder(tmp_path, config(), weights, HEAD)
    with pytest.raises(ArtifactError, match="1 of .* values that are no numbers") as raised:
        load_folder(tmp_path)
    assert name in raised.value.message


@pytest.mark.parametrize(
    "file", ["/etc/hostname", "../model.onnx", "inner/../model.onnx", "", None, 3, ".", "none.onnx"]
)
def test_a_bundle_runs_only_its_own_graph(tmp_path: Path, file: Any) -> None:
    (tmp_path / "model.onnx").write_bytes(b"")
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle/model.onnx").write_bytes(b"")
    engine = {"name": "onnxruntime", "file": file}
    with pytest.raises(ArtifactError, match=r"engine\.file"):
        record = AGENT.of({"task": {}, "max_length": 16, "engine": engine}, "agent.json")
        engines.load(tmp_path / "bundle", record.engine)


def test_the_example_is_sound(tmp_path: Path) -> None:
    save_folder(tmp_path, config(), random_weights(config(), HEAD), HEAD)
    assert load_folder(tmp_path)[0] == config()
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "bert"
