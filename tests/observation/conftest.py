"""Tiny agents, and servers of them in this process."""

from pathlib import Path

import pytest

from bertworks.contracts.reference import REFERENCE
from bertworks.evaluation.reference import reference
from bertworks.runtime.agent import Agent
from bertworks.serving.assembly import Serving
from bertworks.serving.identity import BundleIdentity
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.served import OneBundle, ServedModel
from bertworks.serving.observation.joining import observing
from bertworks.spec.observing import Observing
from tests.helpers.tiny_model import TEXTS, bundle_of, make_model

LABELS = ["bad", "good", "so so"]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("observation")
    model = make_model(folder / "model", {"type": "classification"}, LABELS)
    return bundle_of(model, folder / "bundle")


@pytest.fixture(scope="session")
def agent(bundle: Path) -> Agent:
    return Agent.load(bundle, threads=1)


@pytest.fixture(scope="session")
def tagger(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    folder = tmp_path_factory.mktemp("tagger")
    model = make_model(folder / "model", {"type": "tagging"}, ["O", "B-PER", "I-PER"])
    return Agent.load(bundle_of(model, folder / "bundle"), threads=1)


@pytest.fixture
def known(tmp_path: Path, agent: Agent) -> Path:
    """A folder with the reference of texts like TEXTS."""
    texts = TEXTS * 20
    rows = agent.encode(texts).ids
    special = agent._tokenizer.special
    marks = [special.cls, special.sep, special.pad]
    REFERENCE.write(tmp_path, reference(rows, agent.predict(texts), marks, special.unk, True))
    return tmp_path


def served(name: str, agent: Agent, settings: Observing, folder: Path | None = None) -> Serving:
    """A server of one agent, version 3, that is observed."""
    serving = Serving.of(None, 1)
    identity = BundleIdentity("d" * 64, 3)
    bundle = LoadedBundle(agent, identity, serving.models.batcher, name, folder)
    serving.models.add(ServedModel(name, OneBundle(bundle)))
    observing(settings)(serving)
    return serving
