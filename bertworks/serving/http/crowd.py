"""How many connections there are: who makes room for one more, and when no more are taken.

Up to `serve.limits.connections` are served. For those beyond, connections that have been idle longest
go, if it has been for a while and nothing that it sent lies unread: a client that is cut off while
its request is on the way cannot tell whether it was done. Where none goes, the new one is a surplus one:
it is answered, health as ever and questions by 429. Past five times as many, no connection is taken from
the system, where the next ones wait: a reset would say less than an answer that comes later.
"""

from __future__ import annotations

import resource
from collections.abc import Callable
from itertools import islice
from typing import Protocol

from bertworks.spec.limits import Limits

QUIET_SECONDS = 1.0
"""How long a connection must have been idle to be closed for another one."""
LOOKED_AT = 16
"""Idle connections of which one is sought that can go, at most."""
SURPLUS_TIMES = 4
"""Surplus connections that are taken, as a multiple of those that are served: one that waits with the
system is not answered at all, and a probe may be behind it."""
MOST_SURPLUS = 4000
"""Of them, at most."""
OTHER_FILES = 128
"""Open files beside connections, about: bundles, logs, listening sockets, the event loop."""


class Held(Protocol):
    """A connection, as a crowd sees it."""

    idle_since: float

    @property
    def unread(self) -> bool:
        """Whether something that the client sent lies in the system's hands."""

    def make_way(self) -> None:
        """Ends it, though nobody asked for that."""


class Crowd:
    """The connections of one server; all of it is called on its event loop.

    Args:
        limits: What is taken.
        clock: The loop's seconds.

    Attributes:
        limits: What is taken.
        count: Connections that there are.
        most: Connections that are served.
        ceiling: Connections that are taken.
        overfull: Called when there are more than that.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits, self.count = limits, 0
        self.most = limits.connections
        self.ceiling = limits.connections + _surplus(limits)
        self.overfull: Callable[[], None] = lambda: None
        self._idle: dict[Held, None] = {}
        self._leaving: set[Held] = set()

    def enter(self, one: Held, now: float) -> bool:
        """Takes a connection; returns whether there is room for it or was made."""
        self.count += 1
        self.rest(one, now)
        if self.count > self.ceiling:
            self.overfull()
        return self.room(now, one)

    def leave(self, one: Held) -> None:
        """Forgets a connection."""
        self.count -= 1
        self._idle.pop(one, None)
        self._leaving.discard(one)

    def rest(self, one: Held, now: float) -> None:
        """Notes that no request of a connection is being answered, from now on."""
        self._idle.pop(one, None)
        one.idle_since = now
        self._idle[one] = None

    def work(self, one: Held) -> None:
        """Notes that a request is being answered."""
        self._idle.pop(one, None)

    def room(self, now: float, other: Held | None = None) -> bool:
        """Whether there are not too many, once some that are idle have made way.

        Args:
            now: The loop's time.
            other: One that is not to go.
        """
        surplus = self.count - len(self._leaving) - self.most
        if surplus <= 0:
            return True
        made = False
        for one in list(islice(self._idle, LOOKED_AT)):
            if surplus <= 0 or now - one.idle_since < QUIET_SECONDS:
                break
            if one is not other and not one.unread:
                self._idle.pop(one)
                self._leaving.add(one)
                one.make_way()
                made, surplus = True, surplus - 1
        return made

    def fit_open_files(self) -> None:
        """Raises this process's limit of open files where it may; takes no more than fit into it."""
        wanted = self.ceiling + OTHER_FILES
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft != resource.RLIM_INFINITY and soft < wanted:
            self.ceiling = max(soft - OTHER_FILES, 2)
            self.most = min(self.most, self.ceiling // 2)


def _surplus(limits: Limits) -> int:
    return min(SURPLUS_TIMES * limits.connections, MOST_SURPLUS)
