"""The threads that compute: as many as the container has cores, shared fairly by all lanes.

Whoever is free takes the next batch at once. So a lone request never waits for company, and while all
threads are busy requests gather and make the next batches full: the load itself sets their size (as in
Clipper's adaptive batching, Crankshaw et al. 2017, without its delay).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from bertworks.cpus import available_threads
from bertworks.runtime.agent import Agent
from bertworks.serving import log
from bertworks.serving.engine.lane import Lane, Part, Piece, encoded_of
from bertworks.serving.engine.work import Work
from bertworks.tasks.handler import Answer

BEHIND = 5
"""Nice levels that threads which compute stand behind the one that reads and refuses requests."""


class Batcher:
    """Computes what lanes hold.

    Args:
        threads: How many compute; None: as many as this process has cores.

    Attributes:
        batched: Told the lane, rows, tokens with padding and without, and seconds of each batch, on
            its thread. What it raises is logged, and fails no request.
        tokenized: Likewise the lane, rows and seconds of each piece of tokenizing.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or available_threads()
        self.batched: Callable[[Lane, int, int, int, float], None] = lambda *_: None
        self.tokenized: Callable[[Lane, int, float], None] = lambda *_: None
        self._changed = threading.Condition()
        self._lanes: list[Lane] = []
        self._busy: dict[int, float] = {}
        self._closed = False
        self._workers = [
            threading.Thread(target=self._work, args=(number,), name=f"engine-{number}", daemon=True)
            for number in range(self.threads)
        ]  # fmt: skip
        for worker in self._workers:
            worker.start()

    def lane(
        self, agent: Agent, name: str = "", *, background: bool = False, most_rows: int = 0
    ) -> Lane:
        """A new lane for a loaded bundle; arguments are those of `Lane`."""
        lane = Lane(agent, name, background=background, most_rows=most_rows)
        with self._changed:
            self._lanes.append(lane)
        return lane

    def drop(self, lane: Lane) -> None:
        """Forgets a lane as soon as nothing waits in it any more."""
        with self._changed:
            lane.closed = True
            self._lanes = [one for one in self._lanes if one.waits or not one.closed]

    def submit(self, lane: Lane, work: Work) -> None:
        """Has a request's rows answered; its future tells."""
        with self._changed:
            if lane not in self._lanes:
                self._lanes.append(lane)
            if not lane.waits:  # It was idle: that gives it no claim to what others got meanwhile.
                active = [one.served for one in self._lanes if one.waits]
                lane.served = max(lane.served, min(active, default=lane.served))
            lane.add(work)
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """Rows that wait for a thread."""
        with self._changed:
            return sum(lane.rows for lane in self._lanes)

    @property
    def busy(self) -> int:
        """Threads that compute now."""
        return len(self._busy)

    def rests(self, within: float) -> bool:
        """Whether no thread computes any more, after so many seconds at most."""
        until = time.monotonic() + within
        while self._busy and time.monotonic() < until:
            time.sleep(0.01)  # what was answered is answered a little before its thread is idle
        return not self._busy

    @property
    def whole(self) -> bool:
        """Whether no thread has ended before its time."""
        return self._closed or all(worker.is_alive() for worker in self._workers)

    def longest(self) -> float:
        """Seconds that a thread has been at one batch, at most."""
        return time.monotonic() - min(self._busy.copy().values(), default=time.monotonic())

    def close(self) -> None:
        """Ends the threads when they have done what they are at."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # A thread's life

    def _work(self, number: int) -> None:
        _stand_behind()
        while True:
            with self._changed:
                while (task := self._next(number)) is None:
                    if self._closed:
                        return
                    self._changed.wait()
            try:
                task.run()
            except Exception as error:  # a fault of ours: this thread serves others all the same
                log.fault(error)
                self._fail(task.works, error)
                with self._changed:
                    for work in task.works:
                        task.lane.forget(work)
            finally:
                self._busy.pop(number, None)

    def _next(self, number: int) -> _Task | None:
        """What to do now; None: nothing. Under the lock."""
        for lane in sorted(self._lanes, key=lambda one: (one.background, one.served)):
            if parts := lane.to_encode():
                works = [work for work, _, _ in parts]
                task = _Task(partial(self._encode, lane, parts), lane, works)
            elif pieces := lane.take(self.threads - len(self._busy)):
                alone = not self._busy and not any(one.waits for one in self._lanes)
                works = list({id(piece.work): piece.work for piece in pieces}.values())
                task = _Task(partial(self._compute, lane, pieces, alone), lane, works)
            else:
                if lane.closed:
                    self._lanes.remove(lane)
                continue
            self._busy[number] = time.monotonic()
            if len(self._busy) < self.threads and any(one.waits for one in self._lanes):
                self._changed.notify()
            return task
        return None

    def _encode(self, lane: Lane, parts: Sequence[Part]) -> None:
        """Tokenizes; where it fails, each request by itself, so that none fails for another."""
        began = time.monotonic()
        try:
            rows = [row for work, first, last in parts for row in work.rows[first:last]]
            encoded = lane.agent.encode(rows)
            _check_count(encoded.ids, rows)
        except Exception as error:
            if len(parts) == 1:
                with self._changed:
                    lane.forget(parts[0][0])
                self._fail([parts[0][0]], error)
            else:
                for part in parts:
                    self._encode(lane, [part])
            return
        _told(self.tokenized, lane, len(rows), time.monotonic() - began)
        done, start = [], 0
        for part in parts:
            done.append((part, encoded, start))
            start += part[2] - part[1]
        with self._changed:
            lane.put_encoded(done)
            if lane not in self._lanes:  # It was closed, and looked empty meanwhile.
                self._lanes.append(lane)

    def _compute(self, lane: Lane, pieces: Sequence[Piece], alone: bool) -> None:
        """Computes a batch; where it fails, each request by itself."""
        began = time.monotonic()
        for piece in pieces:
            piece.work.begin()
        encoded = encoded_of(pieces)
        try:
            answers = lane.agent.answers([piece.row for piece in pieces], encoded, beside=not alone)
            _check_count(answers, pieces)
        except Exception as error:
            works = {id(piece.work): piece.work for piece in pieces}
            if len(works) == 1:
                self._fail(list(works.values()), error)
            else:
                for work in works.values():
                    self._compute(lane, [one for one in pieces if one.work is work], alone)
            return
        tokens = len(pieces) * max(map(len, encoded.ids))
        read = sum(map(len, encoded.ids))
        seconds = time.monotonic() - began
        _told(self.batched, lane, len(pieces), tokens, read, seconds)
        self._deliver(pieces, answers, seconds / len(pieces))

    def _deliver(self, pieces: Sequence[Piece], answers: Sequence[Answer], cost: float) -> None:
        ended: dict[int, list[Work]] = {}
        for piece, answer in zip(pieces, answers, strict=True):
            if piece.work.put(piece.place, answer, cost):
                ended.setdefault(id(piece.work.mailbox), []).append(piece.work)
        for works in ended.values():
            works[0].mailbox.put(works)

    def _fail(self, works: Sequence[Work], error: Exception) -> None:
        for work in works:
            work.error = error
            work.mailbox.put([work])


def _stand_behind() -> None:
    """Lets the event loop go first where all cores are taken: under overload it must refuse at once.

    A niceness of a thread of its own is Linux's; elsewhere all stay equal.
    """
    thread = threading.get_native_id()
    if hasattr(os, "sched_getaffinity"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, 0) + BEHIND)


class _Task(NamedTuple):
    """What a thread does next, and the requests that it is for."""

    run: Callable[[], None]
    lane: Lane
    works: Sequence[Work]


def _check_count(found: Sequence[Any], rows: Sequence[Any]) -> None:
    if len(found) != len(rows):
        raise ValueError(
            f"An agent must give one for each of {len(rows)} rows. Received: {len(found)}"
        )


def _told(callback: Callable[..., None], *facts: Any) -> None:
    """Tells who counts; a fault there is nobody's who waits for an answer."""
    try:
        callback(*facts)
    except Exception as error:
        log.fault(error)
