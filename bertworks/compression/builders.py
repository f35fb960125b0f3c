"""One function for each candidate of the quantize step: from a model to an engine's files."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertworks.compression.calibration import calibrate
from bertworks.compression.graph import Form, build_graph
from bertworks.compression.quantizer import Quantizer
from bertworks.contracts.agent import AGENT
from bertworks.contracts.bundle import EngineFile
from bertworks.models.config import EncoderConfig, Head
from bertworks.models.layout import Weights
from bertworks.runtime.engines import import_openvino
from bertworks.runtime.inference import PaddedBatch
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import form_of

BASELINE = "onnxruntime-fp32"
Builder = Callable[["Source", Sequence[PaddedBatch], Path], EngineFile]


@dataclass(frozen=True)
class Source:
    """A model to export.

    Attributes:
        config: Sizes.
        weights: Hugging Face names.
        head: Which head.
        pair: Whether rows are pairs of texts.
        max_length: Longest row, in tokens.
        pad: The padding token's id.
        vector: Whether graphs also give the text's vector behind the logits.
    """

    config: EncoderConfig
    weights: Weights
    head: Head
    pair: bool
    max_length: int
    pad: int = 0
    vector: bool = False

    @classmethod
    def read(cls, model: Artifact, pad: int = 0) -> Source:
        """Reads a model artifact.

        Raises:
            ArtifactError: A file is missing or does not fit.
        """
        from bertworks.models.layout import all_shapes
        from bertworks.models.weights import FILE, check_shapes, load_folder

        config, weights, raw = load_folder(model.path)
        agent = AGENT.read(model)
        head = Head.from_huggingface(raw)
        check_shapes(weights, all_shapes(config, head), str(model / FILE))
        pair = form_of(agent.task).two_texts
        return cls(config, weights, head, pair, agent.max_length, pad)

    def graph(self, form: Form, quantizers: Mapping[str, Quantizer] | None = None) -> Any:
        """The ONNX model in one of the forms."""
        return build_graph(
            self.config, self.weights, self.head, pair=self.pair, max_length=self.max_length,
            form=form, quantizers=quantizers, vector=self.vector,
        )  # fmt: skip


def _onnxruntime_fp32(source: Source, _: Sequence[PaddedBatch], folder: Path) -> EngineFile:
    return _save_onnx(source.graph("float32"), folder)


def _onnxruntime_int8(
    source: Source, calibration: Sequence[PaddedBatch], folder: Path
) -> EngineFile:
    quantizers = calibrate(
        source.config, source.weights, source.head, calibration, pair=source.pair,
        max_length=source.max_length,
    )  # fmt: skip
    return _save_onnx(source.graph("int8", quantizers), folder)


def _openvino_bf16(source: Source, _: Sequence[PaddedBatch], folder: Path) -> EngineFile:
    model = _openvino_model(source, "compact")
    return _save_openvino(model, folder, {"INFERENCE_PRECISION_HINT": "bf16"}, halves=True)


def _openvino_int8(source: Source, calibration: Sequence[PaddedBatch], folder: Path) -> EngineFile:
    """NNCF's post-training quantization: static ranges from calibration rows, with SmoothQuant.

    SmoothQuant (Xiao et al. 2022, section 4) moves outliers of the activations into the weights.
    """
    import_openvino()
    import nncf

    nncf.set_log_level(logging.ERROR)
    names = ("input_ids", "attention_mask", "type_ids")[: 3 if source.pair else 2]

    def feeds(batch: PaddedBatch) -> Mapping[str, Any]:
        return {name: getattr(batch, name) for name in names}

    # NNCF draws progress bars on standard output, which belongs to the caller.
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        model = nncf.quantize(
            _openvino_model(source, "compact"),
            nncf.Dataset(list(calibration), feeds),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(calibration),
        )
    # What is left in floating point (attention scores, norms) runs in bfloat16.
    return _save_openvino(model, folder, {"INFERENCE_PRECISION_HINT": "bf16"}, halves=False)


BUILDERS: dict[str, Builder] = {
    "onnxruntime-fp32": _onnxruntime_fp32,
    "onnxruntime-int8": _onnxruntime_int8,
    "openvino-bf16": _openvino_bf16,
    "openvino-int8": _openvino_int8,
}


def _openvino_model(source: Source, form: Form) -> Any:
    return import_openvino().Core().read_model(source.graph(form).SerializeToString())


def _save_onnx(model: Any, folder: Path) -> EngineFile:
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    return EngineFile("onnxruntime", "model.onnx")


def _save_openvino(
    model: Any, folder: Path, options: dict[str, str], *, halves: bool
) -> EngineFile:
    import_openvino().save_model(model, str(folder / "model.xml"), compress_to_fp16=halves)
    return EngineFile("openvino", "model.xml", options)
