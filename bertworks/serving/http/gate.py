"""What stands before the application: every request passes here, and few get through at once.

A pure ASGI application. Health, metadata and metrics pass straight; requests for answers have their
body read within limits and stand in line. A body is decoded only when it is its turn, so that what waits
is bytes.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from functools import partial

from bertworks.serving import log
from bertworks.serving.exchange import (
    CALLER,
    EXCHANGE,
    GONE,
    IDENTITY,
    WHOLE,
    Exchange,
    Observers,
    request_id,
)
from bertworks.serving.http.app import asks
from bertworks.serving.http.reply import App, Message, Receive, Scope, Send, of_error
from bertworks.serving.line import TICKET, Line, Ticket
from bertworks.serving.meters import Turned
from bertworks.serving.refusals import (
    SURPLUS,
    Cancelled,
    Refused,
    crowded,
    ending,
    setting,
    too_late,
    too_slow,
)
from bertworks.spec.limits import Limits

LARGE = 1 << 16
"""Bytes from which the bodies that are being read share a budget."""
BODIES_AT_ONCE = 32
"""The budget for large bodies that are being read, in bodies of the size allowed."""
LONGEST_TRACE = 200
"""Characters of a `traceparent` that are looked at."""
MARGIN_SECONDS = 2.0
"""Of the grace: for what is computed to notice that it is over, and for its answer to go out."""

TIMEOUTS = (b"x-request-timeout-ms", b"x-envoy-expected-rq-timeout-ms")
"""Headers that say how many milliseconds the client, or the proxy before it, will wait."""


Asking = Callable[[str], tuple[str, str] | None]
"""From a path to the protocol and the name of what it asks; None: it asks nothing of that room."""


class Gone(Exception):
    """The client went away."""


class Gate:
    """Guards an application.

    Args:
        app: What answers.
        limits: Of bodies, times and the line.
        line: Where requests stand; those that come over gRPC may stand in the same.
        observers: Told of every exchange; None: nobody is.
        asking: Each knows paths of its room that ask for an answer as a model's do.
    """

    def __init__(
        self,
        app: App,
        limits: Limits,
        line: Line,
        observers: Observers | None = None,
        asking: Sequence[Asking] = (),
    ) -> None:
        self.app, self.limits, self.line = app, limits, line
        self.observers, self._asking = observers or Observers(), asking
        self.draining = False
        self._reading = 0
        self.turned = Turned(lambda: self.line.waiting)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request; whatever goes wrong, the client gets a status and the log one line."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        ticket = scope[TICKET] = Ticket()
        answer = _Answer(send, ticket, self.observers)
        began = time.perf_counter()
        exchange: Exchange | None = None
        try:
            if (asked := self.asks(scope["path"])) is not None and scope["method"] == "POST":
                headers = dict(scope["headers"])
                exchange = scope[EXCHANGE] = opened(*asked, scope, headers)
                answer.exchange = exchange
                await self._work(ticket, exchange, scope, headers, receive, answer)
            else:
                await self.app(scope, receive, answer)
        except Gone:
            answer.status, ticket.reason = 499, "gone"
        except asyncio.CancelledError:  # The grace is over, and this was still not done.
            await answer.refuse(ending())
        except Exception as error:
            if not isinstance(error, Refused):
                log.fault(error)
            await answer.refuse(error)
        finally:
            if ticket.reason:
                self.turned.count(ticket.reason)
            if exchange is not None:
                exchange.end(answer.status, ticket.reason)
                self.observers.tell(exchange)
            log.request(scope, answer.status, ticket.reason, time.perf_counter() - began)

    def asks(self, path: str) -> tuple[str, str] | None:
        """Protocol and name of what a path asks; None: it asks nothing that stands in line."""
        if (asked := asks(path)) is not None:
            return asked.protocol, asked.model
        return next((found for room in self._asking if (found := room(path)) is not None), None)

    async def drain(self, grace: float, tick: float = 0.2) -> None:
        """Answers what can be answered within `grace` seconds and refuses the rest, soon.

        Args:
            grace: Seconds from now in which all must be over.
            tick: Seconds between two looks.
        """
        self.draining = True
        loop = asyncio.get_running_loop()
        end = loop.time() + grace - MARGIN_SECONDS
        while self.line.running or self.line.waiting:
            left = end - loop.time()
            if left <= 0:
                self.line.refuse_all(ending)
                return
            self.line.refuse_late(left, ending)
            await asyncio.sleep(min(tick, left))

    async def _work(
        self,
        ticket: Ticket,
        exchange: Exchange,
        scope: Scope,
        headers: dict[bytes, bytes],
        receive: Receive,
        send: _Answer,
    ) -> None:
        if self.draining:
            raise ending()
        if scope.get(SURPLUS):
            raise crowded()
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Refused(415, "encoding", "The body must not be compressed.", "Send it as it is.")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise Refused(400, "length", "Content-Length must be a number.")
        self._check_size(int(length), whole=True)
        patience = _patience(headers)
        self.line.check_room()
        body = await (self._taken(receive) if scope.get(WHOLE) else self._read(receive))
        exchange.bytes = ticket.size = len(body)
        exchange.stage("read")
        if patience is not None:
            ticket.deadline = time.monotonic() + patience
        known = scope.get(GONE)  # A connection of ours tells; a task that listens costs more.
        gone = known or asyncio.ensure_future(_wait_until_gone(receive))

        def cancel(_: object) -> None:
            ticket.cancel()

        try:
            if not self.line.enter_at_once(ticket):
                await self._wait_in_line(ticket, gone)
            exchange.stage("wait")
            try:
                gone.add_done_callback(cancel)
                await self._compute(ticket, scope, _replay(body, gone), send)
            finally:
                self.line.leave(ticket)
        finally:
            gone.remove_done_callback(cancel)
            if known is None:
                gone.cancel()
        if ticket.cancelled and ticket.refusal is None:
            raise Gone

    async def _wait_in_line(self, ticket: Ticket, gone: asyncio.Future[None]) -> None:
        """Waits for the turn, unless the client leaves first."""
        entering = asyncio.ensure_future(self.line.enter(ticket))
        try:
            await asyncio.wait({entering, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not entering.done():
                entering.cancel()
                await asyncio.wait({entering})
                if entering.cancelled():
                    raise Gone
            entering.result()
        except BaseException:
            entering.cancel()
            self.line.leave(ticket)
            raise

    async def _compute(self, ticket: Ticket, scope: Scope, receive: Receive, send: _Answer) -> None:
        seconds = self.limits.seconds
        refusal: Callable[[], Refused] = partial(too_slow, self.limits)
        if ticket.deadline is not None and (left := ticket.deadline - time.monotonic()) < seconds:
            seconds, refusal = max(left, 0.0), too_late
        timer = asyncio.get_running_loop().call_later(seconds, lambda: ticket.cancel(refusal()))
        try:
            await self.app(scope, receive, send)
        except Cancelled:
            if ticket.refusal is not None:
                raise ticket.refusal from None
        finally:
            timer.cancel()

    async def _taken(self, receive: Receive) -> bytes:
        """A body that is all there: nothing is waited for."""
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body: bytes = message["body"]
        self._check_size(len(body), whole=True)
        return body

    async def _read(self, receive: Receive) -> bytes:
        """The whole body, as long as it is small enough and comes in time."""
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise Gone
                    part = message.get("body", b"")
                    parts.append(part)
                    more = message.get("more_body", False)
                    self._check_size(size + len(part), whole=not more)
                    self._hold(size, size + len(part))
                    size += len(part)
                    if not more:
                        return b"".join(parts)
        except TimeoutError:
            raise Refused(
                408, "slow-body",
                f"The body was not all there within {self.limits.body_seconds:g} s.",
                setting("body_seconds", 2 * self.limits.body_seconds),
                close=True,
            ) from None  # fmt: skip
        finally:
            self._reading -= size if size > LARGE else 0

    def _hold(self, before: int, after: int) -> None:
        """Counts a large body that is being read against the budget of all of them."""
        if after <= LARGE:
            return
        more = after - (before if before > LARGE else 0)
        if self._reading + more > BODIES_AT_ONCE * max(self.limits.body_bytes, LARGE):
            raise Refused(
                429, "bodies", "Too many large bodies are being read.", "Ask again later.",
                retry_after=1, close=True,
            )  # fmt: skip
        self._reading += more

    def _check_size(self, size: int, whole: bool) -> None:
        """Refuses a body that is too large; `whole`: the size is all of it, sent or declared."""
        if size > self.limits.body_bytes:
            shown = min(size, 1 << 40)  # what is declared is anybody's number, of any length
            needed = math.ceil(100 * shown / 2**20) / 100
            raise Refused(
                413, "body",
                f"A body must have at most {self.limits.body_bytes} bytes. Received: "
                f"{shown}{'' if whole and shown == size else ' or more'}",
                setting("body_mb", needed if whole else None),
            )  # fmt: skip


class _Answer:
    """Passes an answer on and remembers its status; one of an exchange once that is on record."""

    def __init__(self, send: Send, ticket: Ticket, observers: Observers) -> None:
        self._send, self._ticket, self._observers = send, ticket, observers
        self.exchange: Exchange | None = None
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if self.exchange is not None:
                message["headers"] = _with_id(message["headers"], self.exchange.id)
                self.exchange.end(message["status"], self._ticket.reason)
                await self._observers.recorded(self.exchange)
            self.status = message["status"]
        await self._send(message)

    async def refuse(self, error: Exception) -> None:
        """Answers with a refusal, unless an answer has begun."""
        reply = of_error(error)
        self._ticket.reason = reply.reason
        if not self.status:
            await reply.send(self)


def _with_id(headers: list[tuple[bytes, bytes]], identity: str) -> list[tuple[bytes, bytes]]:
    """Headers of an answer that say what its request is called."""
    if any(name == b"x-request-id" for name, _ in headers):
        return headers
    return [*headers, (b"x-request-id", identity.encode())]


def opened(protocol: str, model: str, scope: Scope, headers: dict[bytes, bytes]) -> Exchange:
    """The account of a request, as far as its head tells."""
    known = scope.get(IDENTITY) or request_id(headers)
    client = (scope.get("client") or ("",))[0]
    trace = headers.get(b"traceparent", b"")[:LONGEST_TRACE].decode("ascii", "replace")
    return Exchange(protocol, model, known, client, scope.get(CALLER), trace=trace)


def _patience(headers: dict[bytes, bytes]) -> float | None:
    """Seconds that the client waits; None: it does not say.

    Raises:
        Refused: It says so in no number.
    """
    told = [headers[name] for name in TIMEOUTS if name in headers]
    if not all(value.isdigit() and len(value) < 12 for value in told):
        raise Refused(400, "timeout", "A time-out must be a number of milliseconds.")
    return min((int(value) / 1000 for value in told), default=None)


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _replay(body: bytes, gone: asyncio.Future[None]) -> Receive:
    """Receives a body that was read before; after it, nothing but the client's going away."""
    parts = [body]

    async def receive() -> Message:
        if parts:
            return {"type": "http.request", "body": parts.pop(), "more_body": False}
        await asyncio.wait({gone})
        return {"type": "http.disconnect"}

    return receive
