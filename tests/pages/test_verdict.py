"""The tiles at the top of the report."""

from pathlib import Path

import pytest

from bertworks.contracts.latency import LATENCY, Load, Speed
from bertworks.pages.report.verdict import _speed_tiles
from bertworks.storage.artifacts import Artifact

QUIET, BUSY = Load(1.0, 1.0, 1.2, 1.0), Load(1.0, 2.0, 4.0, 0.3)


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [(QUIET, QUIET, (0, 0)), (BUSY, QUIET, (0, 1)), (QUIET, BUSY, (2, 1)), (BUSY, BUSY, (2, 1))],
)
def test_times_of_a_busy_machine_are_called_so(
    tmp_path: Path, before: Load, now: Load, told: tuple[int, int]
) -> None:
    opened = {}
    for name, load, speed in (("model_metrics", before, 50.0), ("bundle_metrics", now, 400.0)):
        (tmp_path / name).mkdir()
        LATENCY.write(tmp_path / name, Speed(1.0, 2.0, 2.0, load, speed, 20.0, 2))
        opened[name] = Artifact(tmp_path / name, "metrics", "evaluate", "", {}, {})
    tiles = {tile.name: tile for tile in _speed_tiles(opened)}
    own = [tiles[name].note for name in ("p95 latency", "throughput", "size")]
    assert sum("on a busy machine" in note for note in own) == told[0]
    assert tiles["speed-up"].value == "8.0×"
    assert ("on a busy machine" in tiles["speed-up"].note) is bool(told[1])
