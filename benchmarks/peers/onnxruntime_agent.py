"""The peer: the uncompressed fine-tuned model in ONNX Runtime's dynamic int8, all cores.

torch.onnx.export, then quantize_dynamic with a scale for each output channel, as ONNX Runtime's
documentation of transformer models has it: of the graph as exported, and of the graph that
onnxruntime.transformers has fused first. Both are tried.
"""

from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.optimizer import optimize_model

from benchmarks.peers.classifying import Classifier, Predict, Ways, in_batches
from benchmarks.peers.hugging_face import Fine


def load(job: dict[str, Any]) -> tuple[Ways, Ways]:
    """Ways to answer many texts and one."""
    fine, folder = Fine(job["model"], attention="eager"), Path(job["folder"])
    export(fine, folder / "exported.onnx")
    fuse(fine, folder / "exported.onnx", folder / "fused.onnx")
    many: Ways = {}
    one: Ways = {}
    for name in ("exported", "fused"):
        quantize(folder / f"{name}.onnx", folder / f"{name}-int8.onnx")
        predict = session(fine, folder / f"{name}-int8.onnx")
        many |= in_batches(predict, name=f"{name} graph, ")
        one[f"{name} graph"] = predict
    return many, one


def export(fine: Fine, file: Path) -> None:
    """Writes the graph with both axes free."""
    inputs = fine.encode(["one text", "another text"], "pt")
    axes = {0: "batch", 1: "sequence"}
    torch.onnx.export(
        fine.model,
        (inputs["input_ids"], inputs["attention_mask"]),
        str(file),
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "batch"}},
        opset_version=17,
        dynamo=False,
    )


def fuse(fine: Fine, source: Path, file: Path) -> None:
    """Fuses attention, layer norms, GELU and embeddings."""
    config = fine.model.config
    model = optimize_model(
        str(source),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
    )
    model.save_model_to_file(str(file))


def quantize(source: Path, file: Path) -> None:
    """Dynamic int8: weights ahead of time, activations as they come."""
    quantize_dynamic(
        str(source),
        str(file),
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def session(fine: Fine, file: Path) -> Predict:
    """Answers with a graph; ONNX Runtime takes all cores by default."""
    running = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])

    def predict(texts: list[str]) -> list[str]:
        return fine.labels(running.run(None, fine.encode(texts, "np"))[0])

    return predict


if __name__ == "__main__":
    Classifier(load).serve()
