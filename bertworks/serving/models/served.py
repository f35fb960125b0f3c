"""A model as clients know it: a name, and the router that says which bundle answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from bertworks.serving import log
from bertworks.serving.engine.work import Mailbox
from bertworks.serving.exchange import Exchange
from bertworks.serving.identity import BundleIdentity
from bertworks.serving.line import Ticket
from bertworks.serving.meters import Meters
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.refusals import Cancelled
from bertworks.serving.review.reviewer import Reviewer
from bertworks.tasks.forms.form import Row
from bertworks.tasks.handler import Answer


class Router(Protocol):
    """Says which of a model's bundles answers. Called on the event loop: it must not wait."""

    @property
    def bundles(self) -> Sequence[LoadedBundle]:
        """All that may answer; the first one is the champion."""

    def choose(self, exchange: Exchange | None) -> LoadedBundle:
        """The bundle for a request; None: for one that is no client's."""

    def instead(self, bundle: LoadedBundle) -> LoadedBundle | None:
        """Who answers a client where a bundle failed at it; None: nobody."""


class OneBundle:
    """The router of a model that has one bundle."""

    def __init__(self, bundle: LoadedBundle) -> None:
        self.bundles = (bundle,)

    def choose(self, exchange: Exchange | None) -> LoadedBundle:
        """That bundle."""
        return self.bundles[0]

    def instead(self, bundle: LoadedBundle) -> LoadedBundle | None:
        """Nobody."""
        return None


@dataclass(frozen=True)
class Answered:
    """Answers, and who gave them.

    Attributes:
        answers: One a row, in the order asked; see `Agent.predict`.
        bundle: What answered.
    """

    answers: Sequence[Answer]
    bundle: LoadedBundle

    @property
    def identity(self) -> BundleIdentity:
        """Which bundle it is."""
        return self.bundle.identity


class ServedModel:
    """A model that clients ask by name.

    Args:
        name: In the protocols' URLs.
        router: Says which bundle answers. It may be replaced while requests are answered: each is
            answered as a whole by the bundle that was chosen for it.

    Attributes:
        ready: Whether it is to be asked.
        reviewer: Looks at answers to clients before they go out; None: nobody does.
    """

    def __init__(self, name: str, router: Router) -> None:
        self.name, self.router, self.ready = name, router, True
        self.reviewer: Reviewer | None = None
        self.meters = Meters(name)
        self.serves(router.bundles[0])
        self._mailbox: Mailbox | None = None

    @property
    def champion(self) -> LoadedBundle:
        """The bundle that answers by rights: whose task and version clients are told of."""
        return self.router.bundles[0]

    def serves(self, champion: LoadedBundle) -> None:
        """Has the meters say which bundle is the champion now."""
        self.meters.serves(champion.identity, _engine(champion))

    def choose(self, exchange: Exchange | None = None) -> LoadedBundle:
        """The bundle for a request; what is read of it must fit that bundle's task."""
        return self.router.choose(exchange)

    async def answer(
        self,
        rows: Sequence[Row],
        exchange: Exchange | None = None,
        ticket: Ticket | None = None,
        *,
        bundle: LoadedBundle | None = None,
        background: bool = False,
    ) -> Answered:
        """Answers rows, in batches with whatever else is asked.

        Args:
            rows: As `Agent.predict` takes them.
            exchange: The request; told of the bundle, the answers, and the seconds. Its caller is
                charged for the rows, and the answers are reviewed. None: this is no client's.
            ticket: The request's place in line: when it is cancelled, so is the work.
            bundle: Which one is to answer; None: the router's choice.
            background: Whether all other work goes first.

        Raises:
            DataError: A row is not of the form that the task takes.
            Refused: The caller has not so many texts left.
            Cancelled: The ticket was cancelled, or its deadline is over.
        """
        chosen = bundle or self.choose(exchange)
        for place, row in enumerate(rows):
            chosen.agent.form.check(place, row)
        if exchange is not None:
            exchange.version, exchange.digest = chosen.identity.served, chosen.identity.digest
            exchange.rows = rows
            if exchange.caller is not None:
                exchange.caller.charge_texts(len(rows))
        deadline = None if ticket is None else ticket.deadline
        work = chosen.work(rows, deadline=deadline, background=background, mailbox=self._letters())
        if ticket is not None:
            ticket.follow(work)
        try:
            with self.meters.running():
                answers = await work.future
        except (TimeoutError, asyncio.CancelledError):
            if ticket is not None and (ticket.cancelled or ticket.late(time.monotonic())):
                raise Cancelled from None
            work.future.cancel()
            raise
        except Exception as error:
            other = None if background else self.router.instead(chosen)
            if other is None:
                raise
            log.fault(error)
            return await self.answer(rows, exchange, ticket, bundle=other)
        if exchange is not None:
            exchange.answers, exchange.cost = answers, work.cost
            exchange.stage("compute")
            exchange.seconds["queue"] = work.queued
            exchange.seconds["compute"] = max(exchange.seconds["compute"] - work.queued, 0.0)
            if self.reviewer is not None:
                exchange.verdicts = await self.reviewer.verdicts(rows, answers)
                answers = self.reviewer.applied(rows, answers, exchange.verdicts)
                exchange.stage("review")
        return Answered(answers, chosen)

    def fields(self, bundle: LoadedBundle) -> list[str]:
        """What answers of a bundle carry beside the task's own, see `protocols.output_types`."""
        return [*bundle.fields, *(self.reviewer.fields if self.reviewer else ())]

    def close(self) -> None:
        """Leaves the engine; what is asked already is answered."""
        for bundle in self.router.bundles:
            bundle.close()

    def _letters(self) -> Mailbox:
        loop = asyncio.get_running_loop()
        if self._mailbox is None or self._mailbox.loop is not loop:
            self._mailbox = Mailbox(loop)
        return self._mailbox


def _engine(bundle: LoadedBundle) -> str:
    engine = bundle.agent.info.engine
    return engine.name if engine else ""
