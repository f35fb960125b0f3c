"""kserve's model server with the gate before it: where uvicorn is set up, and stops."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

import kserve
import uvicorn

from bertworks.serving.http import log
from bertworks.serving.http.app import Repository, application
from bertworks.serving.http.connection import Connection
from bertworks.serving.http.gate import Gate
from bertworks.serving.http.model import AgentModel
from bertworks.spec.limits import Limits

KEEP_ALIVE_SECONDS = 65
"""Longer than proxies keep theirs, or they would send requests into a closing connection."""


class AgentServer(kserve.ModelServer):
    """Serves models until SIGINT or SIGTERM.

    Args:
        models: What is served.
        host: Address to listen on.
        port: Port to listen on.
        limits: What is taken before requests are refused.
        running: Requests that are computed at once.
        grace: Seconds for open requests after the signal.
        repository: Whether models may be unloaded over HTTP.
        greeting: Lines to log when it listens.
    """

    def __init__(
        self,
        models: list[AgentModel],
        *,
        host: str,
        port: int,
        limits: Limits,
        running: int,
        grace: float,
        repository: bool = False,
        greeting: tuple[str, ...] = (),
    ) -> None:
        app, plane = application(models, limits, repository=repository)
        super().__init__(
            http_port=port,
            registered_models=plane.repository,
            enable_grpc=False,
            enable_latency_logging=False,
            workers=1,
            grace_period=int(grace),
        )
        self.dataplane, self.gate = plane, Gate(app, limits, running)
        self._greeting = greeting
        config = uvicorn.Config(
            self.gate,
            host=host,
            port=port,
            http=partial(Connection, limits=limits),  # type: ignore[arg-type]
            ws="none",
            lifespan="off",
            log_config=None,  # kserve's is there already
            access_log=False,  # the gate's line says more
            proxy_headers=False,  # else whoever calls from this machine chooses what the log says
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(grace),
        )
        self._uvicorn = _Uvicorn(config, self, grace)

    def start(self, models: list[Any]) -> None:
        """Serves until a signal; see `kserve.ModelServer.start`."""
        log.configure()
        self._register_and_check_atleast_one_model_is_ready(models)
        self.servers.append(self._uvicorn.serve())
        self.register_signal_handler()
        asyncio.run(self._serve())

    def greet(self) -> None:
        """Says what listens where."""
        for line in self._greeting:
            log.LOGGER.info("%s", line)

    async def drain(self, grace: float) -> None:
        """Stops being ready, and answers what can be answered in time."""
        if isinstance(self.dataplane.model_registry, Repository):
            self.dataplane.draining = True
        await self.gate.drain(grace)


class _Uvicorn(uvicorn.Server):
    """uvicorn's server, which drains the gate when it stops."""

    def __init__(self, config: uvicorn.Config, owner: AgentServer, grace: float) -> None:
        super().__init__(config)
        self._owner, self._grace = owner, grace

    async def startup(self, sockets: Any = None) -> None:
        """Listens, and says so."""
        logging.getLogger("uvicorn.error").addFilter(
            lambda record: not record.getMessage().startswith("Uvicorn running on")
        )
        await super().startup(sockets)
        if self.started:
            self._owner.greet()

    async def shutdown(self, sockets: Any = None) -> None:
        """Takes no more connections, and has open requests answered or refused."""
        draining = asyncio.ensure_future(self._owner.drain(self._grace))
        await super().shutdown(sockets)
        draining.cancel()
