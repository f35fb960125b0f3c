"""How following and trials take part in a server."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bertworks.serving.access.guard import check_model
from bertworks.serving.assembly import Serving
from bertworks.serving.exchange import CALLER
from bertworks.serving.http.openapi import Schema, object_of, path_of
from bertworks.serving.http.routes import json
from bertworks.serving.identity import Located
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.served import ServedModel
from bertworks.serving.observation.feedback import PATH as FEEDBACK
from bertworks.serving.observation.feedback import Feedback
from bertworks.serving.refusals import Refused
from bertworks.serving.settings import Join
from bertworks.serving.upgrades.showing import trial_panel
from bertworks.serving.upgrades.upgrading import Following, Upgrading

PATH = "/v1/models/{name}/upgrades"


def following(models: Mapping[str, Following], most_rows: int = 32) -> Join:
    """Has models follow a store.

    Args:
        models: By their names in the URLs.
        most_rows: Rows that one forward pass takes, at most.
    """

    def join(serving: Serving) -> None:
        found: dict[str, Upgrading] = {}
        for model in serving.models:
            if model.name in models:
                load = partial(_loaded, serving, model.name, most_rows)
                found[model.name] = one = Upgrading(model, models[model.name], load)
                serving.observers.add(one)
                serving.labelled.append(one.labelled)
                serving.started.append(one.start)
                serving.stopped.append(one.stop)

        async def status(request: Request) -> Response:
            """What is loaded, what was refused, and how a trial goes."""
            name = request.path_params["name"]
            check_model(request.scope.get(CALLER), name)
            if name not in found:
                raise Refused(404, "model", f"No model {name[:50]!r} follows a store here.")
            return json(found[name].status())

        serving.routes.append(Route(PATH, status, methods=["GET"]))
        serving.described.append(lambda model: _described(model) if model.name in found else {})
        serving.panels.append(
            lambda name: trial_panel(found[name].status()) if name in found else None
        )
        if not any(getattr(one, "path", "") == FEEDBACK for one in serving.routes):
            # Where no requests are kept, labels are still told to the trials.
            Feedback(serving.models, None, labelled=serving.labelled).join(serving)

    return join


def _loaded(serving: Serving, name: str, most_rows: int, located: Located) -> LoadedBundle:
    bundle = LoadedBundle.load(
        located.folder, serving.models.batcher, name, located.identity, most_rows
    )
    bundle.held = located.store  # a bucket's copy lives as long as the bundle
    return bundle


def _described(model: ServedModel) -> Schema:
    """The path of a model that follows, for the OpenAPI document."""
    text, whole, nothing = {"type": "string"}, {"type": "integer"}, {"type": "null"}
    version = object_of({"version": {"type": ["integer", "null"]}, "digest": text})
    told = object_of(
        {
            "agent": text,
            "store_failures": whole,
            "refused": {"type": "object", "additionalProperties": text},
            "champion": version,
            "previous": {"anyOf": [version, nothing]},
            "challenger": {"anyOf": [version, nothing]},
        },
        trial={"type": "object"},
    )
    path = PATH.format(name=model.name)
    return {path: path_of("What is loaded, what was refused, and how a trial goes", told, 404)}
