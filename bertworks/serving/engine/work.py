"""The rows of one request, from the event loop to the engine's threads and back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

from bertworks.tasks.forms.form import Row
from bertworks.tasks.handler import Answer


class Work:
    """Rows that are to be answered together.

    Args:
        rows: What is asked.
        deadline: When it is too late to begin a row, on `time.monotonic`; None: never.
        mailbox: Brings the end of the work back to the event loop.

    Attributes:
        future: Done when all rows are answered: their answers in order, or what went wrong. To cancel it
            is to say that nobody waits any more: what was not begun is never computed.
        encoded: How many rows are tokenized.
        tag: Where it stands in its lane, see `Lane`.
        taken: How many rows a thread has taken to compute them.
        queued: Seconds until its first batch began.
        computed: Seconds from there to its last answer.
        cost: Seconds of threads that its rows took: their part of each batch that they were in.
    """

    def __init__(
        self, rows: Sequence[Row], deadline: float | None = None, mailbox: Mailbox | None = None
    ) -> None:
        self.rows, self.deadline = rows, deadline
        self.mailbox = mailbox or Mailbox(asyncio.get_running_loop())
        self.future: asyncio.Future[list[Answer]] = self.mailbox.loop.create_future()
        self.answers: list[Answer | None] = [None] * len(rows)
        self.encoded, self.taken = 0, 0
        self.tag = (0.0, 0)
        self.error: Exception | None = None
        self.done_rows = 0
        self.cost = 0.0
        self._left = len(rows)
        self._lock = threading.Lock()
        self._submitted = time.monotonic()
        self._begun = self._ended = 0.0

    @property
    def unwanted(self) -> bool:
        """Whether computing more of it would be for nobody."""
        return (
            self.future.done()
            or self.error is not None
            or (self.deadline is not None and time.monotonic() > self.deadline)
        )

    @property
    def queued(self) -> float:
        """Seconds until its first batch began; 0 if none did."""
        return self._begun - self._submitted if self._begun else 0.0

    @property
    def computed(self) -> float:
        """Seconds from its first batch to its end."""
        return self._ended - self._begun if self._begun and self._ended else 0.0

    def begin(self) -> None:
        """Says that a batch with rows of it begins."""
        self._begun = self._begun or time.monotonic()

    def put(self, place: int, answer: Answer, cost: float = 0.0) -> bool:
        """Takes a row's answer and what it cost; returns whether it was the last one."""
        with self._lock:
            self.answers[place] = answer
            self.cost += cost
            self._left -= 1
            self.done_rows += 1
            if not self._left:
                self._ended = time.monotonic()
            return not self._left

    def finish(self) -> None:
        """Tells who waits; called on the event loop."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        elif self._left:
            self.future.set_exception(TimeoutError("The time was over before all was computed."))
        else:
            self.future.set_result([answer for answer in self.answers if answer is not None])


class Mailbox:
    """Wakes an event loop once for all the work that has ended since it last looked.

    Each wake-up is a system call, and one for each row of a batch would cost more than the batch's end.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._ended: list[Work] = []
        self._lock = threading.Lock()

    def put(self, works: Sequence[Work]) -> None:
        """Has `finish` called for each of them; from any thread."""
        with self._lock:
            asleep = not self._ended
            self._ended.extend(works)
        if asleep and works:
            try:
                self.loop.call_soon_threadsafe(self._open)
            except RuntimeError:  # The loop is closed: nobody waits.
                self._ended.clear()

    def _open(self) -> None:
        with self._lock:
            ended, self._ended = self._ended, []
        for work in ended:
            work.finish()
