"""The line that requests stand in: a few are computed, some wait, nobody else gets in.

All of it is called from the event loop's thread.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from bertworks.serving.refusals import Refused, setting
from bertworks.spec.limits import Limits

if TYPE_CHECKING:
    from bertworks.serving.engine.work import Work

TICKET = "bertworks.ticket"
"""Where a scope holds its Ticket."""
FORGET_SECONDS = 60.0
"""Of busy time, after which what was measured before counts half."""
LONGEST_RETRY = 30
LATE_SECONDS = 0.1
"""For how long a request may have lain unread, where others are refused for want of room."""
OVERLOAD_SECONDS = 1.0
"""For how long after such a refusal that is so."""
RECKON_SECONDS = 0.05
"""For how long an estimate of the wait is good: under overload it is asked for with each request."""
FEW = 2
"""Requests that are computed at once however large they are."""
SMALL_BYTES = 64 * 1024
"""Of all bodies that are computed at once, where there are more than that."""


class Ticket:
    """A request from its first byte to its answer.

    Attributes:
        size: Bytes of its body: what it costs, for want of something better before it is decoded.
        reason: Why it was refused, in one word; empty: it was not.
        deadline: When the client will not wait any more, on `time.monotonic`; None: it did not say.
    """

    def __init__(self) -> None:
        self.size, self.reason = 0, ""
        self.deadline: float | None = None
        self._refusal: Refused | None = None
        self._cancelled = False
        self._work: Work | None = None
        self._told: list[Callable[[], object]] = []

    @property
    def cancelled(self) -> bool:
        """Whether nobody waits for the answer."""
        return self._cancelled

    @property
    def refusal(self) -> Refused | None:
        """What the client is told when the work was cancelled; None: there is no client."""
        return self._refusal

    @property
    def computed(self) -> float:
        """How many of its bytes are done, by the rows that are."""
        work = self._work
        return self.size * work.done_rows / len(work.rows) if work is not None else 0.0

    def late(self, now: float) -> bool:
        """Whether its deadline is over."""
        return self.deadline is not None and now > self.deadline

    def cancel(self, refusal: Refused | None = None) -> None:
        """Has the work end; the first reason stays."""
        if not self._cancelled:
            self._refusal, self._cancelled = refusal, True
            for call in self._told:
                call()

    def follow(self, work: Work) -> None:
        """Says what is computed for it."""
        self._work = work
        self.when_cancelled(work.future.cancel)

    def when_cancelled(self, call: Callable[[], object]) -> None:
        """Has something called when it is cancelled; at once where it is."""
        if self._cancelled:
            call()
        else:
            self._told.append(call)


class Line:
    """Lets `running` requests be computed and `waiting` wait, first come, first served.

    Small requests are computed many at once, for their rows share batches. Of large ones that would take
    memory and win nothing: so more than `FEW` are let in only while their bodies are small together.

    Args:
        limits: How many, and for how long.
        running: Requests that are computed at once, at most.
        clock: Seconds, for estimates.
    """

    def __init__(
        self, limits: Limits, running: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits, self._places, self._clock = limits, running, clock
        self._running: set[Ticket] = set()
        self._bytes = 0
        self._waiting: deque[tuple[Ticket, asyncio.Future[None]]] = deque()
        self._done, self._busy, self._since = 0.0, 0.0, 0.0
        self._ahead, self._reckoned = 0.0, -math.inf
        self._overloaded = -math.inf

    @property
    def running(self) -> int:
        """Requests that are computed now."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Requests that wait now."""
        return len(self._waiting)

    def has_room(self, coming: int = 0, age: Callable[[], float] = lambda: 0.0) -> bool:
        """Whether one more would be let in, and not wait for too long.

        Args:
            coming: Requests that were let in and come before it, but are not here yet.
            age: Seconds since it came to this machine: a server that is too busy to read leaves it with
                the system, where requests wait too.
        """
        beyond = self._beyond(coming)
        if not beyond:
            return True
        now = self._clock()
        if beyond >= self._limits.waiting or self._wait_ahead() > self._limits.wait_seconds:
            self._overloaded = now
            return False
        return now > self._overloaded + OVERLOAD_SECONDS or age() <= LATE_SECONDS

    def refusal(self, coming: int = 0) -> Refused:
        """What one is told for whom there is no room; `coming` as for `has_room`."""
        beyond = self._beyond(coming)
        if beyond >= self._limits.waiting:
            return Refused(
                429, "busy",
                f"{self.running} requests are being answered and {beyond} wait.",
                "Ask again later; " + setting("waiting", 2 * self._limits.waiting),
                retry_after=self._retry_after(),
            )  # fmt: skip
        seconds = self._wait_ahead()
        if seconds <= self._limits.wait_seconds:
            return Refused(
                429, "late", "Requests come faster than this server reads them.", "Ask again later.",
                retry_after=self._retry_after(),
            )  # fmt: skip
        return Refused(
            429, "long",
            f"It would not be this request's turn for {seconds:.3g} s, as far as one can tell.",
            "Ask again later; " + setting("wait_seconds", math.ceil(seconds)),
            retry_after=self._retry_after(),
        )  # fmt: skip

    def check_room(self) -> None:
        """Refuses a request for which there would be no room, before its body is read.

        Raises:
            Refused: 429, with the seconds after which to ask again.
        """
        if not self.has_room():
            raise self.refusal()

    def enter_at_once(self, ticket: Ticket) -> bool:
        """Takes a place if there is one and nobody waits; whoever got one must `leave`."""
        if self._waiting or not self._has_place(ticket):
            return False
        self._start(ticket)
        return True

    async def enter(self, ticket: Ticket) -> None:
        """Waits for a place; whoever got one must `leave`.

        Raises:
            Refused: There is no room, or it waited for too long, or the server ends.
        """
        if not self.enter_at_once(ticket):
            self.check_room()
            await self._wait(ticket)

    def leave(self, ticket: Ticket) -> None:
        """Gives the place, if there was one, to the next in line."""
        if ticket not in self._running:
            return
        self._running.discard(ticket)
        self._bytes -= ticket.size
        self._done += ticket.computed
        if not self._running:
            self._busy += self._clock() - self._since
            if self._busy > FORGET_SECONDS:
                self._busy, self._done = self._busy / 2, self._done / 2
        while self._waiting and self._has_place(self._waiting[0][0]):
            following, turn = self._waiting.popleft()
            if not turn.done():
                self._start(following)
                turn.set_result(None)

    def refuse_late(self, seconds: float, refusal: Callable[[], Refused]) -> None:
        """Refuses the requests that, at the pace so far, will not be answered within `seconds`."""
        pace = self._pace()
        if pace is None:
            return
        ahead = sum(ticket.size - ticket.computed for ticket in self._running)
        for ticket, turn in list(self._waiting):
            if ahead + ticket.size > pace * seconds:
                self._waiting.remove((ticket, turn))
                if not turn.done():
                    turn.set_exception(refusal())
            else:
                ahead += ticket.size

    def refuse_all(self, refusal: Callable[[], Refused]) -> None:
        """Refuses those who wait, and has the others end."""
        while self._waiting:
            _, turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(refusal())
        for ticket in self._running:
            ticket.cancel(refusal())

    async def _wait(self, ticket: Ticket) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((ticket, turn))
        try:
            async with asyncio.timeout(self._limits.wait_seconds):
                await turn
        except TimeoutError:
            self._step_out(ticket, turn)
            raise Refused(
                429, "waited",
                f"It was not this request's turn within {self._limits.wait_seconds:g} s.",
                "Ask again later; " + setting("wait_seconds", 2 * self._limits.wait_seconds),
                retry_after=self._retry_after(),
            ) from None  # fmt: skip
        except asyncio.CancelledError:
            self._step_out(ticket, turn)
            raise

    def _step_out(self, ticket: Ticket, turn: asyncio.Future[None]) -> None:
        """Leaves the line, or gives back the place that came at the last moment."""
        if (ticket, turn) in self._waiting:
            self._waiting.remove((ticket, turn))
        else:
            self.leave(ticket)

    def _start(self, ticket: Ticket) -> None:
        if not self._running:
            self._since = self._clock()
        self._running.add(ticket)
        self._bytes += ticket.size

    def _has_place(self, ticket: Ticket) -> bool:
        running = len(self._running)
        return running < self._places and (
            running < FEW or self._bytes + ticket.size <= SMALL_BYTES
        )

    def _pace(self) -> float | None:
        """Bytes a second; None: nothing was computed yet."""
        done = self._done + sum(ticket.computed for ticket in self._running)
        busy = self._busy + (self._clock() - self._since if self._running else 0.0)
        return done / busy if done and busy > 0 else None

    def _beyond(self, coming: int) -> int:
        """Requests that wait, once those are here that were let in."""
        return len(self._waiting) + max(0, coming - (self._places - len(self._running)))

    def _wait_ahead(self) -> float:
        """Seconds until those who are here now are answered, as far as one can tell; 0: one cannot."""
        now = self._clock()
        if now >= self._reckoned + RECKON_SECONDS:
            self._ahead, self._reckoned = 0.0, now
            if (pace := self._pace()) is not None:
                held = [*self._running, *(ticket for ticket, _ in self._waiting)]
                self._ahead = sum(ticket.size - ticket.computed for ticket in held) / pace
        return self._ahead

    def _retry_after(self) -> int:
        """After how many seconds there may be room."""
        return min(max(math.ceil(self._wait_ahead()), 1), LONGEST_RETRY)
