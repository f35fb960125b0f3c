"""A server in a process of its own: a port for it, and calls to it."""

import contextlib
import json
import random
import socket
import time
import urllib.error
import urllib.request

import pytest


def free_port():
    """Below the range from which the system gives ports to connections that go out."""
    while True:
        with socket.socket() as probe:
            port = random.randint(20_000, 32_000)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port


def call(url, body=None, content_type="application/json", seconds=60):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def wait_until_ready(base, process, log):
    for _ in range(480):
        if process.poll() is not None:
            pytest.fail(log.read_text())
        try:
            if call(f"{base}/v2/health/ready")[0] == 200:
                return
        except OSError:
            time.sleep(0.25)
    pytest.fail(log.read_text())
