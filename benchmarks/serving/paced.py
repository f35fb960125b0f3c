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
from urllib.parse import urlsplit

import uvloop

MOST = 3000
"""Connections at once; a request that finds all of them busy waits here, and its seconds count."""
LONGEST = 60.0
"""Seconds that one request may take before it counts as broken."""


class Stale(ConnectionError):
    """A kept connection was closed before anything of an answer came."""


class Line(asyncio.Protocol):
    """A kept-alive connection that has one request at a time."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[int] | None = None
        self._data = b""
        self.open, self.used = True, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells who waits."""
        self.open = False
        if self.answer is not None and not self.answer.done():
            kind = Stale if self.used and not self._data else type(exc) if exc else ConnectionError
            self.answer.set_exception(kind("closed"))

    def ask(self, request: bytes) -> asyncio.Future[int]:
        """Sends a request; its status comes with the answer's last byte."""
        self.answer = asyncio.get_running_loop().create_future()
        if not self.open:  # It was told no, or closed, before it asked.
            self.answer.set_exception(Stale("closed"))
            return self.answer
        self._transport.write(request)  # type: ignore[attr-defined]
        return self.answer

    def data_received(self, data: bytes) -> None:
        """Reads an answer with a Content-Length."""
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        fields = head.lower().split(b"\r\n")
        length = next(int(one[15:]) for one in fields if one.startswith(b"content-length:"))
        if len(body) >= length and self.answer is not None and not self.answer.done():
            self._data, self.used = b"", True
            self.open = b"connection: close" not in fields
            self.answer.set_result(int(head[9:12]))


async def main(url: str, bodies: list[bytes], rate: float, seconds: float) -> dict[str, object]:
    """Sends `rate` requests a second for so long; returns what became of them."""
    place = urlsplit(url)
    requests = [
        b"POST %s HTTP/1.1\r\nhost: %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
        % (place.path.encode(), place.netloc.encode(), len(body), body)
        for body in bodies
    ]
    idle: list[Line] = []
    statuses: collections.Counter[str] = collections.Counter()
    took: list[float] = []
    behind: list[float] = []
    loop, free = asyncio.get_running_loop(), asyncio.Semaphore(MOST)

    async def ask(request: bytes, fresh: bool = False) -> int:
        while idle and not idle[-1].open:
            idle.pop()
        line = idle.pop() if idle and not fresh else None
        if line is None:
            try:
                _, line = await loop.create_connection(Line, place.hostname, place.port)
            except OSError:
                raise _Unreached from None
        status = await line.ask(request)
        if line.open:
            idle.append(line)
        return status

    async def one(due: float, request: bytes) -> None:
        behind.append(time.perf_counter() - due)
        try:
            async with free, asyncio.timeout(LONGEST):
                try:
                    status = await ask(request)
                except Stale:
                    statuses["again"] += 1
                    status = await ask(request, fresh=True)
        except _Unreached:
            statuses["connect"] += 1
        except ConnectionResetError:
            statuses["reset"] += 1
        except OSError:
            statuses["closed"] += 1
        except TimeoutError:
            statuses["late"] += 1
        else:
            statuses[str(status)] += 1
            if status == 200:
                took.append(time.perf_counter() - due)

    began = time.perf_counter()
    tasks = set()
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        task = asyncio.ensure_future(one(due, requests[number % len(requests)]))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    while tasks:
        await asyncio.wait(tasks)
    return {
        "statuses": dict(statuses), "seconds": time.perf_counter() - began,
        "p50": _part(took, 50), "p99": _part(took, 99), "sent_late": _part(behind, 99),
    }  # fmt: skip


class _Unreached(Exception):
    """No connection came about."""


def _part(seconds: list[float], percent: int) -> float | None:
    ordered = sorted(seconds)
    return ordered[min(int(percent / 100 * len(ordered)), len(ordered) - 1)] if ordered else None


if __name__ == "__main__":
    address, file, per_second, duration = sys.argv[1:]
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    lines = Path(file).read_bytes().splitlines()
    print(json.dumps(uvloop.run(main(address, lines, float(per_second), float(duration)))))
