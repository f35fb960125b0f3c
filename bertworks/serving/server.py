"""The server: models in an engine, behind a gate, over HTTP and gRPC.

V1 at `/v1/models/NAME:predict`, V2 at `/v2/models/NAME/infer`, health at `/v2/health/ready` and
`/v2/health/live`, Prometheus metrics at `/metrics`, all of it described at `/openapi.json`. See
`protocols` for the requests, and the spec's `serve.limits` for what is refused. Every answer names the
version (`model_version`) and the bundle's digest that it comes from.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sys
from collections.abc import Sequence
from typing import Any

from bertworks import __version__
from bertworks.errors import ArtifactError, EnvironmentFault
from bertworks.runtime import known
from bertworks.serving.access.joining import Entrance
from bertworks.serving.access.joining import join as join_access
from bertworks.serving.assembly import Serving
from bertworks.serving.audit.joining import join as join_audit
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.served import OneBundle, ServedModel
from bertworks.serving.review.joining import join as join_review
from bertworks.serving.settings import Served, Settings
from bertworks.tasks import form_of

GRACE_SECONDS = 30
"""How long requests may still run after SIGTERM; a pod's grace period must be longer."""
LAST_SECONDS = 5
"""How long after that a forward pass may go on whose answer is not waited for any more."""
ANY = ("0.0.0.0", "::")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def serve(models: Sequence[Served], settings: Settings | None = None) -> None:
    """Serves bundles until SIGINT or SIGTERM; requests that are running are answered first.

    They have GRACE_SECONDS for it, in which new connections are refused. What cannot be answered in
    that time is refused with 503 as soon as that can be told.

    Args:
        models: What to serve; the first is the one that the greeting shows.
        settings: How; None: the defaults.

    Raises:
        ArtifactError: A bundle is missing, damaged, or cannot be loaded.
        EnvironmentFault: The address or port cannot be used, a number is out of range, or two models
            have the same name.
    """
    settings = settings or Settings()
    entrance = settings.entrance or Entrance()
    entrance.check(settings.host)
    _check(models, settings)
    serving = Serving.of(settings.limits, settings.threads, repository=settings.repository)
    for one in models:
        serving.models.add(_loaded(one, serving), lambda one=one: _loaded(one, serving))  # type: ignore[misc]
    join_access(serving, entrance)
    join_review(serving, settings.review)
    join_audit(serving, settings.audit)
    for join in settings.joins:
        join(serving)
    for port in (settings.port, settings.grpc_port):
        if port is not None:
            _check_address(settings.host, port)
    _listen(serving, settings, _greeting(serving, settings))
    serving.observers.close()
    for close in serving.closed:
        close()
    if not serving.models.batcher.rests(within=LAST_SECONDS):
        # A forward pass that does not end keeps its thread, and threads keep the process.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _loaded(one: Served, serving: Serving) -> ServedModel:
    """A model of the first bundle that can be loaded."""
    from bertworks.serving import log

    batcher = serving.models.batcher
    choices = [one, *one.others]
    for place, choice in enumerate(choices, 1):
        try:
            bundle = LoadedBundle.load(
                choice.folder, batcher, one.name, choice.identity, choice.max_batch
            )
        except ArtifactError as error:
            if place == len(choices):
                raise
            log.LOGGER.warning(
                "%s: %s The version before it serves instead.", one.name, error.message
            )
            continue
        bundle.held = choice.store
        try:
            known.check(bundle.agent, choice.folder)
        except ArtifactError as error:
            log.LOGGER.warning("%s: %s", one.name, error.message)
            if place < len(choices):
                bundle.close()
                continue
        return ServedModel(one.name, OneBundle(bundle))
    raise AssertionError("there is always a choice")


def _listen(serving: Serving, settings: Settings, greeting: Sequence[str]) -> None:
    from bertworks.serving import log
    from bertworks.serving.http.door import Door
    from bertworks.serving.http.listening import Listener

    app, gate = serving.application()
    door = Door(app, gate, serving.models)
    if settings.grpc_port is not None:
        from bertworks.serving.grpc.listening import offer

        offer(serving, gate, settings.host, settings.grpc_port, GRACE_SECONDS)

    async def begun() -> None:
        for start in serving.started:
            await start()
        for line in greeting:
            log.LOGGER.info("%s", line)

    async def drain(grace: float) -> None:
        serving.models.draining = True
        await gate.drain(grace)
        door.tell()
        for stop in serving.stopped:
            await stop()

    Listener(
        door,
        host=settings.host,
        port=settings.port,
        limits=settings.limits,
        grace=GRACE_SECONDS,
        begun=begun,
        drain=drain,
        door=door,
        **_tls(serving),
    ).listen()


def _tls(serving: Serving) -> dict[str, Any]:
    """uvicorn's options for TLS; none: without."""
    certificates = serving.certificates
    if certificates is None:
        return {}
    return {"ssl_context_factory": lambda config, default: certificates.context}


def _greeting(serving: Serving, settings: Settings) -> tuple[str, ...]:
    """What serves where, and how to ask it."""
    host, port = settings.host, settings.port
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    local = f"{'localhost' if host in ANY else address.rpartition(':')[0]}:{port}"
    scheme = "http" if serving.certificates is None else "https"
    key = "-H 'X-API-Key: KEY' " if settings.entrance and settings.entrance.guarded else ""
    lines = []
    for model in serving.models:
        identity = model.champion.identity
        version = "" if identity.version is None else f" version {identity.version}"
        lines.append(
            f"bertworks {__version__} serves {model.name}{version} (bundle {identity.digest[:12]}) at "
            f"{scheme}://{address}"
        )
    lines += serving.told
    first = next(iter(serving.models))
    body = json.dumps({"instances": [form_of(first.champion.agent.task).sample]})
    curl = (
        f"curl {key}{scheme}://{local}/v1/models/{first.name}:predict "
        f"-H 'Content-Type: application/json' -d '{body}'"
    )
    if settings.grpc_port is not None:
        lines.append(f"gRPC on port {settings.grpc_port}: Open Inference Protocol")
    return (*lines, curl)


def _check(models: Sequence[Served], settings: Settings) -> None:
    for name, port in (("port", settings.port), ("gRPC port", settings.grpc_port)):
        if port is not None and not 1 <= port <= 65535:
            raise EnvironmentFault(
                f"The {name} must be 1 to 65535. Received: {port}", "Choose another port."
            )
    numbers = [("threads", settings.threads), *(("max_batch", one.max_batch) for one in models)]
    for name, value in numbers:
        if value is not None and value < 1:
            raise EnvironmentFault(
                f"{name} must be 1 or more. Received: {value}", "Give a larger number."
            )
    if settings.grpc_port is not None and settings.grpc_port == settings.port:
        raise EnvironmentFault(
            f"HTTP and gRPC need a port each. Received: {settings.port} for both",
            f"Choose another port for one of them: --grpc-port {_beside(settings.port)}.",
        )
    names = [one.name for one in models]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise EnvironmentFault(
            f"Each model must have a name of its own. Received: {', '.join(twice)} more than once",
            "Name them: --agent NAME=AGENT.",
        )
    for name in names:
        if not NAME.fullmatch(name):
            raise EnvironmentFault(
                f"A model's name must be letters, digits, dots, dashes and underscores. "
                f"Received: {name!r:.80}",
                "Give it another name: --name NAME, or --agent NAME=AGENT.",
            )


def _beside(port: int) -> int:
    return port + 1 if port < 65535 else port - 1


def _check_address(host: str, port: int) -> None:
    """uvicorn ends with a bare exit code where it cannot listen."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise EnvironmentFault(
            f"The address {host} cannot be used: {error.strerror}.",
            "Give an address of this machine with --host: 127.0.0.1 for itself, 0.0.0.0 for all.",
        ) from None
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
            except OSError as error:
                raise EnvironmentFault(
                    f"Port {port} cannot be used: {error.strerror}.",
                    "Choose another port with --port, or another address with --host.",
                ) from None
