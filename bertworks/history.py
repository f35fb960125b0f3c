"""How a training went: its points, and beside them how long it took.

The points are the same whenever the same is trained; what the clock said stands in a file of its own,
which an artifact's digest leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bertworks.artifacts import Artifact, write_json

HISTORY = "history.json"
TIMINGS = "timings.json"
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


def read_history(model: Artifact) -> dict[str, Any]:
    """Both in one; of older artifacts too, whose history.json has the times."""
    found = dict(model.json(HISTORY))
    if (model / TIMINGS).is_file():
        found |= model.json(TIMINGS)
    return found
