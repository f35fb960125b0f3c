"""The protocols' requests, and a real server on a free loopback port."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from tiny_model import bundle_of, make_model

from bertworks.errors import DataError, EnvironmentFault
from bertworks.serving import protocols, server
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
        ({"instances": [{"txt": "a"}]}, "Row 1 must have text. Received: txt"),
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
            server.serve(bundle, port=port)


@pytest.mark.parametrize(
    "wrong", [{"port": 0}, {"port": 70000}, {"threads": 0}, {"threads": -1}, {"max_batch": 0}]
)
def test_numbers_out_of_range_are_refused_before_anything_is_loaded(tmp_path, wrong):
    with pytest.raises(
        EnvironmentFault, match=f"must be 1 .*Received: {next(iter(wrong.values()))}"
    ):
        server.serve(tmp_path / "none", **wrong)


def free_port():
    """Below the range from which the system gives ports to connections that go out."""
    while True:
        with socket.socket() as probe:
            port = random.randint(20_000, 32_000)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port


def call(url, body=None, content_type="application/json"):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": content_type})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    root = tmp_path_factory.mktemp("server")
    model = make_model(root / "model", {"type": "classification"}, ["bad", "good"])
    bundle = bundle_of(model, root / "bundle")
    port = free_port()
    code = f"from bertworks.serving.server import serve; serve({str(bundle)!r}, {port}, 'mood')"
    log = (root / "log").open("w")
    # Options of ours that kserve's own parser must not see.
    process = subprocess.Popen([sys.executable, "-c", code, "--help"], stdout=log, stderr=log)
    base = f"http://127.0.0.1:{port}"
    for _ in range(240):
        if process.poll() is not None:
            pytest.fail((root / "log").read_text())
        try:
            if call(f"{base}/v2/health/ready")[0] == 200:
                break
        except OSError:
            time.sleep(0.25)
    yield base, process
    if process.poll() is None:
        process.kill()
        process.wait()
    log.close()


def test_server_answers_both_protocols_and_stops(running):
    base, process = running
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
    assert "request_predict_seconds" in call(f"{base}/metrics")[1]

    os.kill(process.pid, signal.SIGTERM)
    assert process.wait(timeout=30) == 0
