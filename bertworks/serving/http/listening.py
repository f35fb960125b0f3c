"""Where the server listens: uvicorn with bounded connections, that drains the gate when it stops."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import uvicorn

from bertworks.serving import log
from bertworks.serving.http.connection import Connection
from bertworks.serving.http.crowd import Crowd
from bertworks.serving.http.door import Door
from bertworks.serving.http.reply import App
from bertworks.spec.limits import Limits

SIGNALS = (signal.SIGINT, signal.SIGTERM)
KEEP_ALIVE_SECONDS = 65
"""Longer than proxies keep theirs, or they would send requests into a closing connection."""

LOOK_SECONDS = 0.02
"""Between two looks at whether connections may be taken again."""


class Listener(uvicorn.Server):
    """Listens for HTTP until SIGINT or SIGTERM.

    Args:
        app: What answers.
        host: Address to listen on.
        port: Port to listen on.
        limits: What is taken before requests are refused.
        grace: Seconds for open requests after the signal.
        begun: Awaited when it listens.
        drain: Awaited when it stops: answers what can be answered in so many seconds.
        door: The application's outermost layer, asked before a request is passed on; None: none is.
        options: More of uvicorn's settings, such as those of TLS.
    """

    def __init__(
        self,
        app: App,
        *,
        host: str,
        port: int,
        limits: Limits,
        grace: float,
        begun: Callable[[], Awaitable[None]],
        drain: Callable[[float], Awaitable[None]],
        door: Door | None = None,
        **options: Any,
    ) -> None:
        self.crowd = Crowd(limits)
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                http=partial(Connection, crowd=self.crowd, door=door),  # type: ignore[arg-type]
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,  # the gate's line says more
                proxy_headers=False,  # else whoever calls from this machine chooses what the log says
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=int(grace),
                **options,
            )
        )
        self._grace, self._begun, self._drain = grace, begun, drain
        self._kept: list[socket.socket] = []
        self._looking: asyncio.Task[None] | None = None
        self.crowd.overfull = self._pause

    async def startup(self, sockets: Any = None) -> None:
        """Listens, and says so."""
        self.crowd.fit_open_files()
        if self.crowd.most < self.crowd.limits.connections:
            log.LOGGER.warning(
                "serve.limits.connections is %d, but this process may open too few files: %d are "
                "served; raise the limit of open files (ulimit -n).",
                self.crowd.limits.connections, self.crowd.most,
            )  # fmt: skip
        logging.getLogger("uvicorn.error").addFilter(
            lambda record: not record.getMessage().startswith("Uvicorn running on")
        )
        await super().startup(sockets)
        if self.started:
            self._kept = [
                socket.socket(fileno=os.dup(one.fileno()))
                for server in self.servers
                for one in server.sockets
            ]
            await self._begun()

    async def shutdown(self, sockets: Any = None) -> None:
        """Takes no more connections, and has open requests answered or refused."""
        if self._looking is not None:
            self._looking.cancel()
        for _ in range(2):  # Who has connected already is taken: to close would be to reset it.
            await asyncio.sleep(0)
        for one in self._kept:  # else the system would still take connections, which nobody answers
            one.close()
        draining = asyncio.ensure_future(self._drain(self._grace))
        await super().shutdown(sockets)
        # It ends by itself in time; whoever is told last that all is over must be.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(draining, self._grace)

    def _pause(self) -> None:
        """Takes no more connections for a while: they wait with the system."""
        if self._looking is None and not self.should_exit:
            for server in self.servers:
                server.close()
            self._looking = asyncio.ensure_future(self._go_on())

    async def _go_on(self) -> None:
        """Takes connections again once there is room."""
        loop, config = asyncio.get_running_loop(), self.config

        def protocol() -> asyncio.Protocol:
            return config.http_protocol_class(  # type: ignore[call-arg]
                config=config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
                _loop=loop,
            )

        while self.crowd.count >= self.crowd.ceiling:
            await asyncio.sleep(LOOK_SECONDS)
            self.crowd.room(loop.time())
        failed = False
        while True:
            try:
                self.servers = [
                    await loop.create_server(
                        protocol, sock=one.dup(), ssl=config.ssl, backlog=config.backlog
                    )
                    for one in self._kept
                ]
                break
            except OSError as error:  # no descriptor is left: connections go on waiting
                if not failed:
                    log.LOGGER.error("No connection can be taken: %s; tried again.", error.strerror)
                failed = True
                await asyncio.sleep(LOOK_SECONDS)
        self._looking = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends well by a signal: uvicorn's own way raises it again, as if it had not been heard."""
        before = {one: signal.signal(one, self.handle_exit) for one in SIGNALS}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def listen(self) -> None:
        """Serves until a signal."""
        log.configure()
        self.run()
