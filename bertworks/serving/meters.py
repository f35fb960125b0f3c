"""What the server counts, for Prometheus, at /metrics."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from bertworks.serving.exchange import Exchange
from bertworks.serving.identity import BundleIdentity

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram

SECONDS = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.125, 0.25, 0.5, 1, 2, 4, 8)
_ANSWERING = ("queue", "compute", "encode")
"""Stages of an exchange from a decoded request to its answer."""
_CANCELLED = ("gone", "cancelled", "slow", "deadline", "ending")
"""Reasons for which nobody waited, or the time was over."""
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Meters:
    """The meters of one served model.

    Args:
        name: The model's name in the URLs.
    """

    def __init__(self, name: str) -> None:
        self._name, self._all = name, _registered()
        self._served: tuple[str, ...] | None = None
        self._running = self._all.in_progress.labels(name)
        self._running.set(0)
        for outcome in ("answered", "refused", "failed", "cancelled"):
            self._all.requests.labels(name, outcome)  # So that each is 0 from the start.
        self._all.rows.labels(name)

    def serves(self, identity: BundleIdentity, engine: str) -> None:
        """Says which bundle answers now.

        Args:
            identity: The bundle.
            engine: What runs its graph.
        """
        if self._served is not None:
            self._all.info.remove(*self._served)
        self._served = (self._name, str(identity.version or ""), identity.digest[:12], engine)
        self._all.info.labels(*self._served).set(1)
        known = (self._all.created, identity.created), (self._all.limit, identity.latency_limit)
        for gauge, value in known:
            if value is not None:
                gauge.labels(self._name).set(value)

    def running(self) -> AbstractContextManager[None]:
        """Counts a request as in progress while the block runs."""
        return self._running.track_inprogress()

    def ended(self, exchange: Exchange) -> None:
        """Counts a request by how it ended, and where it was answered its rows and seconds."""
        self._all.requests.labels(self._name, outcome_of(exchange)).inc()
        rows = len(exchange.answers)
        if rows and not exchange.reason:
            size = "one" if rows == 1 else "many"
            seconds = sum(exchange.seconds.get(stage, 0.0) for stage in _ANSWERING)
            self._all.seconds.labels(self._name, size).observe(seconds)
            self._all.request_rows.labels(self._name).observe(rows)
            self._all.rows.labels(self._name).inc(rows)


class Ended:
    """An observer that counts how requests end.

    Args:
        meters: The meters of a model by its name; None: there is no such model.
    """

    def __init__(self, meters: Callable[[str], Meters | None]) -> None:
        self._meters = meters

    def answered(self, exchange: Exchange) -> None:
        """Counts an exchange."""
        meters = self._meters(exchange.model)
        if meters is not None:
            meters.ended(exchange)


def outcome_of(exchange: Exchange) -> str:
    """How a request ended, as `bertworks_requests` has it."""
    if not exchange.reason:
        return "answered"
    if exchange.reason in _CANCELLED:
        return "cancelled"
    return "failed" if exchange.status >= 500 else "refused"


class Turned:
    """The meters of what got no answer; one a process.

    Args:
        waiting: Says how many requests wait now.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        registered = _registered()
        registered.waiting.set_function(waiting)
        self._turned = registered.turned
        for reason in ("busy", "long", "late", "waited"):
            self._turned.labels(reason)

    def count(self, reason: str, count: int = 1) -> None:
        """Counts one, or some."""
        self._turned.labels(reason).inc(count)


def turned_away(reason: str) -> None:
    """Counts a request that was refused before it came to the gate."""
    _registered().turned.labels(reason).inc()


class _Registered(NamedTuple):
    info: Gauge
    created: Gauge
    limit: Gauge
    requests: Counter
    rows: Counter
    request_rows: Histogram
    seconds: Histogram
    in_progress: Gauge
    waiting: Gauge
    turned: Counter


@cache
def _registered() -> _Registered:
    """Registered once a process: Prometheus refuses a name twice."""
    from prometheus_client import Counter, Gauge, Histogram

    model = ["model_name"]
    return _Registered(
        info=Gauge(
            "bertworks_model_info",
            "1 for the bundle that serves.",
            [*model, "model_version", "digest", "engine"],
        ),
        created=Gauge(
            "bertworks_model_created_timestamp_seconds",
            "When the bundle that serves was registered.",
            model,
        ),
        limit=Gauge(
            "bertworks_latency_limit_seconds",
            "What the gates allowed one row at p95.",
            model,
        ),
        requests=Counter(
            "bertworks_requests",
            "Requests that reached the model, by outcome: answered, refused (the client's fault), "
            "failed (ours), cancelled (the client left, or the time was over).",
            [*model, "outcome"],
        ),
        rows=Counter("bertworks_rows", "Rows answered.", model),
        request_rows=Histogram(
            "bertworks_request_rows", "Rows of an answered request.", model, buckets=ROWS
        ),
        seconds=Histogram(
            "bertworks_request_seconds",
            "Seconds from a decoded request to its answer, by rows in it: one, many.",
            [*model, "rows"],
            buckets=SECONDS,
        ),
        in_progress=Gauge(
            "bertworks_requests_in_progress", "Requests that are being answered.", model
        ),
        waiting=Gauge("bertworks_requests_waiting", "Requests that wait for their turn."),
        turned=Counter(
            "bertworks_requests_turned_away",
            "Requests that got no answer, by reason: busy, body, rows, json, gone and others.",
            ["reason"],
        ),
    )
