"""One client's connection: uvicorn's, which trusts everybody, with bounds on what it may hold open.

uvicorn's protocol over httptools has no limit on headers and no time-out but the one between two
requests. Here headers are counted and must come in time, an unfinished body behind an early answer
is read and thrown away for a while only, an answer must be taken, and when there are too many
connections the one that has been idle longest goes.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bertworks.serving import log
from bertworks.spec.limits import Limits

HEAD_BYTES = 32 * 1024
HEADERS = 100
PIPELINED = 8
LINGER_SECONDS = 5.0
"""How long the rest of a refused body is still read: a client that is cut off sees no answer."""
LINGER_BYTES = 64 * 2**20
TAKE_SECONDS = 30.0
"""How long a client may take to read its answer."""
UNTAKEN_BYTES = 64 * 2**20
"""Of all answers that clients have not read yet: past that, who has been reading longest is dropped."""


class _TooLarge(Exception):
    """The headers are too large."""


class Connection(HttpToolsProtocol):
    """A connection with limits.

    Args:
        limits: Of times and connections.
        kept: uvicorn's arguments.
    """

    def __init__(self, *, limits: Limits, **kept: Any) -> None:
        super().__init__(**kept)
        self._limits = limits
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._fed = self._head = self._fields = self._body = self._unwanted = 0
        self._in_head, self._complete = False, True
        self._refusal: tuple[int, str] | None = None
        self.idle_since = self.loop.time()

    # The transport's side

    def connection_made(self, transport: Any) -> None:
        """Takes the connection, if there is room or can be made."""
        super().connection_made(transport)
        self._expect_head()
        if len(self.connections) > self._limits.connections:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drops all timers."""
        for name in list(self._timers):
            self._stop(name)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses what came, unless its overhead is out of proportion."""
        self._fed += len(data)
        if self._complete and "head" not in self._timers and self.idle:
            self._expect_head()
        super().data_received(data)
        if self.parser is None or self.transport.is_closing():
            return
        if self._in_head and self._fed > HEAD_BYTES:
            self._refuse(431, "The headers are too large.")
        elif not self._complete and self._fed - self._body > 2 * HEAD_BYTES + 16 * self._body:
            # Chunks of a byte, with long extensions or trailers.
            self._refuse(400, "The body's chunks are too small.")

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or bool(self.cycle.response_complete)

    # The parser's side

    def on_message_begin(self) -> None:
        """Begins a request."""
        self._head = self._fields = self._body = 0
        self._in_head, self._complete = True, False
        if "head" not in self._timers:
            self._expect_head()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Takes a part of the URL."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes a header, or a trailer."""
        self._fields += 1
        self._count(len(name) + len(value) + 4)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begins to answer."""
        self._in_head = False
        self._stop("head")
        if len(self.pipeline) >= PIPELINED:
            self.transport.abort()
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Takes a part of the body; one that nobody wants any more is thrown away."""
        self._body += len(body)
        if self.cycle.response_complete:
            self._unwanted += len(body)
            if self._unwanted > LINGER_BYTES:
                self.transport.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Ends a request."""
        self._complete = True
        self._fed = self._unwanted = 0
        self._stop("linger")
        super().on_message_complete()

    # The answer's side

    def on_response_complete(self) -> None:
        """Waits for the next request; for a while."""
        self.idle_since = self.loop.time()
        super().on_response_complete()
        if not self._complete:
            self._start("linger", LINGER_SECONDS, self.transport.abort)
        if self.transport.get_write_buffer_size():
            self._start("take", TAKE_SECONDS, self._drop_unless_taken)
            self._bound_untaken()

    def timeout_keep_alive_handler(self) -> None:
        """Closes a connection on which no request came."""
        self._drop_unless_taken()
        super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """Says what the parser did not take."""
        status, told = self._refusal or (400, msg)
        self._refusal = None
        self._refuse(status, told)

    def _refuse(self, status: int, told: str) -> None:
        """Answers by hand, where there is no request that could be answered, and closes."""
        if self.transport.is_closing():
            return
        log.connection(self.client, status, told)
        if self.idle or self.cycle.response_started is False:
            phrases = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too "
                       "Large", 429: "Too Many Requests"}  # fmt: skip
            body = f'{{"error": "{told}"}}'
            head = [f"HTTP/1.1 {status} {phrases[status]}", "content-type: application/json",
                    f"content-length: {len(body)}", "connection: close"]  # fmt: skip
            if status == 429:
                head.append("retry-after: 1")
            self.transport.write("\r\n".join([*head, "", body]).encode("ascii"))
        self.transport.close()

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > HEAD_BYTES or self._fields > HEADERS:
            self._refusal = 431, f"There must be at most {HEADERS} headers of {HEAD_BYTES} bytes."
            raise _TooLarge

    def _expect_head(self) -> None:
        self.idle_since = self.loop.time()
        self._start("head", self._limits.head_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._timers.pop("head", None)
        if not self._in_head and self._fed == 0:  # Nothing was asked.
            self.transport.close()
        else:
            self._refuse(408, "The headers were not all there in time.")

    def _drop_unless_taken(self) -> None:
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def _bound_untaken(self) -> None:
        """Drops clients that let their answers lie, until the others' fit into memory."""
        lying = {
            one: one.transport.get_write_buffer_size()
            for one in self.connections
            if isinstance(one, Connection)
        }
        whole = sum(lying.values())
        for one in sorted(lying, key=lambda one: one.idle_since):
            if whole <= UNTAKEN_BYTES:
                return
            if lying[one]:
                whole -= lying[one]
                log.connection(one.client, 408, "The answers were not taken.")
                one.transport.abort()

    def _make_room(self) -> None:
        """Drops the connection that has been idle longest; if none is, this one."""
        others = [
            one
            for one in self.connections
            if isinstance(one, Connection) and one is not self and one.idle
        ]
        if others:
            min(others, key=lambda one: one.idle_since).transport.abort()
        else:
            self._refuse(429, "There are too many connections.")

    def _start(self, name: str, seconds: float, action: Any) -> None:
        self._stop(name)
        self._timers[name] = self.loop.call_later(seconds, action)

    def _stop(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()
