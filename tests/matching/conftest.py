"""Tiny bundles that find documents."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "helpers"))
from made_versions import Versions


@pytest.fixture(scope="session")
def versions(tmp_path_factory):
    return Versions(tmp_path_factory.mktemp("versions"))
