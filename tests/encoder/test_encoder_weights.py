import dataclasses
import json

import numpy as np
import pytest
from random_bert import CONFIG, HEADS, random_weights
from safetensors.numpy import save_file

from bertworks.errors import ArtifactError
from bertworks.models.layout import all_shapes, initialize
from bertworks.models.weights import dense, load_folder, read_tensors, save_folder

HEAD = HEADS["sequence"]


def test_a_saved_folder_loads_the_same(tmp_path):
    weights = random_weights(CONFIG, HEAD)
    save_folder(tmp_path, CONFIG, weights, HEAD)
    config, loaded, raw = load_folder(tmp_path)
    assert config == CONFIG
    assert raw["architectures"] == ["BertForSequenceClassification"]
    assert raw["id2label"] == {"0": "a", "1": "b", "2": "c"}
    assert loaded.keys() == weights.keys()
    assert all(np.array_equal(loaded[name], weights[name]) for name in weights)


def test_equal_weights_give_equal_bytes(tmp_path):
    weights = random_weights(CONFIG, HEAD)
    save_folder(tmp_path / "a", CONFIG, weights, HEAD)
    save_folder(tmp_path / "b", CONFIG, dict(reversed(weights.items())), HEAD)
    first, second = (tmp_path / name / "model.safetensors" for name in "ab")
    assert first.read_bytes() == second.read_bytes()


def test_names_without_prefix_and_float16_are_taken(tmp_path):
    weights = random_weights(CONFIG, HEAD)
    save_folder(tmp_path, CONFIG, weights, HEAD)
    bare = {
        name.removeprefix("bert."): array.astype(np.float16)
        for name, array in weights.items()
        if name.startswith("bert.")
    }
    ids = {"embeddings.position_ids": np.arange(32)[np.newaxis]}
    save_file(bare | ids, tmp_path / "model.safetensors")
    _, loaded, _ = load_folder(tmp_path)
    name = "bert.encoder.layer.1.output.dense.weight"
    assert loaded[name].dtype == np.float32
    np.testing.assert_allclose(loaded[name], weights[name], rtol=1e-3, atol=1e-4)
    assert "bert.embeddings.position_ids" not in loaded


def test_bfloat16_is_read(tmp_path):
    values = np.array([1.0, -2.5, 0.15625], np.float32)
    data = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    header = json.dumps({"x": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]}}).encode()
    file = tmp_path / "x.safetensors"
    file.write_bytes(len(header).to_bytes(8, "little") + header + data)
    np.testing.assert_array_equal(read_tensors(file)["x"], values)


def test_a_missing_weight_is_named(tmp_path):
    weights = random_weights(CONFIG, HEAD)
    del weights["bert.encoder.layer.1.intermediate.dense.bias"]
    save_folder(tmp_path, CONFIG, weights, HEAD)
    with pytest.raises(ArtifactError, match=r"layer\.1\.intermediate\.dense\.bias"):
        load_folder(tmp_path)


def test_a_wrong_shape_is_named(tmp_path):
    save_folder(tmp_path, CONFIG, random_weights(CONFIG, HEAD), HEAD)
    raw = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**raw, "vocab_size": 62}))
    with pytest.raises(ArtifactError, match="word_embeddings"):
        load_folder(tmp_path)


def test_a_cut_file_is_refused(tmp_path):
    save_folder(tmp_path, CONFIG, random_weights(CONFIG, HEAD), HEAD)
    file = tmp_path / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ArtifactError, match=r"model\.safetensors"):
        load_folder(tmp_path)


def test_dense_fills_up_to_uniform_widths():
    pruned = dataclasses.replace(CONFIG, num_heads=(1, 0), intermediate_sizes=(5, 9))
    uniform, filled = dense(pruned, random_weights(pruned, HEAD))
    assert not uniform.is_pruned
    assert {name: array.shape for name, array in filled.items()} == all_shapes(uniform, HEAD)


def test_fresh_weights_depend_on_seed_and_name_alone():
    shapes = all_shapes(CONFIG, HEAD)
    one, other = initialize(shapes, 1), initialize(shapes, 2)
    alone = initialize({"classifier.weight": shapes["classifier.weight"]}, 1)
    assert np.array_equal(one["classifier.weight"], alone["classifier.weight"])
    assert not np.array_equal(one["classifier.weight"], other["classifier.weight"])
    assert one["bert.encoder.layer.0.output.LayerNorm.weight"].min() == 1.0
    assert abs(one["bert.embeddings.word_embeddings.weight"].std() - 0.02) < 0.002
