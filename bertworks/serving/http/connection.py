"""One client's connection: uvicorn's, which trusts everybody, with bounds on what it may hold open.

uvicorn's protocol over httptools has no limit on headers and no time-out but the one between two
requests. Here headers are counted and must come in time, an unfinished body behind an early answer
is read and thrown away for a while only, an answer must be taken, and when there are too many
connections the one that has been idle longest goes (`crowd`). An answer that ends a connection is
followed by the end of what is written, and what the client still sends is read for a while: to close at
once would reset the connection, and the answer would be lost with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import socket
import sys
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bertworks.serving import log
from bertworks.serving.exchange import GONE, WHOLE
from bertworks.serving.http.crowd import Crowd
from bertworks.serving.http.door import Door
from bertworks.serving.meters import turned_away
from bertworks.serving.refusals import SURPLUS, crowded

HEAD_BYTES = 32 * 1024
HEADERS = 100
PIPELINED = 8
"""Requests behind the one that is answered, from which on no more of what was sent is parsed."""
SLICE = 512
"""Bytes that are parsed at once: requests in them, of 18 bytes at least, are all taken."""
LINGER_SECONDS = 5.0
"""How long the rest of a refused body is still read, and what comes behind a last answer."""
LINGER_BYTES = 64 * 2**20
TAKE_SECONDS = 30.0
"""How long a client may take to read its answer."""
LYING_BYTES = 64 * 1024
"""Of a client's answers, from which on it counts as one who lets them lie."""
UNTAKEN_BYTES = 64 * 2**20
"""Of all answers that clients have not read yet: past that, who has been reading longest is dropped."""


LAST_DATA = slice(52, 56)
"""Where Linux' `tcp_info` has `tcpi_last_data_recv`: milliseconds since data came."""


class _TooLarge(Exception):
    """The headers are too large."""


_REFUSED = {
    400: ("Bad Request", "http"),
    408: ("Request Timeout", "slow-head"),
    429: ("Too Many Requests", "connections"),
    431: ("Request Header Fields Too Large", "headers"),
}
"""Phrases of the statuses that are answered by hand, and what they are counted as."""


class Connection(HttpToolsProtocol):
    """A connection with limits.

    Args:
        crowd: All connections of the server, and its limits.
        door: Asked for an answer before a request is passed on; None: all are.
        kept: uvicorn's arguments.
    """

    def __init__(self, *, crowd: Crowd, door: Door | None = None, **kept: Any) -> None:
        super().__init__(**kept)
        self._crowd, self._limits, self._door = crowd, crowd.limits, door
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._fed = self._head = self._fields = self._body = self._unwanted = 0
        self._in_head, self._complete, self._deaf = False, True, False
        self._surplus = self._over = self._last = False
        self._behind = bytearray()
        self._refusal: tuple[int, str] | None = None
        self._gently = _Gently(self)
        self._gone: asyncio.Future[None] = self.loop.create_future()
        self.idle_since = self.loop.time()

    # The transport's side

    def connection_made(self, transport: Any) -> None:
        """Takes the connection; where there is no room for it, it is a surplus one."""
        super().connection_made(transport)
        self.flow = self._flow = _Flow(transport)
        self._start("head", self._limits.head_seconds, self._head_is_late)
        self._surplus = not self._crowd.enter(self, self.loop.time())

    def connection_lost(self, exc: Exception | None) -> None:
        """Drops all timers."""
        for name in list(self._timers):
            self._stop(name)
        self._behind.clear()
        self._crowd.leave(self)
        self._leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses what came, unless its overhead is out of proportion."""
        if self._deaf:
            self._unwanted += len(data)
            if self._unwanted > LINGER_BYTES:
                self.transport.abort()
            return
        if self._behind:
            self._behind += data
        else:
            self._parse(data)

    def _parse(self, data: bytes) -> None:
        """Parses what came, as long as not too many requests wait for their answers; the rest later."""
        for start in range(0, len(data), SLICE):
            if len(self.pipeline) >= PIPELINED:
                self._behind += data[start:]
                self._flow.hold()
                return
            self._feed(data[start : start + SLICE])
            if self.parser is None or self._deaf or self.transport.is_closing():
                return

    def _go_on(self) -> None:
        """Parses what was sent behind requests that are answered now."""
        data = bytes(self._behind)
        self._behind.clear()
        self._flow.release()
        if not (self._deaf or self.transport.is_closing()):
            self._parse(data)

    def _feed(self, data: bytes) -> None:
        self._fed += len(data)
        super().data_received(data)
        if self.parser is None or self._deaf or self.transport.is_closing():
            return
        if self._over:
            self.close_gently()
        elif self._in_head and self._fed > HEAD_BYTES:
            self._refuse(431, "The headers are too large.")
        elif self._in_head or (self._complete and self._fed and self.idle):
            if "head" not in self._timers:  # Most come whole, and need none.
                self._expect_head()
        elif self.cycle is _TOLD and not self._complete:
            if "linger" not in self._timers:
                self._start("linger", LINGER_SECONDS, self.transport.abort)
        elif not self._complete and self._fed - self._body > 2 * HEAD_BYTES + 16 * self._body:
            # Chunks of a byte, with long extensions or trailers.
            self._refuse(400, "The body's chunks are too small.")

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or bool(self.cycle.response_complete)

    @property
    def unread(self) -> bool:
        """Whether something that the client sent, or its end, lies in the system's hands."""
        descriptor = self.transport.get_extra_info("socket").fileno()
        if descriptor < 0:  # It was closed meanwhile.
            return False
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(0))

    def _age(self) -> float:
        """Seconds since the last that the client sent came to this machine; 0 where that is not told."""
        with contextlib.suppress(OSError, AttributeError):
            told = self.transport.get_extra_info("socket").getsockopt(
                socket.IPPROTO_TCP, socket.TCP_INFO, LAST_DATA.stop
            )
            return int.from_bytes(told[LAST_DATA], sys.byteorder) / 1000
        return 0.0

    def make_way(self) -> None:
        """Ends the connection for another one; who has begun to ask is told."""
        if self._in_head:
            self._refuse(429, crowded().said)
        else:
            self.transport.abort()

    def close_gently(self) -> None:
        """Closes the connection once the client has had time to read what was written."""
        if self._deaf or self.transport.is_closing():
            return
        if self._complete and not self.unread:
            self.transport.close()
            return
        self._deaf, self._unwanted = True, 0
        self._crowd.work(self)
        if not self.idle:  # Nobody reads what is still being computed.
            self._leave()
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._behind.clear()
        self._flow.release()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._start("linger", LINGER_SECONDS, self._lingered)

    # The parser's side

    def on_message_begin(self) -> None:
        """Begins a request."""
        self._head = self._fields = self._body = 0
        self._in_head, self._complete = True, False
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
        if self._over:  # The last answer is written.
            return
        if self._surplus:
            self._surplus = not self._crowd.room(self.loop.time(), self)
            self.scope[SURPLUS] = self._surplus  # type: ignore[literal-required]
        if self._door is not None and self.idle and self._answered_at_once(self._door):
            return
        self._crowd.work(self)
        self.scope[GONE] = self._gone  # type: ignore[literal-required]
        super().on_headers_complete()
        self.cycle.transport = self._gently  # type: ignore[assignment]
        if self._last:
            self.cycle.keep_alive = False

    def _answered_at_once(self, door: Door) -> bool:
        """Writes the answer to a request of which no more than its head is looked at, if it is one."""
        # Also one for which there is no room: to take it anew would cost more than to keep it.
        keep = self.parser.should_keep_alive() and not self._last
        path = httptools.parse_url(self.url).path.decode("ascii")
        said = door.at_once(
            self.scope,  # type: ignore[arg-type]
            self.parser.get_method(),
            unquote(path) if "%" in path else path,
            self._age,
            keep=keep,
        )
        if said is None:
            return False
        self.cycle, self._over = _TOLD, not keep
        self.transport.write(said)
        return True

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
        if not self._deaf:
            self._stop("linger")
        self.scope[WHOLE] = True  # type: ignore[literal-required]
        super().on_message_complete()
        if self.cycle is _TOLD:
            self.on_response_complete()

    # The answer's side

    def on_response_complete(self) -> None:
        """Waits for the next request; for a while."""
        if self._deaf:
            self.server_state.total_requests += 1
            self.pipeline.clear()
        else:
            super().on_response_complete()
            if self._behind and len(self.pipeline) < PIPELINED:
                self.loop.call_soon(self._go_on)
            if self.idle and not self.transport.is_closing():
                self._crowd.rest(self, self.loop.time())
            if not self._complete:
                self._start("linger", LINGER_SECONDS, self.transport.abort)
        # Smaller ones are still there mostly because they go out at the end of the loop's turn.
        if self.transport.get_write_buffer_size() > LYING_BYTES:
            self._start("take", TAKE_SECONDS, self._drop_unless_taken)
            self._bound_untaken()

    def shutdown(self) -> None:
        """Closes the connection; where a request is on the way, once that is answered."""
        if self.idle and (self._in_head or self.unread):
            self._last = True
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Closes a connection on which no request came, and none is on the way."""
        self._drop_unless_taken()
        if not self.unread:
            super().timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        """Says what the parser did not take."""
        status, told = self._refusal or (400, msg)
        self._refusal = None
        self._refuse(status, told)

    def _refuse(self, status: int, told: str) -> None:
        """Answers by hand, where there is no request that could be answered, and closes."""
        if self._deaf or self.transport.is_closing():
            return
        phrase, reason = _REFUSED[status]
        log.connection(self.client, status, told)
        turned_away(reason)
        if self.idle or self.cycle.response_started is False:
            body = json.dumps({"error": told})
            head = [f"HTTP/1.1 {status} {phrase}", "content-type: application/json",
                    f"content-length: {len(body)}", "connection: close"]  # fmt: skip
            if status == 429:
                head.append("retry-after: 1")
            self.transport.write("\r\n".join([*head, "", body]).encode("ascii"))
        self._complete = False  # Who was not understood may go on.
        self.close_gently()

    def _leave(self) -> None:
        """Tells whoever answers that nobody waits any more."""
        if not self._gone.done():
            self._gone.set_result(None)

    def _count(self, size: int) -> None:
        self._head += size
        if self._head > HEAD_BYTES or self._fields > HEADERS:
            self._refusal = 431, f"There must be at most {HEADERS} headers of {HEAD_BYTES} bytes."
            raise _TooLarge

    def _expect_head(self) -> None:
        self._crowd.rest(self, self.loop.time())
        self._start("head", self._limits.head_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._timers.pop("head", None)
        if self.unread:  # It is this side that is late.
            self._expect_head()
        elif not self._in_head and self._fed == 0:  # Nothing was asked.
            self.transport.close()
        else:
            self._refuse(408, "The headers were not all there in time.")

    def _lingered(self) -> None:
        if self.transport.get_write_buffer_size():
            self._start("linger", TAKE_SECONDS, self.transport.abort)
        else:
            self.transport.abort()

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

    def _start(self, name: str, seconds: float, action: Any) -> None:
        self._stop(name)
        self._timers[name] = self.loop.call_later(seconds, action)

    def _stop(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()


class _Flow(FlowControl):
    """uvicorn's, which reads on for each request; here nothing is read while enough lies there."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._held = False

    def hold(self) -> None:
        """Reads no more until `release`."""
        self._held = True
        self.pause_reading()

    def release(self) -> None:
        """Reads on."""
        self._held = False
        self.resume_reading()

    def resume_reading(self) -> None:
        """Reads on, unless it is held."""
        if not self._held:
            super().resume_reading()


class _Gently:
    """What an answer is written to: a transport that is not closed before it was read."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, data: bytes) -> None:
        """Writes."""
        self._connection.transport.write(data)

    def is_closing(self) -> bool:
        """Whether it is over."""
        return self._connection.transport.is_closing()

    def close(self) -> None:
        """See `Connection.close_gently`."""
        self._connection.close_gently()


_TOLD: Any = SimpleNamespace(
    response_started=True, response_complete=True, message_event=SimpleNamespace(set=lambda: None)
)
"""The cycle of a request that was answered at once."""
