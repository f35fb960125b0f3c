"""A web server on loopback that answers what a test puts under its paths."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


class Site:
    """Serves until it is closed.

    Args:
        other: The answer to what is not in `answers`.

    Attributes:
        answers: A path, with its query or without, to (status, headers, body), or to a function that
            makes it of the request's headers. A Content-Length among the headers is sent as it is.
        asked: (path, headers) of every GET, in order.
        host, url: Where it listens.
    """

    def __init__(self, other: Answer = (404, {}, b"nothing here")) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self._answer()

            def do_GET(self) -> None:
                site.asked.append((self.path, dict(self.headers)))
                self.wfile.write(self._answer())

            def _answer(self) -> bytes:
                """Sends status and headers; the body is left to the caller."""
                plain = self.path.partition("?")[0]
                answer = site.answers.get(self.path) or site.answers.get(plain, other)
                status, headers, body = answer(self.headers) if callable(answer) else answer
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                return bytes(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def put(self, path: str, body: bytes, type: str = "text/html", **headers: str) -> None:
        """Answers `path` with a body."""
        self.answers[path] = (200, {"Content-Type": type, **headers}, body)

    def close(self) -> None:
        """Stops it."""
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> Site:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
