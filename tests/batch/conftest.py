"""A tiny agent that all tests of the room share."""

from pathlib import Path

import pytest

from bertworks.runtime.agent import Agent
from tests.helpers.tiny_model import bundle_of, make_model


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("batch")
    model = make_model(folder / "model", {"type": "classification"}, ["bad", "good", "so so"])
    return bundle_of(model, folder / "bundle")


@pytest.fixture(scope="session")
def agent(bundle: Path) -> Agent:
    return Agent.load(bundle, threads=1)
