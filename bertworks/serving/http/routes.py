"""All paths but those that ask a model: health, metadata, metrics, and the model repository.

A room that brings paths of its own gives a list of such routes to `listening.Listener`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bertworks import __version__
from bertworks.serving import protocols
from bertworks.serving.http import openapi
from bertworks.serving.http.app import check_version
from bertworks.serving.models.registry import Registry
from bertworks.serving.models.served import ServedModel
from bertworks.serving.refusals import Refused
from bertworks.spec.limits import Limits

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(
    models: Registry,
    limits: Limits,
    *,
    repository: bool = False,
    described: Sequence[openapi.Describe] = (),
    guarded: bool = False,
) -> list[BaseRoute]:
    """The routes.

    Args:
        models: What is served.
        limits: What a request may hold, for the document.
        repository: Whether models may be unloaded and loaded, by anybody who can call.
        described: Paths of other rooms, for the document.
        guarded: Whether a key is asked for, likewise.
    """

    def document() -> openapi.Schema:
        return openapi.document(
            models, limits, repository=repository, described=described, guarded=guarded
        )

    found: list[BaseRoute] = [
        _get("/", lambda _: live(models)),
        _get("/metrics", _metrics),
        _get("/openapi.json", lambda _: document()),
        _get("/v1/models", lambda _: {"models": models.names}),
        _get("/v1/models/{name}", lambda request: _ready_model(models, _name(request))),
        _get("/v2", lambda _: _server(repository)),
        _get("/v2/health/live", lambda _: live(models)),
        _get("/v2/health/ready", lambda _: _ready(models)),
        _get("/v2/models", lambda _: {"models": models.names}),
    ]
    for prefix in ("/v2/models/{name}", "/v2/models/{name}/versions/{version}"):
        found += [
            _get(prefix, lambda request: metadata(_versioned(models, request))),
            _get(f"{prefix}/ready", lambda request: _ready_model(
                models, _versioned(models, request).name)),
        ]  # fmt: skip
    found += _repository(models) if repository else [_not_offered()]
    return found + [_without(*one) for one in _OPTIONAL]


def metadata(model: ServedModel) -> dict[str, Any]:
    """V2's metadata of a model."""
    bundle = model.champion
    task = bundle.agent.task
    outputs = protocols.output_types(task, model.fields(bundle))
    return {
        "name": model.name,
        "versions": [bundle.identity.served],
        "platform": "bertworks",
        "inputs": [
            {"name": name, "datatype": "BYTES", "shape": [-1]}
            for name in protocols.input_names(task)
        ],
        "outputs": [
            {"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in outputs
        ],
    }


def json(value: Any, status: int = 200) -> Response:
    """A response of JSON."""
    return Response(orjson.dumps(value), status, media_type="application/json")


def _get(path: str, told: Callable[[Request], Any]) -> Route:
    """A route that answers with JSON, or with a response that it makes itself."""

    async def endpoint(request: Request) -> Response:
        value = told(request)
        return value if isinstance(value, Response) else json(value)

    return Route(path, endpoint, methods=["GET"])


def _metrics(_: Request) -> Response:
    from prometheus_client import REGISTRY
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    return Response(generate_latest(REGISTRY), headers={"content-type": CONTENT_TYPE_LATEST})


def _server(repository: bool) -> dict[str, Any]:
    extensions = ["model_repository"] if repository else []
    return {"name": "bertworks", "version": __version__, "extensions": extensions}


def live(models: Registry) -> Any:
    """Whether a restart would help."""
    if not models.alive:
        return json({"live": False, "error": "A thread of the engine is lost."}, 503)
    return {"live": True}


def _ready(models: Registry) -> Any:
    return json({"ready": models.ready}, 200 if models.ready else 503)


def _name(request: Request) -> str:
    return str(request.path_params["name"])


def _versioned(models: Registry, request: Request) -> ServedModel:
    version = request.path_params.get("version")
    if version is not None:
        check_version(models, _name(request), str(version))
    return models[_name(request)]


def _ready_model(models: Registry, name: str) -> dict[str, Any]:
    model = models[name]
    if not (model.ready and models.alive):
        raise Refused(503, "not-ready", f"{name} is not ready.", retry_after=1)
    return {"name": name, "ready": True}


def _repository(models: Registry) -> list[BaseRoute]:
    """Triton's model repository extension, which kserve has too."""

    async def index(request: Request) -> Response:
        return json(models.index())

    async def load(request: Request) -> Response:
        await run_in_threadpool(models.load, _name(request))
        return json({"name": _name(request), "load": True})

    async def unload(request: Request) -> Response:
        models.unload(_name(request))
        return json({"name": _name(request), "unload": True})

    base = "/v2/repository"
    return [
        Route(f"{base}/index", index, methods=["POST"]),
        Route(f"{base}/models/{{name}}/load", load, methods=["POST"]),
        Route(f"{base}/models/{{name}}/unload", unload, methods=["POST"]),
    ]


_OPTIONAL = (
    ("/v1/feedback", "POST", "--samples or --follow"),
    ("/v1/dialogues/{id}/turns", "POST", "--dialogue"),
    ("/v1/models/{name}/upgrades", "GET", "--follow"),
)
"""Paths that rooms bring by an option, which stand before these where it was given."""


def _without(path: str, method: str, option: str) -> Route:
    async def refuse(request: Request) -> Response:
        raise Refused(404, "route", f"This server was started without {option}.")

    return Route(path, refuse, methods=[method])


def _not_offered() -> Route:
    async def refuse(request: Request) -> Response:
        raise Refused(404, "route", "This server was started without --repository.")

    methods = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return Route("/v2/repository/{path:path}", refuse, methods=methods)
