"""What an answer says beside the label, what a request may ask for, and several models on one server."""

import asyncio
import json

import pytest
from asgi import Client, get, post
from served import DIGEST, serving_of
from tiny_model import make_model

from bertworks.runtime.agent import Agent
from bertworks.serving.identity import BundleIdentity
from bertworks.serving.models import trial
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.served import OneBundle

V1, V2 = "/v1/models/{}:predict", "/v2/models/{}/infer"
LABELS = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("answers") / "model"
    return Agent.from_model(make_model(folder, {"type": "classification"}, LABELS))


@pytest.fixture
def serving(agent):
    return serving_of({"mood": agent, "other": agent}, repository=True)


@pytest.fixture
def app(serving):
    return serving.application()[0]


def second(texts, **more):
    tensor = {"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}
    return {"inputs": [tensor], **more}


def test_an_answer_names_version_digest_and_request(app):
    told = asyncio.run(
        Client("POST", V1.format("mood"), b'{"instances": ["good film"]}',
               [(b"x-request-id", b"mine-7")]).ask(app)
    )  # fmt: skip
    assert told.headers["x-request-id"] == "mine-7"
    answer = told.json()
    assert (answer["model_name"], answer["model_version"], answer["digest"]) == (
        "mood",
        "3",
        DIGEST,
    )
    assert answer["predictions"][0]["truncated"] is False
    told = post(app, V2.format("mood"), second(["good film"]))
    assert told.json()["parameters"]["digest"] == DIGEST and told.headers["x-request-id"]


@pytest.mark.parametrize("top", [1, 2, 4, 9, 2.0])
def test_the_best_labels_alone(app, top):
    first = post(app, V1.format("mood"), {"instances": ["good film"], "top": top}).json()
    body = second(["good film"], parameters={"top": top})
    outputs = post(app, V2.format("mood"), body).json()["outputs"]
    (whole,) = [json.loads(one["data"][0]) for one in outputs if one["name"] == "prediction"]
    for answer in (first["predictions"][0], whole):
        assert len(answer["scores"]) == min(int(top), 4)
        assert next(iter(answer["scores"])) == answer["label"]


@pytest.mark.parametrize("top", [0, -1, 1.5, "2", True, [], 1e300])
def test_what_is_no_number_of_labels_is_refused(app, top):
    told = post(app, V1.format("mood"), {"instances": ["a"], "top": top})
    assert told.status == (200 if top == 1e300 else 400), told.body
    assert (
        post(app, V2.format("mood"), second(["a"], parameters={"top": top})).status == told.status
    )


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": ["a"], "instances": ["b"]}',
        b'{"instances": [{"text": "a", "text": "b"}]}',
        b'{"instances": ["a"], "x": {"y": [{"z": 1, "z": 2}]}}',
    ],
)
def test_a_key_that_stands_twice_is_refused(app, body):
    told = post(app, V1.format("mood"), body)
    assert told.status == 400 and "key twice" in told.json()["error"]


def test_colons_in_texts_are_no_keys(app):
    rows = ["a: b", '": "', "\\", '\\":', {"text": '{"text": 1}:'}]
    assert (
        post(app, V1.format("mood"), {"instances": rows, "signature_name": {"y:": ":"}}).status
        == 200
    )


@pytest.mark.parametrize(("value", "status"), [(b"0", 504), (b"60000", 200), (b"soon", 400)])
def test_a_request_says_how_long_its_answer_is_of_use(app, value, status):
    body = b'{"instances": ["good film"]}'
    for header in (b"x-request-timeout-ms", b"x-envoy-expected-rq-timeout-ms"):
        client = Client("POST", V1.format("mood"), body, [(header, value)])
        assert asyncio.run(client.ask(app)).status == status


def test_several_models_and_the_repository(app):
    def index():
        found = post(app, "/v2/repository/index", b"").json()
        return {one["name"]: (one["state"], one["version"]) for one in found}

    assert get(app, "/v1/models").json() == {"models": ["mood", "other"]}
    assert index() == {"mood": ("READY", "3"), "other": ("READY", "3")}
    assert post(app, "/v2/repository/models/other/unload", b"").status == 200
    assert index() == {"mood": ("READY", "3"), "other": ("UNAVAILABLE", "")}
    ask = {"instances": ["good film"]}
    assert post(app, V1.format("other"), ask).status == 404
    assert post(app, V1.format("mood"), ask).status == 200
    assert post(app, "/v2/repository/models/other/load", b"").status == 200
    assert post(app, V1.format("other"), ask).status == 200
    assert post(app, "/v2/repository/models/none/load", b"").status == 404


def test_observers_are_told_and_fail_no_request(serving, app):
    told = []

    class Watching:
        def answered(self, exchange):
            told.append(exchange)
            raise ValueError("an observer's own fault")

    serving.observers.add(Watching())
    assert post(app, V1.format("mood"), {"instances": ["good film"]}).status == 200
    assert post(app, V1.format("mood"), {"instances": [3]}).status == 400
    assert post(app, V1.format("none"), {"instances": ["a"]}).status == 404
    serving.observers.close()
    assert [(one.status, one.reason) for one in told] == [(200, ""), (400, "row"), (404, "model")]
    good = told[0]
    assert good.rows == ["good film"] and good.answers[0]["label"] in LABELS
    assert (good.model, good.version, good.digest, good.protocol) == ("mood", "3", DIGEST, "v1")
    assert {"read", "wait", "decode", "queue", "compute", "encode", "whole"} <= set(good.seconds)
    assert serving.observers.failed == 3


def test_a_router_may_be_replaced_while_requests_are_answered(agent, serving, app):
    model = serving.models["mood"]
    bundle = LoadedBundle(agent, BundleIdentity("e" * 64, 4), serving.models.batcher, "mood")
    model.router = OneBundle(bundle)
    answer = post(app, V1.format("mood"), {"instances": ["good film"]}).json()
    assert (answer["model_version"], answer["digest"]) == ("4", "e" * 64)


def test_an_agent_whose_answers_depend_on_the_company_is_not_served(agent, monkeypatch):
    trial.check(agent)
    plain = agent.read

    def alone_is_another(ids, *rest, **more):
        read = plain(ids, *rest, **more)
        if len(ids) > 1:
            for logits in read.logits:
                logits += 0.5
        return read

    monkeypatch.setattr(agent, "read", alone_is_another)
    with pytest.raises(Exception, match="otherwise in a batch than alone"):
        trial.check(agent)


def test_an_unknown_model_is_told_by_its_name(app):
    assert "'none'" in post(app, V1.format("none"), {}).json()["error"]
