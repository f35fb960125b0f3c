"""The page joins a server: its routes, and what it asks of models.

GET  /                          to a browser the page, to all others what it was: whether it is alive
GET  /page/FILE                 the page's files
GET  /v1/models/NAME/card       the model card, and what this server takes
GET  /v1/models/NAME/figures    what the server counted
POST /v1/models/NAME:explain    which words an answer hangs on
POST /v1/models/NAME:similar    training rows that are like a text
"""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bertworks.contracts.files import to_json
from bertworks.contracts.shown import SHOWN
from bertworks.serving.assembly import Serving
from bertworks.serving.http import routes
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.page import describing, figures, static
from bertworks.serving.page.asking import MOST_ROWS, Explainer, Finder
from bertworks.serving.page.card import making
from bertworks.serving.refusals import Refused

OPEN_PATHS = (r"/page/[a-z]+\.[a-z]+",)
"""Paths that hold nothing but the page's own files, which are the same for everybody."""


def join(serving: Serving, *, page: bool = True) -> None:
    """Has a server offer all this.

    Args:
        serving: The server, before it starts.
        page: Whether `/` shows the page; the card and the verbs are there anyway.
    """
    serving.described.append(partial(describing.paths, limits=serving.limits))
    serving.verbs["explain"] = Explainer()
    serving.verbs["similar"] = Finder()
    serving.routes += [
        Route("/v1/models/{name}/card", _Card(serving).answer, methods=["GET"]),
        Route("/v1/models/{name}/figures", _figures(serving), methods=["GET"]),
        *(_page(serving) if page else []),
    ]


class _Card:
    """Answers with the champion's card, which is made once."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self._known: dict[tuple[str, str], Any] = {}

    async def answer(self, request: Request) -> Response:
        model = self._serving.models[request.path_params["name"]]
        bundle = model.champion
        place = (model.name, bundle.identity.digest)
        if place not in self._known:
            # Of what was served before nobody asks; a card is small, but swaps may be many.
            self._known = {key: card for key, card in self._known.items() if key[0] != model.name}
            self._known[place] = await run_in_threadpool(_card, model.name, bundle)
        return routes.json({**self._known[place], "server": self._takes(bundle)})

    def _takes(self, bundle: LoadedBundle) -> dict[str, Any]:
        limits = self._serving.limits
        return {
            "limits": {
                "rows": limits.rows,
                "characters": limits.characters,
                "body_bytes": limits.body_bytes,
                "explained_rows": MOST_ROWS,
            },
            "dialogue": self._serving.dialogue,
            "similar": bundle.folder is not None and (bundle.folder / SHOWN.name).is_file(),
        }


def _card(name: str, bundle: LoadedBundle) -> Any:
    if bundle.folder is None:
        raise Refused(404, "not-offered", f"{name} was not loaded from a bundle, and has no card.")
    return to_json(making.of_bundle(bundle.folder, name, bundle.identity))


def _figures(serving: Serving) -> Any:
    async def answer(request: Request) -> Response:
        name = serving.models[request.path_params["name"]].name
        return routes.json(to_json(figures.figures(name, serving.panels)))

    return answer


def _page(serving: Serving) -> list[BaseRoute]:
    async def index(request: Request) -> Response:
        if static.wants_page(request.headers.get("accept", "")):
            answer = _file(request, static.INDEX)
        else:
            told = routes.live(serving.models)
            answer = told if isinstance(told, Response) else routes.json(told)
        answer.headers["vary"] = "accept"
        return answer

    async def file(request: Request) -> Response:
        return _file(request, request.path_params["name"])

    return [
        Route("/", index, methods=["GET"]),
        Route("/page/{name}", file, methods=["GET"]),
    ]


def _file(request: Request, name: str) -> Response:
    found = static.files().get(name)
    if found is None:
        raise Refused(404, "route", "There is no such file.")
    if request.headers.get("if-none-match") == found.tag:
        return Response(None, 304, found.headers)
    return Response(found.body, headers=found.headers)
