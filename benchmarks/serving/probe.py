"""Asks for health every 50 ms until it is ended, on a new connection each time, as a kubelet does.

    python -m benchmarks.serving.probe HOST PORT PATH

Prints JSON once its input ends: statuses with their counts, and p50, p99 and the longest of the seconds.
"""

from __future__ import annotations

import collections
import json
import select
import socket
import sys
import time

EVERY_SECONDS = 0.05
LONGEST = 60.0


def ask(host: str, port: int, path: str) -> str:
    """The status of one probe, or what went wrong."""
    try:
        with socket.create_connection((host, port), timeout=LONGEST) as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n".encode())
            return client.recv(12)[9:12].decode() or "closed"
    except OSError as error:
        return type(error).__name__


def main(host: str, port: int, path: str) -> dict[str, object]:
    """Asks until standard input ends; returns what became of it."""
    statuses: collections.Counter[str] = collections.Counter()
    took: list[float] = []
    while not select.select([sys.stdin], [], [], EVERY_SECONDS)[0]:
        began = time.perf_counter()
        statuses[ask(host, port, path)] += 1
        took.append(time.perf_counter() - began)
    took.sort()
    parts = {f"p{part}": took[min(int(part / 100 * len(took)), len(took) - 1)] for part in (50, 99)}
    return {"statuses": dict(statuses), **parts, "longest": took[-1]}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), sys.argv[3])))
