"""Spans, sent to a receiver of OTLP over HTTP that runs here."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bertworks.errors import EnvironmentFault
from bertworks.serving.exchange import Exchange
from bertworks.serving.observation.tracing import Tracing, configured
from bertworks.spec.observing import Observing
from tests.helpers.tiny_model import TEXTS
from tests.observation.conftest import served
from tests.observation.test_told import ask

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Receiver(ThreadingHTTPServer):
    """Takes what the specification's ExportTraceServiceRequest is in JSON, and nothing else."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.spans: list[dict] = []
        self.resources: list[dict] = []
        self.headers: list[dict] = []


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path != "/v1/traces" or self.headers["content-type"] != "application/json":
            self.send_error(415)
            return
        for resource in json.loads(body)["resourceSpans"]:
            self.server.resources.append(facts(resource["resource"]["attributes"]))
            for scope in resource["scopeSpans"]:
                self.server.spans += map(checked, scope["spans"])
        self.server.headers.append({key.lower(): one for key, one in self.headers.items()})
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_) -> None:
        pass


def checked(span: dict) -> dict:
    assert len(bytes.fromhex(span["traceId"])) == 16 and len(bytes.fromhex(span["spanId"])) == 8
    assert 0 < int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
    assert set(span["status"]) <= {"code"} and isinstance(span["kind"], int)
    return {**span, "attributes": facts(span["attributes"])}


def facts(attributes: list[dict]) -> dict:
    found = {}
    for one in attributes:
        ((kind, value),) = one["value"].items()
        found[one["key"]] = int(value) if kind == "intValue" else value
    return found


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_request_is_a_span_with_its_stages(agent, receiver, monkeypatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{receiver.server_port}/")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    serving = served("traced", agent, Observing())
    assert ask(serving, TEXTS, "traced", [(b"traceparent", PARENT.encode())]).status == 200
    ask(serving, [3], "traced")
    exporter = next(
        one._exporter for one in serving.observers._observers if isinstance(one, Tracing)
    )
    exporter.close()
    assert receiver.resources[0]["service.name"] == "bertworks"
    assert receiver.resources[0]["deployment.environment"] == "test"
    assert receiver.headers[0]["x-key"] == "a b"
    roots = [one for one in receiver.spans if one["kind"] == 2]
    good, bad = roots
    assert good["traceId"] == PARENT[3:35] and good["parentSpanId"] == PARENT[36:52]
    assert good["attributes"]["http.response.status_code"] == 200
    assert good["attributes"]["bertworks.rows"] == len(TEXTS)
    assert bad["traceId"] != good["traceId"] and "parentSpanId" not in bad
    assert bad["attributes"]["bertworks.refusal"] == "row"
    stages = [one for one in receiver.spans if one.get("parentSpanId") == good["spanId"]]
    assert [one["name"] for one in stages] == [
        "read", "wait", "decode", "queue", "compute", "encode", "write",
    ]  # fmt: skip
    for before, after in zip(stages, stages[1:], strict=False):
        assert before["endTimeUnixNano"] <= after["startTimeUnixNano"]
    assert not exporter.dropped


def test_what_callers_do_not_sample_and_what_cannot_be_sent(server_log) -> None:
    exporter = configured({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"})
    assert exporter is not None
    tracing = Tracing(exporter)
    tracing.answered(Exchange("v1", "a", trace=PARENT[:-1] + "0"))
    exchange = Exchange("v1", "a", trace="00-" + "0" * 32 + "-nonsense")
    exchange.end(200, "")
    tracing.answered(exchange)
    exporter.close()
    assert exporter.dropped == 2  # the request's span and its way out
    assert sum("spans cannot be sent" in one.getMessage() for one in server_log) <= 1


def test_a_collector_that_speaks_no_http_ends_no_thread() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(60)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        exporter = configured({"OTEL_EXPORTER_OTLP_ENDPOINT": address})
        assert exporter is not None
        for _ in range(2):  # the second one comes if the thread has outlived the first
            exporter.add([{}])
            client, _ = listening.accept()
            with client:
                client.recv(100_000)
                client.sendall(b"220 mail.example ESMTP\r\n\r\n")
    exporter.close()
    assert exporter.dropped == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "collector:4317"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(wrong) -> None:
    with pytest.raises(EnvironmentFault):
        configured(wrong)


def test_nothing_is_there_where_nothing_is_configured() -> None:
    threads = threading.active_count()
    assert configured({}) is None
    assert (
        configured({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:1", "OTEL_SDK_DISABLED": "true"})
        is None
    )
    assert threading.active_count() == threads
