"""The protocols' requests, and a real server on a free loopback port."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from server_process import call, free_port, wait_until_ready
from tiny_model import bundle_of, make_model

from bertworks import __version__
from bertworks.errors import DataError, EnvironmentFault
from bertworks.serving import protocols, server
from bertworks.serving.settings import Served, Settings
from bertworks.spec import Task

SINGLE, PAIR, TAGS = Task(), Task(pair=True), Task(type="tagging")


def test_v1_instances():
    rows = protocols.rows_of_instances({"instances": ["a", {"text": "b"}]}, SINGLE)
    assert rows == ["a", "b"]
    rows = protocols.rows_of_instances(
        {"instances": [["a", "b"], {"text_a": "c", "text_b": "d"}]}, PAIR
    )
    assert rows == [["a", "b"], ["c", "d"]]
    rows = protocols.rows_of_instances({"instances": ["a b", {"tokens": ["a"]}]}, TAGS)
    assert rows == ["a b", ["a"]]
    assert protocols.rows_of_instances(b'{"instances": ["a"]}', SINGLE) == ["a"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "`instances` must be a list"),
        ({"instances": "a"}, "`instances` must be a list"),
        ({"instances": []}, "1 to 1024 rows. Received: 0"),
        ({"instances": ["a"] * 1025}, "Received: 1025"),
        ({"instances": [{"txt": "a"}]}, "Row 1 must have text, and nothing else. Received: txt"),
        ({"instances": [{"text": "a", "id": 1}]}, "and nothing else. Received: id, text"),
        (b"{", "must be JSON"),
        (b"\xff", "must be JSON"),
    ],
)
def test_v1_bodies_that_are_refused(body, message):
    with pytest.raises(DataError, match=message):
        protocols.rows_of_instances(body, SINGLE)


@pytest.mark.parametrize(
    ("tensors", "task", "message"),
    [
        ({"txt": ["a"]}, SINGLE, "must be text. Received: txt"),
        ({"text_a": ["a"], "text_b": []}, PAIR, "equally long"),
        ({"text": [1]}, SINGLE, "datatype BYTES"),
        ({"text": [b"\xff"]}, SINGLE, "UTF-8"),
    ],
)
def test_v2_tensors_that_are_refused(tensors, task, message):
    with pytest.raises(DataError, match=message):
        protocols.rows_of_tensors(tensors, task)


def test_v2_tensors():
    assert protocols.rows_of_tensors({"text": [b"a", "b"]}, SINGLE) == ["a", "b"]
    assert protocols.rows_of_tensors({"text_a": ["a"], "text_b": ["b"]}, PAIR) == [("a", "b")]
    answers = [{"label": "x", "score": 0.5, "scores": {"x": 0.5, "y": 0.5}, "truncated": True}]
    names = [(name, kind) for name, kind, _ in protocols.tensors_of(answers, SINGLE)]
    assert names == [
        ("prediction", "BYTES"),
        ("label", "BYTES"),
        ("score", "FP64"),
        ("truncated", "BOOL"),
    ]
    tagged = [{"tokens": ["a"], "tags": ["O"], "scores": [1.0], "entities": [], "truncated": False}]
    assert json.loads(protocols.tensors_of(tagged, TAGS)[0][2][0]) == tagged[0]


def test_a_taken_port_is_named(tmp_path):
    bundle = bundle_of(make_model(tmp_path / "m", {"type": "classification"}, ["a", "b"]),
                       tmp_path / "b")  # fmt: skip
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(EnvironmentFault, match=f"Port {port} cannot be used"):
            server.serve([Served("agent", bundle)], Settings(port=port))


@pytest.mark.parametrize(
    "wrong", [{"port": 0}, {"port": 70000}, {"threads": 0}, {"threads": -1}, {"max_batch": 0}]
)
def test_numbers_out_of_range_are_refused_before_anything_is_loaded(tmp_path, wrong):
    with pytest.raises(
        EnvironmentFault, match=f"must be 1 .*Received: {next(iter(dict(wrong).values()))}"
    ):
        batch = wrong.pop("max_batch", 32)
        server.serve([Served("agent", tmp_path / "none", max_batch=batch)], Settings(**wrong))


SERVE = """
from pathlib import Path
from bertworks.serving.server import serve
from bertworks.serving.settings import Served, Settings
serve([Served("mood", Path({bundle!r}))], Settings(port={port}))
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    root = tmp_path_factory.mktemp("server")
    model = make_model(root / "model", {"type": "classification"}, ["bad", "good"])
    bundle = bundle_of(model, root / "bundle")
    port = free_port()
    code = SERVE.format(bundle=str(bundle), port=port)
    log = (root / "log").open("w")
    # Options of ours that kserve's own parser must not see.
    process = subprocess.Popen([sys.executable, "-c", code, "--help"], stdout=log, stderr=log)
    base = f"http://127.0.0.1:{port}"
    wait_until_ready(base, process, root / "log")
    yield base, process, root / "log"
    if process.poll() is None:
        process.kill()
        process.wait()
    log.close()


def test_server_answers_both_protocols_and_stops(running):
    base, process, log = running
    greeting = log.read_text()
    assert re.search(
        rf"bertworks {__version__} serves mood \(bundle \w{{12}}\) at {base}", greeting
    )
    (curl,) = re.findall(r"(curl .*)", greeting)
    assert shlex.split(curl)[1] == f"{base}/v1/models/mood:predict"
    assert call(shlex.split(curl)[1], json.loads(shlex.split(curl)[-1]))[0] == 200

    status, body = call(f"{base}/v1/models/mood:predict", {"instances": ["good film", "bad"]})
    assert status == 200
    first = json.loads(body)["predictions"]
    assert [set(one) for one in first] == [{"label", "score", "scores", "truncated"}] * 2
    plain = call(f"{base}/v1/models/mood:predict", {"instances": ["good film"]}, "text/plain")
    assert json.loads(plain[1])["predictions"][0]["label"] == first[0]["label"]

    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "data": ["good film", "bad"]}
    status, body = call(f"{base}/v2/models/mood/infer", {"id": "7", "inputs": [tensor]})
    answer = json.loads(body)
    outputs = {one["name"]: one["data"] for one in answer["outputs"]}
    assert status == 200 and answer["id"] == "7"
    assert [json.loads(one) for one in outputs["prediction"]] == first
    assert outputs["label"] == [one["label"] for one in first]

    status, body = call(f"{base}/v2/models/mood/infer", {"inputs": [tensor]})
    assert status == 200 and json.loads(body)["id"], body
    status, body = call(f"{base}/v2/models/mood/infer", {"inputs": [{**tensor, "shape": [3]}]})
    assert status == 400 and "as many data as its shape says" in json.loads(body)["error"], body

    status, body = call(f"{base}/v1/models/mood:predict", {"instances": [3]})
    assert status == 400 and "Row 1 must be a text" in json.loads(body)["error"]
    wrong = {**tensor, "datatype": "INT64", "data": [1, 2]}
    assert call(f"{base}/v2/models/mood/infer", {"inputs": [wrong]})[0] == 400
    assert call(f"{base}/v1/models/other:predict", {"instances": ["a"]})[0] == 404

    assert json.loads(call(f"{base}/v2/models/mood")[1])["inputs"][0]["name"] == "text"
    assert json.loads(call(f"{base}/v2/health/live")[1]) == {"live": True}

    before = len(log.read_text().splitlines())
    secret = {"instances": [{"my secret\nWARNING forged": "my secret"}]}
    assert call(f"{base}/v1/models/mood:predict", secret)[0] == 400
    assert call(f"{base}/v1/models/mood%0aWARNING%20forged:predict", secret)[0] == 404
    assert call(f"{base}/v2/repository/models/mood/unload", {})[0] == 404
    for _ in range(1200):  # A line is written after its answer.
        lines = log.read_text().splitlines()[before:]
        if len(lines) >= 3:
            break
        time.sleep(0.05)
    assert [re.search(r"POST \S+( \S+)* (\d{3} \S+) [\d.]+ ms$", line)[2] for line in lines] == [
        "400 row", "404 model", "404 route",
    ]  # fmt: skip
    assert "my secret" not in log.read_text()

    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=60) == 0


SLOW = """
import threading
from pathlib import Path
from bertworks.serving import server
from bertworks.serving.models import bundle
from bertworks.serving.settings import Served, Settings
from bertworks.runtime.agent import Agent
from bertworks.spec.limits import Limits

class Slow(Agent):
    def answers(self, rows, *given, **more):
        while rows[0].startswith("hold"):  # Never done.
            threading.Event().wait(0.01)
        return super().answers(rows, *given, **more)

bundle.Agent, server.GRACE_SECONDS = Slow, 3
patient = Limits(wait_seconds=600, seconds=600, body_seconds=600, running=2)
server.serve([Served("mood", Path({bundle!r}))], Settings(port={port}, threads=2, limits=patient))
"""


def test_what_is_not_done_at_the_end_gets_503_and_the_process_ends(tmp_path):
    bundle = bundle_of(make_model(tmp_path / "m", {"type": "classification"}, ["a", "b"]),
                       tmp_path / "b")  # fmt: skip
    port, log = free_port(), tmp_path / "log"
    code = SLOW.format(bundle=str(bundle), port=port)
    with log.open("w") as stream:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=stream, stderr=stream)
    base = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(base, process, log)
        many = {"instances": ["hold it"] * 512}
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit(call, f"{base}/v1/models/mood:predict", many) for _ in range(8)]
            for _ in range(2000):
                if "bertworks_requests_waiting 6.0" in call(f"{base}/metrics")[1]:
                    break
            os.kill(process.pid, signal.SIGTERM)
            statuses = {one.result()[0] for one in asked}
        assert statuses == {503}, log.read_text()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()


def test_the_worst_that_is_taken_fits_the_pods_memory(tmp_path):
    """A pod has 1 GiB; an agent of 90 MB and two forward passes of 512 tokens take 370 MB of it."""
    bundle = bundle_of(make_model(tmp_path / "m", {"type": "classification"}, ["a", "b"]),
                       tmp_path / "b")  # fmt: skip
    port, log = free_port(), tmp_path / "log"
    code = SLOW.format(bundle=str(bundle), port=port)
    with log.open("w") as stream:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=stream, stderr=stream)
    clients = []

    def ask(body, size=None):
        client = socket.create_connection(("127.0.0.1", port), timeout=60)
        clients.append(client)
        head = f"POST /v1/models/mood:predict HTTP/1.1\r\nhost: a\r\ncontent-length: {size or len(body)}"
        client.sendall(f"{head}\r\n\r\n".encode() + body)
        return client

    try:
        wait_until_ready(f"http://127.0.0.1:{port}", process, log)
        before = peak(process)
        for value in (["ab"] * 300_000, [[]] * 4000, ["a" * 99_000 + "\U0001f600"] * 20):
            body = json.dumps({"instances": value}, ensure_ascii=False).encode()
            assert ask(body).recv(12) in (b"HTTP/1.1 200", b"HTTP/1.1 422")
        body = json.dumps({"instances": ["hold film " * 190] * 1024}).encode()
        for _ in range(66):
            ask(body)
        for _ in range(40):
            ask(body[:-9], len(body))
        for _ in range(100):
            ask(body[:60_000], len(body))
        for _ in range(40):
            if "bertworks_requests_waiting 6" in call(f"http://127.0.0.1:{port}/metrics")[1]:
                break
        assert peak(process) - before < 500
    finally:
        process.kill()
        process.wait()
        for client in clients:
            client.close()


def peak(process):
    """MiB that a process held at most."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) // 1024
