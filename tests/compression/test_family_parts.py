"""Pruning, repair and export of the parts that BERT lacks: projections and relative biases."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_graph import SEQUENCE, TOKEN, example
from tiny_model import config, random_weights

from bertworks.compression.graph import build_graph
from bertworks.compression.pruning.reconstruction import group_rows, reconstruct
from bertworks.compression.pruning.widths import PruningPlan, slice_weights
from bertworks.models.layout import LayerNames, encoder_shapes
from bertworks.models.model import build
from bertworks.models.weights import check_shapes, dense
from bertworks.runtime.engines import OnnxRuntime

FULL = config((2, 2), (12, 12))
PARTS = {
    "narrow": replace(FULL, embedding_size=6),
    "relative": replace(FULL, relative_positions=True),
    "both": replace(FULL, embedding_size=16, relative_positions=True),
}
PLAN = PruningPlan(((1,), (0, 1)), (tuple(range(5)), ()), 1.0, 1.0, 1.0)


@pytest.mark.parametrize("head", [SEQUENCE, TOKEN], ids=lambda head: head.kind)
@pytest.mark.parametrize("sizes", PARTS.values(), ids=PARTS.keys())
def test_the_graph_computes_what_the_model_computes(sizes, head):
    weights = random_weights(sizes, head)
    ids, mask, types = example()
    inputs = {"input_ids": ids, "mask": mask, "type_ids": types}
    model = build(sizes, head, weights)
    expected = model({name: value.astype(np.int32) for name, value in inputs.items()})["logits"]
    graph = build_graph(sizes, weights, head, pair=True).SerializeToString()
    found = OnnxRuntime(graph, {}, 1).run(ids, mask, types)
    real = mask == 1 if head.kind == "token" else slice(None)
    np.testing.assert_allclose(found[real], expected.numpy()[real], atol=1e-4)


@pytest.mark.parametrize("sizes", PARTS.values(), ids=PARTS.keys())
def test_cut_heads_take_their_biases_along(sizes):
    weights = random_weights(sizes, TOKEN)
    narrow, cut = slice_weights(sizes, weights, PLAN)
    check_shapes(cut, encoder_shapes(narrow), "cut")
    if sizes.relative_positions:
        name = f"{LayerNames(0).relative}.weight"
        np.testing.assert_array_equal(cut[name], weights[name][:, [1]])
    uniform, filled = dense(narrow, cut)
    ids, mask, _ = example()
    runs = [
        OnnxRuntime(build_graph(of, those, TOKEN).SerializeToString(), {}, 1).run(ids, mask)
        for of, those in ((narrow, cut), (uniform, filled))
    ]
    np.testing.assert_allclose(runs[0][mask == 1], runs[1][mask == 1], atol=1e-4)


@pytest.mark.parametrize("sizes", PARTS.values(), ids=PARTS.keys())
def test_repair_follows_the_models_own_stream(sizes):
    """With nothing cut there is nothing to mend: the projections stay."""
    weights = random_weights(sizes, TOKEN)
    ids, mask, _ = example(rows=30)
    groups = group_rows([row[: own.sum()].tolist() for row, own in zip(ids, mask, strict=True)])
    repaired = reconstruct((sizes, weights), (sizes, weights), groups)
    for name, array in repaired.items():
        np.testing.assert_allclose(array, weights[name], atol=2e-3)


@pytest.mark.parametrize("sizes", PARTS.values(), ids=PARTS.keys())
def test_biases_and_projections_are_learned(sizes):
    import tensorflow as tf

    model = build(sizes, TOKEN, random_weights(sizes, TOKEN))
    ids, mask, _ = example()
    own = [model.embeddings.projection, *(block.attention.relative for block in model.blocks)]
    watched = [getattr(one, "kernel", one) for one in own if one is not None]
    with tf.GradientTape() as tape:
        logits = model({"input_ids": ids.astype("i4"), "mask": mask.astype("i4")})["logits"]
        loss = tf.reduce_sum(tf.square(logits))
    for gradient in tape.gradient(loss, [one.value for one in watched]):
        assert float(tf.reduce_max(tf.abs(gradient))) > 1e-3
