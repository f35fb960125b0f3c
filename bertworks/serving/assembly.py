"""A server put together: what serves, who is told, and what other rooms bring along.

A room joins by a function that takes the `Serving` before it starts: it may add observers, routes,
layers before the gate, a check of callers, and things to start and stop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from starlette.routing import BaseRoute

from bertworks.serving.access.tls import Certificates
from bertworks.serving.engine.batcher import Batcher
from bertworks.serving.exchange import Caller, Exchange, Observers
from bertworks.serving.http import routes
from bertworks.serving.http.app import Application, Verb
from bertworks.serving.http.gate import Asking, Gate
from bertworks.serving.http.openapi import Describe
from bertworks.serving.http.reply import App
from bertworks.serving.line import Line
from bertworks.serving.meters import Ended
from bertworks.serving.models.registry import Registry
from bertworks.spec.limits import Limits

if TYPE_CHECKING:
    from bertworks.serving.page.figures import Panel

RUNNING = 64
"""Requests that are computed at once unless `serve.limits.running` says otherwise."""

CheckCaller = Callable[[Mapping[str, str], str], Awaitable[Caller]]
"""Who calls a method of gRPC, by its metadata (lower-case names) and its name; raises `Refused`."""

Labelled = Callable[[Exchange, int, Any], bool]


@dataclass
class Serving:
    """All parts of a server.

    Attributes:
        models: What is served.
        limits: What is taken before requests are refused.
        line: Where requests stand, whatever protocol they came by.
        observers: Told of every exchange.
        repository: Whether models may be unloaded and loaded, by anybody who can call.
        routes: More paths, beside the protocols' own.
        dialogue: What the dialogue is called that is served; "": none is.
        told: Lines for the greeting, of what else is served.
        asking: Each knows paths among `routes` that ask for an answer: these stand in line, within the
            limits, and are told to observers and recorders, as models' are.
        verbs: What V1 can be asked beside `predict`, by the word behind the model's colon.
        layers: Put around the gate, the last one outermost.
        check_caller: Knows who calls over gRPC, as a layer does over HTTP; None: nobody is asked.
        certificates: For TLS over both; None: without.
        described: Each tells of a model the paths that a room brought, for the OpenAPI document.
        panels: Each tells of a model, by its name, what the page shows beside its own figures; None:
            nothing.
        labelled: Told what is right for a row of an exchange: the row's place, and what is right; each
            says whether that is news to it.
        started: Awaited when the server listens.
        stopped: Awaited when all requests are answered.
        closed: Called last, when all observers were told.
    """

    models: Registry
    limits: Limits
    line: Line
    observers: Observers = field(default_factory=Observers)
    repository: bool = False
    routes: list[BaseRoute] = field(default_factory=list)
    dialogue: str = ""
    told: list[str] = field(default_factory=list)
    asking: list[Asking] = field(default_factory=list)
    verbs: dict[str, Verb] = field(default_factory=dict)
    layers: list[Callable[[App], App]] = field(default_factory=list)
    check_caller: CheckCaller | None = None
    certificates: Certificates | None = None
    described: list[Describe] = field(default_factory=list)
    panels: list[Callable[[str], Panel | None]] = field(default_factory=list)
    labelled: list[Labelled] = field(default_factory=list)
    started: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    stopped: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    closed: list[Callable[[], None]] = field(default_factory=list)

    @classmethod
    def of(
        cls, limits: Limits | None = None, threads: int | None = None, *, repository: bool = False
    ) -> Serving:
        """A server without models yet.

        Args:
            limits: None: the defaults.
            threads: That compute; None: as many as this process has cores.
            repository: See the class.
        """
        limits = limits or Limits()
        models = Registry(Batcher(threads), limits.seconds)
        line = Line(limits, limits.running or RUNNING)
        observers = Observers([Ended(models.meters)])
        return cls(models, limits, line, observers, repository)

    def application(self) -> tuple[App, Gate]:
        """The ASGI application with everything around it, and the gate inside."""
        own = routes.routes(
            self.models,
            self.limits,
            repository=self.repository,
            described=self.described,
            guarded=self.check_caller is not None,
        )
        app: App = Application(self.models, self.limits, [*self.routes, *own], self.verbs)
        gate = Gate(app, self.limits, self.line, self.observers, self.asking)
        guarded: App = gate
        for layer in self.layers:
            guarded = layer(guarded)
        return guarded, gate
