"""An agent that answers over HTTP beside the program or notebook that started it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

from bertworks import __version__
from bertworks.errors import BertworksError, DataError, EnvironmentFault, SpecError
from bertworks.facade.advice import in_python

LISTENS = f"bertworks {__version__} serves "
SECONDS = 120.0
"""How long a server may take to start."""
GRACE_SECONDS = 40.0
"""How long it may take to answer what it was asked before it was stopped."""


class Server:
    """`bertworks serve` in a process of its own; it ends with this one, or with `stop`.

    As a context manager it is stopped at the block's end.

    Attributes:
        url: Where it answers.
    """

    def __init__(
        self,
        folder: Path,
        host: str,
        port: int,
        threads: int | None,
        name: str,
        *,
        everybody: bool = False,
    ) -> None:
        _check("port", port, 0, 65_535, "0 stands for a free one.")
        if threads is not None:
            _check("threads", threads, 1, 65_535, "None stands for all that may be used.")
        port = port or _free_port(host)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as it runs
        words = [f"--port={port}", f"--host={host}"]
        words += [] if threads is None else [f"--threads={threads}"]
        words += ["--open"] if everybody else []
        # A pipe is the leash: whatever ends this process closes it. A death signal would go by
        # the thread that started the server, which may end before.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pipelines.leash", "serve", f"--agent={folder}",
             f"--name={name}", *words],
            stdin=subprocess.PIPE, stdout=self._log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self.url = f"http://{_near(host)}:{port}"
        self._predict = f"{self.url}/v1/models/{name}:predict"
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def predict(self, instances: list[Any]) -> list[Any]:
        """Asks it over HTTP, as a client would: V1's `instances` in, `predictions` out.

        Raises:
            DataError: It refuses them; the message is its own.
            EnvironmentFault: It has no answer, or is not there any more.
        """
        body = json.dumps({"instances": instances}).encode()
        asked = urllib.request.Request(
            self._predict, body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(asked) as answer:
                found: list[Any] = json.load(answer)["predictions"]
        except urllib.error.HTTPError as error:
            raise _refusal(error) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error or type(error).__name__
            ended = "has ended" if self._process.poll() is not None else f"is silent: {reason}"
            raise EnvironmentFault(
                f"The server at {self.url} {ended}.", "Start another one: agent.serve()."
            ) from None
        return found

    def wait(self) -> int:
        """Waits until it ends, and returns its exit code; Ctrl-C stops it."""
        try:
            return self._process.wait()
        except KeyboardInterrupt:
            self.stop()
            return self._process.returncode

    def stop(self) -> None:
        """Lets it answer what it was asked, and ends it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        with contextlib.suppress(OSError):
            self._process.stdin.close() if self._process.stdin else None
        self._log.close()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "stopped" if self._process.poll() is not None else f"answers at {self._predict}"
        return f"<Server: {state}>"

    def _wait_until_ready(self) -> None:
        """Its own word that it listens: whatever else answers at that port does not count."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise self._failure()
            if LISTENS in self._said():
                return
            time.sleep(0.05)
        raise EnvironmentFault(
            f"The server was not ready after {SECONDS:.0f} s.", "Try again on a less busy machine."
        )

    def _said(self) -> str:
        """Its log; read by place, as the file's position is the server's too."""
        descriptor = self._log.fileno()
        said = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        return said.decode("utf-8", errors="replace")

    def _failure(self) -> BertworksError:
        said = self._said().strip()
        reason, _, fix = said.rpartition("error: ")[2].partition("\n  fix: ")
        return EnvironmentFault(f"The server did not start: {reason}", in_python(fix))


def _check(name: str, value: object, least: int, most: int, otherwise: str) -> None:
    if not isinstance(value, int) or not least <= value <= most:
        raise SpecError(
            f"{name} is a whole number from {least} to {most:,}. Received: {value!r}",
            f"Give agent.serve such a number; {otherwise}",
        )


def _refusal(error: urllib.error.HTTPError) -> BertworksError:
    """What the server says of a request that it does not answer, its advice included."""
    body = error.read().decode("utf-8", errors="replace")
    try:
        said = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        said = body[:200] or error.reason
    if error.code < 500:
        return DataError(
            f"The server refused the request ({error.code}): {said}",
            "Mend the instances as it says, and ask again.",
        )
    return EnvironmentFault(
        f"The server has no answer ({error.code}): {said}", "Ask again in a while."
    )


def _free_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _near(host: str) -> str:
    """The name in a URL of a server on this machine that listens at `host`."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{here}]" if ":" in here else here
