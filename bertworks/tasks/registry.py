"""From a spec's task to its handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertworks.spec import Task
from bertworks.tasks.classification import Classification
from bertworks.tasks.handler import TaskHandler
from bertworks.tasks.multi_label import MultiLabel
from bertworks.tasks.regression import Regression
from bertworks.tasks.tagging import Tagging


def for_task(task: Task, info: Mapping[str, Any], metric: str | None = None) -> TaskHandler:
    """The handler of a task.

    Args:
        task: What the agent does.
        info: info.json of a tokens artifact or agent.json of a model: `labels` and `score`.
        metric: What it is judged by; None: the task's own.
    """
    kinds: dict[str, type[TaskHandler]] = {
        "classification": MultiLabel if task.multi_label else Classification,
        "tagging": Tagging,
        "regression": Regression,
    }
    return kinds[task.type](task, info.get("labels") or (), info.get("score"), metric)
