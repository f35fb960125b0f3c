"""How a training went: its points, and beside them how long it took.

The points are the same whenever the same is trained; what the clock said stands in a file of its own,
which an artifact's digest leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bertworks.contracts.files import OMIT, File


@dataclass(frozen=True)
class Point:
    """A value at one moment of the training.

    Attributes:
        step: Optimizer steps done.
        epoch: Epochs done, with their parts.
        split: "train", "validation", or "validation, averaged": the mean of the latest weights on the
            validation rows.
        name: For example "loss".
        value: As measured.
    """

    step: int
    epoch: float
    split: str
    name: str
    value: float


@dataclass(frozen=True)
class Timings:
    """timings.json of a model: what the clock said.

    Attributes:
        seconds: Spent in training steps.
        tokens_per_second: Real tokens per second of training; evaluation and start-up do not count.
        predicted_speedup: After prune, how many times as fast the widths should make it.
        measured_speedup: After prune, how many times as fast its int8 graph is.
    """

    seconds: float = 0.0
    tokens_per_second: float = 0.0
    predicted_speedup: float | None = field(default=None, metadata=OMIT)
    measured_speedup: float | None = field(default=None, metadata=OMIT)


@dataclass(frozen=True)
class History:
    """history.json: how a training went. Older artifacts have the times of timings.json in it too.

    Attributes:
        points: In the order of the training.
        seconds: In older artifacts: as in timings.json.
        tokens_per_second: Likewise.
    """

    points: list[Point] = field(default_factory=list)
    seconds: float | None = field(default=None, metadata=OMIT)
    tokens_per_second: float | None = field(default=None, metadata=OMIT)


HISTORY: File[History] = File("history.json", History)
TIMINGS: File[Timings] = File("timings.json", Timings)
