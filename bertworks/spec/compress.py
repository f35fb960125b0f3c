"""From a good model to a small and fast one."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from bertworks.spec.section import Section
from bertworks.spec.training import Optimizer


class Prune(Optimizer):
    """Structured pruning of heads and FFN neurons, recovered by distillation."""

    place: ClassVar[str] = "compress.prune"
    enabled: bool = Field(True, description="Off leaves no box in the DAG.")
    speedup: float = Field(
        2.0, ge=1.0, le=20.0, description="Wanted speed-up of the encoder, as an int8 graph."
    )
    latency: Literal["modelled", "measured"] = Field(
        "modelled",
        description="How widths are chosen: by a cost model, the same everywhere, or by blocks timed on "
        "the machine that runs the step, where equal runs may give different widths.",
    )
    epochs: int = Field(3, ge=0, description="Passes of distillation over the training rows.")
    temperature: float = Field(2.0, gt=0, description="Softens teacher and student logits.")
    hidden_weight: float = Field(10.0, ge=0, description="Weight of the hidden-state loss.")
    importance_rows: int = Field(
        256, ge=1, description="Training rows that score importance, at each stage."
    )


class Quantize(Section):
    """int8 candidates: each is measured; of those that meet every limit the fastest wins."""

    candidates: list[
        Literal["onnxruntime-fp32", "onnxruntime-int8", "openvino-bf16", "openvino-int8"]
    ] = Field(
        ["onnxruntime-fp32", "onnxruntime-int8", "openvino-bf16", "openvino-int8"], min_length=1
    )
    max_drop: float = Field(
        0.005,
        ge=0,
        description="Largest loss of the metric on validation against the float32 graph; broken when "
        "the loss is beyond it by more than chance.",
    )
    confidence: float = Field(
        0.95,
        ge=0.5,
        lt=1.0,
        description="Level of the one-sided paired bootstrap that tells a loss from chance; 0.5: the "
        "loss as measured decides.",
    )
    prefer: Literal["balanced", "throughput", "latency"] = Field(
        "balanced",
        description="What `fastest` means: milliseconds a row in batches (throughput), of one row "
        "alone (latency), or their sum.",
    )
    calibration_rows: int = Field(256, ge=1, description="Training rows for static calibration.")
    measure_rows: int = Field(
        2000, ge=1, description="Validation rows to score; 128 to 512 of them are also timed."
    )
    threads: int | None = Field(None, ge=1, description="CPU threads; None: all that may be used.")
    seed: int = 42


class Compress(Section):
    """From a good model to a small and fast one."""

    prune: Prune = Field(default_factory=Prune)
    quantize: Quantize = Field(default_factory=Quantize)
