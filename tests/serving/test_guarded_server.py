"""A server that asks for keys and keeps an audit log, put together as `bertworks serve` does it."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from asgi import Client
from certificates import write_certificate
from issuer import AUDIENCE, ISSUER, Issuer
from served import serving_of
from tiny_model import make_model

from bertworks.errors import EnvironmentFault
from bertworks.runtime.agent import Agent
from bertworks.serving.access import joining, keyfile, keys
from bertworks.serving.access.joining import Entrance
from bertworks.serving.access.keys import Allowance
from bertworks.serving.audit import chain, files
from bertworks.serving.audit.joining import join as join_audit
from bertworks.serving.grpc import messages
from bertworks.serving.grpc.listening import credentials
from bertworks.serving.grpc.listening import made as grpc_server
from bertworks.serving.grpc.service import Service
from bertworks.spec.access import Access
from bertworks.spec.audit import Audit

PREDICT = "/v1/models/mood:predict"
SECRET = "my card is 4111 1111 1111 1111, good film"


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guarded") / "model"
    return Agent.from_model(make_model(folder, {"type": "classification"}, ["bad", "good"]))


@pytest.fixture
def tokens(tmp_path):
    found = {}
    with keyfile.changing(tmp_path / "keys.json") as known:
        for name, more in (
            ("all", {}), ("mood", {"models": ("mood",)}), ("admin", {"admin": True}),
            ("few", {"allowance": Allowance(texts_per_minute=3)}),
        ):  # fmt: skip
            key, found[name] = keys.make(name, keyfile.now(), **more)
            known[key.id] = key
    return found


def put_together(agent, folder, **kept):
    serving = serving_of({"mood": agent, "topic": agent}, repository=True)
    joining.join(serving, Entrance(keys=folder / "keys.json", state=folder / "state"))
    join_audit(serving, Audit(folder=str(folder / "audit"), **kept))
    return serving


def end(serving):
    """As the server ends."""

    async def stop():
        for one in serving.stopped:
            await one()

    asyncio.run(stop())
    serving.observers.close()
    for close in serving.closed:
        close()


def ask(app, token=None, texts=("good film",), path=PREDICT, **headers):
    sent = [(b"x-api-key", token.encode())] if token else []
    sent += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    body = json.dumps({"instances": list(texts)}).encode()
    return asyncio.run(Client("POST", path, body, sent).ask(app))


def records(folder):
    lines = [line for number in files.numbers(folder / "audit")
             for line in files.path_of(folder / "audit", number).read_bytes().splitlines()]  # fmt: skip
    return [one for line in lines if (one := chain.read(line)) and one["kind"] == "answer"]


def test_who_asked_what_is_kept_and_nothing_else(agent, tokens, tmp_path):
    serving = put_together(agent, tmp_path)
    app, _ = serving.application()
    told = [
        ask(app, tokens["all"], [SECRET, "bad"], x_request_id="one"), ask(app),
        ask(app, tokens["mood"], path="/v1/models/topic:predict"), ask(app, tokens["all"], [5]),
        ask(app, tokens["all"], path="/v1/models/ann@example.org:predict"),
    ]  # fmt: skip
    end(serving)
    assert [one.status for one in told] == [200, 401, 403, 400, 404]
    kept = records(tmp_path)
    assert [one.headers["x-request-id"] for one in told] == [one["request"] for one in kept]
    assert [(one["status"], one["reason"]) for one in kept] == [
        (200, ""), (401, "unauthorized"), (403, "forbidden"), (400, "row"), (404, "model"),
    ]  # fmt: skip
    identity = keys.parse(tokens["all"])[0]
    first = kept[0]
    known = first["request"], first["caller"], first["model"], first["rows"]
    assert known == ("one", identity, "mood", 2)
    assert [one["label"] for one in first["answers"]] == [
        one["label"] for one in told[0].json()["predictions"]
    ]
    assert first["digest"] == told[0].json()["digest"]
    assert [one["caller"] for one in kept[1:3]] == [None, keys.parse(tokens["mood"])[0]]
    assert kept[4]["model"] == "[email]"
    text = b"".join(file.read_bytes() for file in (tmp_path / "audit").iterdir()).decode()
    assert "good film" not in text and "4111" not in text and "ann@" not in text
    assert not any(keys.parse(token)[1] in text for token in tokens.values())
    assert files.verify(tmp_path / "audit").found.answers == 5


def test_texts_are_kept_when_asked_for_and_then_masked(agent, tokens, tmp_path):
    serving = put_together(agent, tmp_path, texts=True, answers=False)
    ask(serving.application()[0], tokens["all"], [SECRET])
    end(serving)
    (kept,) = records(tmp_path)
    assert kept["texts"] == ["my card is [card], good film"] and "answers" not in kept


def test_texts_are_charged_before_they_are_computed(agent, tokens, tmp_path):
    serving = put_together(agent, tmp_path)
    app, _ = serving.application()
    told = [ask(app, tokens["few"], ["good"] * count) for count in (4, 2, 2)]
    end(serving)
    assert [one.status for one in told] == [422, 200, 429]
    assert int(told[2].headers["retry-after"]) > 0


def test_the_repository_needs_an_admin(agent, tokens, tmp_path):
    serving = put_together(agent, tmp_path)
    app, _ = serving.application()
    unload = "/v2/repository/models/topic/unload"
    assert ask(app, tokens["all"], path=unload).status == 403
    assert ask(app, tokens["admin"], path=unload).status == 200
    end(serving)


@pytest.fixture(scope="module")
def issuer():
    """An issuer whose key set is served over HTTP, on this machine."""
    known = Issuer().add("1")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            body = known.key_set()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    known.url = f"http://127.0.0.1:{server.server_port}/keys"
    yield known
    server.shutdown()
    thread.join()
    server.server_close()


def test_tokens_of_an_issuer_alone(agent, tmp_path, issuer):
    access = Access.model_validate(
        {
            "openid": {
                "issuer": ISSUER, "audience": AUDIENCE, "jwks": issuer.url, "algorithms": ["ES256"],
                "models_claim": "models", "allowance": {"requests_per_day": 2},
            },
            "metrics": "key",
        }
    )  # fmt: skip
    serving = serving_of({"mood": agent, "topic": agent})
    joining.join(serving, Entrance(access, state=tmp_path / "state"))
    app, _ = serving.application()
    good, other = issuer.token("1", models=["mood"]), issuer.token("1", models=["topic"], sub="bob")

    def status(token, path=PREDICT):
        return ask(app, path=path, authorization=f"Bearer {token}").status

    assert [status(good), status(f"{good}x"), status(other), status(good), status(good)] == [
        200, 401, 403, 200, 429,
    ]  # fmt: skip
    assert (
        ask(app, path="/metrics").status == 401
        and ask(app, keys.make("a", keyfile.now())[1]).status == 401
    )
    for stop in serving.stopped:
        asyncio.run(stop())
    (used,) = [
        one for one in json.loads((tmp_path / "state/usage.json").read_text())["used"].values()
        if one["requests"] == 2
    ]  # fmt: skip
    assert used == {"requests": 2, "texts": 0}


def calls(serving, asked):
    """Status codes of gRPC calls: (method, message, metadata) each."""

    async def whole():
        server = grpc_server(Service(serving, serving.application()[1]), serving.limits)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        codes = []
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            for method, message, metadata in asked:
                call = channel.unary_unary(f"/{messages.SERVICE}/{method}")
                try:
                    await call(message.SerializeToString(), metadata=metadata)
                    codes.append(grpc.StatusCode.OK)
                except grpc.aio.AioRpcError as error:
                    codes.append(error.code())
        await server.stop(None)
        return codes

    return asyncio.run(asyncio.wait_for(whole(), 60))


def infer_request(model):
    request = messages.message("ModelInferRequest")(model_name=model)
    tensor = request.inputs.add(name="text", datatype="BYTES", shape=[1])
    tensor.contents.bytes_contents.append(b"good film")
    return request


def test_grpc_asks_for_the_same_keys(agent, tokens, tmp_path):
    serving = put_together(agent, tmp_path)
    key = [("x-api-key", tokens["mood"])]
    bearer = [("authorization", f"Bearer {tokens['all']}")]
    live = messages.message("ServerLiveRequest")()
    unload = messages.message("RepositoryModelUnloadRequest")(model_name="topic")
    facts = messages.message("ModelMetadataRequest")
    codes = calls(serving, [
        ("ServerLive", live, []), ("ModelInfer", infer_request("mood"), []),
        ("ModelInfer", infer_request("mood"), [("x-api-key", "bw_x")]),
        ("ModelInfer", infer_request("mood"), key), ("ModelInfer", infer_request("topic"), key),
        ("ModelInfer", infer_request("topic"), bearer), ("ModelMetadata", facts(name="topic"), key),
        ("ModelMetadata", facts(name="mood"), key), ("RepositoryModelUnload", unload, bearer),
        ("RepositoryModelUnload", unload, [("x-api-key", tokens["admin"])]),
    ])  # fmt: skip
    end(serving)
    names = [code.name for code in codes]
    assert names == [
        "OK", "UNAUTHENTICATED", "UNAUTHENTICATED", "OK", "PERMISSION_DENIED", "OK", "PERMISSION_DENIED",
        "OK", "PERMISSION_DENIED", "OK",
    ]  # fmt: skip
    assert [one["status"] for one in records(tmp_path)] == [401, 401, 200, 403, 200]


def test_grpc_speaks_tls_with_the_certificate_of_the_time(agent, tokens, tmp_path):
    certificate, key = write_certificate(tmp_path)
    serving = serving_of({"mood": agent})
    joining.join(serving, Entrance(certificate=certificate, private_key=key))
    live = messages.message("ServerLiveRequest")().SerializeToString()

    async def ask(port, trusted):
        secret = grpc.ssl_channel_credentials(trusted.read_bytes())
        # Else the second channel would have the first one's connection.
        apart = [("grpc.use_local_subchannel_pool", 1)]
        async with grpc.aio.secure_channel(f"localhost:{port}", secret, options=apart) as channel:
            call = channel.unary_unary(f"/{messages.SERVICE}/ServerLive")
            try:
                await call(live, timeout=30)
            except grpc.aio.AioRpcError as error:
                return error.code()
        return grpc.StatusCode.OK

    async def whole():
        server = grpc_server(Service(serving, serving.application()[1]), serving.limits)
        port = server.add_secure_port("localhost:0", credentials(serving.certificates))
        await server.start()
        codes = [await ask(port, certificate)]
        renewed, its_key = write_certificate(tmp_path, "renewed")
        trusted = tmp_path / "trusted.pem"
        trusted.write_bytes(renewed.read_bytes())
        its_key.replace(key)
        renewed.replace(certificate)
        codes += [await ask(port, trusted)]
        await server.stop(None)
        return codes

    assert asyncio.run(asyncio.wait_for(whole(), 60)) == [grpc.StatusCode.OK] * 2


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org", "127.evil.org", ""])
def test_wider_than_this_machine_needs_a_key_or_a_word(tmp_path, host):
    with pytest.raises(EnvironmentFault, match="no key is asked for"):
        Entrance().check(host)
    Entrance(open=True).check(host)
    Entrance(keys=tmp_path).check(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_none(host):
    Entrance().check(host)


def test_what_contradicts_itself_is_told(tmp_path):
    with pytest.raises(EnvironmentFault, match="--open"):
        Entrance(keys=tmp_path, open=True).check("0.0.0.0")
    with pytest.raises(EnvironmentFault, match="TLS"):
        Entrance(certificate=tmp_path).check("127.0.0.1")
