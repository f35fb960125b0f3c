"""kserve's application for one agent: its V1 and V2 routes, read strictly and refused plainly.

What differs from kserve's own: V2 bodies are decoded as strictly as V1's, at their turn; the
repository's routes, by which anybody could unload the model, are there only when asked for; health
says what is so; and no client's fault is a 5xx.
"""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from kserve.constants.constants import PredictorProtocol
from kserve.errors import (
    InvalidInput,
    ModelNotFound,
    ModelNotReady,
    ServerNotLive,
    ServerNotReady,
    UnsupportedProtocol,
)
from kserve.model_repository import ModelRepository
from kserve.protocol.dataplane import DataPlane
from kserve.protocol.model_repository_extension import ModelRepositoryExtension
from kserve.protocol.rest.server import metrics_handler
from kserve.protocol.rest.v1_endpoints import register_v1_endpoints
from kserve.protocol.rest.v2_endpoints import register_v2_endpoints
from starlette.exceptions import HTTPException

from bertworks import __version__
from bertworks.errors import DataError
from bertworks.serving.http import decoding
from bertworks.serving.http.gate import TICKET
from bertworks.serving.http.model import AgentModel
from bertworks.serving.refusals import Cancelled, Refused
from bertworks.spec.limits import Limits

REPOSITORY = "/v2/repository/{path:path}"
VERSION = "/v2/models/{model_name}/versions/{model_version}"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class Repository(ModelRepository):
    """The models that are served; one that was unloaded can be loaded again."""

    def __init__(self, models: list[AgentModel]) -> None:
        super().__init__()
        self.own = {model.name: model for model in models}
        self.models.update(self.own)

    def load(self, name: str) -> bool:
        """Takes a model that was unloaded back."""
        model = self.own[name]
        model.ready = True
        self.update(model)
        return True

    async def all_ready(self) -> bool:
        """Whether every model that this server is there for can answer."""
        return all([await self.is_model_ready(name) for name in self.own])


class AgentDataPlane(DataPlane):
    """kserve's data plane with strict decoding, and health that looks at the models."""

    def __init__(self, repository: Repository, limits: Limits) -> None:
        super().__init__(model_registry=repository)
        self.repository, self.limits = repository, limits
        self.draining = False
        self.extensions: list[str] = []

    def metadata(self) -> dict[str, str | list[str]]:
        """Name and version of this server, and the extensions that it has switched on."""
        return {"name": "bertworks", "version": __version__, "extensions": self.extensions}

    async def model_metadata(self, model_name: str) -> dict[str, Any]:
        """kserve's, with the version that is served."""
        facts = await super().model_metadata(model_name)
        versions = [self.repository.own[model_name].identity.served]
        return {**facts, "platform": "bertworks", "versions": versions}

    def check_version(self, model_name: str, version: str) -> None:
        """Refuses a version that is not the one that is served.

        Raises:
            ModelNotFound: There is no such model here.
            HTTPException: 404, with the version that there is.
        """
        self.get_model_from_registry(model_name)
        served = self.repository.own[model_name].identity.served
        if version != served:
            raise HTTPException(
                404, f"{model_name} is served in version {served}. Received: {version[:50]!r}"
            )

    async def live(self) -> dict[str, str]:
        """Whether a restart would help: a thread of a model does not come back."""
        stuck = any(model.stuck for model in self.repository.own.values())
        return {"status": "stuck" if stuck else "alive"}

    async def ready(self) -> bool:
        """Whether the models answer and the server is not stopping."""
        return not self.draining and await self.repository.all_ready()

    def decode(
        self,
        body: Any,
        headers: Any,
        protocol_version: str = PredictorProtocol.REST_V1.value,
        model_name: str | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Decodes a body; whatever is wrong with it is refused as the client's fault."""
        if protocol_version == PredictorProtocol.REST_V2.value:
            return decoding.second(body, headers, model_name or "", self.limits), {}
        if decoding.is_binary_event(headers):
            event = self.get_binary_cloudevent(
                decoding.event_body(body, headers, self.limits), headers
            )
            return self.decode_cloudevent(event)
        return self.decode_cloudevent(decoding.first(body, self.limits))


def application(
    models: list[AgentModel], limits: Limits | None = None, *, repository: bool = False
) -> tuple[FastAPI, AgentDataPlane]:
    """kserve's routes for some models.

    Args:
        models: What is served.
        limits: What a request may hold; None: the defaults.
        repository: Whether models may be unloaded and loaded over HTTP, by anybody who can call.

    Returns:
        The application, and the data plane behind it.
    """
    plane = AgentDataPlane(Repository(models), limits or Limits())
    extension = ModelRepositoryExtension(model_registry=plane.repository)
    app = FastAPI(title="bertworks", version=__version__, docs_url=None, redoc_url=None)
    app.add_api_route("/", plane.live)
    app.add_api_route("/metrics", metrics_handler, methods=["GET"])
    # Before kserve's, so that this one answers: kserve's reads the body by itself, leniently.
    for path in ("/v2/models/{model_name}/infer", f"{VERSION}/infer"):
        app.add_api_route(
            path, _infer(plane), methods=["POST"], response_model=None, include_in_schema=False
        )
    _add_versions(app, plane)
    if repository:
        plane.extensions.append("model_repository")
    else:
        app.add_api_route(REPOSITORY, _not_offered, methods=METHODS, include_in_schema=False)
    register_v1_endpoints(app, plane, extension)
    register_v2_endpoints(app, plane, extension)
    for kind in (Exception, *_STATUSES):
        app.add_exception_handler(kind, _refuse)
    return app, plane


async def _not_offered() -> None:
    raise HTTPException(404, "This server was started without --repository.")


def _add_versions(app: FastAPI, plane: AgentDataPlane) -> None:
    """The routes that name a version, which kserve does not offer: for the one that is served."""

    async def metadata(model_name: str, model_version: str) -> dict[str, Any]:
        plane.check_version(model_name, model_version)
        return await plane.model_metadata(model_name)

    async def ready(model_name: str, model_version: str) -> dict[str, str | bool]:
        plane.check_version(model_name, model_version)
        if not await plane.model_ready(model_name):
            raise ModelNotReady(model_name)
        return {"name": model_name, "ready": True}

    app.add_api_route(VERSION, metadata, include_in_schema=False)
    app.add_api_route(f"{VERSION}/ready", ready, include_in_schema=False)


def _infer(plane: AgentDataPlane) -> Any:
    async def infer(
        request: Request, model_name: str, model_version: str | None = None
    ) -> Response:
        """Answers a V2 request, in JSON or with the binary data extension."""
        if model_version is not None:
            plane.check_version(model_name, model_version)
        if not await plane.model_ready(model_name):
            raise ModelNotReady(model_name)
        headers = dict(request.headers)
        body, _ = plane.decode(
            await request.body(), headers, PredictorProtocol.REST_V2.value, model_name
        )
        answer, _ = await plane.infer(model_name=model_name, request=body, headers=headers)
        content, extra = plane.encode(model_name, answer, {}, {})
        if isinstance(content, bytes):
            return Response(content, headers=extra, media_type="application/octet-stream")
        return Response(orjson.dumps(content), media_type="application/json")

    return infer


_STATUSES: dict[Any, tuple[int, str]] = {
    RequestValidationError: (422, "request"),
    HTTPException: (400, "route"),
    DataError: (400, "row"),
    InvalidInput: (400, "input"),
    ModelNotFound: (404, "model"),
    NotImplementedError: (404, "not-offered"),
    UnsupportedProtocol: (400, "protocol"),
    ModelNotReady: (503, "not-ready"),
    ServerNotReady: (503, "not-ready"),
    ServerNotLive: (503, "not-live"),
    Cancelled: (503, "cancelled"),
}


async def _refuse(request: Request, error: Exception) -> Response:
    """The answer to what went wrong; the gate logs it by its reason."""
    ticket = request.scope.get(TICKET)
    if isinstance(error, Cancelled) and ticket is not None and ticket.refusal is not None:
        error = ticket.refusal
    status, reason = next(
        (known for kind, known in _STATUSES.items() if isinstance(error, kind)), (500, "fault")
    )
    headers: dict[str, str] = {}
    if isinstance(error, Refused):
        status, reason = error.status, error.reason
        if error.retry_after is not None:
            headers["retry-after"] = str(error.retry_after)
        if error.close:
            headers["connection"] = "close"
    elif isinstance(error, HTTPException):
        status, headers = error.status_code, dict(error.headers or {})
    if ticket is not None:
        ticket.reason = reason
    return JSONResponse({"error": _said(error, status)}, status_code=status, headers=headers)


def _said(error: Exception, status: int) -> str:
    if isinstance(error, Refused):
        return error.said
    if isinstance(error, DataError):
        text = error.message
    elif isinstance(error, RequestValidationError):
        text = "; ".join(decoding.named(one) for one in error.errors()[:3])
    elif isinstance(error, HTTPException):
        text = str(error.detail)
    elif isinstance(error, NotImplementedError):
        text = "This server does not offer that."
    elif status == 500:  # The message may hold anything.
        text = f"The server failed ({type(error).__name__}). See its log."
    else:
        text = str(error)
    # Of a client's own words, lone surrogates could not be sent back.
    return text.encode("utf-8", "replace").decode()
