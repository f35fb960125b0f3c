"""What every part of the agent spec is made of."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

StepName = Literal[
    "ingest", "validate", "transform", "pretrain", "finetune", "evaluate", "prune", "quantize",
    "gate", "register", "deploy", "compare", "notify",
]  # fmt: skip


class Section(BaseModel):
    """A part of the spec: unknown keys are refused, values are checked."""

    model_config = ConfigDict(extra="forbid", validate_default=True, allow_inf_nan=False)
