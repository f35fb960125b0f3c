"""A server in a process of its own, and clients that keep asking it."""

import contextlib
import http.client
import json
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SECONDS = 120


def free_port():
    """Below the range from which the system gives ports to connections that go out."""
    while True:
        with socket.socket() as probe:
            port = random.randint(20_000, 32_000)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port


class ServedProcess:
    """`bertworks serve` with some arguments; its log is a file.

    `program` is what Python runs before "serve".
    """

    def __init__(self, log, *arguments, certificate=None, program=("-m", "pipelines.cli")):
        self.port, self.log, self.certificate = free_port(), log, certificate
        with log.open("ab") as stream:
            self.process = subprocess.Popen(
                [sys.executable, *program, "serve", f"--port={self.port}", *arguments],
                stdout=stream, stderr=stream, cwd=REPOSITORY,
            )  # fmt: skip
        self.began = time.monotonic()

    def connection(self):
        """A connection to it."""
        if self.certificate is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        context = ssl.create_default_context(cafile=self.certificate)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=SECONDS, context=context)

    def ready(self):
        """Waits until it is; returns the seconds since its start."""
        while time.monotonic() < self.began + SECONDS:
            assert self.process.poll() is None, self.log.read_text()
            with contextlib.suppress(OSError):
                connection = self.connection()
                connection.request("GET", "/v2/health/ready")
                if connection.getresponse().status == 200:
                    return time.monotonic() - self.began
            time.sleep(0.02)
        raise AssertionError(self.log.read_text())

    def end(self, how=signal.SIGTERM):
        """Ends it by a signal; returns its exit code."""
        self.process.send_signal(how)
        return self.process.wait(SECONDS)


class Clients:
    """Threads that ask a server until it is gone.

    Attributes:
        statuses: Of every answer that came whole, by the request's id.
    """

    def __init__(self, server, headers, texts, number=8, path="/v1/models/agent:predict"):
        self.statuses, self._server, self._path = {}, server, path
        self._headers, self._body = headers, json.dumps({"instances": texts}).encode()
        self._many = threading.Semaphore(0)
        self._threads = [threading.Thread(target=self._run, args=(one,)) for one in range(number)]
        for thread in self._threads:
            thread.start()

    def answered(self, count):
        """Waits until so many were answered."""
        for _ in range(count):
            assert self._many.acquire(timeout=SECONDS), "the clients wait for ever"

    def join(self):
        """Waits until all have noticed that the server is gone."""
        for thread in self._threads:
            thread.join(SECONDS)

    def _run(self, name):
        connection = self._server.connection()
        for number in range(1_000_000):
            identity = f"{self._server.process.pid}-{name}-{number}"
            try:
                headers = {**self._headers, "x-request-id": identity}
                connection.request("POST", self._path, self._body, headers)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                if self._server.process.poll() is not None or not self._listens():
                    return
                connection.close()
                continue
            self.statuses[identity] = answer.status
            self._many.release()

    def _listens(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._server.port)) == 0
