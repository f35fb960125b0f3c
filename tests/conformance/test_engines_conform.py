"""Every engine of a bundle does what an engine must."""

from pathlib import Path
from typing import Any

import pytest
from engine_suite import SEQUENCE, EngineConformance, graph_of

from bertworks.errors import ArtifactError
from bertworks.runtime import engines
from bertworks.runtime.engines import import_openvino


def onnx(graph: bytes, folder: Path) -> dict[str, Any]:
    (folder / "model.onnx").write_bytes(graph)
    return {"name": "onnxruntime", "file": "model.onnx", "options": {}}


def openvino(graph: bytes, folder: Path) -> dict[str, Any]:
    library = import_openvino()
    made = library.Core().read_model(graph)
    library.save_model(made, str(folder / "model.xml"), compress_to_fp16=False)
    options = {"INFERENCE_PRECISION_HINT": "f32"}
    return {"name": "openvino", "file": "model.xml", "options": options}


class TestOnnxRuntime(EngineConformance):
    write = staticmethod(onnx)


class TestOpenVino(EngineConformance):
    write = staticmethod(openvino)


def test_an_engine_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    record = {**onnx(graph_of(SEQUENCE), tmp_path), "name": "abacus"}
    with pytest.raises(ArtifactError, match="onnxruntime, openvino.*'abacus'"):
        engines.load(tmp_path, record)
