"""The steps as plain functions that take their section as JSON, as `launch` has it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from components.contract import StepResult


def _taking_json(step: str) -> Callable[..., StepResult]:
    def run(section: dict[str, Any], **paths: Any) -> StepResult:
        module = importlib.import_module(f"components.{step}.step")
        result: StepResult = module.run(module.Section.of(section), **paths)
        return result

    return run


ingest, validate, transform = map(_taking_json, ("ingest", "validate", "transform"))
pretrain, finetune, evaluate = map(_taking_json, ("pretrain", "finetune", "evaluate"))
prune, quantize, gate = map(_taking_json, ("prune", "quantize", "gate"))
register, compare, notify = map(_taking_json, ("register", "compare", "notify"))
tune = _taking_json("tune")
collect, choose = map(_taking_json, ("collect", "choose"))
