"""The agent spec, one file a section; this is what the rest of the house imports."""

from __future__ import annotations

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
