"""A task's loss against the true targets, in TensorFlow."""

from __future__ import annotations

import numpy as np

from bertworks.spec import Task
from bertworks.tasks import for_task
from bertworks.tasks.losses import Loss

__all__ = ["Loss", "loss_for"]


def loss_for(task: Task, smoothing: float = 0.0, weights: np.ndarray | None = None) -> Loss:
    """The loss of a task, a sum over rows or words; see `bertworks.tasks.losses.Losses.hard`."""
    return for_task(task).losses.hard(smoothing, weights)
