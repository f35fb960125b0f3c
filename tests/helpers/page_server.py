"""`bertworks serve` in a process of its own, for what a browser asks."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from server_process import free_port, wait_until_ready


@contextlib.contextmanager
def page_server(agents: Mapping[str, Path], folder: Path, *options: str) -> Iterator[str]:
    """The address of a server of agents, by their names.

    Args:
        agents: Name to bundle.
        folder: For its log.
        options: Of `bertworks serve`.
    """
    base, log = f"http://127.0.0.1:{(port := free_port())}", folder / "server.log"
    named = [f"--agent={name}={place}" for name, place in agents.items()]
    with open(log, "w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", "serve", *named, f"--port={port}", *options],
            stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        wait_until_ready(base, process, log)
        yield f"{base}/"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()
