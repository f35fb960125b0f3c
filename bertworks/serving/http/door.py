"""What is answered as soon as its head is read: probes, and requests for which there is no room.

Under overload most requests are refused, and what each of them costs is lacking for answers. So a
refusal is one write, before a task is begun for the request; the meters, the log and the observers are
told of many at once. And a probe does not stand behind the requests that were read before it.

Who asks is not looked at here: what is refused for want of room has no caller in the audit log, and is
charged to nobody.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from bertworks.serving import log
from bertworks.serving.exchange import EXCHANGE, Exchange, request_id
from bertworks.serving.http.reply import App, Receive, Reply, Scope, Send, of_error
from bertworks.serving.refusals import SURPLUS

if TYPE_CHECKING:
    from bertworks.serving.http.gate import Gate
    from bertworks.serving.models.registry import Registry

LET_IN = "bertworks.let_in"
"""What a scope says of a request that passed the door, until the application has begun with it."""
TELL_SECONDS = 0.1
"""Between two times that others are told of what was refused."""
LINES = 10
"""Lines of the log a second about what was refused, at most; one more says how many there would be."""
FRESH_SECONDS = 0.05
"""For how long a refusal is said in the same words."""

_MODEL_READY = re.compile(r"/v2/models/([^/]+)/ready")
_PHRASES = {200: b"OK", 429: b"Too Many Requests"}


class Door:
    """An ASGI layer before all others, which a connection asks for an answer at once.

    Args:
        app: What answers else.
        gate: Whose line is asked for room, and whose observers are told.
        models: Whose health is told.
    """

    def __init__(self, app: App, gate: Gate, models: Registry) -> None:
        self.app, self._gate, self._models = app, gate, models
        self._coming = 0
        self._refused: list[Exchange] = []
        self._telling = False
        self._second, self._lines, self._unwritten = 0.0, 0, 0
        self._said: Reply | None = None
        self._said_until = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on."""
        if scope.pop(LET_IN, False):
            self._coming -= 1
        await self.app(scope, receive, send)

    def at_once(
        self, scope: Scope, method: bytes, path: str, age: Callable[[], float], *, keep: bool
    ) -> bytes | None:
        """The whole answer to a request whose head was read; None: it is to be passed on.

        Args:
            scope: With the headers and the client; what is to be passed on may be marked in it.
            method: How it is asked.
            path: Where.
            age: Seconds since it came to this machine.
            keep: Whether the connection goes on afterwards.
        """
        if method == b"GET":
            healthy = self._healthy(path)
            return None if healthy is None else written(healthy, {}, keep=keep)
        asked = self._gate.asks(path) if method == b"POST" else None
        if asked is None or self._gate.draining:
            return None
        if self._gate.line.has_room(self._coming, age):
            if not scope.get(SURPLUS):
                # Until its task has begun, the line does not know of it, and more may be read meanwhile.
                scope[LET_IN] = True
                self._coming += 1
            return None
        reply = self._refusal()
        client = scope["client"] or ("", 0)
        identity = request_id(dict(scope["headers"]))
        exchange = Exchange(*asked, identity, client[0])
        exchange.end(reply.status, reply.reason)
        self._note(exchange, path, client)
        return written(reply, {"x-request-id": exchange.id}, keep=keep)

    def tell(self) -> None:
        """Tells meters, log and observers of what was refused since they were told."""
        self._telling = False
        refused, self._refused = self._refused, []
        for reason, count in Counter(one.reason for one in refused).items():
            self._gate.turned.count(reason, count)
        for exchange in refused:
            self._gate.observers.tell(exchange)
        if (now := time.monotonic()) >= self._second + 1:
            if self._unwritten:
                log.LOGGER.warning("%d more requests were refused: too busy.", self._unwritten)
            self._second, self._lines, self._unwritten = now, 0, 0
        if self._unwritten:
            self._tell_soon()

    def _healthy(self, path: str) -> Reply | None:
        """What a probe is told where all is well; None: it is no probe, or not all is well."""
        if path == "/v2/health/live":
            return Reply.json({"live": True}) if self._models.alive else None
        if path == "/v2/health/ready":
            return Reply.json({"ready": True}) if self._models.ready else None
        if (found := _MODEL_READY.fullmatch(path)) and self._models.alive:
            known = {model.name for model in self._models if model.ready}
            return Reply.json({"name": found[1], "ready": True}) if found[1] in known else None
        return None

    def _refusal(self) -> Reply:
        if self._said is None or time.monotonic() >= self._said_until:
            self._said = of_error(self._gate.line.refusal(self._coming))
            self._said_until = time.monotonic() + FRESH_SECONDS
        return self._said

    def _note(self, exchange: Exchange, path: str, client: tuple[str, int]) -> None:
        self._refused.append(exchange)
        if not self._telling:
            self._tell_soon()
        if self._lines < LINES:
            self._lines += 1
            scope: dict[str, Any] = {"method": "POST", "path": path, "client": client}
            scope[EXCHANGE] = exchange
            log.request(scope, exchange.status, exchange.reason, exchange.seconds["whole"])
        else:
            self._unwritten += 1

    def _tell_soon(self) -> None:
        self._telling = True
        asyncio.get_running_loop().call_later(TELL_SECONDS, self.tell)


def written(reply: Reply, more: Mapping[str, str], *, keep: bool) -> bytes:
    """A whole answer as HTTP/1.1 has it.

    Args:
        reply: The answer.
        more: More headers.
        keep: Whether the connection goes on afterwards.
    """
    headers = {
        "content-type": reply.media,
        "content-length": str(len(reply.body)),
        **reply.headers,
        **more,
    }
    if not keep:
        headers["connection"] = "close"
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    status = b"HTTP/1.1 %d %s\r\n" % (reply.status, _PHRASES[reply.status])
    return b"".join([status, lines.encode("latin-1"), b"\r\n", reply.body])
