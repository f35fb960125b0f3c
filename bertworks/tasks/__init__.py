"""The tasks: a folder each, which registers itself when this package is loaded.

Loading it is instant: what a task can do is loaded when it is asked for. Needs numpy alone then, as
serving uses it too; what needs more (pyarrow, scikit-learn, TensorFlow) is in modules of its own.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bertworks.spec import Task
    from bertworks.tasks.forms.form import RowForm
    from bertworks.tasks.handler import TaskHandler

__all__ = ["for_task", "form_of"]

for _found in pkgutil.iter_modules(__path__):
    if _found.ispkg:
        importlib.import_module(f"{__name__}.{_found.name}")


def for_task(
    task: Task,
    labels: Sequence[str] = (),
    score: Mapping[str, float] | None = None,
    metric: str | None = None,
) -> TaskHandler:
    """The handler of a task.

    Args:
        task: What the agent does.
        labels: What an agent may answer, in the order of the logits; none where no more is asked than
            what holds for any labels.
        score: Where a number is learned mean and std of the training scores.
        metric: What it is judged by; None: the task's own.
    """
    module, _, name = task.kind.handler.partition(":")
    handler: type[TaskHandler] = getattr(importlib.import_module(module), name)
    return handler(task, labels, score, metric)


def form_of(task: Task) -> RowForm:
    """The form of the task's rows."""
    from bertworks.tasks.forms import form_named

    return form_named(task.form)
