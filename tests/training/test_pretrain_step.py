import math
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_tokens import CLASSIFICATION, finetune_section, make_base, make_tokens

from bertworks.contracts.tokens import TOKENS
from bertworks.errors import DataError
from bertworks.models.weights import load_folder
from bertworks.storage.artifacts import Artifact, open_artifact
from bertworks.text.packing import pack
from bertworks.training.objectives.corpus import read_texts
from bertworks.training.objectives.masking import groups_of, mask
from bertworks.training.objectives.mlm import cross_entropy
from tests.helpers.steps import finetune, pretrain

pytestmark = pytest.mark.usefixtures("uncompiled")
SETTINGS = {
    "epochs": 30, "batch_size": 8, "sequence_length": 32, "learning_rate": 1e-2, "held_out": 0.1,
}  # fmt: skip


def section(**changes):
    return {"task": CLASSIFICATION, "pretrain": {**SETTINGS, **changes}, "base": {}}


def test_the_loss_that_gpus_take_is_the_same():
    random = np.random.default_rng(0)
    logits = tf.constant(5 * random.standard_normal((7, 11)), tf.float32)
    targets = tf.constant(random.integers(0, 11, 7), tf.int32)
    found = []
    for loss in (cross_entropy, tensorflows_cross_entropy):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = 3.0 * loss(logits, targets)
        found.append((value.numpy(), tape.gradient(value, logits).numpy()))
    (value, gradient), (expected, expected_gradient) = found
    assert value == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(gradient, expected_gradient, atol=1e-6)


def tensorflows_cross_entropy(logits, targets):
    return tf.reduce_sum(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits))


@pytest.mark.parametrize("whole_word", [False, True])
def test_it_learns_to_predict_and_finetune_takes_it_up(tmp_path, whole_word):
    tokens = make_tokens(tmp_path / "tokens")
    base = make_base(tmp_path / "base", scratch=whole_word)
    result = pretrain(
        section(whole_word=whole_word), tokens=tokens, base=base, model=tmp_path / "model"
    ).metrics
    assert result["pseudo_perplexity_after"] < 0.9 * result["pseudo_perplexity_before"]
    assert result["masked_accuracy_after"] >= result["masked_accuracy_before"]
    model = open_artifact(tmp_path / "model", "model")
    assert model.json("config.json")["architectures"] == ["BertForMaskedLM"]
    assert model.json("history.json")["points"][-1]["name"] == "loss"
    assert load_folder(model.path)[0].vocab_size == 40
    if not whole_word:
        done = finetune(
            finetune_section(epochs=1), tokens=tokens, initial=model.path, model=tmp_path / "tuned"
        )
        assert done.metrics["best_epoch"] == 1


def test_a_corpus_without_text_is_refused(tmp_path):
    folder = make_tokens(tmp_path / "tokens")
    (folder / "corpus/part-00000.parquet").unlink()
    TOKENS.write(folder, replace(TOKENS.read(folder), corpus_rows=0))
    with pytest.raises(DataError, match="fewer than two texts"):
        read_texts(Artifact(folder, "tokens", "transform", "", {}, {}), 0.1)


def test_held_out_texts_stay_held_out(tmp_path):
    tokens = open_artifact(make_tokens(tmp_path / "tokens"))
    kept, held = read_texts(tokens, 0.25)
    assert len(kept.input_ids) + len(held.input_ids) == 64
    assert 4 < len(held.input_ids) < 30
    fewer = read_texts(tokens, 0.0)[1]
    first = fewer.input_ids[0].tolist()
    assert first in [held.input_ids[index].tolist() for index in range(len(held.input_ids))]


def packed_texts(sizes, length=16):
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    flat = np.arange(offsets[-1]) % 30 + 5
    words = np.concatenate([np.arange(size) // 2 for size in sizes])
    return pack(flat, offsets, length, 0, 2, 3), words


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=8),
    st.floats(0.05, 0.9),
    st.booleans(),
    st.integers(0, 1000),
)
def test_masks_hide_the_asked_share_and_nothing_else(sizes, share, whole_word, seed):
    packed, words = packed_texts(sizes)
    groups = groups_of(packed, words if whole_word else None)
    found = mask(packed.input_ids, groups, share, 4, 40, np.random.default_rng(seed))
    flat = packed.input_ids.reshape(-1)
    assert np.array_equal(flat[found.places], found.targets)
    assert (packed.source.reshape(-1)[found.places] >= 0).all()  # never a mark or padding
    untouched = np.setdiff1d(np.arange(flat.size), found.places)
    assert np.array_equal(found.input_ids.reshape(-1)[untouched], flat[untouched])
    wanted = share * sum(sizes)
    largest = np.bincount(groups[groups >= 0]).max()
    assert wanted - largest - 1 < len(found.places) <= max(wanted + 0.5, largest)
    if whole_word:  # a word is hidden whole or not at all
        chosen = np.isin(groups, groups.reshape(-1)[found.places]) & (groups >= 0)
        assert chosen.sum() == len(found.places)


def test_hidden_tokens_are_80_10_10():
    packed, _ = packed_texts([14] * 3000)
    groups = groups_of(packed, None)
    found = mask(packed.input_ids, groups, 0.5, 4, 10_000, np.random.default_rng(0))
    now = found.input_ids.reshape(-1)[found.places]
    assert (now == 4).mean() == pytest.approx(0.8, abs=0.01)
    assert (now == found.targets).mean() == pytest.approx(0.1, abs=0.01)
    assert math.isclose(len(found.places), 0.5 * 14 * 3000, rel_tol=0.01)
