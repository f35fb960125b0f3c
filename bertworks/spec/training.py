"""Tokenizing, pretraining and fine-tuning."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from bertworks.spec.section import Section
from bertworks.spec.task import Fraction


class Transform(Section):
    """Tokenizing and the tf.Transform analyzers, on Beam."""

    runner: str = Field("DirectRunner", description="Beam runner: DirectRunner, FlinkRunner, …")
    options: list[str] = Field([], description="More Beam options, as on its command line.")
    batch_rows: int = Field(1000, ge=1, description="Rows an Arrow batch.")
    shard_rows: int = Field(50_000, ge=1, description="Rows a shard, at most.")


class Optimizer(Section):
    """AdamW with warm-up and decay."""

    place: ClassVar[str] = ""
    """Where in a spec such settings stand, for messages."""

    learning_rate: float = Field(1e-4, gt=0)
    batch_size: int = Field(32, ge=1, description="Rows an optimizer step.")
    accumulate: int = Field(1, ge=1, description="Split each batch into so many micro-batches.")
    weight_decay: float = Field(0.01, ge=0, description="Decoupled; not on biases or layer norms.")
    warmup: Fraction = Field(0.1, description="Share of all steps for linear warm-up.")
    decay: Literal["linear", "cosine", "constant"] = "linear"
    clip_norm: float = Field(1.0, gt=0, description="Global gradient norm limit.")
    precision: Literal["auto", "bfloat16", "float32"] = Field(
        "auto", description="`auto` takes bfloat16 where the machine runs it faster."
    )
    seed: int = Field(42, ge=0)
    checkpoint_steps: int = Field(
        50,
        ge=1,
        description="Optimizer steps between checkpoints, at least: those that take long to write come "
        "so rarely that they cost a twentieth of the time, but every two minutes.",
    )


class Pretrain(Optimizer):
    """Masked-language-model training on the corpus, before fine-tuning."""

    place: ClassVar[str] = "pretrain"
    enabled: bool = Field(False, description="Off leaves no box in the DAG.")
    learning_rate: float = Field(5e-4, gt=0)
    steps: int | None = Field(None, ge=1, description="Optimizer steps; `epochs` when unset.")
    epochs: float = Field(1.0, gt=0, description="Passes over the corpus.")
    batch_size: int = Field(32, ge=1, description="Packed sequences an optimizer step.")
    sequence_length: int = Field(128, ge=8, le=512, description="Tokens a packed sequence.")
    mask_share: Fraction = Field(0.15, description="Share of tokens to predict (80/10/10).")
    whole_word: bool = Field(False, description="Mask all pieces of a word together.")
    held_out: Fraction = Field(0.02, description="Share of texts for the held-out measures.")


class Finetune(Optimizer):
    """Training on the labelled rows."""

    place: ClassVar[str] = "finetune"
    epochs: int | Literal["auto"] = Field(
        "auto",
        description="Passes over the training rows; `auto`: 3 to 20, by rows, labels and task.",
    )
    minutes: float | None = Field(
        None, gt=0, description="Most minutes of training steps; ends at an epoch's end. None: any."
    )
    patience: int = Field(
        2,
        ge=1,
        description="Stop after so many epochs without a better one; with `epochs: auto` short "
        "epochs count less.",
    )
    layer_decay: float = Field(
        1.0, gt=0, le=1.0, description="Learning-rate factor from each layer to the one below."
    )
    class_weights: Literal["none", "balanced"] = "none"
    label_smoothing: Fraction = 0.0
    dropout: Fraction | None = Field(None, description="Overrides the base's dropout.")
    metric: str | None = Field(
        None,
        description="Validation metric that picks the best epoch; None: gates.metric, the run's own.",
    )

    @field_validator("epochs", mode="before")
    @classmethod
    def _epochs_are_a_number_or_auto(cls, value: Any) -> Any:
        """One rule, one message: a union would give one for each of its types."""
        if value == "auto" or (str(value).isdecimal() and int(value) >= 1):
            return value
        raise ValueError(f"must be a whole number from 1, or auto. Received: {value}")
