"""The ASGI layer before the gate: puts who asks into the scope, or refuses.

Probes are for everybody, as who sends them has no key; so is /metrics, unless the spec says otherwise.
All else needs a key, whether or not there is such a path.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence

from bertworks.serving.access.guard import Guard, check_admin, check_model
from bertworks.serving.exchange import CALLER, IDENTITY, request_id
from bertworks.serving.http.reply import App, Receive, Scope, Send, of_error
from bertworks.serving.refusals import Refused

Refusing = Callable[[Scope, Refused, float], None]

OPEN = r"/|/v2/health/(live|ready)|/v2/models/[^/]+(/versions/[^/]+)?/ready"
METRICS = "/metrics"

_FIRST = re.compile(r"/v1/models/([^/]+?)(?::\w+|/.*)?", re.DOTALL)
_SECOND = re.compile(r"/v2/(?:repository/)?models/([^/]+)(?:/.*)?", re.DOTALL)
_ADMIN = re.compile(r"/v2/repository/models/[^/]+/(load|unload)|/admin(/.*)?")


class Layer:
    """Demands a key of who asks.

    Args:
        app: What answers.
        guard: Knows callers.
        open_paths: Regular expressions of paths that need no key, beside the probes'.
        admin_paths: Of paths that need a key with `admin`, beside the repository's.
        refused: Is told of each refusal, with its seconds.
    """

    def __init__(
        self,
        app: App,
        guard: Guard,
        *,
        open_paths: Sequence[str] = (METRICS,),
        admin_paths: Sequence[str] = (),
        refused: Refusing = lambda scope, refusal, seconds: None,
    ) -> None:
        self.app, self._guard, self._refused = app, guard, refused
        self._open = re.compile("|".join([OPEN, *open_paths]))
        self._admin = re.compile("|".join([_ADMIN.pattern, *admin_paths]))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, or refuses it without looking at its body."""
        if scope["type"] != "http" or self._open.fullmatch(scope["path"]):
            return await self.app(scope, receive, send)
        began = time.perf_counter()
        identity = scope[IDENTITY] = request_id(dict(scope["headers"]))
        try:
            await self._admitted(scope)
        except Refused as refusal:
            await of_error(refusal).send(send, (b"x-request-id", identity.encode()))
            self._refused(scope, refusal, time.perf_counter() - began)
            return None
        return await self.app(scope, receive, send)

    async def _admitted(self, scope: Scope) -> None:
        """Puts the caller into the scope, or raises why it may not have what it asks for."""
        caller = scope[CALLER] = await self._guard.caller(_headers(scope))
        path = scope["path"]
        if self._admin.fullmatch(path):
            check_admin(caller)
        # What answers checks it again by the name that it resolved: this one spares reading the body.
        for name in names_in(path):
            check_model(caller, name)
        if scope["method"] == "POST":
            caller.charge_request()


def names_in(path: str) -> list[str]:
    """The models that a path is about."""
    found = (_FIRST.fullmatch(path), _SECOND.fullmatch(path))
    return [one[1] for one in found if one]


def _headers(scope: Scope) -> dict[str, str]:
    """Headers of a credential, by name; of one that is repeated, all values, which then fit none."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1")
        if key in ("authorization", "x-api-key"):
            text = value.decode("latin-1")
            found[key] = f"{found[key]}, {text}" if key in found else text
    return found
