"""The exported graph computes what BERT computes, written out plainly here in numpy."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import example as with_example
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny_model import MAX_LENGTH, VOCABULARY, config, random_weights

from bertworks.compression.calibration import calibrate
from bertworks.compression.graph import build_graph
from bertworks.compression.graph_writer import quantize_rows
from bertworks.models.config import Head
from bertworks.models.relative import bucket_matrix
from bertworks.runtime import engines
from bertworks.runtime.engines import OnnxRuntime, OpenVino, import_openvino
from bertworks.runtime.inference import PaddedBatch

SEQUENCE = Head("sequence", ("a", "b", "c"), "single_label_classification")
TOKEN = Head("token", ("O", "B-X", "I-X", "B-Y"))
SIZES = {
    "full": config((2, 2), (16, 16)),
    "pruned": config((2, 1), (12, 5)),
    "no heads in the last layer": config((1, 0), (12, 5)),
    "no heads and no neurons in the first": config((0, 2), (0, 7)),
    "no neurons in the last": config((2, 2), (12, 0)),
    "no layers": config((), ()),
    "narrow embeddings": replace(config(), embedding_size=6),
    "relative positions": replace(config((2, 1), (12, 5)), relative_positions=True),
    "both, without heads": replace(config((2, 0)), embedding_size=12, relative_positions=True),
}


def reference(sizes, weights, head, ids, mask, types):
    """BERT (Devlin et al. 2019) in float64, one row and head at a time, without shortcuts."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    erf = np.vectorize(math.erf)

    def linear(x, name):
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    def norm(x, name):
        centered = x - x.mean(-1, keepdims=True)
        scaled = centered / np.sqrt((centered**2).mean(-1, keepdims=True) + sizes.layer_norm_eps)
        return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]

    results = []
    for row in range(len(ids)):
        table = "bert.embeddings.{}_embeddings.weight".format
        x = w[table("word")][ids[row]] + w[table("position")][: ids.shape[1]]
        x = norm(x + w[table("token_type")][types[row]], "bert.embeddings.LayerNorm")
        if sizes.projects:
            x = linear(x, "bert.embeddings_project")
        for layer, heads in enumerate(sizes.num_heads):
            name = f"bert.encoder.layer.{layer}"
            q, k, v = (linear(x, f"{name}.attention.self.{p}") for p in ("query", "key", "value"))
            mixed = np.zeros((len(x), heads * sizes.head_size))
            for head_index in range(heads):
                part = slice(head_index * sizes.head_size, (head_index + 1) * sizes.head_size)
                scores = q[:, part] @ k[:, part].T / math.sqrt(sizes.head_size)
                if sizes.relative_positions:
                    bias = w[f"{name}.attention.self.relative_attention_bias.weight"]
                    scores = scores + bias[bucket_matrix(len(x)), head_index]
                scores = np.where(mask[row][np.newaxis] == 1, scores, -np.inf)
                shares = np.exp(scores - scores.max(-1, keepdims=True))
                mixed[:, part] = shares / shares.sum(-1, keepdims=True) @ v[:, part]
            x = norm(x + linear(mixed, f"{name}.attention.output.dense"),
                     f"{name}.attention.output.LayerNorm")  # fmt: skip
            inner = linear(x, f"{name}.intermediate.dense")
            inner = inner * 0.5 * (1 + erf(inner / math.sqrt(2))) if inner.size else inner
            x = norm(x + linear(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        if head.kind == "sequence":
            x = linear(np.tanh(linear(x[0], "bert.pooler.dense")), "classifier")
        elif head.kind == "token":
            x = linear(x, "classifier")
        results.append(x)
    return np.stack(results)


def example(rows=5, length=9, seed=1):
    stream = np.random.default_rng(seed)
    lengths = stream.integers(1, length + 1, rows)
    lengths[0] = length
    mask = (np.arange(length) < lengths[:, np.newaxis]).astype(np.int64)
    ids = stream.integers(1, len(VOCABULARY), (rows, length)) * mask
    return ids, mask, stream.integers(0, 2, (rows, length)) * mask


@pytest.mark.parametrize("head", [SEQUENCE, TOKEN, Head("encoder")], ids=lambda head: head.kind)
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
def test_float_graph_equals_the_reference(sizes, head):
    weights = random_weights(sizes, head)
    ids, mask, types = example()
    engine = OnnxRuntime(build_graph(sizes, weights, head, pair=True).SerializeToString(), {}, 1)
    found = engine.run(ids, mask, types)
    expected = reference(sizes, weights, head, ids, mask, types)
    if head.kind != "sequence":  # what stands on padding is nobody's concern
        found, expected = found * mask[..., np.newaxis], expected * mask[..., np.newaxis]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_single_texts_take_type_0_without_an_input():
    sizes, weights = config(), random_weights(config(), SEQUENCE)
    ids, mask, types = example()
    graph = build_graph(sizes, weights, SEQUENCE)
    assert [one.name for one in graph.graph.input] == ["input_ids", "attention_mask"]
    found = OnnxRuntime(graph.SerializeToString(), {}, 1).run(ids, mask, types)
    expected = reference(sizes, weights, SEQUENCE, ids, mask, np.zeros_like(types))
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("form", ["float32", "compact", "int8"])
def test_padding_changes_nothing(form):
    sizes, weights = config(), random_weights(config(), SEQUENCE)
    engine = OnnxRuntime(build_graph(sizes, weights, SEQUENCE, form=form).SerializeToString(), {})
    ids, mask, _ = example(rows=1)
    wide = [np.pad(value, ((0, 0), (0, 5))) for value in (ids, mask)]
    np.testing.assert_allclose(engine.run(*wide), engine.run(ids, mask), atol=1e-5)


@pytest.mark.parametrize("head", [SEQUENCE, TOKEN], ids=lambda head: head.kind)
@pytest.mark.parametrize("widths", [((2, 2), (32, 32)), ((1, 2), (32, 7)), ((2, 0), (0, 32))])
@pytest.mark.parametrize("form", ["compact", "int8"])
@pytest.mark.parametrize("family", [{}, {"embedding_size": 6, "relative_positions": True}])
def test_small_forms_stay_close_and_are_valid(form, widths, head, family):
    sizes = replace(config(*widths), **family)
    weights = random_weights(sizes, head)
    ids, mask, types = example(rows=64)
    rows = [PaddedBatch(np.arange(64), mask.sum(1), ids, mask, types)]
    quantizers = calibrate(sizes, weights, head, rows, pair=True) if form == "int8" else None
    graph = build_graph(sizes, weights, head, form=form, pair=True, quantizers=quantizers)
    if form == "compact":  # the checker does not know the other form's operations
        onnx.checker.check_model(graph, full_check=True)
    found = OnnxRuntime(graph.SerializeToString(), {}).run(ids, mask, types)
    expected = reference(sizes, weights, head, ids, mask, types)
    if head.kind == "token":
        found, expected = found[mask == 1], expected[mask == 1]
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.98


def test_int8_products_are_exact_on_every_processor_and_take_the_short_way_where_one_is(
    monkeypatch,
):
    sizes, weights = config(), random_weights(config(), SEQUENCE)
    ids, mask, types = example(rows=64)
    rows = [PaddedBatch(np.arange(64), mask.sum(1), ids, mask, types)]
    quantizers = calibrate(sizes, weights, SEQUENCE, rows)
    graph = build_graph(sizes, weights, SEQUENCE, form="int8", quantizers=quantizers)
    here = OnnxRuntime(graph.SerializeToString(), {}).run(ids, mask)
    for known in ({"avx2"}, {"avx2", "avx512_vnni"}, {"avx_vnni"}):
        monkeypatch.setattr(engines, "instructions", lambda known=known: known)
        engine = OnnxRuntime(graph.SerializeToString(), {})
        told = engine._session.get_session_options()
        if known == {"avx2"}:
            assert told.get_session_config_entry("session.x64quantprecision") == "1"
            np.testing.assert_array_equal(engine.run(ids, mask), here)
        else:
            with pytest.raises(RuntimeError, match="x64quantprecision"):
                told.get_session_config_entry("session.x64quantprecision")


def test_batches_side_by_side_give_what_one_run_gives():
    sizes, weights = config(), random_weights(config(), SEQUENCE)
    graph = build_graph(sizes, weights, SEQUENCE)
    ids, mask, _ = example()
    for engine in (
        OnnxRuntime(graph.SerializeToString(), {}, 2),
        OpenVino(import_openvino().Core().read_model(graph.SerializeToString()), {}, 2),
    ):
        beside = engine.side_by_side()
        assert beside is not engine
        expected = engine.run(ids, mask)
        with ThreadPoolExecutor(2) as pool:
            for found in pool.map(lambda _, one=beside: one.run(ids, mask), range(4)):
                np.testing.assert_allclose(found, expected, atol=1e-5)
    alone = OnnxRuntime(graph.SerializeToString(), {}, 1)
    assert alone.side_by_side() is alone


def test_openvino_computes_the_same():
    sizes, weights = config(), random_weights(config(), TOKEN)
    ids, mask, types = example()
    graph = build_graph(sizes, weights, TOKEN, pair=True).SerializeToString()
    model = import_openvino().Core().read_model(graph)
    engine = OpenVino(model, {"INFERENCE_PRECISION_HINT": "f32"}, 1)
    expected = reference(sizes, weights, TOKEN, ids, mask, types)
    found = engine.run(ids, mask, types)
    every = mask[..., np.newaxis]
    np.testing.assert_allclose(found * every, expected * every, atol=1e-4)
    np.testing.assert_allclose(  # and with other axes
        engine.run(ids[:2, :4], mask[:2, :4], types[:2, :4]),
        OnnxRuntime(graph, {}).run(ids[:2, :4], mask[:2, :4], types[:2, :4]),
        atol=1e-4,
    )


def test_importing_openvino_reports_to_nobody():
    import subprocess
    import sys

    code = (
        "import socket\n"
        "def refuse(*a, **k): raise SystemExit('somebody calls home')\n"
        "socket.getaddrinfo = refuse\n"
        "from bertworks.runtime.engines import import_openvino\n"
        "import_openvino()\n"
        "import sys, threading\n"
        "assert not sys.modules['openvino_telemetry']\n"
        "print(threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_the_position_table_is_cut_at_the_longest_row():
    sizes, weights = config(), random_weights(config(), SEQUENCE)
    graph = build_graph(sizes, weights, SEQUENCE, max_length=MAX_LENGTH)
    whole = build_graph(sizes, weights, SEQUENCE)
    saved = (sizes.max_positions - MAX_LENGTH) * sizes.hidden_size * 4
    assert whole.ByteSize() - graph.ByteSize() == pytest.approx(saved, abs=16)


def test_equal_weights_give_equal_bytes():
    weights = random_weights(config(), SEQUENCE)
    first, second = (
        build_graph(config(), weights, SEQUENCE, form="int8").SerializeToString() for _ in range(2)
    )
    assert first == second


def test_mlm_heads_are_refused():
    with pytest.raises(ValueError, match="sequence, token, vector or encoder. Received: mlm"):
        build_graph(config(), {}, Head("mlm"))


@given(arrays(np.float32, (3, 7), elements=st.floats(-1e6, 1e6, width=32)))
@with_example(np.full((3, 7), 1.95e-43, np.float32))  # its 127th part is no normal number
@settings(deadline=None)
def test_quantized_rows_are_within_half_a_step(matrix):
    integers, scales = quantize_rows(matrix)
    error = np.abs(integers * scales[:, np.newaxis] - matrix)
    assert (error <= scales[:, np.newaxis] * 0.5001).all()
    assert integers.min() >= -127
