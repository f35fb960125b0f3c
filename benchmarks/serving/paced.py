"""Requests at a set rate, whether or not the server keeps up: what wrk does not do.

    python -m benchmarks.serving.paced URL BODIES RATE SECONDS

Each request is due at its time and its latency counts from there, so that a server that stops for a
while is charged for all who came meanwhile. Prints JSON: statuses with their counts, what broke, and p50
and p99 of the seconds of what was answered with 200.
"""

from __future__ import annotations

import asyncio
import collections
import json
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

LONGEST = 60.0
"""Seconds that one request may take before it counts as broken."""


class Line(asyncio.Protocol):
    """A kept-alive connection that has one request at a time."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[int] | None = None
        self._data = b""
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells who waits."""
        self.open = False
        if self.answer is not None and not self.answer.done():
            self.answer.set_exception(ConnectionError("closed"))

    def ask(self, request: bytes) -> asyncio.Future[int]:
        """Sends a request; its status comes with the answer's last byte."""
        self.answer = asyncio.get_running_loop().create_future()
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
            self._data = b""
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
    loop = asyncio.get_running_loop()

    async def one(due: float, request: bytes) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                while idle and not idle[-1].open:
                    idle.pop()
                line = idle.pop() if idle else None
                if line is None:
                    _, line = await loop.create_connection(Line, place.hostname, place.port)
                status = await line.ask(request)
            if line.open:
                idle.append(line)
        except (OSError, TimeoutError):
            statuses["broken"] += 1
            return
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
    took.sort()
    late = {f"p{part}": took[min(int(part / 100 * len(took)), len(took) - 1)] if took else None
            for part in (50, 99)}  # fmt: skip
    return {"statuses": dict(statuses), "seconds": time.perf_counter() - began, **late}


if __name__ == "__main__":
    address, file, per_second, duration = sys.argv[1:]
    lines = Path(file).read_bytes().splitlines()
    print(json.dumps(asyncio.run(main(address, lines, float(per_second), float(duration)))))
