"""A server in a container, asked from outside."""

import json
import time
import urllib.request
from typing import Any

import pytest


def wait_for(container: Any, status: str, seconds: float = 120) -> None:
    """Until HEALTHCHECK reports the status."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        container.reload()
        if container.attrs["State"].get("Health", {}).get("Status") == status:
            return
        assert container.status == "running", container.logs().decode()
        time.sleep(0.5)
    pytest.fail(f"not {status} in {seconds} s: {container.logs().decode()[-2000:]}")


def ask(container: Any, path: str, body: dict | None = None) -> dict:
    """The JSON that a GET, or a POST of `body`, is answered with."""
    port = container.attrs["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"]
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
