"""The server: a kserve ModelServer around an Agent, behind a gate.

V1 at `/v1/models/NAME:predict`, V2 at `/v2/models/NAME/infer`, health at `/v2/health/ready` and
`/v2/health/live`, Prometheus metrics at `/metrics`. See `protocols` for the requests, and the spec's
`serve.limits` for what is refused. A V2 answer names the version (`model_version`) and the bundle's
digest (`parameters.digest`) that it comes from.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from concurrent.futures import ThreadPoolExecutor

from bertworks import __version__
from bertworks.cpus import available_threads
from bertworks.errors import EnvironmentFault
from bertworks.runtime.agent import Agent
from bertworks.serving.identity import BundleIdentity
from bertworks.spec import Task
from bertworks.spec.limits import Limits
from bertworks.storage.artifacts import open_artifact
from bertworks.tasks import form_of

GRACE_SECONDS = 30
"""How long requests may still run after SIGTERM; a pod's grace period must be longer."""
LOOPBACK = "127.0.0.1"
ANY = ("0.0.0.0", "::")


def serve(
    folder: str | os.PathLike[str],
    port: int = 8080,
    name: str = "agent",
    threads: int | None = None,
    max_batch: int = 32,
    identity: BundleIdentity | None = None,
    *,
    host: str = LOOPBACK,
    limits: Limits | None = None,
    repository: bool = False,
) -> None:
    """Serves a bundle until SIGINT or SIGTERM; requests that are running are answered first.

    They have GRACE_SECONDS for it, in which new connections are refused. What cannot be answered in
    that time is refused with 503 as soon as that can be told.

    Args:
        folder: A bundle artifact.
        port: HTTP port.
        name: The model's name in the URLs.
        threads: CPU threads of one forward pass; None: all that may be used.
        max_batch: Rows that one forward pass takes, at most.
        identity: Which bundle it is, for the answers and the metrics; None: its digest alone.
        host: Address to listen on: this machine's own by default; 0.0.0.0 for all.
        limits: What is taken before requests are refused; None: the defaults.
        repository: Whether the model may be unloaded and loaded over HTTP, by anybody who can call.

    Raises:
        ArtifactError: The bundle is missing, damaged, or cannot be loaded.
        EnvironmentFault: The address or port cannot be used, or threads or max_batch is below 1.
    """
    _check_numbers(port, threads, max_batch)
    agent = Agent.load(folder, threads=threads, max_batch=max_batch)
    # The first passes load and allocate, for one row and for many: not while a client waits.
    for rows in (1, 2 * (threads or available_threads())):
        agent.predict([agent.form.sample] * rows)
    _check_address(host, port)
    known = identity or BundleIdentity(open_artifact(folder, "bundle", verify=False).digest)
    limits = limits or Limits()
    running = limits.running or max(2, threads or available_threads())
    executor = ThreadPoolExecutor(running, "answers")

    from bertworks.serving.http.model import AgentModel
    from bertworks.serving.http.modelserver import AgentServer

    model = AgentModel(agent, name, known, limits, executor)
    server = AgentServer(
        [model],
        host=host,
        port=port,
        limits=limits,
        running=running,
        grace=GRACE_SECONDS,
        repository=repository,
        greeting=_greeting(agent.task, name, known, host, port),
    )
    server.start([model])
    if model.computing:
        # A forward pass that does not end keeps its thread, and threads keep the process.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _greeting(
    task: Task, name: str, identity: BundleIdentity, host: str, port: int
) -> tuple[str, ...]:
    """What serves where, and how to ask it."""
    version = "" if identity.version is None else f" version {identity.version}"
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    local = f"{'localhost' if host in ANY else address.rpartition(':')[0]}:{port}"
    body = json.dumps({"instances": [form_of(task).sample]})
    return (
        f"bertworks {__version__} serves {name}{version} (bundle {identity.digest[:12]}) at "
        f"http://{address}",
        f"curl http://{local}/v1/models/{name}:predict -H 'Content-Type: application/json' "
        f"-d '{body}'",
    )


def _check_numbers(port: int, threads: int | None, max_batch: int) -> None:
    if not 1 <= port <= 65535:
        raise EnvironmentFault(
            f"The port must be 1 to 65535. Received: {port}", "Choose another port."
        )
    for name, value in (("threads", threads), ("max_batch", max_batch)):
        if value is not None and value < 1:
            raise EnvironmentFault(
                f"{name} must be 1 or more. Received: {value}", "Give a larger number."
            )


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
