"""A real MLflow server on loopback, from an environment of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]
PROGRAM = Path(os.environ.get("BERTWORKS_MLFLOW_PROGRAM", ROOT / ".venv-mlflow/bin/mlflow"))


@pytest.fixture
def nobody() -> str:
    """An address of this machine at which nobody answers."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture(scope="session")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its address."""
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} is not there: make .venv-mlflow/.done")
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [
        PROGRAM, "server", "--host", "127.0.0.1", "--port", port, "--workers", 1,
        "--backend-store-uri", f"sqlite:///{folder}/runs.db",
        "--artifacts-destination", folder / "files",
    ]  # fmt: skip
    uri = f"http://127.0.0.1:{port}"
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(
            list(map(str, command)), stdout=log, stderr=log, cwd=folder, start_new_session=True,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
        )  # fmt: skip
    try:
        while not _answers(uri):
            if server.poll() is not None:
                pytest.fail(
                    f"the MLflow server ended: {(folder / 'log').read_text('utf-8')[-2000:]}"
                )
            time.sleep(0.5)
        yield uri
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def _answers(uri: str) -> bool:
    try:
        return requests.get(f"{uri}/health", timeout=5).ok
    except requests.RequestException:
        return False
