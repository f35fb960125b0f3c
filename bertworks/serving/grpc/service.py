"""The methods of the protocol: who is let in, and what is answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import grpc
from starlette.concurrency import run_in_threadpool

from bertworks import __version__
from bertworks.serving import log
from bertworks.serving.access.guard import check_model
from bertworks.serving.assembly import Serving
from bertworks.serving.exchange import Caller, Exchange
from bertworks.serving.grpc.codec import parsed, request_of, response_of
from bertworks.serving.grpc.messages import message
from bertworks.serving.http.app import check_version
from bertworks.serving.http.gate import Gate
from bertworks.serving.http.routes import metadata
from bertworks.serving.line import Ticket
from bertworks.serving.open_inference import outputs_of, rows_of
from bertworks.serving.refusals import (
    Cancelled,
    Refused,
    as_refusal,
    ending,
    setting,
    too_late,
    too_slow,
)
from bertworks.tasks.top import top_labels

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    401: grpc.StatusCode.UNAUTHENTICATED,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    415: grpc.StatusCode.INVALID_ARGUMENT,
    422: grpc.StatusCode.INVALID_ARGUMENT,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
PROBES = ("ServerLive", "ServerReady", "ModelReady")
"""Methods that need no key: who sends probes has none."""
Method = Callable[[Any, Any], Awaitable[bytes]]
"""What grpc calls for a stream of messages: read by ourselves, within a time, though one alone comes."""


class Service:
    """Answers over gRPC what `http` answers over HTTP.

    Args:
        serving: What serves.
        gate: What stands before HTTP: its line is this one's too.
    """

    def __init__(self, serving: Serving, gate: Gate) -> None:
        self._serving, self._gate = serving, gate

    def methods(self) -> dict[str, Method]:
        """The methods by name; each reads its one message from its context, and returns bytes."""
        found: dict[str, Method] = {
            "ServerLive": self._plain("ServerLive", lambda _: {"live": self._models.alive}),
            "ServerReady": self._plain("ServerReady", lambda _: {"ready": self._models.ready}),
            "ModelReady": self._plain("ModelReady", self._model_ready),
            "ServerMetadata": self._plain("ServerMetadata", lambda _: self._server()),
            "ModelMetadata": self._plain("ModelMetadata", self._model_metadata),
            "ModelInfer": self.infer,
        }
        if self._serving.repository:
            found["RepositoryModelLoad"] = self._plain("RepositoryModelLoad", self._load)
            found["RepositoryModelUnload"] = self._plain("RepositoryModelUnload", self._unload)
        return found

    async def infer(self, _: Any, context: Any) -> bytes:
        """Answers a ModelInferRequest; a refusal ends the call with its code and reason."""
        ticket = Ticket()
        headers = _headers(context)
        exchange = Exchange("grpc", "", headers.get("x-request-id", "")[:128], _address(context))
        exchange.trace = headers.get("traceparent", "")[:200]
        status = 200
        try:
            told = await self._infer(context, headers, ticket, exchange)
            exchange.end(200, "")
            await self._serving.observers.recorded(exchange)
            return told
        except asyncio.CancelledError:
            ticket.cancel()
            status, ticket.reason = 499, "gone"
            raise
        except Exception as error:
            if isinstance(error, Cancelled) and ticket.refusal is not None:
                error = ticket.refusal
            refusal = as_refusal(error)
            status, ticket.reason = refusal.status, refusal.reason
            await _abort(context, error, refusal, ("x-request-id", exchange.id))
        finally:
            if ticket.reason:
                self._gate.turned.count(ticket.reason)
            exchange.end(status, ticket.reason)
            self._serving.observers.tell(exchange)
            log.call(exchange)

    async def _infer(
        self, context: Any, headers: dict[str, str], ticket: Ticket, exchange: Exchange
    ) -> bytes:
        exchange.caller = await self._caller(headers, "ModelInfer")
        line = self._serving.line
        if self._gate.draining:
            raise ending()
        line.check_room()
        packed = await self._read(context)
        exchange.bytes = ticket.size = len(packed)
        exchange.stage("read")
        left = context.time_remaining()
        ticket.deadline = None if left is None else time.monotonic() + left
        await line.enter(ticket)
        exchange.stage("wait")
        try:
            return await self._answer(packed, ticket, exchange)
        finally:
            line.leave(ticket)

    async def _read(self, context: Any) -> bytes:
        """The call's one message, if it comes in time: grpc itself would wait for ever."""
        seconds = self._serving.limits.body_seconds
        try:
            async with asyncio.timeout(seconds):
                packed = await context.read()
        except TimeoutError:
            raise Refused(
                408, "slow-body", f"The message was not all there within {seconds:g} s.",
                setting("body_seconds", 2 * seconds),
            ) from None  # fmt: skip
        if not isinstance(packed, bytes):
            raise Refused(400, "message", "The call must have a message.")
        return packed

    async def _answer(self, packed: bytes, ticket: Ticket, exchange: Exchange) -> bytes:
        asked = parsed("ModelInferRequest", packed)
        exchange.model = asked.model_name[:128]
        check_model(exchange.caller, asked.model_name)
        model = self._models[asked.model_name]
        if asked.model_version:
            check_version(self._models, model.name, asked.model_version)
        if not (model.ready and self._models.alive):
            raise Refused(503, "not-ready", f"{model.name} is not ready.", retry_after=1)
        request = request_of(asked)
        bundle = model.choose(exchange)
        task = bundle.agent.task
        rows = rows_of(request, task, self._serving.limits, model.fields(bundle))
        exchange.stage("decode")
        timer = self._timer(ticket)
        try:
            answered = await model.answer(rows, exchange, ticket, bundle=bundle)
        finally:
            timer.cancel()
        answers = answered.answers
        if request.top is not None:
            answers = [top_labels(one, request.top) for one in answers]
        outputs = outputs_of(request, answers, task, model.fields(bundle))
        known = answered.identity
        told = response_of(
            model.name, known.served, known.digest, request.id or exchange.id, outputs, request.binary
        )  # fmt: skip
        exchange.stage("encode")
        return told

    def _timer(self, ticket: Ticket) -> asyncio.TimerHandle:
        """Ends what takes too long, for the limit or for the caller."""
        seconds, refusal = self._serving.limits.seconds, too_slow(self._serving.limits)
        if ticket.deadline is not None and (left := ticket.deadline - time.monotonic()) < seconds:
            seconds, refusal = max(left, 0.0), too_late()
        return asyncio.get_running_loop().call_later(seconds, ticket.cancel, refusal)

    def _plain(self, name: str, told: Callable[[Any], Any]) -> Method:
        """A method that needs no place in line."""

        async def method(_: Any, context: Any) -> bytes:
            try:
                packed = await self._read(context)
                asked = parsed(f"{name}Request", packed)
                if name not in PROBES:
                    caller = await self._caller(_headers(context), name)
                    check_model(
                        caller, getattr(asked, "name", "") or getattr(asked, "model_name", "")
                    )
                value = told(asked)
                value = await value if asyncio.iscoroutine(value) else value
                response: bytes = message(f"{name}Response")(**value).SerializeToString()
                return response
            except Exception as error:
                await _abort(context, error, as_refusal(error))

        return method

    async def _caller(self, headers: dict[str, str], method: str) -> Caller | None:
        check = self._serving.check_caller
        return None if check is None else await check(headers, method)

    @property
    def _models(self) -> Any:
        return self._serving.models

    def _server(self) -> dict[str, Any]:
        extensions = ["model_repository"] if self._serving.repository else []
        return {"name": "bertworks", "version": __version__, "extensions": extensions}

    def _model_ready(self, asked: Any) -> dict[str, bool]:
        if asked.version:
            check_version(self._models, asked.name, asked.version)
        return {"ready": self._models[asked.name].ready and self._models.alive}

    def _model_metadata(self, asked: Any) -> dict[str, Any]:
        if asked.version:
            check_version(self._models, asked.name, asked.version)
        return metadata(self._models[asked.name])

    async def _load(self, asked: Any) -> dict[str, Any]:
        await run_in_threadpool(self._models.load, asked.model_name)
        return {"model_name": asked.model_name, "isLoaded": True}

    def _unload(self, asked: Any) -> dict[str, Any]:
        self._models.unload(asked.model_name)
        return {"model_name": asked.model_name, "isUnloaded": True}


async def _abort(
    context: Any, error: Exception, refusal: Refused, *more: tuple[str, str]
) -> NoReturn:
    """Ends the call with the refusal's code; its reason and when to ask again go as trailers."""
    if refusal.status == 500:
        log.fault(error)
    trailers = [("reason", refusal.reason), *more]
    if refusal.retry_after is not None:
        trailers.append(("retry-after", str(refusal.retry_after)))
    said = refusal.said.encode("utf-8", "replace").decode()
    code = CODES.get(refusal.status, grpc.StatusCode.INTERNAL)
    await context.abort(code, said, tuple(trailers))
    raise AssertionError("A call that was aborted goes on.")


def _headers(context: Any) -> dict[str, str]:
    """The call's metadata of text; what ends in -bin is bytes, and of no use here."""
    found = context.invocation_metadata() or ()
    return {key.lower(): value for key, value in found if isinstance(value, str)}


def _address(context: Any) -> str:
    """The client's address out of `ipv4:127.0.0.1:5` or `ipv6:[::1]:5`."""
    peer = str(context.peer() or "")
    return peer.partition(":")[2].rpartition(":")[0].strip("[]")
