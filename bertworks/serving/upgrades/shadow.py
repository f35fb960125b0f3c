"""Has rows that were answered answered once more by another bundle, afterwards: nobody waits for it.

Its rows are computed when nothing else is to be; what comes while too much waits already is dropped, and
counted. A failure is one of that bundle's, and nobody's else.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Literal, NamedTuple

from bertworks.serving.models.bundle import LoadedBundle
from bertworks.tasks.forms.form import Row, texts_in
from bertworks.tasks.handler import Answer

LATE = 60.0
"""Seconds after which an answer that nobody waited for is not computed any more."""
MOST_CHARACTERS = 4_000_000
"""Of all texts that wait: a few requests may be as large as a server takes."""
Ended = Literal["answered", "failed", "dropped"]


class Second(NamedTuple):
    """What the other bundle made of rows.

    Attributes:
        answers: One a row; None where it failed.
        cost: Seconds of a thread that they took.
    """

    answers: Sequence[Answer] | None
    cost: float


class Shadow:
    """Asks bundles behind everybody's back; may be used from any thread.

    Args:
        loop: The event loop that answers requests.
        most: Requests that wait, at most.
        counted: Told how each ended.

    Attributes:
        most: May be changed.
        ended: How many ended how.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        most: int = 64,
        counted: Callable[[Ended], None] = lambda ended: None,
    ) -> None:
        self._loop, self.most, self._counted = loop, most, counted
        self._waiting = self._characters = 0
        self._lock = threading.Lock()
        self.ended: Counter[Ended] = Counter()

    def ask(
        self, bundle: LoadedBundle, rows: Sequence[Row], told: Callable[[Second], None]
    ) -> Future[Any] | None:
        """Has rows answered when there is nothing better to do.

        Args:
            bundle: By whom.
            rows: Whose forms were checked.
            told: Told of the answers, on the event loop.

        Returns:
            Done when it is over; None: it was dropped.
        """
        size = sum(len(text) for row in rows for text in texts_in(row))
        with self._lock:
            room = self._waiting < self.most and self._characters + size <= MOST_CHARACTERS
            if room:
                self._waiting += 1
                self._characters += size
        if not room:
            self._end("dropped")
            return None
        work = self._answer(bundle, rows, told, size)
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError:  # the loop is closed: the server ends
            work.close()
            self._leave(size)
            self._end("dropped")
            return None

    def _leave(self, size: int) -> None:
        with self._lock:
            self._waiting -= 1
            self._characters -= size

    async def _answer(
        self,
        bundle: LoadedBundle,
        rows: Sequence[Row],
        told: Callable[[Second], None],
        size: int,
    ) -> None:
        try:
            work = bundle.work(rows, deadline=time.monotonic() + LATE, background=True)
            try:
                found = Second(await work.future, work.cost)
            except TimeoutError:
                self._end("dropped")
                return
            except Exception:
                found = Second(None, work.cost)
            self._end("answered" if found.answers is not None else "failed")
            told(found)
        finally:
            self._leave(size)

    def _end(self, ended: Ended) -> None:
        self.ended[ended] += 1
        self._counted(ended)
