"""kserve's model around an Agent: V1 and V2 requests to rows, answers back."""

from __future__ import annotations

import asyncio
import struct
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

import kserve
from kserve.protocol.infer_type import InferRequest, RequestedOutput

from bertworks.errors import DataError
from bertworks.runtime import confidence
from bertworks.runtime.agent import Agent
from bertworks.serving import protocols
from bertworks.serving.http.line import Ticket, current
from bertworks.serving.identity import BundleIdentity
from bertworks.serving.meters import Meters
from bertworks.spec.limits import Limits
from bertworks.tasks.forms.form import Row
from bertworks.tasks.handler import Answer

STUCK = 2
"""How many times `limits.seconds` a request may take: it is cancelled after one."""


class AgentModel(kserve.Model):
    """Answers V1 (decoded JSON) and V2 (InferRequest) requests.

    Args:
        agent: What computes.
        name: The model's name in the URLs.
        identity: Which bundle it is.
        limits: Of rows and characters.
        executor: Its threads compute, so that health checks are answered meanwhile.
    """

    def __init__(
        self,
        agent: Agent,
        name: str,
        identity: BundleIdentity,
        limits: Limits | None = None,
        executor: Executor | None = None,
    ) -> None:
        super().__init__(name)
        self._begun: dict[Future[Any], float] = {}
        self.ready = True
        self.identity = identity
        self._agent, self._limits = agent, limits or Limits()
        self._executor = executor or ThreadPoolExecutor(2, "answers")
        self._fields = confidence.names(agent.info.calibration)
        engine = agent.info.engine.name if agent.info.engine else ""
        self._meters = Meters(name, identity, engine)

    async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
        """Answers a request.

        Raises:
            DataError: The request is not as its protocol or the task has it.
            Cancelled: The client is gone, or the time is over.
        """
        ticket = current.get() or Ticket()
        second = isinstance(payload, InferRequest)
        with self._meters.request() as rows:
            rows += self._rows(payload) if second else self._instances(payload)
            ticket.begin(len(rows))
            answers = await self._compute(rows, ticket)
        return self._response(payload, answers) if second else {"predictions": answers}

    @property
    def computing(self) -> int:
        """Requests that threads are at, whether or not anybody still waits for them."""
        return len(self._begun)

    @property
    def stuck(self) -> bool:
        """Whether a thread is at a request for so long that it will not come back."""
        longest = STUCK * self._limits.seconds
        return any(time.monotonic() - begun > longest for begun in list(self._begun.values()))

    async def healthy(self) -> bool:
        """Whether it can answer."""
        return bool(self.ready) and not self.stuck

    def get_input_types(self) -> list[dict[str, object]]:
        """For the V2 model metadata."""
        names = protocols.input_names(self._agent.task)
        return [{"name": one, "datatype": "BYTES", "shape": [-1]} for one in names]

    def get_output_types(self) -> list[dict[str, object]]:
        """For the V2 model metadata."""
        types = protocols.output_types(self._agent.task, self._fields)
        return [{"name": one, "datatype": kind, "shape": [-1]} for one, kind in types]

    async def _compute(self, rows: list[Row], ticket: Ticket) -> Sequence[Answer]:
        future = self._executor.submit(self._agent.predict, rows, ticket.advance)
        self._begun[future] = time.monotonic()
        future.add_done_callback(lambda done: self._begun.pop(done, None))
        return await asyncio.wrap_future(future)

    def _instances(self, payload: Any) -> list[Row]:
        return protocols.rows_of_instances(payload, self._agent.task, self._limits)

    def _rows(self, request: InferRequest) -> list[Row]:
        task = self._agent.task
        protocols.check_inputs([tensor.name for tensor in request.inputs], task)
        asked = [one.name for one in request.request_outputs or ()]
        protocols.check_outputs(asked, task, self._fields)
        tensors = {tensor.name: _values(tensor) for tensor in request.inputs}
        return protocols.rows_of_tensors(tensors, task, self._limits)

    def _response(self, request: InferRequest, answers: Sequence[Answer]) -> Any:
        wanted = request.request_outputs or None
        names = None if wanted is None else [one.name for one in wanted]
        outputs = [
            kserve.InferOutput(name=output, shape=[len(values)], datatype=kind, data=values)
            for output, kind, values in protocols.tensors_of(
                answers, self._agent.task, names, self._fields
            )
        ]
        return kserve.InferResponse(
            response_id=request.id or uuid.uuid4().hex,  # optional in V2; kserve's answer needs one
            model_name=self.name,
            model_version=self.identity.served,
            infer_outputs=outputs,
            parameters={"digest": self.identity.digest},
            use_binary_outputs=request.use_binary_outputs,
            requested_outputs=wanted and [_as_asked(one, request) for one in wanted],
        )


def _values(tensor: Any) -> list[Any]:
    """A V2 input's values, flattened; kserve reshapes them to the shape that the client named."""
    if tensor.datatype != "BYTES":
        raise DataError(
            f"Input {tensor.name} must be of datatype BYTES. Received: {tensor.datatype[:20]}"
        )
    try:
        values: list[Any] = tensor.as_numpy().reshape(-1).tolist()
    except (ValueError, TypeError, OverflowError, struct.error):
        raise DataError(
            f"Input {tensor.name} must have as many data as its shape says. "
            f"Received: shape {list(tensor.shape[:8])}"
        ) from None
    return values


def _as_asked(output: RequestedOutput, request: InferRequest) -> RequestedOutput:
    """An output in the form asked for: its own `binary_data`, else the request's."""
    binary = output.binary_data
    if binary is None:
        binary = request.use_binary_outputs
    return RequestedOutput(output.name, {"binary_data": bool(binary)})
