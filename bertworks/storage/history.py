"""How a training went: its points, and beside them how long it took.

The points are the same whenever the same is trained; what the clock said stands in a file of its own,
which an artifact's digest leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from bertworks.contracts.history import HISTORY as FILE
from bertworks.contracts.history import TIMINGS as TIMES
from bertworks.contracts.history import History
from bertworks.storage.artifacts import Artifact, write_json

HISTORY, TIMINGS = FILE.name, TIMES.name
_OF_THE_CLOCK = ("seconds", "tokens_per_second")


def write_history(folder: Path, history: Mapping[str, Any], **timings: Any) -> None:
    """Writes history.json, and timings.json beside it.

    Args:
        folder: Of the artifact that is being written; it names `TIMINGS` as measured.
        history: Points, seconds and tokens_per_second.
        timings: More that a clock said.
    """
    kept = {name: value for name, value in history.items() if name not in _OF_THE_CLOCK}
    write_json(folder / HISTORY, kept)
    said = {name: history[name] for name in _OF_THE_CLOCK if name in history}
    write_json(folder / TIMINGS, {**said, **timings})


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
