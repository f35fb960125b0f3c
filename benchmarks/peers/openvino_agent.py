"""The peer: the uncompressed fine-tuned model in OpenVINO, int8 by NNCF's post-training quantization.

As NNCF's documentation of transformer models has it: nncf.quantize with model_type TRANSFORMER and 300
calibration texts. Batches are tried with the LATENCY hint, and with the THROUGHPUT hint and its queue of
asynchronous requests; single texts with the LATENCY hint.
"""

import contextlib
import sys
from pathlib import Path
from typing import Any

import nncf
import numpy as np
import openvino

from benchmarks.peers.classifying import SIZES, Classifier, Predict, Ways, in_batches
from benchmarks.peers.hugging_face import Fine


def load(job: dict[str, Any]) -> tuple[Ways, Ways]:
    """Ways to answer many texts and one."""
    fine, core = Fine(job["model"]), openvino.Core()
    file = Path(job["folder"]) / "int8.xml"
    with contextlib.redirect_stdout(sys.stderr):  # NNCF draws progress bars
        openvino.save_model(quantized(fine, job["calibration"]), file)
    at_once = core.compile_model(file, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    streams = core.compile_model(file, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT"})

    def predict(texts: list[str]) -> list[str]:
        return fine.labels(at_once(fine.encode(texts, "np"))[0])

    many = in_batches(predict, name="LATENCY hint, ")
    many |= {f"THROUGHPUT hint, batches of {n}": queued(fine, streams, n) for n in SIZES}
    return many, {"LATENCY hint": predict}


def quantized(fine: Fine, texts: list[str]) -> Any:
    """The int8 model."""
    example = fine.encode(["one text", "another text"], "pt")
    model = openvino.convert_model(fine.model, example_input=example)
    return nncf.quantize(
        model,
        nncf.Dataset(texts, lambda text: fine.encode([text], "np")),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=len(texts),
    )


def queued(fine: Fine, compiled: Any, size: int) -> Predict:
    """Answers batches of `size` as many at a time as OpenVINO's queue takes."""
    queue = openvino.AsyncInferQueue(compiled)

    def predict(texts: list[str]) -> list[str]:
        found: dict[int, np.ndarray] = {}
        queue.set_callback(
            lambda request, start: found.update({start: request.get_output_tensor(0).data.copy()})
        )
        for start in range(0, len(texts), size):
            queue.start_async(fine.encode(texts[start : start + size], "np"), start)
        queue.wait_all()
        return [label for start in sorted(found) for label in fine.labels(found[start])]

    return predict


if __name__ == "__main__":
    Classifier(load).serve()
