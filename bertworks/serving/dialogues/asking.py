"""What a served dialogue asks: models that the same server serves."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from bertworks.serving.dialogues.waiting import TICKET
from bertworks.serving.line import Ticket
from bertworks.serving.models.served import ServedModel
from bertworks.serving.refusals import too_slow
from bertworks.spec.limits import Limits
from bertworks.spec.task import Task
from bertworks.tasks.forms.form import Row


class OfModel:
    """Has texts answered by a served model, in the line that all its requests stand in.

    It is asked from a thread that is not the event loop's, for the request whose ticket is known there:
    when that is cancelled, so is what it asks.

    Args:
        model: Whatever version is its champion answers.
        limits: Bound how long it is waited for.

    Attributes:
        name: The model's.
    """

    def __init__(self, model: ServedModel, limits: Limits) -> None:
        self._model, self._limits = model, limits
        self.name = model.name
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def task(self) -> Task:
        """The model's task."""
        return self._model.champion.agent.task

    def runs_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tells the event loop on which answers come."""
        self._loop = loop

    def predict(self, rows: Sequence[Row]) -> Sequence[Mapping[str, Any]]:
        """See `hearing.Answering`."""
        if self._loop is None:
            raise RuntimeError("the server has not begun")
        asked = asyncio.run_coroutine_threadsafe(self._ask(rows, TICKET.get()), self._loop)
        try:
            return asked.result(self._limits.seconds)
        except TimeoutError:
            asked.cancel()
            raise too_slow(self._limits) from None

    async def _ask(self, rows: Sequence[Row], ticket: Ticket | None) -> Sequence[Mapping[str, Any]]:
        champion = self._model.champion
        return (await self._model.answer(rows, ticket=ticket, bundle=champion)).answers
