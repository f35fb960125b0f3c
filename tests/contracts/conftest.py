"""A store and runs that version 0.1 wrote, unpacked once and copied for each test."""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

import pytest

FIXTURE = Path(__file__).parents[1] / "fixtures/version-0.1.tar.xz"
WRITTEN_AT = "/agent/.bertworks"


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(FIXTURE) as packed:
        packed.extractall(folder, filter="data")
    return folder / "version-0.1"


@pytest.fixture
def root(unpacked: Path, tmp_path: Path) -> Path:
    """The root folder of version 0.1, at a place of the test's own."""
    place = tmp_path / "root"
    shutil.copytree(unpacked, place)
    for record in place.glob("runs/*/run.json"):
        record.write_text(record.read_text("utf-8").replace(WRITTEN_AT, str(place)), "utf-8")
    return place
