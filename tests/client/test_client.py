"""The client, and the standard tools that docs/serving.md shows, against a real server."""

import ast
import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bertworks.client import Client, ServerRefused
from pipelines.cli.main import app as cli
from tests.helpers.tiny_model import TEXTS


def test_answers_are_those_of_the_agent(url, agent) -> None:
    with Client(url, at_once=4) as client:
        assert client.ready() and client.metadata()["inputs"][0]["name"] == "text"
        asked = client.ask(TEXTS)
        assert [one["label"] for one in asked] == [one["label"] for one in agent.predict(TEXTS)]
        assert (asked.version, asked.digest, len(asked[1:])) == ("3", "d" * 64, len(TEXTS) - 1)
        assert client.ask([]).answers == ()
        assert client.ask_one({"text": "good"})["score"] > 0.3


def test_refusals_say_what_the_server_says(url) -> None:
    with Client(url) as client, pytest.raises(ServerRefused, match="Row 1") as refused:
        client.ask([{"txt": "good"}])
    assert refused.value.status == 400
    with Client(url, "other") as client, pytest.raises(ServerRefused, match="no model 'other'"):
        client.ask(["good"])
    assert not Client("http://127.0.0.1:9").ready()
    with pytest.raises(ServerRefused, match="must begin with http"):
        Client("localhost:8080")


def test_feedback_reaches_the_server(url, samples) -> None:
    with Client(url) as client:
        asked = client.ask(["good film"])
        # The server takes note of answers after they went out.
        for _ in range(200):
            try:
                client.tell(asked.request, "bad")
                break
            except ServerRefused as refused:
                assert refused.status == 404
    assert list(samples.glob(".feedback-*.open"))


class Busy(ThreadingHTTPServer):
    """Answers as its list says, then well."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), BusyHandler)
        self.plan: list[tuple[int, dict[str, str]]] = []
        self.keys: list[str | None] = []


class BusyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Busy

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.server.keys.append(self.headers["authorization"])
        status, headers = self.server.plan.pop(0) if self.server.plan else (200, {})
        if status == 0:  # The connection breaks.
            self.close_connection = True
            self.connection.close()
            return
        body = json.dumps(
            {"predictions": [{"label": "good"}]} if status == 200 else {"error": "no"}
        )
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def busy() -> Iterator[Busy]:
    with Busy() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_busy_server_is_asked_again_as_it_says(busy, monkeypatch) -> None:
    waits: list[float] = []
    monkeypatch.setenv("BERTWORKS_KEY", "secret")
    address = f"http://127.0.0.1:{busy.server_port}"
    with Client(address, sleep=waits.append) as client:
        busy.plan = [(429, {"retry-after": "7"}), (503, {}), (0, {})]
        assert client.ask(["x"])[0]["label"] == "good"
        assert waits[0] == 7 and 0 < waits[1] < 2 and len(waits) == 2
        assert len(busy.keys) == 4
        assert set(busy.keys) == {"Bearer secret"}
        waits.clear()
        soon = formatdate(time.time() + 20, usegmt=True)
        busy.plan = [(503, {"retry-after": soon})]
        client.ask(["x"])
        assert 15 < waits[0] <= 20
    told: list[str] = []
    with Client(address, patience=5, sleep=waits.append, tell=told.append) as client:
        busy.plan = [(503, {"retry-after": "2"})]
        client.ask(["x"])
        assert ["503" in one and one.endswith("Asked again in 2.0 s.") for one in told] == [True]
        busy.plan = [(429, {"retry-after": "6"})]
        with pytest.raises(ServerRefused) as refused:
            client.ask(["x"])
        assert refused.value.status == 429
        busy.plan = [(429, {"retry-after": "0"})] * 100
        with pytest.raises(ServerRefused):  # That it may come at once uses up patience too.
            client.ask(["x"])
        busy.plan = [(500, {})]
        with pytest.raises(ServerRefused, match="500: no"):
            client.ask(["x"])
    assert "secret" not in str(refused.value)


def test_a_connection_that_was_closed_meanwhile_is_opened_anew(busy) -> None:
    def never(seconds: float) -> None:
        raise AssertionError("no wait is needed")

    with Client(f"http://127.0.0.1:{busy.server_port}", sleep=never) as client:
        client.ask(["x"])
        busy.plan = [(0, {})]
        assert client.ask(["x"])[0]["label"] == "good"


def test_ask_prints_what_predict_prints(url, agent) -> None:
    done = CliRunner().invoke(cli, ["ask", "--url", url, "good film", "bad"])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["text"] for one in lines] == ["good film", "bad"]
    assert lines[0]["label"] == agent.predict(["good film"])[0]["label"]
    done = CliRunner().invoke(cli, ["ask", "--url", url], input="good\nso so\n")
    assert len(done.stdout.splitlines()) == 2


def test_the_client_is_light() -> None:
    code = (
        "import sys; before = set(sys.modules); import bertworks.client;"
        "heavy = {'numpy', 'pydantic', 'typer', 'starlette', 'httpx', 'requests'};"
        "print(sorted(heavy & (set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# The standard tools


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(url) -> None:
    body = json.dumps({"instances": ["good film"]})
    command = ["curl", "-sf", f"{url}/v1/models/agent:predict", "-d", body]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["predictions"][0]["label"] in ("bad", "good")


def test_kserves_client(url, agent) -> None:
    import asyncio

    kserve = pytest.importorskip("kserve", reason="kserve is not installed")

    async def ask():
        client = kserve.InferenceRESTClient(kserve.RESTConfig(protocol="v2"))
        values = kserve.InferInput("text", [2], "BYTES", ["good film", "bad"])
        return await client.infer(url, kserve.InferRequest("agent", [values]), model_name="agent")

    found = {one.name: one.data for one in asyncio.run(ask()).outputs}
    wanted = [one["label"] for one in agent.predict(["good film", "bad"])]
    assert [one.decode() if isinstance(one, bytes) else one for one in found["label"]] == wanted


def test_tritons_client(url, agent) -> None:
    tritonclient = pytest.importorskip("tritonclient.http", reason="tritonclient is not installed")
    import numpy as np

    client = tritonclient.InferenceServerClient(url.removeprefix("http://"))
    values = tritonclient.InferInput("text", [1], "BYTES")
    values.set_data_from_numpy(np.array([b"good film"], object))
    label = client.infer("agent", [values]).as_numpy("label")[0]
    assert label.decode() == agent.predict(["good film"])[0]["label"]


def test_the_examples_of_the_document_are_those_that_run_here() -> None:
    text = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
    for shown in re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S):
        compile(shown, "docs/serving.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    for piece in (
        "bertworks.client import Client",
        "InferenceRESTClient",
        "tritonclient.http",
        "curl",
    ):
        assert piece in text
