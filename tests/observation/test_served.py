"""`bertworks serve` with all that observes switched on, as a process."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from bertworks.client import Client
from bertworks.serving.observation.files import read_rows


def begin(bundle: Path, folder: Path, port: int, log: Path) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-m", "pipelines.cli", "serve", "--agent", str(bundle), "--port", str(port),
        "--samples", str(folder), "--log-format", "json", "--threads", "1",
    ]  # fmt: skip
    with log.open("ab") as stream:
        return subprocess.Popen(command, stderr=stream, env={**os.environ})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
def test_a_server_that_is_killed_loses_no_row_that_it_kept(tmp_path, bundle) -> None:
    port, samples, log = free_port(), tmp_path / "samples", tmp_path / "log"
    with Client(f"http://127.0.0.1:{port}", patience=120) as client:
        running = begin(bundle, samples, port, log)
        for _ in range(30):
            client.ask(["good film", "bad story ."] * 20)
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
        assert "bertworks_stage_seconds_bucket" in metrics and "good film" not in metrics
        running.send_signal(signal.SIGKILL)
        running.wait()
        client.close()
        left = sum(len(file.read_bytes().splitlines()) for file in samples.glob(".rows-*.open"))
        assert left
        running = begin(bundle, samples, port, log)
        asked = client.ask(["so so"])
        running.terminate()
        assert running.wait() == 0
    rows = [row for file in samples.glob("rows-*") for row in read_rows(file)]
    assert len(rows) >= left and {row["model"] for row in rows} == {"agent"}
    lines = [json.loads(line) for line in log.read_text().splitlines()]  # each is JSON
    mine = [line for line in lines if line.get("request") == asked.request]
    assert len(mine) == 1 and mine[0]["status"] == 200 and mine[0]["rows"] == 1
    assert any("killed has left" in line.get("message", "") for line in lines)
    assert "so so" not in log.read_text()
