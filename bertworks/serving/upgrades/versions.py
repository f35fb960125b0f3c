"""What a model has loaded: the champion, the one before it, and a challenger.

A request is answered by the bundle that `choose` gave it, whatever is swapped meanwhile; and each change
is the one assignment of a new state, so that no request ever sees half of one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bertworks.serving.exchange import Exchange
from bertworks.serving.models.bundle import LoadedBundle

Draw = Callable[[Exchange], bool]
"""Whether the challenger is to answer a request."""


@dataclass(frozen=True)
class State:
    """What is loaded.

    Attributes:
        champion: It answers.
        previous: It answered before, and can at once again.
        challenger: It is tried on what `draw` says.
        draw: None: the challenger answers nobody.
    """

    champion: LoadedBundle
    previous: LoadedBundle | None = None
    challenger: LoadedBundle | None = None
    draw: Draw | None = None

    @property
    def loaded(self) -> list[LoadedBundle]:
        """All of them, the champion first."""
        every = (self.champion, self.challenger, self.previous)
        return [bundle for bundle in every if bundle is not None]

    def of(self, digest: str) -> LoadedBundle | None:
        """The one with that digest, if it is loaded."""
        return next((one for one in self.loaded if one.identity.digest == digest), None)


class Versions:
    """A `Router` whose bundles change while it answers; any thread may change them.

    Args:
        champion: The bundle that serves at first.
        swapped: Told of the new champion after each swap.
        failed: Told of a bundle that failed at a request.
    """

    def __init__(
        self,
        champion: LoadedBundle,
        swapped: Callable[[LoadedBundle], None] = lambda champion: None,
        failed: Callable[[LoadedBundle], None] = lambda bundle: None,
    ) -> None:
        self._state, self._swapped, self._failed = State(champion), swapped, failed
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        """What is loaded now, all of one moment."""
        return self._state

    @property
    def bundles(self) -> Sequence[LoadedBundle]:
        """All that is loaded, the champion first."""
        return self._state.loaded

    def choose(self, exchange: Exchange | None) -> LoadedBundle:
        """The bundle that answers a request: the champion, or where the draw says so the challenger."""
        state = self._state
        if exchange is None or state.challenger is None or state.draw is None:
            return state.champion
        return state.challenger if state.draw(exchange) else state.champion

    def instead(self, bundle: LoadedBundle) -> LoadedBundle | None:
        """Who answers where a bundle failed by its own fault: for a challenger, the champion."""
        self._failed(bundle)
        champion = self._state.champion
        return None if bundle is champion else champion

    def serve(self, bundle: LoadedBundle) -> None:
        """Makes a bundle the champion. The one that was is kept; what was kept before is freed.

        So is a challenger other than the bundle: it was tried against another champion.
        """
        with self._lock:
            if bundle is self._state.champion:
                return
            self._change(State(bundle, previous=self._state.champion))
        self._swapped(bundle)

    def try_out(self, bundle: LoadedBundle, draw: Draw | None) -> None:
        """Puts a challenger beside the champion; one that was there is freed."""
        with self._lock:
            self._change(replace(self._state, challenger=bundle, draw=draw))

    def draw(self, draw: Draw | None) -> None:
        """Changes who is answered by the challenger."""
        with self._lock:
            self._change(replace(self._state, draw=draw))

    def end_trial(self) -> None:
        """Frees the challenger."""
        with self._lock:
            self._change(replace(self._state, challenger=None, draw=None))

    def forget(self) -> bool:
        """Frees the one before the champion, for want of memory; returns whether there was one."""
        with self._lock:
            there = self._state.previous is not None
            self._change(replace(self._state, previous=None))
        return there

    def _change(self, state: State) -> None:
        """What is loaded no more leaves the engine, once requests that it was asked are answered."""
        before, self._state = self._state, state
        for bundle in before.loaded:
            if all(bundle is not kept for kept in state.loaded):
                bundle.close()
