"""Requests at a set rate, whether or not the server keeps up: what wrk does not do.

    python -m benchmarks.serving.paced URL BODIES RATE SECONDS

Each request is due at its time and its latency counts from there, so that a server that stops for a
while is charged for all who came meanwhile. Prints JSON: statuses with their counts, and p50 and p99 of
the seconds of what was answered with 200. What was not answered stands among the statuses by its kind:
`connect` (no connection came about), `reset` and `closed` (the connection ended before the answer, by a
reset or in order), `late` (nothing within a minute). A request on a connection that was kept and is
closed before an answer begins is asked once more on a new one, as HTTP clients do, and counted as
`again`. `sent_late` is how late this side was itself, p99: where that is much, it measures itself.
"""

from __future__ import annotations

import asyncio
import collections
import json
import resource
import sys
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import uvloop

MOST = 3000
"""Connections at once; a request that finds all of them busy waits here, and its seconds count."""
LONGEST = 60.0
"""Seconds that one request may take before it counts as broken."""
TICK = 0.001
"""Seconds between two looks at which requests are due."""


class Request(NamedTuple):
    """One that is due: when, what is sent, and whether it was sent before."""

    due: float
    sent: bytes
    again: bool = False


class Line(asyncio.Protocol):
    """A kept-alive connection that has one request at a time."""

    def __init__(self, load: Load) -> None:
        self._load, self._data = load, b""
        self.open, self.used = True, False
        self.asked: Request | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells what becomes of the request."""
        self.open = False
        asked, self.asked = self.asked, None
        self._load.lost(asked, exc, stale=self.used and not self._data)

    def ask(self, request: Request) -> None:
        """Sends a request."""
        self.asked = request
        self._transport.write(request.sent)  # type: ignore[attr-defined]

    def give_up(self) -> None:
        """Ends it."""
        self.asked = None
        self._transport.abort()  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Reads an answer with a Content-Length."""
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        fields = head.lower().split(b"\r\n")
        length = next(int(one[15:]) for one in fields if one.startswith(b"content-length:"))
        if len(body) >= length and self.asked is not None:
            self._data, self.used = b"", True
            self.open = b"connection: close" not in fields
            asked, self.asked = self.asked, None
            self._load.answered(self, asked, int(head[9:12]))


class Load:
    """Sends requests and keeps account of them: without a task for each, which would cost more than it.

    Args:
        host: Where to.
        port: Likewise.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._idle: list[Line] = []
        self._lines: set[Line] = set()
        self._waiting: collections.deque[Request] = collections.deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._held = 0
        self.statuses: collections.Counter[str] = collections.Counter()
        self.took: list[float] = []
        self.behind: list[float] = []

    @property
    def left(self) -> bool:
        """Whether any request is neither answered nor broken."""
        asked = any(line.asked is not None for line in self._lines)
        return bool(asked or self._waiting or self._connecting)

    def send(self, request: Request) -> None:
        """Sends a request; one that was sent before, on a new connection."""
        while self._idle and not request.again:
            line = self._idle.pop()
            if line.open:
                line.ask(request)
                return
        if self._held >= MOST:
            self._waiting.append(request)
            return
        self._held += 1
        task = asyncio.ensure_future(self._connect(request))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    def answered(self, line: Line, request: Request, status: int) -> None:
        """Counts an answer."""
        self.statuses[str(status)] += 1
        if status == 200:
            self.took.append(time.perf_counter() - request.due)
        if not line.open:
            return  # The next one goes when it is closed.
        if self._waiting:
            line.ask(self._waiting.popleft())
        else:
            self._idle.append(line)

    def lost(self, request: Request | None, error: Exception | None, *, stale: bool) -> None:
        """Counts a connection that ended, and the request on it."""
        self._held -= 1
        if request is not None and stale and not request.again:
            self.statuses["again"] += 1
            self._waiting.appendleft(request._replace(again=True))
        elif request is not None:
            self.statuses["reset" if isinstance(error, ConnectionResetError) else "closed"] += 1
        if self._waiting:
            self.send(self._waiting.popleft())

    def give_up(self, now: float) -> None:
        """Ends what has taken too long."""
        for line in [one for one in self._lines if not one.open and one.asked is None]:
            self._lines.discard(line)
        for line in self._lines:
            if line.asked is not None and now > line.asked.due + LONGEST:
                self.statuses["late"] += 1
                line.give_up()
        while self._waiting and now > self._waiting[0].due + LONGEST:
            self.statuses["late"] += 1
            self._waiting.popleft()

    async def _connect(self, request: Request) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LONGEST):
                _, line = await loop.create_connection(lambda: Line(self), self._host, self._port)
        except OSError as error:
            self._held -= 1
            self.statuses["late" if isinstance(error, TimeoutError) else "connect"] += 1
            return
        if line.open:
            self._lines.add(line)
            line.ask(request)
        else:  # It was closed at once.
            self.statuses["closed"] += 1


async def main(url: str, bodies: list[bytes], rate: float, seconds: float) -> dict[str, object]:
    """Sends `rate` requests a second for so long; returns what became of them."""
    place = urlsplit(url)
    requests = [
        b"POST %s HTTP/1.1\r\nhost: %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
        % (place.path.encode(), place.netloc.encode(), len(body), body)
        for body in bodies
    ]
    load = Load(place.hostname or "", place.port or 80)
    began, number, whole, looked = time.perf_counter(), 0, int(rate * seconds), 0.0
    while number < whole or load.left:
        now = time.perf_counter()
        while number < whole and (due := began + number / rate) <= now:
            load.behind.append(now - due)
            load.send(Request(due, requests[number % len(requests)]))
            number += 1
        if now > looked + 1:
            load.give_up(now)
            looked = now
        await asyncio.sleep(TICK)
    return {
        "statuses": dict(load.statuses), "seconds": time.perf_counter() - began,
        "p50": _part(load.took, 50), "p99": _part(load.took, 99),
        "sent_late": _part(load.behind, 99),
    }  # fmt: skip


def _part(seconds: list[float], percent: int) -> float | None:
    ordered = sorted(seconds)
    return ordered[min(int(percent / 100 * len(ordered)), len(ordered) - 1)] if ordered else None


if __name__ == "__main__":
    address, file, per_second, duration = sys.argv[1:]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    lines = Path(file).read_bytes().splitlines()
    print(json.dumps(uvloop.run(main(address, lines, float(per_second), float(duration)))))
