"""The graph that `benchmarks.company` compares with: one scale a batch, as older bundles have it."""

import sys
from pathlib import Path

import numpy as np

from bertworks.contracts.bundle import EngineFile

sys.path.insert(0, str(Path(__file__).parent.parent / "helpers"))

from tiny_model import VOCABULARY, config, random_weights

from benchmarks.company import one_scale_a_batch
from bertworks.compression.graph import build_graph
from bertworks.models.config import Head
from bertworks.runtime.engines import load


def test_older_graphs_still_load_and_their_answers_depend_on_company(tmp_path):
    head = Head("sequence", ("a", "b"), "single_label_classification")
    graph = build_graph(config(), random_weights(config(), head), head, form="int8")
    old = one_scale_a_batch(graph)
    names = [node.op_type for node in old.graph.node]
    assert "DynamicQuantizeLinear" in names and "QuantizeLinear" not in names
    (tmp_path / "model.onnx").write_bytes(old.SerializeToString())
    engine = load(tmp_path, EngineFile("onnxruntime", "model.onnx"), 1)
    ids = np.random.default_rng(0).integers(5, len(VOCABULARY), (12, 9))
    among = engine.run(ids, np.ones_like(ids))
    alone = np.concatenate([engine.run(row[np.newaxis], np.ones((1, 9), np.int64)) for row in ids])
    assert np.corrcoef(among.ravel(), alone.ravel())[0, 1] > 0.9
    assert np.abs(among - alone).max() > 1e-3
