"""V1's verbs beside `predict`: `:explain`, as KServe has it, and `:similar`.

`:explain` takes `{"instances": [...]}`, and which `label` or `entity` to explain, and answers with
`{"explanations": [...]}`; `:similar` takes the same instances and answers with `{"similar": [...]}`, a
list a row. An explanation asks the agent once a word, so few rows are taken, and all other work goes
first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from threading import Lock
from typing import Any

from starlette.concurrency import run_in_threadpool

from bertworks.contracts.files import to_json
from bertworks.errors import DataError
from bertworks.serving import protocols, reading
from bertworks.serving.exchange import Exchange
from bertworks.serving.http.reply import Reply
from bertworks.serving.line import Ticket
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.served import ServedModel
from bertworks.serving.page.occlusion import MOST_PARTS, Explanation, Occlusion, Wanted
from bertworks.serving.page.similar import Similar
from bertworks.serving.refusals import Refused
from bertworks.spec.limits import Limits
from bertworks.tasks.forms.form import Row
from bertworks.tasks.handler import Answer

MOST_ROWS = 8
"""Rows of a request, at most."""
AT_ONCE = 2
"""Requests that are explained at once: each holds a row many times over."""
MOST_WAITING = 8
"""Requests that wait for it, at most: they must not take the places of those who ask for answers."""


class Explainer:
    """Answers `:explain`."""

    def __init__(self) -> None:
        self._turns, self._waiting = asyncio.Semaphore(AT_ONCE), 0

    async def __call__(
        self,
        model: ServedModel,
        body: bytes,
        headers: Mapping[bytes, bytes],
        exchange: Exchange,
        ticket: Ticket,
        limits: Limits,
    ) -> Reply:
        """Answers a request; arguments and errors are those of `v1.predict`."""
        bundle = model.choose(exchange)
        value, rows = _read(body, bundle, limits, ("instances", "label", "entity"))
        wanted = _wanted(value, min(MOST_PARTS, max(limits.rows // len(rows) - 1, 1)))
        _note(exchange, bundle, rows)
        found: list[Explanation] = []
        async with self._turn():
            for row in rows:
                answered = await model.answer([row], None, ticket, bundle=bundle, background=True)
                await _check_not_held(model, row, answered.answers[0])
                plan = Occlusion.of(row, answered.answers[0], wanted)
                if exchange.caller is not None:
                    exchange.caller.charge_texts(1 + len(plan.rows))
                parts = await model.answer(plan.rows, None, ticket, bundle=bundle, background=True)
                found.append(plan.explained(parts.answers))
        exchange.stage("compute")
        return _reply("explanations", to_json(found), model, bundle)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= MOST_WAITING:
            raise Refused(
                429, "busy", f"{self._waiting} requests wait to be explained.", "Ask again later.",
                retry_after=1,
            )  # fmt: skip
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()


class Finder:
    """Answers `:similar`; the rows of a bundle are read when they are first asked for."""

    def __init__(self) -> None:
        self._known: dict[str, Similar | None] = {}
        self._lock = Lock()

    async def __call__(
        self,
        model: ServedModel,
        body: bytes,
        headers: Mapping[bytes, bytes],
        exchange: Exchange,
        ticket: Ticket,
        limits: Limits,
    ) -> Reply:
        """Answers a request; arguments and errors are those of `v1.predict`."""
        bundle = model.choose(exchange)
        _, rows = _read(body, bundle, limits, ("instances",))
        _note(exchange, bundle, rows)
        if exchange.caller is not None:
            exchange.caller.charge_texts(len(rows))
        similar = await run_in_threadpool(self._of, bundle)
        if similar is None:
            raise Refused(
                404, "not-offered", f"{model.name} keeps no training rows to show.",
                "Make it anew with `serve.page.examples` in the spec, if its texts may be seen.",
            )  # fmt: skip
        found = await run_in_threadpool(lambda: [similar.like(row) for row in rows])
        exchange.stage("compute")
        return _reply("similar", to_json(found), model, bundle)

    def _of(self, bundle: LoadedBundle) -> Similar | None:
        digest = bundle.identity.digest
        with self._lock:
            if digest not in self._known:
                folder = bundle.folder
                self._known.clear()  # The bundle before is not asked any more.
                self._known[digest] = Similar.of_bundle(bundle.agent, folder) if folder else None
            return self._known[digest]


async def _check_not_held(model: ServedModel, row: Row, answer: Answer) -> None:
    """Refuses to explain what the review holds back: the explanation would tell it."""
    if model.reviewer is None:
        return
    (verdict,) = await model.reviewer.verdicts([row], [answer])
    if verdict is not None and verdict.action == "hold":
        raise Refused(403, "held", f"The answer is held ({verdict.reason}), and is not explained.")


def _read(
    body: bytes, bundle: LoadedBundle, limits: Limits, members: Sequence[str]
) -> tuple[Mapping[str, Any], list[Row]]:
    value = reading.load(body, limits)
    reading.check_members(value, members, "The request")
    rows = protocols.rows_of_instances(value, bundle.agent.task, limits)
    if len(rows) > MOST_ROWS:
        raise Refused(
            422, "rows",
            f"A request like this must have 1 to {MOST_ROWS} rows. Received: {len(rows)}",
            "Ask for fewer at once.",
        )  # fmt: skip
    for place, row in enumerate(rows):
        bundle.agent.form.check(place, row)
    return value, rows


def _wanted(value: Mapping[str, Any], most: int) -> Wanted:
    label, entity = value.get("label"), value.get("entity", 0)
    if label is not None and not isinstance(label, str):
        raise DataError(f"`label` must be a text. Received: {type(label).__name__}")
    if type(entity) is not int:
        raise DataError(f"`entity` must be a whole number. Received: {type(entity).__name__}")
    return Wanted(label, entity, most)


def _note(exchange: Exchange, bundle: LoadedBundle, rows: list[Row]) -> None:
    exchange.version, exchange.digest = bundle.identity.served, bundle.identity.digest
    exchange.rows = rows
    exchange.stage("decode")


def _reply(name: str, found: Any, model: ServedModel, bundle: LoadedBundle) -> Reply:
    return Reply.json(
        {
            name: found,
            "model_name": model.name,
            "model_version": bundle.identity.served,
            "digest": bundle.identity.digest,
        }
    )
