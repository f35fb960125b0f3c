"""Untrained agents that understand turns, alone and in context."""

from pathlib import Path

import pytest

from bertworks.runtime.agent import Agent
from tests.helpers.tiny_model import bundle_of, make_model

LABELS = [
    "O",
    "B-artist",
    "B-city",
    "I-artist",
    "I-city",
    "intent:B-travel",
    "intent:O",
    "intent:hear",
]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("understanding")


@pytest.fixture(scope="session")
def agent(folder: Path) -> Agent:
    model = make_model(folder / "model", {"type": "understanding"}, LABELS)
    return Agent.load(bundle_of(model, folder / "bundle"), threads=1)


@pytest.fixture(scope="session")
def in_context(folder: Path) -> Agent:
    task = {"type": "understanding", "context": True}
    model = make_model(folder / "context-model", task, LABELS)
    return Agent.load(bundle_of(model, folder / "context-bundle"), threads=1)
