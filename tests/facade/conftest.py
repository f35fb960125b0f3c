"""A bundle with random weights, for what needs no training."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bertworks import Agent
from tests.helpers.tiny_model import bundle_of, make_model


@pytest.fixture
def agent_of(tmp_path: Path) -> Callable[..., Agent]:
    """Loads an agent of a task from a bundle of its own."""

    def make(labels: list[str], score: Any = None, columns: Any = None, **task: Any) -> Agent:
        model = make_model(tmp_path / "model", {"type": "classification", **task}, labels, score)
        agent = Agent.load(bundle_of(model, tmp_path / "bundle"))
        agent._runtime.info = replace(agent._runtime.info, columns=columns)
        return agent

    return make
