"""The paths of a dialogue.

POST   /v1/dialogues                 an id for a new dialogue, and what is said before the first turn
POST   /v1/dialogues/ID/turns        a turn: `text`, or `acts` that it was understood as; its number in
                                     `turn`, which may be left out for the first one; that begins
                                     a dialogue where there is none, or none any more
GET    /v1/dialogues/ID              all turns with all that was decided
DELETE /v1/dialogues/ID              forgets the dialogue
POST   /v1/dialogues/ID/outcome      how well it ended for the user: `satisfied`, true or false

A dialogue belongs to the key that its first turn came with. On a server without keys it belongs to
whoever knows its id: ids from here cannot be guessed.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from bertworks.dialogue.acts import THIS, USER, Heard
from bertworks.dialogue.sessions import (
    ID,
    Answered,
    Conflict,
    Forgotten,
    Over,
    Room,
    Withdrawn,
)
from bertworks.errors import DataError, EnvironmentFault
from bertworks.serving import reading
from bertworks.serving.access.guard import check_model
from bertworks.serving.dialogues.waiting import Threads
from bertworks.serving.exchange import CALLER, EXCHANGE, Exchange
from bertworks.serving.http.openapi import ASKED, Schema, object_of, operation_of
from bertworks.serving.http.routes import json
from bertworks.serving.line import TICKET, Ticket
from bertworks.serving.meters import Meters
from bertworks.serving.refusals import Cancelled, Refused, setting
from bertworks.spec.limits import Limits

PATH = "/v1/dialogues"
MOST_BYTES = 262_144
"""Of a body: 10,000 characters and more, however they are escaped."""
MOST_ACTS = 100
MOST_TURNS = 1_000_000
PROTOCOL, NAME = "dialogue", "dialogues"
"""What the audit log calls a turn's protocol, and its model."""
_TURN = re.compile(PATH + "/[^/]+/turns")
_KNOWN = ("text", "acts", "turn", "trace")
_BEGINS = (
    "A turn without a number counts as turn 1. Where there is no dialogue of that id, or none any more, "
    "turn 1 begins one; a later turn is refused."
)


def asks(path: str) -> tuple[str, str] | None:
    """Whether a path is a turn's, which is answered within limits and goes on record: see `Serving`."""
    return (PROTOCOL, NAME) if _TURN.fullmatch(path) else None


class Dialogues:
    """Answers the paths.

    Args:
        room: Answers turns and keeps them.
        models: The served models that it asks, which a caller must be allowed to ask.
        limits: Of bodies' nesting.
        version: What the dialogue is called on record.
        digest: Of its bundle.

    Attributes:
        meters: Of its turns, as those of a model's requests.
    """

    def __init__(
        self, room: Room, models: Sequence[str], limits: Limits, version: str = "", digest: str = ""
    ) -> None:
        self._room, self._models, self._limits = room, models, limits
        self._version, self._digest = version, digest
        self._threads, self.meters = Threads(), Meters(NAME)

    def routes(self) -> list[BaseRoute]:
        """The routes."""
        return [
            Route(PATH, self._begin, methods=["POST"]),
            Route(PATH + "/{id}/turns", self._turn, methods=["POST"]),
            Route(PATH + "/{id}/outcome", self._outcome, methods=["POST"]),
            Route(PATH + "/{id}", self._whole, methods=["GET", "DELETE"]),
        ]

    async def _begin(self, request: Request) -> Response:
        self._owner(request)
        body = await _body(request)
        if body.strip() and reading.load(body, self._limits) != {}:
            raise Refused(
                400, "dialogue", "A dialogue begins without a body.",
                f"Send none; an id of your own goes into POST {PATH}/ID/turns.",
            )  # fmt: skip
        greeting = await run_in_threadpool(_kept, self._room.agent.greeting)
        return json({"dialogue": str(uuid.uuid4()), "turn": 1, "answer": greeting})

    async def _turn(self, request: Request) -> Response:
        owner, name = self._owner(request), _name(request)
        asked = reading.load(await _body(request), self._limits)
        said, number, trace = _asked(asked)
        self._check(said)
        exchange: Exchange = request.scope.get(EXCHANGE) or Exchange(PROTOCOL, NAME)
        exchange.version, exchange.digest = self._version, self._digest
        exchange.rows = [said if isinstance(said, str) else ", ".join(str(one.act) for one in said)]
        exchange.stage("decode")
        caller = request.scope.get(CALLER)
        if caller is not None:
            caller.charge_texts(1)
        turn = partial(self._room.turn, owner, name, said, number)
        with self.meters.running():
            found: Answered = await self._threads.answered(
                request.scope.get(TICKET) or Ticket(), lambda wanted: _turned(lambda: turn(wanted))
            )
        exchange.stage("compute")
        exchange.answers = [on_record(name, found)]
        answer = {
            "dialogue": name,
            "turn": found.turn,
            "answer": found.answer,
            "ended": found.ended,
            "again": found.again,
            "acts": found.trace["acts"],
            "notices": found.trace["notices"],
        }
        return json({**answer, "trace": found.trace} if trace else answer)

    def _check(self, said: str | list[Heard]) -> None:
        """Refuses a text that is too long, and acts of slots that the dialogue has not."""
        if isinstance(said, str):
            most = self._limits.characters
            if len(said) > most:
                raise Refused(
                    422, "characters", f"A turn has at most {most} characters. Received: {len(said)}",
                    setting("characters", len(said)),
                )  # fmt: skip
            return
        domain = self._room.agent.domain
        slots = (*domain.columns, THIS)
        for place, one in enumerate(said):
            if one.act.slot and one.act.slot not in slots:
                raise Refused(
                    400, "turn", f"acts[{place}]: there is no slot {one.act.slot!r:.50} here.",
                    f"Use one of {', '.join(slots)}.",
                )  # fmt: skip

    async def _whole(self, request: Request) -> Response:
        # One route for both: of two, the first one would say which methods there are.
        return await (self._forget if request.method == "DELETE" else self._history)(request)

    async def _history(self, request: Request) -> Response:
        owner, name = self._owner(request), _name(request)
        turns = await run_in_threadpool(_kept, lambda: self._room.history(owner, name))
        if not turns:
            raise _unknown(name)
        return json({"dialogue": name, "turns": turns})

    async def _outcome(self, request: Request) -> Response:
        owner, name = self._owner(request), _name(request)
        asked = reading.load(await _body(request), self._limits)
        if (
            not isinstance(asked, dict)
            or not isinstance(asked.get("satisfied"), bool)
            or len(asked) > 1
        ):
            raise Refused(400, "outcome", 'The body must be {"satisfied": true} or false.')
        outcome = float(asked["satisfied"])
        if not await run_in_threadpool(_kept, lambda: self._room.judge(owner, name, outcome)):
            raise _unknown(name)
        return json({"dialogue": name, "satisfied": asked["satisfied"]})

    async def _forget(self, request: Request) -> Response:
        owner, name = self._owner(request), _name(request)
        if not await run_in_threadpool(_kept, lambda: self._room.forget(owner, name)):
            raise _unknown(name)
        return json({"dialogue": name, "forgotten": True})

    def _owner(self, request: Request) -> str:
        caller = request.scope.get(CALLER)
        for model in self._models:
            check_model(caller, model)
        return "" if caller is None else str(caller.id)


def on_record(name: str, found: Answered) -> dict[str, Any]:
    """What the audit log has of an answer: what was said and why, and nothing that the user said."""
    choice = found.trace["choice"]
    return {
        "dialogue": name, "turn": found.turn, "again": found.again, "answer": found.answer,
        "action": choice["action"], "by": choice["by"], "knowledge": found.trace["knowledge"],
    }  # fmt: skip


def described(limits: Limits) -> Schema:
    """The paths, for the OpenAPI document; `limits`: what a request may hold."""
    text, whole, switch = {"type": "string"}, {"type": "integer"}, {"type": "boolean"}
    acts = {"type": "array", "items": {"type": "array", "items": text}}
    listed = {"type": "array", "items": text}
    answer = object_of(
        {
            "dialogue": text, "turn": whole, "answer": text, "ended": switch, "again": switch,
            "acts": acts, "notices": listed,
        },
        trace={"type": "object"},
    )  # fmt: skip
    said: Schema = {
        "text": {"type": "string", "maxLength": limits.characters},
        "acts": {"type": "array", "items": _act_schema(), "maxItems": MOST_ACTS},
    }
    number = {"type": "integer", "minimum": 1, "maximum": MOST_TURNS}
    asked = {
        "oneOf": [
            object_of({name: one}, closed=True, turn=number, trace=switch)
            for name, one in said.items()
        ]
    }
    body = {"application/json": {"schema": asked, "example": {"text": "Hello", "turn": 1}}}
    called = {"type": "string", "pattern": f"^(?:{ID.pattern})$"}
    name = {"name": "id", "in": "path", "required": True, "schema": called}
    begun = object_of({"dialogue": text, "turn": whole, "answer": text})
    history = object_of({"dialogue": text, "turns": {"type": "array"}})
    wanted = {"application/json": {"schema": object_of({"satisfied": switch}, closed=True)}}
    judged = object_of({"dialogue": text, "satisfied": switch})
    forgotten = object_of({"dialogue": text, "forgotten": switch})
    return {
        PATH: {"post": operation_of("An id for a new dialogue", begun, 400, 413, 422, 500, 503)},
        PATH + "/{id}/turns": {
            "parameters": [name],
            "post": operation_of(
                "A turn", answer, *ASKED, 409, 410, body=body, description=_BEGINS
            ),
        },
        PATH + "/{id}/outcome": {
            "parameters": [name],
            "post": operation_of(
                "How well it ended", judged, 400, 404, 413, 422, 500, 503, body=wanted
            ),
        },
        PATH + "/{id}": {
            "parameters": [name],
            "get": operation_of("All turns with what was decided", history, 400, 404, 500, 503),
            "delete": operation_of("Forgets a dialogue", forgotten, 400, 404, 500, 503),
        },
    }


def _act_schema() -> Schema:
    """An act as `Heard.from_json` reads it, but for which intent comes with what."""
    text = {"type": "string"}
    act = {
        "anyOf": [
            {"type": "array", "items": text, "minItems": 1, "maxItems": 3},
            object_of({"intent": {"enum": [*USER]}}, closed=True, slot=text, value=text),
            {"enum": [intent for intent, shape in USER.items() if not shape.slot]},
        ]
    }
    sure = {"type": "number", "minimum": 0, "maximum": 1}
    return {"anyOf": [*act["anyOf"], object_of({"act": act}, closed=True, confidence=sure)]}


def _asked(asked: Any) -> tuple[str | list[Heard], int, bool]:
    """What the user said, in which turn, and whether the trace is wanted."""
    example = 'Send for example {"text": "Something cheap", "turn": 1}.'
    if not isinstance(asked, dict) or ("text" in asked) == ("acts" in asked):
        raise Refused(400, "turn", "A turn is an object with `text` or `acts`.", example)
    if unknown := sorted(set(asked) - {*_KNOWN}):
        raise Refused(400, "turn", f"A turn has no key {unknown[0][:50]!r}.", example)
    number, trace = asked.get("turn", 1), asked.get("trace", False)
    if type(number) is not int or not 1 <= number <= MOST_TURNS:
        raise Refused(
            400,
            "turn",
            f"`turn` must be the turn's number, from 1. Received: {number!r:.40}",
            example,
        )
    if not isinstance(trace, bool):
        raise Refused(400, "turn", "`trace` must be true or false.", example)
    if "text" in asked:
        if not isinstance(asked["text"], str):
            raise Refused(400, "turn", "`text` must be a text.", example)
        return asked["text"], number, trace
    acts = asked["acts"]
    if not isinstance(acts, list) or len(acts) > MOST_ACTS:
        raise Refused(400, "turn", f"`acts` must be a list of at most {MOST_ACTS} acts.", example)
    try:
        return [Heard.from_json(one, f"acts[{i}]") for i, one in enumerate(acts)], number, trace
    except DataError as error:
        raise Refused(400, "turn", error.message, error.fix) from None


def _turned(work: Callable[[], Any]) -> Any:
    """Answers a turn; why it is not the dialogue's next one becomes a refusal, see `_kept` too."""
    try:
        return _kept(work)
    except Conflict as conflict:
        raise Refused(409, "turn", conflict.message, conflict.fix) from None
    except Over as over:
        raise Refused(410, "over", over.message, over.fix) from None
    except Forgotten as forgotten:
        raise Refused(404, "no-dialogue", forgotten.message, forgotten.fix) from None
    except Withdrawn:
        raise Cancelled from None


def _kept(work: Callable[[], Any]) -> Any:
    """Does something with the store; what goes wrong there becomes a refusal."""
    try:
        return work()
    except EnvironmentFault as fault:
        raise Refused(
            503,
            "sessions",
            "The dialogues cannot be read or kept now.",
            "Ask again.",
            retry_after=1,
        ) from fault


def _name(request: Request) -> str:
    name = str(request.path_params["id"])
    if not ID.fullmatch(name):
        raise Refused(
            400, "dialogue", "A dialogue's id has letters, digits, dots, dashes, at most 128.",
            f"Take one from POST {PATH}.",
        )  # fmt: skip
    return name


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            raise Refused(
                413, "body", f"A turn has at most {MOST_BYTES:,} bytes. Received: more.",
                "Say it in several turns.", close=True,
            )  # fmt: skip
        parts.append(part)
    return b"".join(parts)


def _unknown(name: str) -> Refused:
    return Refused(
        404, "no-dialogue", f"There is no dialogue {name!r:.80} (any more).",
        "Its first turn begins it; it is forgotten after a time.",
    )  # fmt: skip
