"""How following and trials take part in a server."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bertworks.serving.assembly import Serving
from bertworks.serving.http.routes import json
from bertworks.serving.identity import Located
from bertworks.serving.models.bundle import LoadedBundle
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
            if name not in found:
                raise Refused(404, "model", f"No model {name[:50]!r} follows a store here.")
            return json(_told(found[name]))

        serving.routes.append(Route(PATH, status, methods=["GET"]))
        serving.panels.append(
            lambda name: trial_panel(found[name].status()) if name in found else None
        )

    return join


def _loaded(serving: Serving, name: str, most_rows: int, located: Located) -> LoadedBundle:
    bundle = LoadedBundle.load(
        located.folder, serving.models.batcher, name, located.identity, most_rows
    )
    bundle.held = located.store  # a bucket's copy lives as long as the bundle
    return bundle


def _told(one: Upgrading) -> dict[str, Any]:
    return one.status()
