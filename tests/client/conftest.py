"""A server of a tiny agent, on loopback."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from bertworks.runtime.agent import Agent
from bertworks.serving.observation.joining import observing
from bertworks.spec.observing import Observing, Sampling
from tests.helpers.served import serving_of
from tests.helpers.tiny_model import bundle_of, make_model


@pytest.fixture(scope="session")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    folder = tmp_path_factory.mktemp("client")
    model = make_model(folder / "model", {"type": "classification"}, ["bad", "good"])
    return Agent.load(bundle_of(model, folder / "bundle"), threads=1)


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("samples")


@pytest.fixture(scope="session")
def url(agent: Agent, samples: Path) -> Iterator[str]:
    serving = serving_of({"agent": agent})
    kept = Sampling(folder=str(samples), share=0.0, mask=False)
    observing(Observing(sampling=kept))(serving)
    app, _ = serving.application()
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()
