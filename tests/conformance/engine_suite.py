"""What every engine must do. A new one inherits the tests by one line:

class TestMine(EngineConformance): write = staticmethod(write_mine)
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from tiny_model import VOCABULARY, config, random_weights

from bertworks.compression.graph import build_graph
from bertworks.contracts.agent import AGENT
from bertworks.contracts.bundle import EngineFile
from bertworks.errors import ArtifactError
from bertworks.models.config import Head
from bertworks.runtime import engines
from bertworks.runtime.engines import Engine, OnnxRuntime
from bertworks.runtime.inference import Runner

SEQUENCE = Head("sequence", ("a", "b", "c"), "single_label_classification")
TOKEN = Head("token", ("O", "B-X"))
TOLERANCE = 2e-5
PARTS: list[dict[str, Any]] = [{}, {"embedding_size": 6}, {"relative_positions": True}]
"""Of BERT's family, ELECTRA's, MPNet's."""

Write = Callable[[bytes, Path], EngineFile]
"""From an ONNX graph and a bundle's folder to agent.json's `engine`, its files written."""


def graph_of(head: Head, two_texts: bool = False, **parts: Any) -> bytes:
    """A tiny graph in float32; `parts` are those of other families than BERT's."""
    sizes = replace(config(), **parts)
    made = build_graph(sizes, random_weights(sizes, head), head, pair=two_texts)
    return bytes(made.SerializeToString())


def rows_of(count: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and mask of rows of unequal length."""
    stream = np.random.default_rng(3)
    ids = stream.integers(5, len(VOCABULARY), (count, width))
    mask = (np.arange(width) < stream.integers(2, width + 1, count)[:, None]).astype(np.int64)
    return np.where(mask == 1, ids, 0), mask


class EngineConformance:
    """The suite; a subclass says how a bundle of its engine is written."""

    write: ClassVar[Write]

    def load(self, folder: Path, graph: bytes, threads: int | None = 1) -> Engine:
        folder.mkdir(exist_ok=True)
        return engines.load(folder, type(self).write(graph, folder), threads)

    @pytest.mark.parametrize("parts", PARTS, ids=str)
    @pytest.mark.parametrize(("head", "two_texts"), [(SEQUENCE, True), (TOKEN, False)])
    def test_it_computes_the_graph(
        self, tmp_path: Path, head: Head, two_texts: bool, parts: dict[str, Any]
    ) -> None:
        graph = graph_of(head, two_texts, **parts)
        ids, mask = rows_of(5, 12)
        types = (np.arange(12) > 5).astype(np.int64) * mask if two_texts else None
        found = self.load(tmp_path, graph).run(ids, mask, types)
        expected = OnnxRuntime(graph, {}, 1).run(ids, mask, types)
        assert found.dtype == np.float32 and found.shape == expected.shape
        real = mask == 1 if head.kind == "token" else slice(None)
        np.testing.assert_allclose(found[real], expected[real], atol=TOLERANCE)

    def test_types_that_are_left_out_are_0(self, tmp_path: Path) -> None:
        engine = self.load(tmp_path, graph_of(SEQUENCE, two_texts=True))
        ids, mask = rows_of(2, 6)
        zeros = engine.run(ids, mask, np.zeros_like(ids))
        np.testing.assert_array_equal(engine.run(ids, mask), zeros)
        assert not np.allclose(engine.run(ids, mask, mask), zeros)

    def test_a_row_is_answered_alike_alone_and_in_any_batch(self, tmp_path: Path) -> None:
        engine = self.load(tmp_path, graph_of(SEQUENCE))
        ids, mask = rows_of(9, 14)
        together = engine.run(ids, mask)
        for row in range(len(ids)):
            length = int(mask[row].sum())
            alone = engine.run(ids[row : row + 1, :length], mask[row : row + 1, :length])
            np.testing.assert_allclose(alone[0], together[row], atol=TOLERANCE)
        np.testing.assert_array_equal(engine.run(ids, mask), together)

    def test_batches_side_by_side_give_what_one_run_gives(self, tmp_path: Path) -> None:
        engine = self.load(tmp_path, graph_of(SEQUENCE), threads=2)
        ids, mask = rows_of(4, 10)
        expected, beside = engine.run(ids, mask), engine.side_by_side()
        assert engine.threads == 2
        with ThreadPoolExecutor(4) as pool:
            for found in pool.map(lambda _: beside.run(ids, mask), range(12)):
                np.testing.assert_allclose(found, expected, atol=TOLERANCE)
        single = self.load(tmp_path / "single", graph_of(SEQUENCE), threads=1)
        assert single.side_by_side().threads == 1

    def test_any_number_of_threads_may_run_it(self, tmp_path: Path) -> None:
        engine = self.load(tmp_path, graph_of(TOKEN))
        given = [rows_of(count, 6 + count) for count in range(1, 7)]
        expected = [engine.run(*one) for one in given]
        with ThreadPoolExecutor(6) as pool:
            for _ in range(5):
                for found, wanted in zip(
                    pool.map(lambda one: engine.run(*one), given), expected, strict=True
                ):
                    np.testing.assert_array_equal(found, wanted)

    def test_a_runner_keeps_the_order_of_rows(self, tmp_path: Path) -> None:
        engine = self.load(tmp_path, graph_of(SEQUENCE), threads=2)
        ids, mask = rows_of(40, 13)
        rows = [row[: int(own.sum())].tolist() for row, own in zip(ids, mask, strict=True)]
        found = Runner(engine, size=8).logits(rows)
        np.testing.assert_allclose(np.stack(found), engine.run(ids, mask), atol=TOLERANCE)

    def test_a_damaged_graph_is_refused_by_its_file(self, tmp_path: Path) -> None:
        record = type(self).write(graph_of(SEQUENCE), tmp_path)
        (tmp_path / record.file).write_bytes(b"no graph")
        with pytest.raises(ArtifactError, match=record.file) as refused:
            engines.load(tmp_path, record, 1)
        assert "quantize" in refused.value.fix
        for file in ("../x", "gone"):
            with pytest.raises(ArtifactError, match=r"`engine\."):
                engines.load(tmp_path, replace(record, file=file), 1)
        for wrong in ({"file": 3}, {"options": "fast"}):
            agent = {"task": {}, "max_length": 16, "engine": {**vars(record), **wrong}}
            with pytest.raises(ArtifactError, match=r"cannot be read: engine\."):
                AGENT.of(agent, "agent.json")
