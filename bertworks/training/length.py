"""How long to fine-tune where the spec says `epochs: auto`.

Few rows need many passes (Mosbach, Andriushchenko, Klakow, "On the Stability of Fine-tuning BERT",
2021, train 20 epochs on sets of a few thousand rows), and so do many labels and tags. So what is set is
the number of optimizer steps, and the epochs follow from the rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from bertworks.spec import Finetune, Task
from bertworks.tasks import for_task

# Measured with the default base, batch and rate: 2 labels need no more than 640 steps; 150 labels were
# still gaining after 1,100, tags after 500.
STEPS_A_LABEL = 12
# Beyond this many steps a set is so large that one pass shows it enough.
MOST_STEPS = 10_000
LEAST_EPOCHS, MOST_EPOCHS = 3, 20
# An epoch shorter than this says little: patience then waits for as many steps instead.
PATIENCE_STEPS = 100


@dataclass(frozen=True)
class Length:
    """Epochs to train at most, and epochs without a better one after which training stops."""

    epochs: int
    patience: int


def length_of(settings: Finetune, task: Task, labels: int, steps_an_epoch: int) -> Length:
    """The length that a spec asks for.

    Args:
        settings: `epochs` and `patience` are read.
        task: Its type.
        labels: How many the head has; 0 for regression.
        steps_an_epoch: Optimizer steps, which stand for rows.
    """
    if settings.epochs != "auto":
        return Length(settings.epochs, settings.patience)
    wanted = for_task(task).auto_steps + STEPS_A_LABEL * max(0, labels - 2)
    epochs = min(MOST_EPOCHS, max(LEAST_EPOCHS, math.ceil(wanted / steps_an_epoch)))
    epochs = min(epochs, max(1, MOST_STEPS // steps_an_epoch))
    stretch = max(1, math.ceil(PATIENCE_STEPS / steps_an_epoch))
    return Length(epochs, settings.patience * stretch)
