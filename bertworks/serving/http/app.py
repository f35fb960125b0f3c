"""Which path is what. Requests that ask a model go straight to their protocol; the rest is routed.

For a text of a few words the work around the model would otherwise be as much as the model's: so those
two paths are found by one look, and no framework builds objects around them.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Router

from bertworks.serving import log
from bertworks.serving.access.guard import check_model
from bertworks.serving.exchange import EXCHANGE, Exchange
from bertworks.serving.http import v1, v2
from bertworks.serving.http.reply import Receive, Reply, Scope, Send, of_error
from bertworks.serving.line import TICKET, Ticket
from bertworks.serving.models.registry import Registry
from bertworks.serving.models.served import ServedModel
from bertworks.serving.refusals import Cancelled, Refused
from bertworks.spec.limits import Limits

_ASKS = re.compile(
    r"/(?:v1/models/(?P<first>[^/]+):(?P<verb>\w+)"
    r"|v2/models/(?P<second>[^/]+)(?:/versions/(?P<version>[^/]+))?/infer)"
)


Verb = Callable[
    [ServedModel, bytes, Mapping[bytes, bytes], Exchange, Ticket, Limits], Awaitable[Reply]
]
"""What answers `/v1/models/NAME:verb`; see `v1.predict` for the arguments."""


class Asks(NamedTuple):
    """What a path that asks a model says."""

    protocol: str
    model: str
    verb: str
    version: str | None


@lru_cache(64)  # Looked at by each layer, and few.
def asks(path: str) -> Asks | None:
    """What a path asks of which model; None: it asks none."""
    found = _ASKS.fullmatch(path)
    if found is None:
        return None
    first, verb, second, version = found.groups()
    return Asks("v1", first, verb, None) if first else Asks("v2", second, "infer", version)


class Application:
    """An ASGI application.

    Args:
        models: What is served.
        limits: What a request may hold.
        routes: All paths but those that ask a model.
        verbs: What V1 can be asked beside `predict`.
    """

    def __init__(
        self,
        models: Registry,
        limits: Limits,
        routes: Sequence[BaseRoute],
        verbs: Mapping[str, Verb] | None = None,
    ) -> None:
        self._models, self._limits = models, limits
        self._verbs: dict[str, Verb] = {**(verbs or {}), "predict": v1.predict}
        self._router = Router(list(routes), redirect_slashes=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request; what goes wrong becomes an answer that says so."""
        ticket = scope.get(TICKET) or Ticket()
        try:
            if (asked := asks(scope["path"])) is not None:
                await self._answer(asked, ticket, scope, receive, send)
            else:
                scope["app"] = self  # So that the router raises what it does not find.
                await self._router(scope, receive, send)
        except Exception as error:
            if isinstance(error, Cancelled) and ticket.refusal is not None:
                error = ticket.refusal
            reply = of_error(error)
            if reply.status == 500:
                log.fault(error)
            ticket.reason = reply.reason
            await reply.send(send)

    async def _answer(
        self, asked: Asks, ticket: Ticket, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if scope["method"] != "POST":
            raise HTTPException(405, "Ask with POST.", {"allow": "POST"})
        exchange = scope.get(EXCHANGE) or Exchange(asked.protocol, asked.model)
        check_model(exchange.caller, asked.model)
        model = self._models[asked.model]
        answer = v2.infer if asked.protocol == "v2" else self._verbs.get(asked.verb)
        if answer is None:
            raise Refused(404, "not-offered", "This server does not offer that.")
        if asked.version is not None:
            check_version(self._models, asked.model, asked.version)
        if not (model.ready and self._models.alive):
            raise Refused(
                503, "not-ready", f"{model.name} is not ready.", "Ask again.", retry_after=1
            )
        body = (await receive()).get("body", b"")
        headers = dict(scope["headers"])
        reply = await answer(model, body, headers, exchange, ticket, self._limits)
        exchange.stage("encode")
        await reply.send(send, (b"x-request-id", exchange.id.encode()))


def check_version(models: Registry, name: str, version: str) -> None:
    """Refuses a version that is not the one that is served.

    Raises:
        Refused: 404: there is no such model or version here.
    """
    served = models[name].champion.identity.served
    if version != served:
        raise Refused(
            404, "version", f"{name} is served in version {served}. Received: {version[:50]!r}"
        )
