"""Bodies that no client should send: none is the server's fault, and none is too much for it."""

import json
import random
import re
import struct

import pytest
from asgi import get, post
from hostile import BINARY, CE, ONE, damaged_request, tensor
from served import serving_of
from tiny_model import make_model

from bertworks.runtime.agent import Agent
from bertworks.serving.identity import BundleIdentity
from bertworks.serving.reading import check_nesting
from bertworks.serving.refusals import Refused
from bertworks.spec.limits import Limits

V1, V2 = "/v1/models/{}:predict", "/v2/models/{}/infer"
LIMITS = Limits(rows=8, characters=200, body_mb=0.05)
TASKS = {
    "mood": ({"type": "classification"}, ["bad", "good"]),
    "pairs": ({"type": "classification", "pair": True}, ["no", "yes"]),
    "tags": ({"type": "tagging"}, ["B-X", "O"]),
}


@pytest.fixture(scope="module")
def agents(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {
        name: Agent.from_model(make_model(root / name, task, labels))
        for name, (task, labels) in TASKS.items()
    }


@pytest.fixture
def serving(agents):
    return serving_of(agents, LIMITS, repository=True)


@pytest.fixture(scope="module")
def app(agents):
    return serving_of(agents, LIMITS).application()[0]


def raw_tensor(shape, data):
    head = b'{"inputs": [{"name": "text", "datatype": "BYTES", "shape": '
    return head + shape + b', "data": ' + data + b"}]}"


def with_tensors(header, tail):
    head = json.dumps(header).encode()
    return head + tail, [(b"inference-header-content-length", str(len(head)).encode())]


JSON = [(b"content-type", b"application/json")]
DEEP = b"[" * 5000 + b"]" * 5000


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        (V1, DEEP, (), 422),
        (V1, b'{"instances": ' + DEEP + b"}", (), 422),
        (V1, b'{"instances": ["a"], "x": ' + b"[" * 17 + b"]" * 17 + b"}", (), 422),
        (V1, DEEP, [(b"content-type", b"text/plain")], 422),
        (V2, DEEP, (), 422),
        (V2, b'{"inputs": ' + b"[" * 40 + b"]" * 40 + b"}", JSON, 422),
        (V1, b"", CE, 400),
        (V1, b"{}", CE, 400),
        (V1, b"", [(name, b"") for name, _ in CE], 400),
        (V1, b"\xff", CE, 400),
        (V1, b'{"instances": ["a"]}', [*CE[1:], (b"ce-specversion", b"9")], 400),
        (V1, {"specversion": 1, "id": [], "source": None, "type": "", "time": "", "data": {}}, (), 400),
        (V1, {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "time": "x", "data": 3},
         [(b"content-type", b"application/cloudevents+json")], 400),
        (V2, b"{}", [(b"inference-header-content-length", b"x")], 400),
        (V2, b"{}", [(b"inference-header-content-length", b"-1")], 400),
        (V2, b"{}", [(b"inference-header-content-length", b"999999999999999999999")], 400),
        (V2, b"{}", [(b"inference-header-content-length", "\u0661".encode())], 400),
        (V2, *with_tensors({}, b""), 400),
        (V2, *with_tensors([], ONE), 400),
        (V2, *with_tensors({"inputs": 3}, ONE), 400),
        (V2, *with_tensors({"inputs": [3]}, ONE), 400),
        (V2, *with_tensors({"inputs": [{**BINARY, "parameters": {"binary_data_size": "8"}}]}, ONE), 400),
        (V2, *with_tensors({"inputs": [{**BINARY, "parameters": {"binary_data_size": -8}}]}, ONE), 400),
        (V2, *with_tensors({"inputs": [{**BINARY, "parameters": {"binary_data_size": 9}}]}, ONE), 400),
        (V2, *with_tensors({"inputs": [{**BINARY, "shape": [2]}]}, ONE), 400),
        (V2, *with_tensors({"inputs": [{**BINARY, "shape": [-1]}]}, ONE[:5] + b"\xff\xff\xff"), 400),
        (V2, *with_tensors({"inputs": [{**BINARY, "datatype": "FP32"}]}, ONE), 400),
        (V2, *with_tensors({"inputs": [{**BINARY, "shape": [2**70]}]}, ONE), 400),
        (V2, *with_tensors({"inputs": [BINARY]}, b"\xff\xff\xff\xffgood"), 400),
        (V1, b'{"instances": ["\\ud800"]}', (), 400),
        (V1, b'{"instances": [{"\\ud800": 1}]}', [(b"content-type", b"text/plain")], 400),
        (V1, b'{"instances": ["\xed\xa0\x80"]}', (), 400),
        (V2, raw_tensor(b"[1]", b'["\\ud800"]'), (), 400),
        (V2, raw_tensor(b"[NaN]", b'["a"]'), (), 400),
        (V2, raw_tensor(b"[1]", b"[NaN]"), (), 400),
        (V2, raw_tensor(b"[1]", b"[1e999]"), (), 400),
        (V2, {"inputs": [tensor(["a"], [2**70])]}, (), 400),
        (V2, {"inputs": [tensor(["a"], [1] * 70)]}, (), 400),
        (V2, {"inputs": [tensor([["a"], ["b", "c"]], [2])]}, (), 400),
        (V2, {"inputs": [tensor(["a"]), tensor(["b"])]}, (), 400),
        (V2, {"inputs": [tensor(["a"]), tensor(["b"], name="other")]}, (), 400),
        (V2, {"inputs": [tensor(["a"])], "outputs": [{"name": "logits"}]}, (), 400),
        (V2, {"inputs": [tensor(["a"])], "outputs": [{"name": "label"}] * 2}, (), 400),
        (V1, {"instances": ["a"] * 9}, (), 422),
        (V1, {"instances": ["a" * 201]}, (), 422),
        (V2, {"inputs": [tensor(["a" * 201])]}, (), 422),
        (V1, b" " * 60_000, (), 413),
        (V1, {"instances": [["a"] * 500 for _ in range(50)]}, (), 413),
        (V1, b"{}", [(b"content-encoding", b"gzip")], 415),
        (V1, b"{}", [(b"content-length", b"999999999")], 413),
        ("/v1/models/{}:explain", {"instances": ["a"]}, (), 404),
        ("/v2/models/{}/versions/9/infer", {"inputs": [tensor(["a"])]}, (), 404),
        ("/v2/repository/models/{}/unload", b"", (), 404),
        ("/v2/repository/models/{}/load", b"", (), 404),
    ],
)  # fmt: skip
def test_hostile_bodies_are_the_clients_fault(app, path, body, headers, status):
    told = post(app, path.format("mood"), body, headers)
    assert told.status == status, told.body
    assert set(told.json()) <= {"error", "detail"} and len(told.body) < 2000


def test_a_path_of_an_option_that_was_not_given_names_the_option(app):
    told = post(app, "/v1/feedback", {"request": "a", "label": "b"})
    assert told.status == 404 and "without --samples or --follow" in told.json()["error"]
    told = get(app, "/v1/models/mood/upgrades")
    assert told.status == 404 and "without --follow" in told.json()["error"]


@pytest.mark.parametrize("path", ["", "/ready", "/infer"])
def test_a_version_that_is_not_served_is_answered_with_the_one_that_is(app, path):
    def ask(version):
        whole = f"/v2/models/mood/versions/{version}{path}"
        return (
            post(app, whole, {"inputs": [tensor(["a"])]}) if path == "/infer" else get(app, whole)
        )

    refused = ask("9")
    assert refused.status == 404
    assert refused.json() == {"error": "mood is served in version 3. Received: '9'"}
    assert ask("3").status == 200 and ask("3").json().get("model_name", "mood") == "mood"
    assert get(app, "/v2/models/no/versions/3").status == 404


def test_metadata_names_the_version(app):
    assert get(app, "/v2/models/mood").json()["versions"] == ["3"]
    assert get(app, "/v2/models/mood/versions/3").json() == get(app, "/v2/models/mood").json()
    assert BundleIdentity("d" * 64).served == "d" * 12  # a lone folder has no number


@pytest.mark.parametrize("setting", ["rows", "characters", "depth", "body_mb"])
def test_a_refusal_names_what_changes_it(app, setting):
    bodies = {
        "rows": {"instances": ["a"] * 9},
        "characters": {"instances": ["a" * 201]},
        "depth": b"[" * 20 + b"]" * 20,
        "body_mb": b" " * 60_000,
    }
    told = post(app, V1.format("mood"), bodies[setting]).json()["error"]
    assert f"--limit {setting}=" in told and f"serve.limits.{setting}" in told


def test_the_limit_that_a_refusal_names_lets_the_same_body_pass():
    limits = Limits(rows=8)
    body = json.dumps([[[]]] * 50).encode()
    with pytest.raises(Refused, match="101") as raised:
        check_nesting(body, limits)
    rows = int(re.search(r"--limit rows=(\d+)", raised.value.said)[1])
    check_nesting(body, Limits(rows=rows))
    with pytest.raises(Refused):
        check_nesting(body, Limits(rows=rows - 1))
    with pytest.raises(Refused) as raised:
        check_nesting(b"[" * 201 + b"]" * 201, Limits())
    assert raised.value.fix == "Send less at once: `serve.limits.depth` can be 200 at most."


def test_what_is_asked_for_is_answered(app):
    rows = {
        "inputs": [tensor(["good film", "bad"])],
        "outputs": [{"name": "score"}, {"name": "label"}],
    }
    answer = post(app, V2.format("mood"), rows).json()
    assert [one["name"] for one in answer["outputs"]] == ["score", "label"]
    assert answer["model_version"] == "3"
    everything = post(app, V2.format("mood"), {"inputs": [tensor(["good film", "bad"])]}).json()
    assert [one["name"] for one in everything["outputs"]][:3] == ["prediction", "label", "score"]
    by_name = {one["name"]: one["data"] for one in everything["outputs"]}
    assert [one["data"] for one in answer["outputs"]] == [by_name["score"], by_name["label"]]


def test_tensors_behind_the_json(app):
    body, headers = with_tensors({"inputs": [BINARY], "outputs": [
        {"name": "label", "parameters": {"binary_data": True}}, {"name": "score"}]}, ONE)  # fmt: skip
    told = post(app, V2.format("mood"), body, headers)
    length = int(told.headers["inference-header-content-length"])
    answer = json.loads(told.body[:length])
    plain = post(app, V2.format("mood"), {"inputs": [tensor(["good"])]}).json()
    label = plain["outputs"][1]["data"][0].encode()
    assert told.body[length:] == struct.pack("<I", len(label)) + label
    assert answer["outputs"][1]["data"] == plain["outputs"][2]["data"]


def test_cloud_events_are_answered_as_such(app):
    body = {"instances": ["good"]}
    told = post(app, V1.format("mood"), body, CE)
    assert told.status == 200 and told.headers["ce-source"] == "io.kserve.inference.mood"
    event = {name.decode()[3:]: value.decode() for name, value in CE} | {
        "time": "now",
        "data": body,
    }
    told = post(app, V1.format("mood"), event, [(b"content-type", b"application/cloudevents+json")])
    assert told.status == 200 and told.json()["data"]["predictions"]


def test_health_says_whether_the_model_answers(serving):
    app, _ = serving.application()
    health = ["/v2/health/ready", "/v2/models/mood/ready", "/v1/models/mood"]
    assert [get(app, path).status for path in health] == [200] * 3
    assert post(app, "/v2/repository/models/mood/unload", b"").status == 200
    assert [get(app, path).status for path in health] == [503, 404, 404]
    assert post(app, "/v2/repository/models/mood/load", b"").status == 200
    assert [get(app, path).status for path in health] == [200] * 3
    serving.models["mood"].ready = False
    assert [get(app, path).status for path in health] == [503] * 3
    assert post(app, V1.format("mood"), {"instances": ["a"]}).status == 503


def test_a_thread_that_does_not_come_back_is_not_healthy(serving, monkeypatch):
    app, _ = serving.application()
    monkeypatch.setattr(serving.models.batcher, "_busy", {0: float("-inf")})
    paths = [
        "/v2/health/ready",
        "/v2/health/live",
        "/v2/models/mood/ready",
        "/v2/models/tags/ready",
    ]
    assert [get(app, path).status for path in paths] == [503] * 4


def test_the_server_names_itself(app):
    from bertworks import __version__

    told = get(app, "/v2").json()
    assert told == {"name": "bertworks", "version": __version__, "extensions": []}


@pytest.mark.parametrize("seed", range(8))
def test_no_body_is_the_servers_fault(app, seed):
    stream = random.Random(seed)
    for _ in range(75):
        path = stream.choice([V1, V2]).format(stream.choice([*TASKS, "mood", "other", "a\nb"]))
        body, headers = damaged_request(stream)
        told = post(app, path, body, headers)
        assert told.status in (200, 400, 404, 413, 422), (path, body, headers, told.body)
