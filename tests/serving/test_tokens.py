"""Bearer tokens: who is let in, and every known way to forge one."""

import asyncio
import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from issuer import AUDIENCE, ISSUER, Issuer
from pydantic import ValidationError

from bertworks.serving.access import jwks
from bertworks.serving.access.jwks import KEEP_SECONDS, MIN_SECONDS, STALE_SECONDS, KeySet, read
from bertworks.serving.access.tokens import Tokens
from bertworks.serving.refusals import Refused
from bertworks.spec.access import OpenID

URL = "https://issuer.example/keys"
FAR = 1_000_000
"""Seconds: what is written when tests are collected must hold until they run."""


@pytest.fixture(scope="module")
def issuer():
    """One for all: its keys take a while."""
    return Issuer().add("e").add("r", "RS256").add("d", "EdDSA")


def tokens(issuer, clock=time.monotonic, **more):
    settings = OpenID(
        issuer=ISSUER,
        audience=AUDIENCE,
        jwks=URL,
        **{"algorithms": ["ES256", "RS256", "EdDSA"], **more},
    )
    return Tokens(settings, KeySet(URL, issuer.key_set, clock))


def caller(checker, token):
    return asyncio.run(checker.caller(token))


def status(checker, token):
    with pytest.raises(Refused) as caught:
        caller(checker, token)
    return caught.value.status


@pytest.mark.parametrize("kid", ["e", "r", "d"])
def test_a_good_token_tells_who_asks_without_telling_the_name(issuer, kid):
    found = caller(tokens(issuer), issuer.token(kid))
    again = caller(tokens(issuer), issuer.token(kid, jti="another"))
    other = caller(tokens(issuer), issuer.token(kid, sub="bob@example.org"))
    assert found.id == again.id != other.id
    assert found.id.startswith("oidc:") and "ann" not in found.id
    assert found.models == () and not found.admin


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://other.example"}, {"iss": f"{ISSUER}/"}, {"aud": "another"}, {"aud": []},
        {"exp": time.time() - 60}, {"nbf": time.time() + FAR}, {"exp": "never"}, {"sub": 5},
        {"iat": time.time() + FAR},
    ],
)  # fmt: skip
def test_a_token_for_others_or_other_times(issuer, claims):
    assert status(tokens(issuer), issuer.token("e", **claims)) == 401


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "sub"])
def test_a_token_that_leaves_something_open(issuer, name):
    assert status(tokens(issuer), issuer.token("e", drop=[name])) == 401


def part(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


CLAIMS = {"iss": ISSUER, "aud": AUDIENCE, "sub": "a", "exp": time.time() + FAR}


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", ""])
def test_no_signature_is_no_signature(issuer, algorithm):
    for kid in ("e", "r"):
        assert (
            status(tokens(issuer), f"{part({'alg': algorithm, 'kid': kid})}.{part(CLAIMS)}.") == 401
        )


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_public_key_is_no_secret(issuer, algorithm):
    public = issuer.keys["r"][1].public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    signed = f"{part({'alg': algorithm, 'kid': 'r'})}.{part(CLAIMS)}"
    mac = hmac.new(public, signed.encode(), getattr(hashlib, f"sha{algorithm[2:]}")).digest()
    token = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    assert status(tokens(issuer), token) == 401


def test_a_signature_of_another_key_or_kind(issuer):
    stranger = Issuer().add("e")
    assert status(tokens(issuer), stranger.token("e")) == 401
    assert status(tokens(issuer), issuer.token("e", headers={"kid": "r"})) == 401
    assert status(tokens(issuer, algorithms=["RS256"]), issuer.token("e")) == 401
    assert status(tokens(issuer), issuer.token("e", headers={"kid": "unknown"})) == 401


def test_a_token_that_brings_its_own_key(issuer):
    stranger = Issuer().add("e")
    record = json.loads(stranger.key_set())["keys"][0]
    for headers in (
        {"jwk": record},
        {"jku": "https://evil.example"},
        {"x5u": "https://evil.example"},
    ):
        assert status(tokens(issuer), stranger.token("e", headers=headers)) == 401
    assert status(tokens(issuer), issuer.token("e", headers={"crit": ["b64"], "b64": False})) == 401


@pytest.mark.parametrize(
    "token", ["", "..", "a.b.c", "é.é.é", "eyJ9.eyJ9.x", "." * 100, "a" * 100_000, part(5) + ".x.y",
              part({"alg": ["ES256"], "kid": "e"}) + "." + part(CLAIMS) + ".x",
              part({"alg": "ES256", "kid": {"a": 1}}) + "." + part(CLAIMS) + ".x"],
)  # fmt: skip
def test_what_is_no_token(issuer, token):
    assert status(tokens(issuer), token) == 401


def test_a_changed_claim_breaks_the_signature(issuer):
    head, _, signature = issuer.token("e").split(".")
    assert status(tokens(issuer), f"{head}.{part({**CLAIMS, 'scope': 'admin'})}.{signature}") == 401


def test_scopes_and_models(issuer):
    checker = tokens(issuer, scope="ask", admin_scope="run", models_claim="models")
    assert status(checker, issuer.token("e", models=["mood"])) == 403
    assert status(checker, issuer.token("e", scope="ask")) == 403
    found = caller(checker, issuer.token("e", scope="ask run", models=["mood", "topic"]))
    assert found.admin and found.may_ask("mood") and not found.may_ask("other")
    assert not caller(checker, issuer.token("e", scp=["ask"], models="mood")).admin


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def test_keys_are_kept_and_rotated():
    issuer, clock = Issuer().add("1"), Clock()
    checker = tokens(issuer, clock)
    for _ in range(5):
        caller(checker, issuer.token("1"))
    assert issuer.asked == 1
    issuer.add("2")
    old = issuer.token("1")
    del issuer.keys["1"]
    assert status(checker, issuer.token("2")) == 401  # it was asked just now
    clock.now += MIN_SECONDS
    caller(checker, issuer.token("2"))
    assert issuer.asked == 2 and status(checker, old) == 401


def test_unknown_keys_do_not_have_the_issuer_asked_without_end():
    issuer, clock = Issuer().add("1"), Clock()
    checker = tokens(issuer, clock)
    for number in range(50):
        clock.now += 1
        status(checker, issuer.token("1", headers={"kid": str(number + 7)}))
    assert issuer.asked <= 1 + 50 / MIN_SECONDS


def test_many_at_once_ask_the_issuer_once():
    issuer = Issuer().add("1")
    checker, token = tokens(issuer), issuer.token("1")

    async def all_():
        return await asyncio.gather(*[checker.caller(token) for _ in range(20)])

    assert len({one.id for one in asyncio.run(all_())}) == 1 and issuer.asked == 1


def test_an_issuer_that_is_down_is_lived_without_for_a_while():
    issuer, clock = Issuer().add("1"), Clock()
    checker = tokens(issuer, clock)
    issuer.down = True
    assert status(checker, issuer.token("1")) == 503
    issuer.down = False
    clock.now += MIN_SECONDS
    caller(checker, issuer.token("1"))
    issuer.down = True
    clock.now += KEEP_SECONDS + 1
    caller(checker, issuer.token("1"))
    clock.now += STALE_SECONDS
    assert status(checker, issuer.token("1")) == 503


def test_a_request_that_is_dropped_does_not_end_what_others_wait_for():
    issuer = Issuer().add("1")
    checker, token = tokens(issuer), issuer.token("1")

    async def scenario():
        first, second = (asyncio.ensure_future(checker.caller(token)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(scenario()).id


def test_shared_secrets_and_keys_for_encryption_are_left_out():
    issuer = Issuer().add("1")
    good = json.loads(issuer.key_set())["keys"][0]
    others = [
        {"kty": "oct", "k": "AAAA", "kid": "2"}, {**good, "use": "enc", "kid": "3"},
        {name: good[name] for name in good if name != "kid"}, 5, None,
    ]  # fmt: skip
    assert set(read(json.dumps({"keys": [good, *others]}).encode())) == {"1"}


ANSWERS = {
    "/keys": (200, b'{"keys": []}'), "/moved": (302, b""), "/large": (200, b" " * 300_000),
    "/none": (404, b""),
}  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/silent":
            self.server.over.wait(60)
            return
        status, body = ANSWERS[self.path]
        self.send_response(status)
        self.send_header("location", "/keys")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def web():
    """An issuer's address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.over = threading.Event()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.over.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_keys_come_from_their_own_address_in_time_and_in_bounds(web, monkeypatch):
    monkeypatch.setattr(jwks, "TIMEOUT_SECONDS", 0.2)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert jwks.fetched(f"{web}/keys") == b'{"keys": []}'
    for path in ("moved", "large", "none", "silent"):
        with pytest.raises(OSError):
            jwks.fetched(f"{web}/{path}")


@pytest.mark.parametrize("body", [b"", b"[]", b'{"keys": 5}', b'{"keys": [' + b"1," * 200 + b"1]}"])
def test_what_is_no_key_set(body):
    with pytest.raises(ValueError):
        read(body)


@pytest.mark.parametrize(
    "change",
    [
        {"jwks": "http://issuer.example/keys"}, {"jwks": "file:///etc/passwd"}, {"jwks": "keys"},
        {"algorithms": ["HS256"]}, {"algorithms": ["none"]}, {"algorithms": []}, {"audience": ""},
    ],
)  # fmt: skip
def test_settings_that_would_let_anybody_in(change):
    with pytest.raises(ValidationError):
        OpenID(**{"issuer": ISSUER, "audience": AUDIENCE, "jwks": URL, **change})


def test_the_library_agrees_that_the_tokens_here_are_good(issuer):
    """Else the tests above would refuse for another reason than they say."""
    algorithm, key = issuer.keys["e"]
    told = jwt.decode(issuer.token("e"), key.public_key(), [algorithm], audience=AUDIENCE)
    assert told["sub"] == "ann@example.org"


def test_what_speaks_no_http_where_the_keys_should_be_is_no_fault_of_ours():
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer():
            client, _ = listening.accept()
            with client:
                client.recv(10_000)
                client.sendall(b"220 mail.example ESMTP\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(OSError, match="speaks no HTTP"):
            jwks.fetched(f"http://127.0.0.1:{listening.getsockname()[1]}/keys")
