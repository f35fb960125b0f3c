"""What a server with the page answers: in this process, as a browser, a probe and a program ask."""

import asyncio
import json
import math

import pytest
from asgi import Client
from jsonschema import Draft202012Validator
from kept_agent import LABELS, kept_agent
from served import add, serving_of
from tiny_model import bundle_of, make_model

from bertworks.contracts.shown import SHOWN, ShownExample
from bertworks.runtime.agent import Agent
from bertworks.runtime.drift import Finding
from bertworks.serving.access.layer import names_in
from bertworks.serving.exchange import Exchange
from bertworks.serving.identity import in_store
from bertworks.serving.meters import outcome_of
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.served import OneBundle, ServedModel
from bertworks.serving.observation import drifting
from bertworks.serving.page import figures, joining, static
from bertworks.serving.page.asking import AT_ONCE, MOST_WAITING
from bertworks.serving.page.figures import Panel
from bertworks.serving.upgrades.showing import trial_panel
from bertworks.spec.limits import Limits

BROWSER = [(b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A bundle that keeps two training rows to show."""
    folder = tmp_path_factory.mktemp("page")
    made = bundle_of(
        make_model(folder / "m", {"type": "classification"}, LABELS), folder / "bundle"
    )
    SHOWN.write(made, [ShownExample(["good film"], "good"), ShownExample(["bad plot"], "bad")])
    return made


@pytest.fixture(scope="module")
def agent(bundle):
    folder = bundle.parent / "loaded"
    return Agent.load(bundle_of(bundle.parent / "m", folder))


def server(*given, **more):
    return put_together(*given, **more).application()[0]


def put_together(agent, folder=None, limits=None, panels=(), **more):
    serving = serving_of({}, limits)
    model = add(serving, "agent", agent)
    model.champion.folder = folder
    serving.panels += panels
    joining.join(serving, **more)
    return serving


def ask(app, method, path, value=None, headers=()):
    body = b"" if value is None else json.dumps(value).encode()

    async def asked():
        return await Client(method, path, body, headers).ask(app)

    return asyncio.run(asked())


def test_a_browser_gets_the_page_and_a_probe_what_it_always_got(agent, bundle):
    app = server(agent, bundle)
    page = ask(app, "GET", "/", headers=BROWSER)
    assert page.status == 200 and page.body.startswith(b"<!doctype html>")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for headers in ((), [(b"accept", b"*/*")], [(b"accept", b"application/json")]):
        probe = ask(app, "GET", "/", headers=headers)
        assert (probe.status, probe.json()) == (200, {"live": True})
        assert probe.headers["vary"] == page.headers["vary"] == "accept"
    bare = server(agent, bundle, page=False)
    assert ask(bare, "GET", "/", headers=BROWSER).json() == {"live": True}
    assert ask(bare, "GET", "/page/page.js").status == 404


def test_every_file_of_the_page_is_harmless_and_known_again(agent, bundle):
    app = server(agent, bundle)
    for name, file in static.files().items():
        found = ask(app, "GET", f"/page/{name}")
        assert (found.status, found.body) == (200, file.body)
        for header, value in static.HEADERS.items():
            assert found.headers[header] == value
        again = ask(app, "GET", f"/page/{name}", headers=[(b"if-none-match", file.tag.encode())])
        assert (again.status, again.body) == (304, b"")
    for name in ("..%2fstatic.py", "static.py", "nothing.js", ""):
        assert ask(app, "GET", f"/page/{name}").status == 404


def test_an_explanation_is_of_the_bundle_that_is_named(agent, bundle):
    app = server(agent, bundle)
    answer = ask(app, "POST", "/v1/models/agent:explain", {"instances": ["good film , bad story"]})
    assert answer.status == 200
    found = answer.json()
    assert (found["model_name"], found["model_version"]) == ("agent", "3")
    (explanation,) = found["explanations"]
    (told,) = agent.predict(["good film , bad story"])
    assert explanation["target"] == told["label"]
    assert explanation["value"] == pytest.approx(told["score"])
    without = agent.predict(["good , bad story"])[0]["scores"][told["label"]]
    effect = next(part for part in explanation["parts"] if part["start"] == 5)["effect"]
    expected = math.log(told["score"] / (1 - told["score"])) - math.log(without / (1 - without))
    assert effect == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(
    ("value", "status", "said"),
    [
        ({"instances": ["a"] * 9}, 422, "1 to 8 rows. Received: 9"),
        ({"instances": ["a"], "label": "none"}, 400, "one of the agent's labels"),
        ({"instances": ["a"], "label": 3}, 400, "`label` must be a text"),
        ({"instances": ["a"], "entity": True}, 400, "`entity` must be a whole number"),
        ({"instances": [7]}, 400, "Row 1 must be a text"),
        ({"instances": []}, 400, "Received: 0"),
        ([], 400, "`instances` must be a list"),
    ],
)
def test_what_cannot_be_explained_is_the_clients_fault(agent, bundle, value, status, said):
    found = ask(server(agent, bundle), "POST", "/v1/models/agent:explain", value)
    assert found.status == status
    assert said in found.json()["error"]


def test_an_explanation_asks_no_more_than_a_request_may(agent, bundle):
    app = server(agent, bundle, Limits(rows=10))
    found = ask(app, "POST", "/v1/models/agent:explain", {"instances": ["good film " * 50]})
    assert found.json()["explanations"][0]["asked"] <= 10


def test_explanations_leave_places_for_answers(agent, bundle):
    app = server(agent, bundle)
    body = json.dumps({"instances": ["good film " * 20]}).encode()

    async def many():
        asked = [Client("POST", "/v1/models/agent:explain", body).ask(app) for _ in range(40)]
        predict = Client("POST", "/v1/models/agent:predict", body).ask(app)
        return await asyncio.gather(*asked, predict)

    *explained, predicted = asyncio.run(many())
    assert predicted.status == 200
    assert sorted({one.status for one in explained}) == [200, 429]
    refused = [one for one in explained if one.status == 429]
    assert len(explained) - len(refused) >= AT_ONCE + MOST_WAITING
    assert all(one.headers["retry-after"] == "1" for one in refused)


def test_similar_rows_are_shown_only_where_the_bundle_keeps_some(agent, bundle):
    rows = {"instances": ["a good story"]}
    found = ask(server(agent, bundle), "POST", "/v1/models/agent:similar", rows)
    ((one,),) = found.json()["similar"]
    assert (one["text"], one["label"]) == ("good film", "good")
    none = ask(server(agent, bundle.parent), "POST", "/v1/models/agent:similar", rows)
    assert none.status == 404 and "serve.page.examples" in none.json()["error"]
    assert ask(server(agent, bundle), "POST", "/v1/models/agent:nothing", rows).status == 404


def test_the_card_tells_what_this_server_takes(agent, bundle):
    app = server(agent, bundle, Limits(rows=12))
    found = ask(app, "GET", "/v1/models/agent/card").json()
    assert found["does"]["labels"] == LABELS
    assert found["server"]["limits"]["rows"] == 12
    assert found["server"]["similar"] is True
    assert found == ask(app, "GET", "/v1/models/agent/card").json()
    assert ask(app, "GET", "/v1/models/none/card").status == 404


def test_the_card_of_a_version_in_a_bucket_has_what_lies_beside_it(tmp_path):
    kept_agent(tmp_path, "memory://page-card")
    located = in_store("memory://page-card", "tiny", 1)
    serving = serving_of({})
    loaded = LoadedBundle.load(located.folder, serving.models.batcher, "agent", located.identity)
    serving.models.add(ServedModel("agent", OneBundle(loaded)))
    joining.join(serving)
    found = ask(serving.application()[0], "GET", "/v1/models/agent/card").json()
    assert (found["name"], found["version"], found["missing"]) == ("tiny", 1, [])
    assert found["gated"]["outcome"] == "promoted"


def test_figures_count_what_was_asked_and_show_what_others_tell(agent, bundle):
    panel = Panel("Drift", ["what", "now"], [["tokens", 0.1]], numeric=[1])
    serving = put_together(agent, bundle, panels=[lambda name: panel if name == "agent" else None])
    app = serving.application()[0]
    before = ask(app, "GET", "/v1/models/agent/figures").json()
    for _ in range(3):
        assert ask(app, "POST", "/v1/models/agent:predict", {"instances": ["b"]}).status == 200
    assert ask(app, "POST", "/v1/models/agent:explain", {"instances": ["b"]}).status == 200
    assert ask(app, "POST", "/v1/models/agent:predict", {"instances": [1]}).status == 400
    serving.observers.close()
    after = ask(app, "GET", "/v1/models/agent/figures").json()
    assert after["requests"]["answered"] - before["requests"]["answered"] == 4
    assert after["requests"]["refused"] - before["requests"]["refused"] == 1
    assert after["rows"] - before["rows"] == 3
    bound, count = after["seconds"]["one"][-1]
    assert bound is None
    assert count - sum(found for bound, found in before["seconds"]["one"] if bound is None) == 3
    assert after["panels"] == [
        {"title": "Drift", "head": ["what", "now"], "rows": [["tokens", 0.1]], "text": "",
         "numeric": [1]}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "reason", "outcome"),
    [
        (200, "", "answered"),
        (400, "row", "refused"),
        (429, "busy", "refused"),
        (500, "fault", "failed"),
        (499, "gone", "cancelled"),
        (503, "slow", "cancelled"),
    ],
)
def test_requests_are_counted_by_how_they_ended(status, reason, outcome):
    exchange = Exchange("v1", "agent")
    exchange.end(status, reason)
    assert outcome_of(exchange) == outcome


def test_drift_is_shown_once_a_window_was_full(agent, bundle):
    assert figures.figures("another").panels == []
    drifting.show("drifts", [Finding("tokens", 0.25, 0.1, 500)])
    (panel,) = figures.figures("drifts").panels
    assert (panel.title, panel.rows) == ("Drift", [["tokens", 0.25, 0.1, "drifted"]])


def test_a_trial_is_shown_and_without_one_nothing():
    arm = {"version": 1, "digest": "d", "requests": 7, "errors": 0, "seconds": 0.002}
    figure = {"name": "errors", "limit": 0.01, "value": None, "low": -math.inf, "high": 0.5,
              "compared": 7}  # fmt: skip
    other = {**arm, "version": 2, "seconds": None}
    trial = {
        "champion": arm,
        "challenger": other,
        "figures": [figure],
        "clear": False,
        "reason": "",
    }
    panel = trial_panel({"trial": trial})
    assert panel is not None
    assert panel.rows == [["errors", 0.01, "–", "–", 0.5, 7]]
    assert "Champion: version 1, 7 requests, 0 errors, median 2.0 ms." in panel.text
    assert trial_panel({"agent": "films"}) is None


def test_the_document_describes_what_the_page_asks_truly(agent, bundle):
    app = server(agent, bundle)
    document = ask(app, "GET", "/openapi.json").json()
    for path, method in {
        "/v1/models/agent:explain": "post",
        "/v1/models/agent:similar": "post",
        "/v1/models/agent/card": "get",
        "/v1/models/agent/figures": "get",
    }.items():
        operation = document["paths"][path][method]
        example = operation.get("requestBody", {"content": {"application/json": {}}})
        value = example["content"]["application/json"].get("example")
        told = ask(app, method.upper(), path, value)
        assert told.status == 200, told.body
        schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
        Draft202012Validator(schema).validate(told.json())
    bare = ask(server(agent), "GET", "/openapi.json").json()["paths"]
    assert "/v1/models/agent:similar" not in bare and "/v1/models/agent/card" not in bare


@pytest.mark.parametrize("path", ["/v1/models/a/card", "/v1/models/a:explain", "/v1/models/a"])
def test_a_key_for_one_model_sees_no_others_card(path):
    assert names_in(path) == ["a"]
