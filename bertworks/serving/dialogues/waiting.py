"""A turn that somebody waits for: it is kept as a whole and answered, or refused and nothing is kept.

A turn is computed and written by a thread, while its time passes and its client leaves on the event
loop. Which of the two was first is settled once: what the loop refuses the thread does not write any
more, and what the thread has begun to write is answered.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import TypeVar

from bertworks.serving.line import Ticket
from bertworks.serving.refusals import Cancelled, too_late

T = TypeVar("T")
TICKET: ContextVar[Ticket | None] = ContextVar("ticket", default=None)
"""In a thread that computes a turn: the request's, for what is asked on the way."""
THREADS = 40
"""That compute turns; one that is refused keeps its thread until it notices."""


class Settled:
    """Whether a turn is kept or refused: whichever is said first, for good.

    Args:
        ticket: The request's.
    """

    def __init__(self, ticket: Ticket) -> None:
        self._ticket, self._lock = ticket, threading.Lock()
        self._kept = self._refused = False

    def keep(self) -> bool:
        """Says that it is kept now; whether that is so."""
        with self._lock:
            if self._ticket.late(time.monotonic()):
                self._refused = not self._kept
            self._kept = not self._refused
            return self._kept

    def refuse(self) -> bool:
        """Says that nobody waits for it; whether it was not kept before."""
        with self._lock:
            self._refused = not self._kept
            return self._refused


class Threads:
    """Computes turns off the event loop, `THREADS` at once; others wait, and may be refused then."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, "turns")

    async def answered(self, ticket: Ticket, work: Callable[[Callable[[], bool]], T]) -> T:
        """What a turn gave.

        Args:
            ticket: The request's place in line.
            work: Computes the turn; what it is called with says whether the turn may be kept.

        Raises:
            Cancelled: The ticket was cancelled before the turn was kept.
            Refused: Its deadline was over before that.
        """
        if ticket.late(time.monotonic()):
            raise too_late()
        settled, context = Settled(ticket), contextvars.copy_context()
        context.run(TICKET.set, ticket)
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._threads, context.run, work, settled.keep)
        ticket.when_cancelled(lambda: settled.refuse() and done.cancel())
        try:
            return await done
        except (Cancelled, asyncio.CancelledError):
            settled.refuse()  # where the server ends and waits for nothing
            if ticket.cancelled:
                raise Cancelled from None
            if ticket.late(time.monotonic()):
                raise too_late() from None
            raise
