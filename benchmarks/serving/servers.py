"""Servers as processes: ours and the peers, loaded one after the other, and looked at from outside."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.harness.sides import OWN_PYTHON, REPOSITORY, peer_python

START_SECONDS = 300.0
IDLE = 0.05
"""Seconds of computing in a second, below which a server counts as idle."""


class Server:
    """A server in a process of its own.

    Args:
        name: As the tables call it.
        command: What starts it; PORT stands for its port.
        paths: Where it can be asked; the fastest is taken, see `settle`.
        bodies: A file with requests, one a line.
        probe: A path that tells its health; None: it has none.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        paths: list[str],
        bodies: Path,
        probe: str | None = None,
    ) -> None:
        self.name, self._paths, self._bodies, self.probe = name, paths, bodies, probe
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [word.replace("PORT", str(self.port)) for word in command]
        self.process = subprocess.Popen(
            command, cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        began = time.perf_counter()
        self.path = paths[0]
        while not self._answers():
            if self.process.poll() is not None or time.perf_counter() - began > START_SECONDS:
                raise SystemExit(f"error: {name} does not start: {' '.join(command)}")
            time.sleep(0.02)
        self.started = time.perf_counter() - began

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    @property
    def megabytes(self) -> float:
        """Its resident memory, in MB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024 / 1e6

    @property
    def files(self) -> int:
        """Its open file descriptors."""
        return sum(1 for _ in Path(f"/proc/{self.process.pid}/fd").iterdir())

    @property
    def computed(self) -> float:
        """Seconds that its threads have computed so far: a busy machine makes them no more."""
        return self._cpu()

    def kill_under_load(self, connections: int, seconds: float = 2.0) -> None:
        """Kills it by SIGKILL while so many clients ask."""
        command = [*self._wrk(connections), "-d60s", self.url]
        with subprocess.Popen(
            command, env={**os.environ, "BODIES": str(self._bodies)}, stdout=subprocess.DEVNULL
        ) as asking:
            time.sleep(seconds)
            self.process.kill()
            self.process.wait()
            asking.terminate()

    def counters(self) -> tuple[float, float]:
        """Tokens that it has computed, and padding beside them; ours alone tells."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        tokens, padding = (
            sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))
            for name in ("bertworks_tokens_total", "bertworks_padding_tokens_total")
        )
        return tokens, padding

    def settle(self, connections: int) -> None:
        """Warms it up, and keeps the path that answers most requests."""
        rates = {}
        for path in self._paths:
            self.path = path
            told = self.hammer(connections, 8.0)
            rates[path] = told["answered"] / told["seconds"]
        self.path = max(rates, key=lambda path: rates[path])

    def hammer(self, connections: int, seconds: float) -> dict[str, Any]:
        """As many requests as so many clients send, each the next one with its answer: by wrk.

        Returns:
            Requests `answered` and `refused`, what broke, `seconds`, `p50` and `p99` in seconds, and the
            seconds that the server's threads computed, `cpu`.
        """
        command = [*self._wrk(connections), f"-d{max(round(seconds), 1)}s", self.url]
        self._wait_until_idle()
        before = self._cpu()
        done = subprocess.run(
            command, env={**os.environ, "BODIES": str(self._bodies)}, capture_output=True, text=True
        )
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return {**found, "cpu": self._cpu() - before}

    def _wrk(self, connections: int) -> list[str]:
        wrk = shutil.which("wrk")
        if wrk is None:
            raise SystemExit("error: wrk is not installed.\n  fix: apt-get install wrk")
        script = str(REPOSITORY / "benchmarks/serving/requests.lua")
        return [wrk, "-t1", f"-c{connections}", "--timeout", "60s", "-s", script]

    def pace(self, rate: float, seconds: float) -> dict[str, Any]:
        """So many requests a second, see `paced`; where it tells its health, `probe`, see there."""
        self._wait_until_idle()
        command = [sys.executable, "-m", "benchmarks.serving.paced", self.url, str(self._bodies),
                   f"{rate:.3f}", f"{seconds:g}"]  # fmt: skip
        with self._probing() as probed:
            done = subprocess.run(
                command, cwd=REPOSITORY, capture_output=True, text=True, check=True
            )
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return {**found, "probe": probed}

    @contextlib.contextmanager
    def _probing(self) -> Iterator[dict[str, Any]]:
        """Asks for health while the block runs; what was found stands in the dictionary then."""
        found: dict[str, Any] = {}
        if self.probe is None:
            yield found
            return
        command = [sys.executable, "-m", "benchmarks.serving.probe", "127.0.0.1", str(self.port)]
        with subprocess.Popen(
            [*command, self.probe], cwd=REPOSITORY, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as probing:  # fmt: skip
            yield found
            found |= json.loads(probing.communicate()[0])

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _wait_until_idle(self) -> None:
        """Until it has done what clients that left had asked for.

        A server that goes on with that would take the time of the next measurement.
        """
        while True:
            before = self._cpu()
            time.sleep(1.0)
            if self._cpu() - before < IDLE:
                return

    def _cpu(self) -> float:
        """Seconds that it has computed, all its threads together."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def _answers(self) -> bool:
        body = self._bodies.read_bytes().partition(b"\n")[0]
        asked = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False


def own(bundle: Path, bodies: Path) -> Server:
    """`bertworks serve`."""
    command = [str(OWN_PYTHON), "-m", "pipelines.cli", "serve", f"--agent={bundle}", "--port=PORT"]
    return Server("bertworks", command, ["/v1/models/agent:predict"], bodies, "/v2/health/live")


def peer(name: str, kind: str, model: Path, folder: Path, bodies: Path) -> Server:
    """FastAPI around the model, see `benchmarks/peers/http_server.py`."""
    folder.mkdir(parents=True, exist_ok=True)
    script = str(REPOSITORY / "benchmarks/peers/http_server.py")
    command = [str(peer_python()), script, kind, str(model), str(folder), "PORT"]
    return Server(name, command, ["/turns", "/threads"], bodies)
