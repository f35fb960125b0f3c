"""Compiled kernels compute what plain ones do; dropout in them is even and repeats."""

import numpy as np
import pytest
import tensorflow as tf

from bertworks.models import ops
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.model import build

ROWS, WIDTH = 6, 16
SEED = tf.constant([7, 11])


def normal(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).standard_normal(shape), tf.float32)


def pieces():
    """Each piece without dropout, and what it takes."""
    gamma, beta = normal(WIDTH, seed=1), normal(WIDTH, seed=2)
    bias = normal(WIDTH, seed=3)
    return {
        "gelu": (ops.gelu, [normal(ROWS, WIDTH), bias]),
        "layer_norm": (
            lambda x, g, b: ops.layer_norm(x, g, b, 1e-12),
            [normal(ROWS, WIDTH), gamma, beta],
        ),
        "add_norm": (
            lambda x, b, rows, g, o: ops.add_norm(
                x, b, rows, ops.Norm(g, o, 1e-12), ops.Drop(0.1, None, 1)
            ),
            [normal(ROWS, WIDTH), bias, normal(ROWS, WIDTH, seed=4), gamma, beta],
        ),
        "attention_weights": (
            lambda x: ops.attention_weights(
                x, tf.constant([0.0, 0.0, -1e9]), ops.Drop(0.1, None, 1)
            ),
            [normal(2, 4, 3, 3)],
        ),
    }


def values_and_gradients(apply, arguments, compiled):
    @tf.function(autograph=False)
    def run(*given):
        with ops.compiled(compiled), tf.GradientTape() as tape:
            tape.watch(given)
            result = apply(*given)
            total = tf.reduce_sum(result * normal(*result.shape, seed=9))
        return [result, *tape.gradient(total, given)]

    return [found.numpy() for found in run(*arguments)]


@pytest.mark.parametrize("name", list(pieces()))
def test_a_compiled_kernel_agrees_with_the_plain_one(name):
    apply, arguments = pieces()[name]
    plain = values_and_gradients(apply, arguments, compiled=False)
    compiled = values_and_gradients(apply, arguments, compiled=True)
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("name", list(pieces()))
def test_gradients_are_those_of_small_differences(name):
    apply, arguments = pieces()[name]
    _, first, *_ = values_and_gradients(apply, arguments, compiled=False)
    step = 1e-2 * normal(*arguments[0].shape, seed=5)
    weight = None
    totals = []
    for sign in (1.0, -1.0):
        result = apply(arguments[0] + sign * step, *arguments[1:])
        weight = normal(*result.shape, seed=9) if weight is None else weight
        totals.append(float(tf.reduce_sum(result * weight)))
    assert totals[0] - totals[1] == pytest.approx(
        2 * float(tf.reduce_sum(first * step)), rel=0.05, abs=2e-3
    )


def dropped(site, seed=SEED, rate=0.1, shape=(300, 200)):
    @tf.function(autograph=False)
    def run(seed):
        with ops.compiled():
            return ops.dropout(tf.ones(shape), rate, seed, site)

    return run(seed).numpy()


def test_compiled_dropout_is_even_and_keeps_the_mean():
    found = dropped(1)
    assert (found == 0).mean() == pytest.approx(0.1, abs=0.005)
    assert found.mean() == pytest.approx(1.0, abs=0.006)
    assert set(np.unique(found)) == {0.0, np.float32(1 / 0.9)}
    assert (found == 0).mean(axis=0).std() == pytest.approx(np.sqrt(0.09 / 300), rel=0.2)
    assert (found == 0).mean(axis=1).std() == pytest.approx(np.sqrt(0.09 / 200), rel=0.2)


def test_compiled_dropout_repeats_with_its_key_and_differs_without():
    again, site, step = dropped(1), dropped(2), dropped(1, tf.constant([7, 12]))
    np.testing.assert_array_equal(dropped(1), again)
    for other in (site, step):
        both = ((again == 0) & (other == 0)).mean()
        assert both == pytest.approx(0.01, abs=0.003)


def test_compiled_dropout_lets_gradients_through_where_it_kept_units():
    x = normal(50, WIDTH)

    @tf.function(autograph=False)
    def run(x):
        with ops.compiled(), tf.GradientTape() as tape:
            tape.watch(x)
            y = ops.dropout(x, 0.5, SEED, 3)
        return y, tape.gradient(y, x)

    y, gradient = run(x)
    np.testing.assert_array_equal(y.numpy() == 0, gradient.numpy() == 0)
    np.testing.assert_allclose(gradient.numpy()[y.numpy() != 0], 2.0)


def test_a_compiled_last_layer_without_parts_trains():
    """Also where rows are picked from a layer that has nothing else to compute."""
    config = EncoderConfig(
        vocab_size=20, hidden_size=WIDTH, num_heads=(2, 0), head_size=8, intermediate_sizes=(12, 0)
    )
    model = build(config, Head("sequence", ("a", "b")), seed=1)
    ids = tf.constant([[2, 5, 6, 3], [2, 7, 3, 0]])

    def gradients(compiled):
        @tf.function(autograph=False)
        def run():
            with ops.compiled(compiled), tf.GradientTape() as tape:
                logits = model({"input_ids": ids}, hidden_states=True)["logits"]
                loss = tf.reduce_sum(tf.square(logits))
            variables = [variable.value for variable in model.trainable_variables]
            found = tape.gradient(loss, variables, unconnected_gradients="zero")
            return [tf.convert_to_tensor(one) for one in found]

        return [one.numpy() for one in run()]

    for plain, compiled in zip(gradients(False), gradients(True), strict=True):
        np.testing.assert_allclose(plain, compiled, atol=2e-5)
