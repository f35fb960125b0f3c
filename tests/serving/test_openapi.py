"""The OpenAPI document against the server; and the clients that others wrote for the protocols."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from asgi import get, post
from jsonschema import Draft202012Validator
from may_refuse import statuses
from served import serving_of
from server_process import free_port, wait_until_ready
from tiny_model import bundle_of, make_model

from bertworks.runtime.agent import Agent
from bertworks.serving.access.caller import Caller, Meter
from bertworks.serving.dialogues.routes import PATH, Dialogues, described
from bertworks.serving.dialogues.waiting import Threads
from bertworks.serving.http import v1, v2
from bertworks.serving.http.app import Application
from bertworks.serving.http.gate import Gate
from bertworks.serving.http.openapi import ASKED
from bertworks.serving.line import Line, Ticket
from bertworks.serving.models.served import ServedModel
from bertworks.serving.observation import feedback
from bertworks.spec.limits import Limits

TASKS = {
    "mood": ({"type": "classification"}, ["bad", "good"]),
    "many": ({"type": "classification", "multi_label": True}, ["a", "b", "c"]),
    "pairs": ({"type": "classification", "pair": True}, ["no", "yes"]),
    "tags": ({"type": "tagging"}, ["B-X", "O"]),
    "stars": ({"type": "regression"}, []),
}
RIGHT = {
    "mood": {"label": "bad"},
    "many": {"label": ["a", "c"]},
    "pairs": {"label": "yes", "row": 0},
    "stars": {"label": 4.5},
}
HELPERS = Path(__file__).parents[1] / "helpers"
KNOWLEDGE = Path(__file__).parents[1] / "dialogue/restaurants.csv"


@pytest.fixture(scope="module")
def agents(tmp_path_factory):
    root = tmp_path_factory.mktemp("openapi")
    score = {"mean": 3.0, "std": 1.0, "min": 1.0, "max": 5.0}
    return {
        name: Agent.from_model(make_model(root / name, task, labels, None if labels else score))
        for name, (task, labels) in TASKS.items()
    }


@pytest.fixture(scope="module")
def app(agents):
    return serving_of(agents, repository=True).application()[0]


@pytest.fixture(scope="module")
def document(app):
    return get(app, "/openapi.json").json()


def validator(document, schema):
    return Draft202012Validator({**schema, "components": document["components"]})


def cases(document):
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield path, method, operation


def test_each_path_answers_as_the_document_says(app, document):
    asked = set()
    for path, method, operation in cases(document):
        if path.endswith("/unload"):
            continue
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        told = get(app, path) if method == "get" else post(app, path, body.get("example", {}))
        assert told.status == 200, (path, told.body)
        content = operation["responses"]["200"]["content"]
        if "application/json" in content:
            validator(document, content["application/json"]["schema"]).validate(told.json())
        if body:
            validator(document, body["schema"]).validate(body["example"])
        asked.add(path)
    assert {f"/v1/models/{name}:predict" for name in TASKS} <= asked
    assert {f"/v2/models/{name}/infer" for name in TASKS} <= asked


def test_what_the_document_does_not_take_the_server_does_not_take_either(app, document):
    wrong = [{}, [], {"instances": []}, {"instances": [1]}, {"instances": ["a"], "top": 0},
             {"instances": [{"text": "a", "more": 1}]}, {"instances": [None]},
             {"instances": ["a"], "Top": 1},
             {"instances": ["a"] * 1025}]  # fmt: skip
    for name in TASKS:
        path = f"/v1/models/{name}:predict"
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        check = validator(document, body["schema"])
        for value in wrong:
            assert not check.is_valid(value), (name, value)
            assert post(app, path, value).status in (400, 422), (name, value)


PARTS = Caller, Meter, Line, Ticket, ServedModel, Threads
ALWAYS = {405, 500}
"""By the router, and for a fault of ours."""
WITH_KEYS = {401, 403}
"""Described where the server asks for keys, of every path."""


def may_refuse(*roots):
    return (statuses(*roots, parts=PARTS) | ALWAYS) - WITH_KEYS


@pytest.mark.parametrize(
    ("path", "method", "roots"),
    [
        (PATH, "post", [Dialogues._begin]),
        (PATH + "/{id}/turns", "post", [Dialogues._turn, Gate._work]),
        (PATH + "/{id}/outcome", "post", [Dialogues._outcome]),
        (PATH + "/{id}", "get", [Dialogues._history]),
        (PATH + "/{id}", "delete", [Dialogues._forget]),
    ],
)
def test_each_status_of_a_dialogue_is_described_and_no_other(path, method, roots):
    told = set(described(Limits())[path][method]["responses"]) - {"200"}
    assert {*map(int, told)} == may_refuse(*roots)


def test_each_status_of_feedback_is_described_and_no_other():
    told = set(feedback.described()[feedback.PATH]["post"]["responses"]) - {"200"}
    assert {*map(int, told)} == may_refuse(feedback.Feedback._take)


def test_feedback_answers_as_the_document_says(agents):
    serving = serving_of(agents)
    feedback.Feedback(serving.models, None).join(serving)
    app = serving.application()[0]
    document = get(app, "/openapi.json").json()
    operation = document["paths"][feedback.PATH]["post"]
    asked = operation["requestBody"]["content"]["application/json"]
    validator(document, asked["schema"]).validate(asked["example"])
    for name, right in RIGHT.items():
        path = f"/v1/models/{name}:predict"
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        told = post(app, path, body["example"])
        serving.observers.close()  # It is told after the answer.
        serving.observers._thread = None
        given = {"request": told.headers["x-request-id"], **right}
        validator(document, asked["schema"]).validate(given)
        told = post(app, feedback.PATH, given)
        assert told.status == 200, (name, told.body)
        answer = operation["responses"]["200"]["content"]["application/json"]["schema"]
        validator(document, answer).validate(told.json())
    for wrong in ({}, {"request": 1, "label": "bad"}, {"request": "a", "label": "bad", "more": 1}):
        assert not validator(document, asked["schema"]).is_valid(wrong)
        assert post(app, feedback.PATH, wrong).status in (400, 422)


def test_each_status_of_a_model_is_described_and_no_other():
    asked = may_refuse(v1.predict, v2.infer, Gate._work, Application.__call__, Application._answer)
    assert asked == {*ASKED}


def test_a_server_that_asks_for_keys_says_so(agents):
    serving = serving_of(agents)

    async def nobody(headers, method):
        raise AssertionError("not over HTTP")

    serving.check_caller = nobody
    document = get(serving.application()[0], "/openapi.json").json()
    assert set(document["components"]["securitySchemes"]) == {"bearer", "key"}
    for path, _, operation in cases(document):
        probe = "health" in path or path.endswith("/ready") or path == "/metrics"
        assert {"401", "403", "429"} <= set(operation["responses"]) or probe, path
        assert probe or operation["security"]


def test_a_path_that_is_asked_with_another_method_says_which_ones_it_takes(app):
    for path in ("/v1/models/mood:predict", "/v2/models/mood/infer"):
        told = get(app, path)
        assert told.status == 405 and told.headers["allow"] == "POST" and told.json()["error"]
    told = post(app, "/v2/models/mood", b"")
    assert told.status == 405 and "GET" in told.headers["allow"]


SERVE = """
from pathlib import Path
from bertworks.serving.dialogues.joining import talking
from bertworks.serving.server import serve
from bertworks.serving.settings import Served, Settings
from bertworks.spec.dialogue import Dialogue
root = Path({root!r})
section = Dialogue.model_validate({{
    "knowledge": {{"uri": {knowledge!r}}}, "ask": {{"food": {{}}, "area": {{}}}},
    "tell": {{"phone": {{}}}},
}})
serve([Served(name, root / name) for name in {names!r}],
      Settings(port={port}, grpc_port={grpc_port},
               joins=[talking(section, root, root / "sessions.db", helped=False)]))
"""


@pytest.fixture(scope="module")
def ports(tmp_path_factory):
    root = tmp_path_factory.mktemp("ports")
    names = ["mood", "pairs", "tags"]
    for name in names:
        bundle_of(make_model(root / f"{name}-model", *TASKS[name]), root / name)
    port, grpc_port = free_port(), free_port()
    code = SERVE.format(
        root=str(root), names=names, port=port, grpc_port=grpc_port, knowledge=str(KNOWLEDGE)
    )
    with (root / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=log, stderr=log)
    wait_until_ready(f"http://127.0.0.1:{port}", process, root / "log")
    yield port, grpc_port
    process.kill()
    process.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("client", "ways"), [("kserve", ["v1", "v2", "grpc"]), ("triton", ["http", "grpc"])]
)
def test_the_clients_of_others_are_answered(ports, client, ways):
    # Each in a process of its own: both register messages of the same names.
    command = [sys.executable, str(HELPERS / f"ask_{client}.py"), *map(str, ports)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    heard = json.loads(done.stdout.splitlines()[-1])
    labels = {tuple(heard[way]) for way in ways}
    assert len(labels) == 1 and set(*labels) <= {"bad", "good"}


SCHEMATHESIS = """
[checks.negative_data_rejection]
expected-statuses = [400, 404, 405, 413, 415, 422]

# That a shape fits its data, and that no output is asked for twice, no schema can say.
[[operations]]
include-path-regex = "/infer$"

[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 422]

# Nor that a dialogue goes on, or which intent comes with a slot and a value.
[[operations]]
include-path-regex = "/turns$"

[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 404, 409, 410]
"""


@pytest.mark.slow
def test_schemathesis_finds_nothing(ports, tmp_path):
    (tmp_path / "schemathesis.toml").write_text(SCHEMATHESIS)
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        "--config-file", str(tmp_path / "schemathesis.toml"),
        "run", f"http://127.0.0.1:{ports[0]}/openapi.json",
        "--checks", "all", "--phases", "examples,coverage,fuzzing", "--max-examples", "40",
        "--seed", "1", "--max-failures", "20",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-8000:]
