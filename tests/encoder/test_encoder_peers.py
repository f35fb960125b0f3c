"""Against transformers and torch, where an environment with them is at hand."""

import dataclasses
import math
import shutil

import numpy as np
import pytest
from random_bert import CONFIG, HEADS, random_inputs, random_weights

from bertworks.data.sources.base import fetch_base
from bertworks.data.sources.fetch import fetch
from bertworks.models.config import Head
from bertworks.models.layout import POOLER, encoder_shapes, initialize
from bertworks.models.model import build
from bertworks.models.weights import dense, load_folder, save_folder
from bertworks.spec import Base
from bertworks.spec.bases import CATALOGUE, names

PRUNED = dataclasses.replace(CONFIG, num_heads=(2, 0), intermediate_sizes=(0, 9))
KINDS = ["sequence", "token", "mlm"]


@pytest.fixture(scope="module")
def theirs(peers, tmp_path_factory):
    """What transformers computes from the folders that we export: one process for all of them."""
    work = tmp_path_factory.mktemp("peers")
    np.savez(work / "inputs.npz", **random_inputs(seed=6))
    for kind in KINDS:
        save_folder(work / kind, CONFIG, random_weights(CONFIG, HEADS[kind], 5), HEADS[kind])
    uniform, filled = dense(PRUNED, random_weights(PRUNED, HEADS["sequence"], 5))
    save_folder(work / "pruned", uniform, filled, HEADS["sequence"])
    names = [*KINDS, "pruned"]
    arguments = [(work / name, work / "inputs.npz", work / f"{name}.npz") for name in names]
    peers("transformers_outputs.py", *(path for triple in arguments for path in triple))
    return {name: np.load(work / f"{name}.npz") for name in names}


def worst_difference(expected, config, head, weights, inputs):
    ours = build(config, head, weights)(inputs, hidden_states=True)
    real = inputs["mask"] == 1
    worst = max(
        np.abs(state.numpy() - expected[f"hidden_{layer}"])[real].max()
        for layer, state in enumerate(ours["hidden"])
    )
    if "logits" in ours:
        logits = expected["logits"]
        given = ours["logits"].numpy().reshape(logits.shape)
        every = real if logits.ndim == 3 else slice(None)
        worst = max(worst, np.abs(given - logits)[every].max())
    return worst


@pytest.mark.parametrize("kind", KINDS)
def test_exported_folders_compute_the_same_in_transformers(theirs, kind):
    weights = random_weights(CONFIG, HEADS[kind], 5)
    inputs = random_inputs(seed=6)
    assert worst_difference(theirs[kind], CONFIG, HEADS[kind], weights, inputs) < 1e-4


def test_a_pruned_model_computes_the_same_in_stock_transformers(theirs):
    head = HEADS["sequence"]
    weights = random_weights(PRUNED, head, 5)
    inputs = random_inputs(seed=6)
    assert worst_difference(theirs["pruned"], PRUNED, head, weights, inputs) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_a_checkpoint_of_the_catalogue_computes_the_same(peers, tmp_path, name):
    base = tmp_path / "base"
    base.mkdir()
    facts = fetch_base(Base(name=name), base)
    known = next(one for one in CATALOGUE if one.name == name)
    config, weights, _ = load_folder(base)
    sizes = encoder_shapes(config).values()
    assert sum(math.prod(shape) for shape in sizes) == known.parameters
    assert (config.num_layers, config.vocab_size) == (known.layers, known.vocabulary)
    inputs = random_inputs(config.vocab_size, shape=(4, 40))
    whole = tmp_path / "whole"
    if "family" in facts:  # written in BERT's layout: transformers reads what it was made of
        inputs["input_ids"] = np.maximum(
            inputs["input_ids"], 4
        )  # positions are counted without padding
        inputs["mask"], inputs["type_ids"] = np.ones_like(inputs["mask"]), 0 * inputs["type_ids"]
        whole.mkdir()
        for file in ("config.json", "model.safetensors"):
            with fetch(f"{known.checkpoint.uri}/{file}", known.checkpoint.sha256, tmp_path) as (
                one,
            ):
                shutil.copyfile(one.path, whole / file)
    else:
        # Some have no pooler, which no hidden state goes through; transformers wants one all the same.
        pooler = {
            f"{POOLER}.weight": (config.hidden_size,) * 2,
            f"{POOLER}.bias": (config.hidden_size,),
        }
        save_folder(whole, config, {**initialize(pooler, seed=0), **weights}, Head("encoder"))
    np.savez(tmp_path / "inputs.npz", **inputs)
    files = whole, tmp_path / "inputs.npz", tmp_path / "outputs.npz"
    peers("transformers_outputs.py", *files)
    expected = np.load(files[2])
    worst = worst_difference(expected, config, Head("encoder"), weights, inputs)
    print(f"{name}: max abs difference to transformers + torch: {worst:.2e}")
    assert worst < 1e-4
