"""The server: a kserve ModelServer around an Agent.

V1 at `/v1/models/NAME:predict`, V2 at `/v2/models/NAME/infer`, health at `/v2/health/ready` and
`/v2/health/live`, Prometheus metrics at `/metrics`. See `protocols` for the requests. A V2 answer
names the version (`model_version`) and the bundle's digest (`parameters.digest`) that it comes from.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import socket
import struct
import sys
import uuid
from typing import Any

from bertworks.artifacts import open_artifact
from bertworks.cpus import available_threads
from bertworks.errors import DataError, EnvironmentFault
from bertworks.serving import protocols
from bertworks.serving.identity import Identity
from bertworks.serving.meters import Meters
from bertworks.serving.runtime import Agent, Row
from bertworks.spec import Task

GRACE_SECONDS = 30
"""How long requests may still run after SIGTERM; a pod's grace period must be longer."""


def serve(
    folder: str | os.PathLike[str],
    port: int = 8080,
    name: str = "agent",
    threads: int | None = None,
    max_batch: int = 32,
    identity: Identity | None = None,
) -> None:
    """Serves a bundle until SIGINT or SIGTERM; requests that are running are answered first.

    They have GRACE_SECONDS for it, in which new connections are refused.

    Args:
        folder: A bundle artifact.
        port: HTTP port, on all interfaces.
        name: The model's name in the URLs.
        threads: CPU threads of one forward pass; None: all that may be used.
        max_batch: Rows that one forward pass takes, at most.
        identity: Which bundle it is, for the answers and the metrics; None: its digest alone.

    Raises:
        ArtifactError: The bundle is missing, damaged, or cannot be loaded.
        EnvironmentFault: The port is taken or none, or threads or max_batch is below 1.
    """
    _check_numbers(port, threads, max_batch)
    agent = Agent.load(folder, threads=threads, max_batch=max_batch)
    # The first passes load and allocate, for one row and for many: not while a client waits.
    for rows in (1, 2 * (threads or available_threads())):
        agent.predict([_sample(agent)] * rows)
    _check_port(port)
    kserve = _import_kserve()
    server = kserve.ModelServer(
        http_port=port, enable_grpc=False, workers=1, grace_period=GRACE_SECONDS
    )
    _keep_probes_out_of_the_log()
    known = identity or Identity(open_artifact(folder, "bundle", verify=False).digest)
    server.start([served_model(agent, name, known)])


def served_model(agent: Agent, name: str, identity: Identity) -> Any:
    """The kserve model of an agent: a `kserve.Model` that is ready."""
    kserve = _import_kserve()
    from kserve.errors import InvalidInput

    engine = str((agent.info.get("engine") or {}).get("name", ""))
    meters = Meters(name, identity, engine)

    class AgentModel(kserve.Model):  # type: ignore[name-defined]
        """Answers V1 (dict) and V2 (InferRequest) requests."""

        def __init__(self) -> None:
            super().__init__(name)
            self.ready = True

        async def predict(
            self, payload: Any, headers: Any = None, response_headers: Any = None
        ) -> Any:
            """Runs the agent in a thread, so that health checks are answered meanwhile."""
            second = isinstance(payload, kserve.InferRequest)
            try:
                with meters.request() as rows:
                    rows += (
                        _rows(agent, payload)
                        if second
                        else protocols.rows_of_instances(payload, agent.task)
                    )
                    answers = await asyncio.to_thread(agent.predict, rows)
            except DataError as error:
                raise InvalidInput(error.message) from None
            if second:
                return _response(name, payload, answers, agent.task, identity)
            return {"predictions": answers}

        def get_input_types(self) -> list[dict[str, Any]]:
            """For the V2 model metadata."""
            names = protocols.input_names(agent.task)
            return [{"name": one, "datatype": "BYTES", "shape": [-1]} for one in names]

        def get_output_types(self) -> list[dict[str, Any]]:
            """For the V2 model metadata."""
            types = protocols.output_types(agent.task)
            return [{"name": one, "datatype": kind, "shape": [-1]} for one, kind in types]

    return AgentModel()


def _rows(agent: Agent, request: Any) -> list[Row]:
    tensors = {}
    for tensor in request.inputs:
        if tensor.datatype != "BYTES":
            raise DataError(
                f"Input {tensor.name} must be of datatype BYTES. Received: {tensor.datatype}"
            )
        tensors[tensor.name] = _values(tensor)
    return protocols.rows_of_tensors(tensors, agent.task)


def _values(tensor: Any) -> list[Any]:
    """A V2 input's values, flattened; kserve reshapes them to the shape that the client named."""
    try:
        values: list[Any] = tensor.as_numpy().reshape(-1).tolist()
    except (ValueError, TypeError, struct.error) as error:
        raise DataError(
            f"Input {tensor.name} must have as many data as its shape says. "
            f"Received: shape {list(tensor.shape)} ({error})"
        ) from None
    return values


def _response(
    name: str, request: Any, answers: list[dict[str, Any]], task: Task, identity: Identity
) -> Any:
    kserve = _import_kserve()
    outputs = [
        kserve.InferOutput(name=output, shape=[len(values)], datatype=kind, data=values)
        for output, kind, values in protocols.tensors_of(answers, task)
    ]
    return kserve.InferResponse(
        response_id=request.id or uuid.uuid4().hex,  # optional in V2, but kserve's answer needs one
        model_name=name,
        model_version=None if identity.version is None else str(identity.version),
        infer_outputs=outputs,
        parameters={"digest": identity.digest},
    )


def _sample(agent: Agent) -> Row:
    return ("warm", "up") if agent.task.pair else "warm up"


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


def _check_port(port: int) -> None:
    """uvicorn ends with a bare exit code where the port is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError as error:
            raise EnvironmentFault(
                f"Port {port} cannot be used: {error.strerror}.", "Choose another port."
            ) from None


_PROBE = re.compile(
    r'"GET (/|/metrics|/v2/health/\w+|/v[12]/models/[^/ ]+(/ready)?) HTTP/[^"]+" 200'
    r"|^kserve\.io\S*\.(ready|live|metrics): .*http_status:200"
)


def _keep_probes_out_of_the_log() -> None:
    """A probe every few seconds, two or three lines each, would bury what one looks for."""
    for name in ("uvicorn.access", "kserve.trace"):
        logging.getLogger(name).addFilter(lambda record: not _PROBE.search(record.getMessage()))


def _import_kserve() -> Any:
    """kserve reads the command line when it is imported: it must not see ours."""
    arguments, sys.argv = sys.argv, sys.argv[:1]
    try:
        import kserve
    finally:
        sys.argv = arguments
    return kserve
