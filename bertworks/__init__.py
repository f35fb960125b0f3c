"""From a pretrained BERT and your own text to a small, fast, gated, served agent.

    from bertworks import Agent
    agent = Agent.fit("reviews.csv", text="review", label="stars")
    agent.predict(["a warm film"])

Nothing heavy is imported here on purpose: `import bertworks` is instant, and what it offers is imported
when it is asked for; heavy libraries are, by the module that uses them.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bertworks.errors import GateRefused as GateRefused
    from bertworks.errors import StepFailed as StepFailed
    from bertworks.facade.agent import Agent as Agent
    from bertworks.spec import AgentSpec as AgentSpec

# ONNX Runtime reports to its maker unless this is there when it is loaded, whoever loads it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["Agent", "AgentSpec", "GateRefused", "StepFailed", "__version__"]

_OFFERED = {
    "Agent": "bertworks.facade.agent",
    "AgentSpec": "bertworks.spec",
    "GateRefused": "bertworks.errors",
    "StepFailed": "bertworks.errors",
}


def __getattr__(name: str) -> Any:
    if name not in _OFFERED:
        raise AttributeError(f"module 'bertworks' has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(_OFFERED[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_OFFERED})
