"""One request from its arrival to its answer, and who is told of it afterwards."""

from __future__ import annotations

import asyncio
import queue
import re
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bertworks.serving import log
from bertworks.serving.review.verdict import Verdict
from bertworks.tasks.forms.form import Row
from bertworks.tasks.handler import Answer

EXCHANGE = "bertworks.exchange"
"""Where a scope holds its Exchange."""
CALLER = "bertworks.caller"
"""Where a scope holds who calls, once that is known."""
IDENTITY = "bertworks.request"
"""Where a scope holds what its request is called, once that is known."""
GONE = "bertworks.gone"
"""Where a scope holds a future that is done once the client has left."""
WHOLE = "bertworks.whole"
"""What a scope says once the body is all there."""
HELD = 4096
"""Exchanges that wait for the observers, at most."""
GATHER_SECONDS = 0.002
"""How long the observers' thread rests when it has told of all: to be woken for each request costs more
than what it does."""
RECORD_SECONDS = 5.0
"""How long an answer waits until it is recorded, at most: a disk may hang."""
_IDENTIFIER = re.compile(rb"[\x21-\x7e]{1,128}")


def request_id(headers: Mapping[bytes, bytes]) -> str:
    """What a request is called: its own `x-request-id`, or a new one where it has none that will do."""
    given = headers.get(b"x-request-id", b"")
    return given.decode("ascii") if _IDENTIFIER.fullmatch(given) else secrets.token_hex(16)


class Caller(Protocol):
    """Who calls; `access.caller.Caller` is one.

    Attributes:
        id: The key's id, never the key.
        models: Names of the models that it may ask; empty: all.
        admin: Whether it may change what is served.
    """

    @property
    def id(self) -> str: ...
    @property
    def models(self) -> Sequence[str]: ...
    @property
    def admin(self) -> bool: ...
    def may_ask(self, model: str) -> bool:
        """Whether it may ask this model."""

    def charge_texts(self, count: int) -> None:
        """Counts rows before they are computed; raises `Refused` where they are too many."""


@dataclass
class Exchange:
    """One request that asks a model, and what became of it.

    Attributes:
        id: The client's `x-request-id`, or one of ours; it stands in the answer's headers too.
        protocol: v1, v2 or grpc.
        model: The model's name in the URL.
        client: The address that it came from.
        caller: Who asks; None: nobody was asked for a key.
        version: What was served; empty where the request came to no bundle.
        digest: Of the bundle that answered; empty likewise.
        rows: What was asked; none where it could not be read.
        answers: One a row, as the model gave them; none where it was refused.
        verdicts: What the review made of each answer; none where there is no review.
        status: HTTP status of the answer (gRPC: the one that its code stands for); 499: the client left.
        reason: Why there is no answer, in one word; empty: there is one.
        bytes: Of the request's body.
        trace: The request's `traceparent`, as the client wrote it; cut.
        arrived: Seconds since 1970.
        cost: Seconds of the engine's threads that its rows took.
        recorded: Whether the recorders were told of it.
        seconds: By stage: read (the body), wait (in line), decode, queue (for a thread), compute,
            encode, and whole.
    """

    protocol: str
    model: str
    id: str = ""
    client: str = ""
    caller: Caller | None = None
    version: str = ""
    digest: str = ""
    rows: Sequence[Row] = ()
    answers: Sequence[Answer] = ()
    verdicts: Sequence[Verdict | None] = ()
    status: int = 0
    reason: str = ""
    bytes: int = 0
    trace: str = ""
    arrived: float = field(default_factory=time.time)
    cost: float = 0.0
    recorded: bool = False
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.id = self.id or secrets.token_hex(16)
        self._began = self._lap = time.perf_counter()

    def stage(self, name: str) -> None:
        """Books the time since the last stage ended."""
        now = time.perf_counter()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._lap
        self._lap = now

    def end(self, status: int, reason: str) -> None:
        """Closes the account."""
        self.status, self.reason = status, reason
        self.seconds["whole"] = time.perf_counter() - self._began


class Observer(Protocol):
    """Is told of every exchange after its answer went out, on a thread of its own."""

    def answered(self, exchange: Exchange) -> None:
        """Takes note. What it raises is counted and logged, and fails no request."""


class Recorder(Protocol):
    """Keeps account of exchanges, before their answers go out."""

    def note(self, exchange: Exchange, written: asyncio.Future[None] | None = None) -> None:
        """Takes an exchange; called on the event loop, so it must not wait.

        Args:
            exchange: With its status and reason.
            written: To be ended, on its loop, once the exchange is on record; None: nobody waits.
        """


class Observers:
    """Tells observers, off the event loop and in the order of the answers; recorders before these.

    Where they cannot follow, what is more than `HELD` exchanges behind is dropped and counted.

    Attributes:
        failed: Times that one raised.
        dropped: Exchanges that none of them was told of.
    """

    def __init__(self, observers: Sequence[Observer] = ()) -> None:
        self._observers = list(observers)
        self._recorders: list[Recorder] = []
        self._told: queue.SimpleQueue[Exchange | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.failed = self.dropped = 0

    def add(self, observer: Observer) -> None:
        """Has one more be told."""
        self._observers.append(observer)

    def record(self, recorder: Recorder) -> None:
        """Has a recorder be told, before answers go out."""
        self._recorders.append(recorder)

    async def recorded(self, exchange: Exchange) -> None:
        """Has an answer recorded before it goes out; a refusal waits for nothing."""
        if exchange.recorded or not self._recorders:
            return
        exchange.recorded = True
        if exchange.reason:
            self._note(exchange)
            return
        loop = asyncio.get_running_loop()
        written = []
        for recorder in self._recorders:
            written.append(loop.create_future())
            recorder.note(exchange, written[-1])
        _, late = await asyncio.wait(written, timeout=RECORD_SECONDS)
        if late:
            log.LOGGER.warning(
                "%s is answered though it is not on record after %g s: the disk hangs.",
                exchange.id, RECORD_SECONDS,
            )  # fmt: skip

    def _note(self, exchange: Exchange) -> None:
        for recorder in self._recorders:
            recorder.note(exchange)

    def tell(self, exchange: Exchange) -> None:
        """Has them be told; never waits."""
        if not exchange.recorded:
            exchange.recorded = True
            self._note(exchange)
        if not self._observers:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="observers", daemon=True)
            self._thread.start()
        if self._told.qsize() < HELD:
            self._told.put(exchange)
        else:
            self.dropped += 1

    def close(self, seconds: float = 10.0) -> None:
        """Waits until all were told, for so long at most."""
        if self._thread is not None:
            self._told.put(None)
            self._thread.join(seconds)

    def _run(self) -> None:
        while (exchange := self._told.get()) is not None:
            for observer in self._observers:
                try:
                    observer.answered(exchange)
                except Exception as error:
                    self.failed += 1
                    log.fault(error)
            if self._told.empty():
                time.sleep(GATHER_SECONDS)
