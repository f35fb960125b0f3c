"""Asks an ASGI application in this process, without a socket."""

import asyncio
import json


class Client:
    """One request; `leave` is what a client does that closes its connection."""

    def __init__(self, method, path, body=b"", headers=(), parts=None):
        self.sent, self.gone = [], asyncio.Event()
        self.status, self.headers, self.body = 0, {}, b""
        self._parts = list(parts if parts is not None else [body])
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode("utf-8", "replace"),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in headers],
            "client": ("127.0.0.1", 5),
            "server": ("127.0.0.1", 80),
        }

    def leave(self):
        self.gone.set()

    async def receive(self):
        if self._parts:
            part = self._parts.pop(0)
            if part is None:  # The rest never comes.
                await self.gone.wait()
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": part, "more_body": bool(self._parts)}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message):
        if message["type"] == "http.response.start":
            assert not self.status
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")

    async def ask(self, app):
        await app(self.scope, self.receive, self.send)
        return self

    def json(self):
        return json.loads(self.body)


def post(app, path, value, headers=()):
    """The answer to a body: bytes, or what becomes JSON."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return asyncio.run(_ask(app, "POST", path, body, headers))


def get(app, path):
    """The answer to a GET."""
    return asyncio.run(_ask(app, "GET", path, b"", ()))


async def _ask(app, method, path, body, headers):
    return await Client(method, path, body, headers).ask(app)
