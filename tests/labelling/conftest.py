"""Agents of every task, tiny, and folders of rows that a server has kept."""

from pathlib import Path

import pytest

from bertworks.runtime.agent import Agent
from tests.helpers.tiny_model import bundle_of, make_model

TASKS = {
    "classification": ({"type": "classification"}, ["bad", "good", "so so"], None),
    "multi": ({"type": "classification", "multi_label": True}, ["plot", "film", "story"], None),
    "pair": ({"type": "classification", "pair": True}, ["no", "yes"], None),
    "tagging": ({"type": "tagging"}, ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"], None),
    "regression": (
        {"type": "regression"}, [], {"mean": 1.0, "std": 2.0, "min": -5.0, "max": 5.0}),
}  # fmt: skip


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("labelling")
    found = {}
    for name, (task, labels, score) in TASKS.items():
        model = make_model(folder / f"{name}-model", task, labels, score)
        found[name] = bundle_of(model, folder / name)
    return found


@pytest.fixture(scope="session")
def agents(bundles: dict[str, Path]) -> dict[str, Agent]:
    return {name: Agent.load(folder, threads=1) for name, folder in bundles.items()}
