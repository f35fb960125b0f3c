"""OpenTelemetry spans of requests, sent to a collector where one is configured; else nothing is done.

A request is a server span with a child for each stage; the caller's trace goes on where the request
names one (W3C Trace Context, https://www.w3.org/TR/trace-context/). Spans go out as OTLP over HTTP in
JSON (OpenTelemetry protocol 1.x, section "JSON Protobuf Encoding"), for which neither the SDK nor
protobuf is needed. Understood are OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT,
OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER_ARG (a
share) and OTEL_SDK_DISABLED.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import random
import re
import threading
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from bertworks import __version__
from bertworks.errors import EnvironmentFault
from bertworks.serving import log
from bertworks.serving.exchange import Exchange
from bertworks.serving.observation.counting import stages

TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
HELD = 2048
"""Spans that wait to be sent, at most; more are dropped and counted."""
TOGETHER = 512
_SECONDS, _TIMEOUT = 2.0, 10.0
_SERVER, _INTERNAL = 2, 1
_ERROR = 2
_ORDER = ("read", "wait", "decode", "queue", "compute", "review", "encode", "write")


def configured(environment: Mapping[str, str] = os.environ) -> Exporter | None:
    """An exporter to the endpoint that the environment names; None where it names none.

    Raises:
        EnvironmentFault: The endpoint is no http(s) address, or another protocol is asked for.
    """
    base = environment.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").rstrip("/")
    endpoint = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or (
        f"{base}/v1/traces" if base else ""
    )
    if not endpoint or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if not re.match("https?://[^/]", endpoint):
        raise EnvironmentFault(
            f"OTEL_EXPORTER_OTLP_ENDPOINT must be an http:// or https:// address. "
            f"Received: {endpoint[:100]!r}",
            "Give the collector's OTLP/HTTP address, for example http://collector:4318.",
        )
    protocol = environment.get("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
    if protocol == "grpc":
        raise EnvironmentFault(
            "OTEL_EXPORTER_OTLP_PROTOCOL is grpc; spans are sent by http/json alone.",
            "Unset it, and name the collector's HTTP port, mostly 4318.",
        )
    named = environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    resource = {"service.name": "bertworks", "service.version": __version__, **_pairs(named)}
    if name := environment.get("OTEL_SERVICE_NAME"):
        resource["service.name"] = name
    try:
        share = float(environment.get("OTEL_TRACES_SAMPLER_ARG", "1"))
    except ValueError:
        share = 1.0
    headers = _pairs(environment.get("OTEL_EXPORTER_OTLP_HEADERS", ""))
    return Exporter(endpoint, headers, resource, share)


class Exporter:
    """Sends spans in batches, on a thread of its own; what it cannot send is dropped and counted.

    Args:
        endpoint: Where to POST.
        headers: To send along.
        resource: What the spans are of.
        share: Of the traces that begin here; those of callers are kept as these decided.

    Attributes:
        dropped: Spans that were not sent.
    """

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str],
        resource: Mapping[str, str],
        share: float = 1.0,
    ) -> None:
        self.share, self.dropped = share, 0
        self._endpoint, self._headers, self._resource = endpoint, dict(headers), dict(resource)
        self._spans: queue.Queue[dict[str, Any] | None] = queue.Queue(HELD)
        self._told = False
        self._thread = threading.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def add(self, spans: list[dict[str, Any]]) -> None:
        """Has spans be sent; never waits."""
        for span in spans:
            try:
                self._spans.put_nowait(span)
            except queue.Full:
                self.dropped += 1

    def close(self, seconds: float = 5.0) -> None:
        """Sends what is left, within so many seconds."""
        with contextlib.suppress(queue.Full):  # The collector hangs.
            self._spans.put(None, timeout=seconds)
            self._thread.join(seconds)

    def _run(self) -> None:
        ended = False
        while not ended:
            first = self._spans.get()
            batch, ended = ([first], False) if first is not None else ([], True)
            while not ended and len(batch) < TOGETHER:
                try:
                    span = self._spans.get(timeout=_SECONDS)
                except queue.Empty:
                    break
                if span is None:
                    ended = True
                else:
                    batch.append(span)
            if batch:
                self._send(batch)

    def _send(self, spans: list[dict[str, Any]]) -> None:
        scope = {"scope": {"name": "bertworks.serving", "version": __version__}, "spans": spans}
        resource = {"attributes": _attributes(self._resource)}
        content = json.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]})
        headers = {"content-type": "application/json", **self._headers}
        request = urllib.request.Request(self._endpoint, content.encode(), headers)
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT):
                self._told = False
        except (OSError, http.client.HTTPException) as error:  # or what is there speaks no HTTP
            self.dropped += len(spans)
            if not self._told:  # once until it works again
                self._told = True
                log.LOGGER.warning(
                    "spans cannot be sent to %s: %s",
                    urllib.parse.urlsplit(self._endpoint).netloc.rpartition("@")[2],
                    type(error).__name__,
                )


class Tracing:
    """An observer that makes spans of exchanges.

    Args:
        exporter: Takes them.
    """

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter
        self._random = random.Random()

    def answered(self, exchange: Exchange) -> None:
        """Makes a span of the exchange, and one of each stage."""
        trace, parent, kept = self._context(exchange.trace)
        if kept:
            self._exporter.add(self._spans(exchange, trace, parent))

    def _context(self, header: str) -> tuple[str, str, bool]:
        """Trace, parent span and whether it is kept, by the caller's `traceparent` or by our share."""
        found = TRACEPARENT.fullmatch(header)
        if found and set(found[1]) != {"0"} and set(found[2]) != {"0"} and header[:2] != "ff":
            return found[1], found[2], bool(int(found[3], 16) & 1)
        return self._id(16), "", self._random.random() < self._exporter.share

    def _id(self, size: int) -> str:
        return self._random.getrandbits(8 * size).to_bytes(size, "big").hex()

    def _spans(self, exchange: Exchange, trace: str, parent: str) -> list[dict[str, Any]]:
        own, start = self._id(8), _nanoseconds(exchange.arrived)
        whole = _nanoseconds(exchange.seconds.get("whole", 0.0))
        route = {"v1": "/v1/models/{name}:predict", "v2": "/v2/models/{name}/infer"}
        rpc = exchange.protocol == "grpc"
        facts: dict[str, Any] = {
            "bertworks.request.id": exchange.id,
            "bertworks.version": exchange.version,
            "bertworks.digest": exchange.digest[:12],
            "bertworks.rows": len(exchange.rows),
            "bertworks.refusal": exchange.reason,
        }
        if exchange.version:  # Else it is whatever the client wrote.
            facts["bertworks.model"] = exchange.model
        if rpc:
            facts |= {"rpc.system": "grpc", "rpc.method": "ModelInfer"}
        else:
            facts |= {
                "http.request.method": "POST",
                "http.route": route.get(exchange.protocol, exchange.protocol),
                "http.response.status_code": exchange.status,
            }
        name = "ModelInfer" if rpc else f"POST {facts['http.route']}"
        status = {"code": _ERROR} if exchange.status >= 500 else {}
        spans = [_span(trace, own, parent, name, _SERVER, start, whole, facts, status)]
        by_stage = stages(exchange)
        for stage in _ORDER:
            if (taken := _nanoseconds(by_stage.get(stage, 0.0))) > 0:
                spans.append(_span(trace, self._id(8), own, stage, _INTERNAL, start, taken, {}, {}))
                start += taken
        return spans


def _span(
    trace: str, own: str, parent: str, name: str, kind: int, start: int, taken: int,
    facts: Mapping[str, Any], status: Mapping[str, int],
) -> dict[str, Any]:  # fmt: skip
    return {
        "traceId": trace, "spanId": own, **({"parentSpanId": parent} if parent else {}),
        "name": name, "kind": kind,
        "startTimeUnixNano": str(start), "endTimeUnixNano": str(start + taken),
        "attributes": _attributes(facts), "status": dict(status),
    }  # fmt: skip


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Attributes as the protocol's JSON has them; empty ones are left out."""
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else
         {"stringValue": str(value)}}
        for key, value in values.items()
        if value != ""
    ]  # fmt: skip


def _pairs(text: str) -> dict[str, str]:
    """KEY=VALUE,KEY=VALUE, the values percent-encoded."""
    parts = (one.partition("=") for one in text.split(",") if "=" in one)
    return {key.strip(): urllib.parse.unquote(value.strip()) for key, _, value in parts}
