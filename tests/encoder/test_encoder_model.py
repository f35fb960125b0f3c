import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from random_bert import CONFIG, HEADS, random_inputs, random_weights

from bertworks.errors import ArtifactError
from bertworks.models.config import Head
from bertworks.models.layout import POOLER
from bertworks.models.model import MANY_OUTPUTS, build, get_weights
from bertworks.models.weights import dense, load_folder, save_folder

GOLDEN = Path(__file__).parent / "golden/outputs.npz"
PRUNED = dataclasses.replace(CONFIG, num_heads=(1, 0), intermediate_sizes=(0, 9))
FAMILIES = {
    "bert": CONFIG,
    "narrow embeddings": dataclasses.replace(CONFIG, embedding_size=8),
    "relative positions": dataclasses.replace(CONFIG, relative_positions=True),
}
families = pytest.mark.parametrize("config", FAMILIES.values(), ids=FAMILIES)


def model_of(head=HEADS["sequence"], config=CONFIG, **options):
    return build(config, head, random_weights(config, head), **options)


@pytest.mark.parametrize("kind", HEADS)
def test_outputs_equal_those_of_transformers(kind):
    golden = np.load(GOLDEN)
    inputs = random_inputs()
    found = model_of(HEADS[kind])(inputs, hidden_states=True)
    real = inputs["mask"] == 1
    for layer, state in enumerate(found["hidden"]):
        expected = golden[f"{kind}/hidden_{layer}"]
        assert np.abs(state.numpy() - expected)[real].max() < 1e-5
    logits = golden[f"{kind}/logits"]
    given = found["logits"].numpy().reshape(logits.shape)
    if kind in ("token", "mlm"):
        given, logits = given[real], logits[real]
    assert np.abs(given - logits).max() < 1e-4


@families
def test_weights_come_out_as_they_went_in(config):
    weights = random_weights(config, HEADS["mlm"])
    out = get_weights(build(config, HEADS["mlm"], weights))
    assert out.keys() == weights.keys()
    assert all(np.array_equal(out[name], weights[name]) for name in weights)


def test_a_pruned_model_equals_its_zero_filled_form(tmp_path):
    head = HEADS["token"]
    weights = random_weights(PRUNED, head)
    save_folder(tmp_path, PRUNED, weights, head)
    config, loaded, _ = load_folder(tmp_path)
    narrow = build(config, head, loaded)(random_inputs())["logits"]
    uniform, filled = dense(config, loaded)
    wide = build(uniform, head, filled)(random_inputs())["logits"]
    np.testing.assert_allclose(narrow, wide, atol=1e-5)


@families
def test_packed_texts_do_not_see_each_other(config):
    model = model_of(Head("encoder"), config)
    ids = random_inputs()["input_ids"][:1]
    first, second = ids[:, :5], ids[:, 5:12]
    packed = model(
        {
            "input_ids": ids,
            "segments": tf.constant([[1] * 5 + [2] * 7 + [0] * 2]),
            "positions": tf.constant([[*range(5), *range(7), 0, 0]]),
        }
    )["last_hidden"]
    np.testing.assert_allclose(packed[:, :5], model({"input_ids": first})["last_hidden"], atol=1e-5)
    alone = model({"input_ids": second})["last_hidden"]
    np.testing.assert_allclose(packed[:, 5:12], alone, atol=1e-5)


@families
def test_padding_changes_nothing(config):
    model = model_of(config=config)
    ids = random_inputs()["input_ids"]
    mask = np.ones((3, 14), np.int32)
    mask[:, 9:] = 0
    padded = model({"input_ids": ids, "mask": mask})["logits"]
    np.testing.assert_allclose(padded, model({"input_ids": ids[:, :9]})["logits"], atol=1e-5)


def test_only_masked_places_are_decoded():
    model = model_of(HEADS["mlm"])
    inputs = random_inputs()
    every = model(inputs)["logits"].numpy()
    some = model({**inputs, "masked": np.array([3, 30], np.int32)})["logits"].numpy()
    np.testing.assert_allclose(some, every[[3, 30]], atol=1e-5)


def test_closed_gates_equal_removed_parts():
    gates = {
        "head_gates": [tf.constant([1.0, 0.0, 0.0]), tf.zeros(3)],
        "neuron_gates": [tf.zeros(40), tf.constant([1.0] * 9 + [0.0] * 31)],
    }
    head = HEADS["sequence"]
    weights = random_weights(CONFIG, head)
    gated = build(CONFIG, head, weights)({**random_inputs(), **gates})["logits"]
    cut = {}
    for name, shape in {n: w.shape for n, w in random_weights(PRUNED, head).items()}.items():
        cut[name] = weights[name][tuple(slice(size) for size in shape)]
    pruned = build(PRUNED, head, cut)(random_inputs())["logits"]
    np.testing.assert_allclose(gated, pruned, atol=1e-4)


def test_each_sequence_may_have_gates_of_its_own():
    model, inputs = model_of(), random_inputs()
    rows = len(inputs["input_ids"])
    random = np.random.default_rng(0)
    sizes = {"head_gates": CONFIG.num_heads, "neuron_gates": CONFIG.intermediate_sizes}
    gates = {
        name: [random.uniform(0, 1, (rows, size)).astype(np.float32) for size in layers]
        for name, layers in sizes.items()
    }
    together = model({**inputs, **gates})["logits"]
    for row in range(rows):
        own = {name: [layer[row] for layer in layers] for name, layers in gates.items()}
        alone = model({**{name: array[row : row + 1] for name, array in inputs.items()}, **own})
        np.testing.assert_allclose(together[row], alone["logits"][0], atol=1e-5)


def test_gates_have_gradients():
    model = model_of()
    gates = [tf.ones(3), tf.ones(3)]
    with tf.GradientTape() as tape:
        tape.watch(gates)
        loss = tf.reduce_sum(model({**random_inputs(), "head_gates": gates})["logits"] ** 2)
    assert all(np.abs(gradient).max() > 0 for gradient in tape.gradient(loss, gates))


@families
def test_gradients_equal_differences(config):
    model = model_of(config=config)
    inputs = random_inputs()
    watched = [model.blocks[0].feed_forward.inner.kernel.value, model.blocks[1].norm.gamma.value]
    if config.projects:
        watched.append(model.embeddings.projection.kernel.value)
    if config.relative_positions:
        watched.append(model.blocks[0].attention.relative.value)

    def loss():
        return tf.reduce_mean(tf.square(model(inputs)["logits"]))

    with tf.GradientTape() as tape:
        value = loss()
    for variable, gradient in zip(watched, tape.gradient(value, watched), strict=True):
        direction = np.random.default_rng(0).standard_normal(variable.shape).astype(np.float32)
        before, step = variable.numpy(), 1e-3
        variable.assign(before + step * direction)
        above = float(loss())
        variable.assign(before - step * direction)
        below = float(loss())
        variable.assign(before)
        slope = (above - below) / (2 * step)
        assert slope == pytest.approx(float(tf.reduce_sum(gradient * direction)), rel=0.02)


def test_dropout_is_a_function_of_the_seed():
    model = model_of()

    def logits(*seed):
        return model({**random_inputs(), "seed": tf.constant(seed, tf.int32)})["logits"].numpy()

    assert np.array_equal(logits(1, 5), logits(1, 5))
    assert not np.array_equal(logits(1, 5), logits(1, 6))
    assert not np.array_equal(logits(1, 5), logits(2, 5))


def test_dropout_keeps_the_mean():
    from bertworks.models import ops

    dropped = ops.dropout(tf.ones((200, 200)), 0.1, tf.constant([3, 4]), 1).numpy()
    assert dropped.mean() == pytest.approx(1.0, abs=0.01)
    assert (dropped == 0).mean() == pytest.approx(0.1, abs=0.01)


def test_bfloat16_stays_close_and_keeps_float32_weights():
    exact = model_of()(random_inputs())["logits"].numpy()
    rough = model_of(precision="bfloat16")
    assert all(weight.dtype == "float32" for weight in rough.weights)
    found = rough(random_inputs())["logits"].numpy()
    assert 0 < np.abs(found - exact).max() < 0.05 * np.abs(exact).max()


def test_weights_of_another_shape_are_refused():
    weights = random_weights(CONFIG, HEADS["sequence"])
    weights["classifier.weight"] = weights["classifier.weight"][:2]
    with pytest.raises(ArtifactError, match=r"classifier\.weight"):
        build(CONFIG, HEADS["sequence"], weights)


@pytest.mark.parametrize(("outputs", "same"), [(2, False), (MANY_OUTPUTS, False), (77, True)])
def test_a_pooler_that_a_trained_encoder_lacks_passes_the_first_token_to_many_outputs(
    outputs, same
):
    head = Head("sequence", tuple(map(str, range(outputs))))
    encoder = {
        name: array for name, array in random_weights(CONFIG, head, 5).items() if POOLER not in name
    }
    pooler = get_weights(build(CONFIG, head, encoder, seed=3))[f"{POOLER}.weight"]
    assert np.array_equal(pooler, np.eye(CONFIG.hidden_size, dtype=np.float32)) == same
    scratch = get_weights(build(CONFIG, head, seed=3))[f"{POOLER}.weight"]
    assert not np.array_equal(scratch, np.eye(CONFIG.hidden_size))
