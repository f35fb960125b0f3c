"""Folders of every family, read as BERTs, compute what transformers computes with them."""

import json
from pathlib import Path

import numpy as np
import pytest

from bertworks.errors import ArtifactError
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.families import FAMILIES
from bertworks.models.families.conversion import to_bert
from bertworks.models.model import build
from bertworks.models.relative import bucket_matrix, buckets_of
from bertworks.models.weights import load_folder, save_folder, write_tensors

GOLDEN = Path(__file__).parent / "golden" / "families.npz"
NAMES = (
    "roberta", "roberta-masked", "xlm-roberta", "distilbert", "distilbert-masked", "electra",
    "electra-narrow", "mpnet", "mpnet-masked",
)  # fmt: skip


class Golden:
    """What `make_families.py` wrote of one model."""

    def __init__(self, file, name):
        self.arrays = {
            key.removeprefix(f"{name}/"): value
            for key, value in np.load(file).items()
            if key.startswith(f"{name}/")
        }
        self.config = json.loads(str(self.arrays["config"]))

    def weights(self):
        return {
            key.removeprefix("weights/"): value
            for key, value in self.arrays.items()
            if key.startswith("weights/") and value.dtype == np.float32
        }

    def write(self, folder, weights=None, **changes):
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps({**self.config, **changes}))
        write_tensors(folder / "model.safetensors", self.weights() if weights is None else weights)
        return folder

    @property
    def inputs(self):
        names = ("input_ids", "mask", "type_ids")
        return {name: self.arrays[name].astype(np.int32) for name in names}


def worst_difference(golden, folder):
    """Of all hidden states of real tokens, and of the masked head's logits where there are some."""
    to_bert(folder, "checkpoint")
    config, weights, _ = load_folder(folder)
    arrays, inputs = golden.arrays, golden.inputs
    real = inputs["mask"] == 1
    states = build(config, Head("encoder"), weights)(inputs, hidden_states=True)["hidden"]
    # ELECTRA's first state is taken before the projection.
    pairs = [(arrays[f"hidden/{place}"], state.numpy()) for place, state in enumerate(states)]
    worst = max(np.abs(a - b)[real].max() for a, b in pairs if a.shape == b.shape)
    assert len(pairs) == config.num_layers + 1
    if "logits" in arrays:
        places = np.flatnonzero(real).astype(np.int32)
        model = build(config, Head("mlm"), weights)
        logits = model({**inputs, "masked": places})["logits"].numpy()
        worst = max(worst, np.abs(logits - arrays["logits"][real]).max())
    return worst


@pytest.mark.parametrize("name", NAMES)
def test_a_family_computes_what_transformers_computes(tmp_path, name):
    golden = Golden(GOLDEN, name)
    assert worst_difference(golden, golden.write(tmp_path / "base")) < 1e-4


def test_other_random_models_compute_the_same(peers, tmp_path):
    peers("golden/make_families.py", tmp_path / "families.npz", 11)
    for name in NAMES:
        golden = Golden(tmp_path / "families.npz", name)
        assert worst_difference(golden, golden.write(tmp_path / name)) < 1e-4


@pytest.mark.parametrize("name", ["roberta-masked", "electra-narrow", "mpnet-masked"])
def test_names_with_the_familys_prefix_and_without_mean_the_same(tmp_path, name):
    golden = Golden(GOLDEN, name)
    prefix = FAMILIES[golden.config["model_type"]].prefix
    bare = {key.removeprefix(f"{prefix}."): value for key, value in golden.weights().items()}
    assert bare.keys() != golden.weights().keys()
    assert worst_difference(golden, golden.write(tmp_path / "bare", bare)) < 1e-4
    berts = {f"bert.{key}": value for key, value in bare.items()}
    assert worst_difference(golden, golden.write(tmp_path / "berts", berts)) < 1e-4


def test_what_is_written_is_a_berts_folder(tmp_path):
    golden = Golden(GOLDEN, "roberta")
    to_bert(golden.write(tmp_path / "base"), "checkpoint")
    raw = json.loads((tmp_path / "base/config.json").read_text())
    assert raw["model_type"] == "bert" and "bertworks" not in raw
    assert (raw["max_position_embeddings"], raw["pad_token_id"]) == (22, 1)
    config, weights, _ = load_folder(tmp_path / "base")
    assert (config.max_positions, config.type_vocab_size, config.pad_id) == (22, 2, 1)
    types = weights["bert.embeddings.token_type_embeddings.weight"]
    np.testing.assert_array_equal(types[0], types[1])


@pytest.mark.parametrize("name", ["electra-narrow", "mpnet"])
def test_what_bert_has_no_field_for_outlives_saving(tmp_path, name):
    golden = Golden(GOLDEN, name)
    to_bert(golden.write(tmp_path / "base"), "checkpoint")
    config, weights, _ = load_folder(tmp_path / "base")
    assert config.projects or config.relative_positions
    save_folder(tmp_path / "again", config, weights, Head("encoder"))
    again, same, _ = load_folder(tmp_path / "again")
    assert again == config
    np.testing.assert_equal(same, weights)
    assert EncoderConfig.from_huggingface(config.to_huggingface()) == config


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("roberta", {"hidden_act": "gelu_new"}, "hidden_act.*gelu_new"),
        ("distilbert", {"activation": "relu"}, "hidden_act.*relu"),
        ("xlm-roberta", {"is_decoder": True}, "is_decoder.*True"),
        ("electra", {"num_hidden_layers": 3}, r"checkpoint/.*has no weight .*layer\.2"),
        ("mpnet", {"hidden_size": 16}, r"checkpoint/.*must have shape"),
        ("roberta", {"hidden_size": "wide"}, r"transformers cannot read checkpoint/config\.json"),
    ],
)
def test_what_is_not_computed_here_is_refused(tmp_path, name, changes, says):
    folder = Golden(GOLDEN, name).write(tmp_path / "base", **changes)
    with pytest.raises(ArtifactError, match=says):
        to_bert(folder, "checkpoint")


def test_each_layer_has_its_own_copy_of_mpnets_biases(tmp_path):
    golden = Golden(GOLDEN, "mpnet")
    to_bert(golden.write(tmp_path / "base"), "checkpoint")
    _, weights, _ = load_folder(tmp_path / "base")
    shared = golden.weights()["encoder.relative_attention_bias.weight"]
    for layer in range(2):
        name = f"bert.encoder.layer.{layer}.attention.self.relative_attention_bias.weight"
        np.testing.assert_array_equal(weights[name], shared)
    assert "bert.encoder.relative_attention_bias.weight" not in weights


def test_distances_fall_into_32_buckets():
    assert buckets_of(np.array([0, -1, -7, 1, 7])).tolist() == [0, 1, 7, 17, 23]
    assert buckets_of(np.array([-8, -127, -128, -9999, 9999])).tolist() == [8, 15, 15, 15, 31]
    rising = buckets_of(-np.arange(300))
    assert (np.diff(rising) >= 0).all() and rising.max() == 15
    matrix = bucket_matrix(4)
    assert matrix.tolist()[0] == [0, 17, 18, 19]
    assert matrix[:, 0].tolist() == [0, 1, 2, 3]
