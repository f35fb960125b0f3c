"""How a training went: its points, and beside them how long it took.

The points are the same whenever the same is trained; what the clock said stands in a file of its own,
which an artifact's digest leaves out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bertworks.contracts.history import HISTORY as FILE
from bertworks.contracts.history import TIMINGS as TIMES
from bertworks.contracts.history import History, Point, Timings
from bertworks.storage.artifacts import Artifact

HISTORY, TIMINGS = FILE.name, TIMES.name


def write_history(folder: Path, points: list[Point], timings: Timings) -> None:
    """Writes history.json, and timings.json beside it.

    Args:
        folder: Of the artifact that is being written; it names `TIMINGS` as measured.
        points: In the order of the training.
        timings: What the clock said.
    """
    FILE.write(folder, History(points))
    TIMES.write(folder, timings)


def read_history(model: Artifact) -> History:
    """Both in one; of older artifacts too, whose history.json has the times.

    Raises:
        ArtifactError: One of the two is not what it should be.
    """
    found = FILE.read(model)
    if not (model / TIMINGS).is_file():
        return found
    times = TIMES.read(model)
    return replace(found, seconds=times.seconds, tokens_per_second=times.tokens_per_second)
