"""Every engine of a bundle does what an engine must."""

from dataclasses import replace
from pathlib import Path

import pytest
from engine_suite import SEQUENCE, EngineConformance, graph_of

from bertworks.contracts.bundle import EngineFile
from bertworks.errors import ArtifactError
from bertworks.runtime import engines
from bertworks.runtime.engines import import_openvino


def onnx(graph: bytes, folder: Path) -> EngineFile:
    (folder / "model.onnx").write_bytes(graph)
    return EngineFile("onnxruntime", "model.onnx")


def openvino(graph: bytes, folder: Path) -> EngineFile:
    library = import_openvino()
    made = library.Core().read_model(graph)
    library.save_model(made, str(folder / "model.xml"), compress_to_fp16=False)
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    return EngineFile("openvino", "model.xml", options)


class TestOnnxRuntime(EngineConformance):
    write = staticmethod(onnx)


class TestOpenVino(EngineConformance):
    write = staticmethod(openvino)


def test_an_engine_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    record = replace(onnx(graph_of(SEQUENCE), tmp_path), name="abacus")
    with pytest.raises(ArtifactError, match="onnxruntime, openvino.*'abacus'"):
        engines.load(tmp_path, record)


@pytest.mark.parametrize(
    ("features", "precision"), [({"avx512f"}, "float"), ({"avx512f", "avx512_bf16"}, "bfloat16")]
)
def test_bfloat16_is_computed_in_only_where_the_cpu_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, features: set[str], precision: str
) -> None:
    record = openvino(graph_of(SEQUENCE), tmp_path)
    monkeypatch.setattr(engines, "instructions", lambda: features)
    engine = engines.load(tmp_path, replace(record, options={engines.PRECISION: "bf16"}), 1)
    used = engine._compiled.get_property(engines.PRECISION)
    assert precision in str(used), used
