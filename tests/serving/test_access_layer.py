"""The layer before the gate: what passes, and what is refused without a look at the body."""

import asyncio
from datetime import UTC, datetime

import pytest
from asgi import Client
from hypothesis import given
from hypothesis import strategies as st
from issuer import AUDIENCE, ISSUER, Issuer

from bertworks.serving.access import keyfile, keys
from bertworks.serving.access.caller import Meter
from bertworks.serving.access.guard import Guard
from bertworks.serving.access.jwks import KeySet
from bertworks.serving.access.keyfile import KeyFile
from bertworks.serving.access.keys import Allowance
from bertworks.serving.access.layer import Layer, names_in
from bertworks.serving.access.quotas import Quotas
from bertworks.serving.access.tokens import Tokens
from bertworks.serving.exchange import CALLER
from bertworks.spec.access import OpenID

PREDICT = "/v1/models/mood:predict"
URL = "https://issuer.example/keys"


@pytest.fixture(scope="module")
def issuer():
    return Issuer().add("1")


@pytest.fixture
def made(tmp_path, issuer):
    """Keys by name, the layer, and the callers that came through."""
    tokens = {}
    file = tmp_path / "keys.json"
    with keyfile.changing(file) as known:
        for name, more in (
            ("all", {}), ("mood", {"models": ("mood",)}), ("admin", {"admin": True}),
            ("few", {"allowance": Allowance(requests_per_minute=2)}),
        ):  # fmt: skip
            key, tokens[name] = keys.make(name, keyfile.now(), **more)
            known[key.id] = key
    passed, refused = [], []

    async def app(scope, receive, send):
        passed.append(scope.get(CALLER))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    settings = OpenID(issuer=ISSUER, audience=AUDIENCE, jwks=URL)
    meter = Meter(Quotas())
    guard = Guard(
        KeyFile(file), Tokens(settings, KeySet(URL, issuer.key_set), meter), meter,
        lambda: datetime.now(UTC),
    )  # fmt: skip
    layer = Layer(app, guard, refused=lambda *told: refused.append(told))
    return tokens, layer, passed, refused


def ask(layer, *headers, path=PREDICT, method="POST"):
    sent = [(name.encode(), value.encode()) for name, value in headers]
    return asyncio.run(Client(method, path, b"{}", sent, parts=[None]).ask(layer))


@pytest.mark.parametrize(
    "headers",
    [
        [("authorization", "Bearer {all}")], [("Authorization", "bearer   {all}")],
        [("x-api-key", "{all}")],
    ],
)  # fmt: skip
def test_a_key_passes_and_only_its_id_goes_on(made, headers):
    tokens, layer, passed, _ = made
    told = ask(layer, *[(name, value.format(**tokens)) for name, value in headers])
    assert told.status == 200
    identity, secret = keys.parse(tokens["all"])
    assert passed[0].id == identity and secret not in repr(passed[0])


@pytest.mark.parametrize(
    "headers",
    [
        [], [("x-api-key", "")], [("x-api-key", "{all}x")], [("authorization", "{all}")],
        [("authorization", "Basic {all}")], [("authorization", "Bearer")],
        [("authorization", "Bearer {all} {all}")],
        [("authorization", "Bearer {all}"), ("x-api-key", "{all}")],
        [("x-api-key", "{all}"), ("x-api-key", "{all}")], [("cookie", "x-api-key={all}")],
        [("authorization", "Bearer a.b.c")], [("x-api-key", "bw_000000000000_" + "0" * 64)],
        [("x-api-key", "é" * 40)],
    ],
)  # fmt: skip
def test_what_is_no_key_is_401(made, headers):
    tokens, layer, passed, refused = made
    told = ask(layer, *[(name, value.format(**tokens)) for name, value in headers])
    assert told.status == 401 and told.headers["www-authenticate"].startswith("Bearer")
    assert len(told.headers["x-request-id"]) == 32
    assert not passed and refused[0][1].reason == "unauthorized"
    assert not any(token in told.body.decode() for token in tokens.values())


def test_a_bearer_token_of_the_issuer_passes(made, issuer):
    _, layer, passed, _ = made
    assert ask(layer, ("authorization", f"Bearer {issuer.token('1')}")).status == 200
    assert passed[0].id.startswith("oidc:")
    assert ask(layer, ("x-api-key", issuer.token("1"))).status == 401


@pytest.mark.parametrize(
    "path",
    ["/", "/metrics", "/v2/health/live", "/v2/health/ready", "/v2/models/mood/ready",
     "/v2/models/mood/versions/3/ready"],
)  # fmt: skip
def test_probes_need_no_key(made, path):
    _, layer, passed, _ = made
    assert ask(layer, path=path, method="GET").status == 200 and passed == [None]


@pytest.mark.parametrize(
    "path",
    ["/v1/models", "/v2", "/v2/models/mood", "/v2/health/live/", "/metrics/", "//metrics",
     "/openapi.json",
     "/v2/repository/index", "/nowhere", "/v2/models/mood/infer", "/v1/models/a/ready", "/metrics\n"],
)  # fmt: skip
def test_all_else_does(made, path):
    _, layer, _, _ = made
    assert ask(layer, path=path, method="GET").status == 401


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (PREDICT, 200), ("/v2/models/mood/infer", 200), ("/v2/models/mood/versions/1/infer", 200),
        ("/v1/models", 200), ("/v1/models/topic:predict", 403), ("/v1/models/topic", 403),
        ("/v2/models/topic/infer", 403), ("/v2/models/topic/versions/1", 403),
        ("/v2/models/none/infer", 403), ("/v2/repository/models/mood/load", 403),
        ("/v1/models/mood:x:predict", 403), ("/admin/rollback", 403),
    ],
)  # fmt: skip
def test_a_key_for_one_model_asks_no_other(made, path, status):
    tokens, layer, _, _ = made
    assert ask(layer, ("x-api-key", tokens["mood"]), path=path).status == status


@pytest.mark.parametrize("path", ["/v2/repository/models/mood/unload", "/admin", "/admin/rollback"])
def test_only_some_keys_may_change_what_is_served(made, path):
    tokens, layer, _, _ = made
    assert ask(layer, ("x-api-key", tokens["all"]), path=path).status == 403
    assert ask(layer, ("x-api-key", tokens["admin"]), path=path).status == 200


def test_a_key_with_a_rate_waits_for_its_turn(made):
    tokens, layer, _, refused = made
    told = [ask(layer, ("x-api-key", tokens["few"])) for _ in range(3)]
    assert [one.status for one in told] == [200, 200, 429]
    assert 1 <= int(told[2].headers["retry-after"]) <= 30
    assert refused[0][1].reason == "rate"
    assert ask(layer, ("x-api-key", tokens["all"])).status == 200


NAME = st.text(
    st.characters(exclude_characters="/", exclude_categories=["Cs"]), min_size=1, max_size=8
)


@given(
    NAME, st.sampled_from(["/v2/models/{}/infer", "/v2/repository/models/{}/load", "/v2/models/{}"])
)
def test_a_name_is_read_as_the_routes_read_it(name, form):
    assert names_in(form.format(name)) == [name]
