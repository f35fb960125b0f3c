"""An answer to an HTTP request, and how it is sent; errors among them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.exceptions import HTTPException

from bertworks.serving.refusals import as_refusal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

JSON = "application/json"


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        body: Its bytes.
        status: HTTP status.
        media: Content type.
        headers: Beside content type and length.
        reason: Why it is a refusal, in one word; empty: it is none.
    """

    body: bytes
    status: int = 200
    media: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Reply:
        """JSON."""
        return cls(orjson.dumps(value), status)

    async def send(self, send: Send, *more: tuple[bytes, bytes]) -> None:
        """Sends it, with some more headers."""
        headers = [
            (b"content-type", self.media.encode()),
            (b"content-length", str(len(self.body)).encode()),
            *(
                (name.lower().encode(), value.encode("latin-1"))
                for name, value in self.headers.items()
            ),
            *more,
        ]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def of_error(error: Exception) -> Reply:
    """The answer to what went wrong, see `as_refusal`."""
    if isinstance(error, HTTPException):
        return _refusal(error.status_code, "route", str(error.detail), dict(error.headers or {}))
    refusal = as_refusal(error)
    headers = {}
    if refusal.retry_after is not None:
        headers["retry-after"] = str(refusal.retry_after)
    if refusal.close:
        headers["connection"] = "close"
    if refusal.status == 401:
        headers["www-authenticate"] = 'Bearer realm="bertworks"'
    return _refusal(refusal.status, refusal.reason, refusal.said, headers)


def _refusal(status: int, reason: str, said: str, headers: Mapping[str, str]) -> Reply:
    # Of a client's own words, lone surrogates could not be sent back.
    body = orjson.dumps({"error": said.encode("utf-8", "replace").decode()})
    return Reply(body, status, headers=headers, reason=reason)
