"""Gates for tests, with nothing switched on but what is asked, and what they judge."""

from pathlib import Path
from typing import Any

from bertworks.contracts.metrics import Metric
from bertworks.spec import Gates, Task

OFF: dict[str, Any] = {"max_drop": None, "beat_floor": False}
"""Settings with which every measured agent passes."""


def entries(**values: float) -> list[Metric]:
    """metrics.json with these values over all rows."""
    return [Metric(name, value) for name, value in values.items()]


def gate_section(store: Path, task: Task, **gates: Any) -> dict[str, Any]:
    """The section of the gate step and of register; without a floor unless `gates` asks for one."""
    rules = Gates(**{"beat_floor": False, **gates}).model_dump(mode="json")
    return {
        "name": "tiny",
        "task": task.model_dump(mode="json"),
        "metric": gates.get("metric") or task.kind.metric,
        "gates": rules,
        "store": str(store),
    }
