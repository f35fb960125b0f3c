"""The agent spec, one file a section; this is what the rest of the house imports.

A section is loaded when it is first asked for: a server needs few of them, and each is a model that
pydantic builds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bertworks.spec.agent import AgentSpec
    from bertworks.spec.base import Base, Scratch, TokenizerSource
    from bertworks.spec.checks import Checks, Validate
    from bertworks.spec.cluster import Resources, Schedule, SecretKey, Serve
    from bertworks.spec.compress import Compress, Prune, Quantize
    from bertworks.spec.confidence import Abstain, Confidence
    from bertworks.spec.data import Clean, Columns, Corpus, Data, Source
    from bertworks.spec.judging import Evaluate, Gates, Retrain
    from bertworks.spec.matching import Matching
    from bertworks.spec.section import Section
    from bertworks.spec.task import Fraction, Severity, Task, metrics_of, task_metric
    from bertworks.spec.track import Track
    from bertworks.spec.training import Finetune, Optimizer, Pretrain, Transform
    from bertworks.spec.tuning import Tune

_PLACES = {
    name: module
    for module, names in {
        "agent": ("AgentSpec",),
        "base": ("Base", "Scratch", "TokenizerSource"),
        "checks": ("Checks", "Validate"),
        "cluster": ("Resources", "Schedule", "SecretKey", "Serve"),
        "compress": ("Compress", "Prune", "Quantize"),
        "confidence": ("Abstain", "Confidence"),
        "data": ("Clean", "Columns", "Corpus", "Data", "Source"),
        "judging": ("Evaluate", "Gates", "Retrain"),
        "matching": ("Matching",),
        "section": ("Section",),
        "task": ("Fraction", "Severity", "Task", "metrics_of", "task_metric"),
        "track": ("Track",),
        "training": ("Finetune", "Optimizer", "Pretrain", "Transform"),
        "tuning": ("Tune",),
    }.items()
    for name in names
}

__all__ = [
    "Abstain",
    "AgentSpec",
    "Base",
    "Checks",
    "Clean",
    "Columns",
    "Compress",
    "Confidence",
    "Corpus",
    "Data",
    "Evaluate",
    "Finetune",
    "Fraction",
    "Gates",
    "Matching",
    "Optimizer",
    "Pretrain",
    "Prune",
    "Quantize",
    "Resources",
    "Retrain",
    "Schedule",
    "Scratch",
    "SecretKey",
    "Section",
    "Serve",
    "Severity",
    "Source",
    "Task",
    "TokenizerSource",
    "Track",
    "Transform",
    "Tune",
    "Validate",
    "metrics_of",
    "task_metric",
]


def __getattr__(name: str) -> Any:
    """A section, loaded with its module."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = found
    return found
