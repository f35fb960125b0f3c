"""What stands before kserve's application: every request passes here, and few get through at once.

A pure ASGI application. Health, metadata and metrics pass straight; requests for answers have their
body read within limits and stand in line. kserve decodes a body only when it is its turn, so that
what waits is bytes.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bertworks.serving.http import log
from bertworks.serving.http.line import Line, Ticket, current
from bertworks.serving.meters import Turned
from bertworks.serving.refusals import Cancelled, Refused, setting
from bertworks.spec.limits import Limits

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TICKET = "bertworks.ticket"
"""Where a scope holds its Ticket."""
LARGE = 1 << 16
"""Bytes from which the bodies that are being read share a budget."""
BODIES_AT_ONCE = 32
"""The budget for large bodies that are being read, in bodies of the size allowed."""
MARGIN_SECONDS = 2.0
"""Of the grace: for what is computed to notice that it is over, and for its answer to go out."""

_WORK = re.compile(r"/v1/models/[^/]+:\w+|/v2/models/[^/]+(/versions/[^/]+)?/infer")


class Gone(Exception):
    """The client went away."""


class Gate:
    """Guards an application.

    Args:
        app: What answers.
        limits: Of bodies, times and the line.
        running: Requests that are computed at once.
    """

    def __init__(self, app: App, limits: Limits, running: int) -> None:
        self.app, self.limits = app, limits
        self.line = Line(limits, running)
        self.draining = False
        self._reading = 0
        self._turned = Turned(lambda: self.line.waiting)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request; whatever goes wrong, the client gets a status and the log one line."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        answer = _Answer(send)
        ticket = scope[TICKET] = Ticket()
        began = time.perf_counter()
        try:
            if _WORK.fullmatch(scope["path"]):
                await self._work(ticket, scope, receive, answer)
            else:
                await self.app(scope, receive, answer)
        except Refused as refusal:
            ticket.reason = refusal.reason
            await answer.refuse(refusal)
        except Gone:
            answer.status, ticket.reason = 499, "gone"
        except asyncio.CancelledError:  # The grace is over, and this was still not done.
            ticket.reason = "ending"
            await answer.refuse(_ending())
        except Exception as error:  # kserve's application answered 500 already, or could not
            ticket.reason = "fault"
            log.fault(error)
            await answer.refuse(
                Refused(
                    500, "fault", f"The server failed ({type(error).__name__}).", "See its log."
                )
            )
        finally:
            if ticket.reason:
                self._turned.count(ticket.reason)
            log.request(scope, answer.status, ticket.reason, time.perf_counter() - began)

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
                self.line.refuse_all(_ending)
                return
            self.line.refuse_late(left, _ending)
            await asyncio.sleep(min(tick, left))

    async def _work(self, ticket: Ticket, scope: Scope, receive: Receive, send: _Answer) -> None:
        if self.draining:
            raise _ending()
        headers = _headers(scope)
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Refused(415, "encoding", "The body must not be compressed.", "Send it as it is.")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit():
            raise Refused(400, "length", "Content-Length must be a number.")
        self._check_size(int(length), whole=True)
        self.line.check_room()
        body = await self._read(receive)
        ticket.size = len(body)
        gone = asyncio.ensure_future(_wait_until_gone(receive))
        try:
            await self._in_line(ticket, scope, body, gone, send)
        finally:
            gone.cancel()

    async def _in_line(
        self,
        ticket: Ticket,
        scope: Scope,
        body: bytes,
        gone: asyncio.Future[None],
        send: _Answer,
    ) -> None:
        entering = asyncio.ensure_future(self.line.enter(ticket))
        try:
            await asyncio.wait({entering, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not entering.done():
                entering.cancel()
                await asyncio.wait({entering})
                if entering.cancelled():
                    raise Gone
            entering.result()
            gone.add_done_callback(lambda _: ticket.cancel())
            await self._compute(ticket, scope, _replay(body, gone), send)
        finally:
            entering.cancel()
            self.line.leave(ticket)
        if ticket.cancelled and ticket.refusal is None:
            raise Gone

    async def _compute(self, ticket: Ticket, scope: Scope, receive: Receive, send: _Answer) -> None:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self.limits.seconds, ticket.cancel, _too_slow(self.limits))
        token = current.set(ticket)
        try:
            await self.app(scope, receive, send)
        except Cancelled:
            if ticket.refusal is not None:
                raise ticket.refusal from None
        finally:
            current.reset(token)
            timer.cancel()

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
    """Passes an answer on and remembers its status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    async def refuse(self, refusal: Refused) -> None:
        """Answers with a refusal, unless an answer has begun."""
        if self.status:
            return
        body = json.dumps({"error": refusal.said}).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        if refusal.retry_after is not None:
            headers.append((b"retry-after", str(refusal.retry_after).encode()))
        if refusal.close:
            headers.append((b"connection", b"close"))
        await self({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self({"type": "http.response.body", "body": body})


def _headers(scope: Scope) -> dict[bytes, bytes]:
    return dict(scope["headers"])


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


def _ending() -> Refused:
    return Refused(
        503, "ending", "The server is stopping and cannot answer this in time.", "Ask again.",
        retry_after=1, close=True,
    )  # fmt: skip


def _too_slow(limits: Limits) -> Refused:
    return Refused(
        503, "slow", f"The answer took more than {limits.seconds:g} s.",
        setting("seconds", 2 * limits.seconds), retry_after=1,
    )  # fmt: skip
