"""Looks at the model store again and again, and takes up what it makes the champion.

A bundle that must not serve never replaces one that does: it is refused, told once, and looked at again
only when something of it has changed; so a version that is still being written is taken as soon as it
is whole. While the store cannot be reached, what is loaded goes on answering, and the next look waits
longer each time.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bertworks.contracts.versions import Served
from bertworks.errors import BertworksError, GateRefused
from bertworks.serving import log
from bertworks.serving.identity import Located
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.upgrades.admission import BundleRefused
from bertworks.serving.upgrades.pointers import Role, Source, Wanted
from bertworks.serving.upgrades.versions import Versions

LONGEST_WAIT = 60.0
"""Seconds between two looks at a store that cannot be reached, at most."""
PATIENCE = 60.0
"""Seconds until a bundle is tried again that the machine had no room for."""
Outcome = Literal["swapped", "back", "tried", "refused", "unreachable"]
Admit = Callable[[Located], LoadedBundle]


@dataclass(frozen=True)
class Event:
    """Something that became of a version.

    Attributes:
        outcome: "swapped" (it serves now), "back" (it serves again), "tried" (it is the challenger),
            "refused", or "unreachable" (the store).
        reason: Of a refusal, in one word.
        version: Its number; 0: the store.
        text: All of it in one sentence.
    """

    outcome: Outcome
    text: str
    version: int = 0
    reason: str = ""


@dataclass(frozen=True)
class _Refusal:
    """A version that was refused as it was: `mark` changes when anything of it does."""

    mark: str
    refused: BundleRefused
    at: float


class Follower:
    """Follows one agent; `look` is called by one thread at a time.

    Args:
        source: The store.
        versions: What is loaded, and changed.
        admit: Loads a bundle that is fit to serve; raises BundleRefused.
        name: The model's, for the log.
        told: Told of each event.
        trial: Told that a challenger is loaded, or by None that there is none to be tried.
        clock: Seconds.
    """

    def __init__(
        self,
        source: Source,
        versions: Versions,
        admit: Admit,
        name: str,
        *,
        told: Callable[[Event], None] = lambda event: None,
        trial: Callable[[LoadedBundle | None], None] = lambda challenger: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source, self._versions, self._admit, self._name = source, versions, admit, name
        self._told, self._trial, self._clock = told, trial, clock
        self._refused: dict[Role, _Refusal] = {}
        self._problems: dict[Role, str] = {}
        self._failures = 0

    @property
    def refused(self) -> dict[Role, str]:
        """Why what the store wants does not serve, by role."""
        return {role: str(one.refused) for role, one in self._refused.items()} | self._problems

    @property
    def failures(self) -> int:
        """Looks in a row at which the store could not be reached."""
        return self._failures

    def look(self) -> bool:
        """Looks once, and acts; returns whether the store could be reached."""
        try:
            wanted = self._source.wanted()
            self._note_problems(wanted)
            if wanted.champion is not None:
                self._take("champion", wanted.champion)
            if "challenger" not in self._problems:
                self._take_challenger(wanted)
        except Exception as error:  # whatever the store's driver raises
            self._failures += 1
            if self._failures == 1:
                text = f"the model store cannot be reached ({type(error).__name__}); asked again"
                self._tell(Event("unreachable", text), warn=True)
            return False
        if self._failures:
            log.LOGGER.info(
                "%s: the model store is there again, after %d looks", self._name, self._failures
            )
        self._failures = 0
        return True

    def wait(self, seconds: float) -> float:
        """Seconds until the next look: longer while the store cannot be reached, and never in step."""
        pause = min(seconds * 2 ** min(self._failures, 10), max(LONGEST_WAIT, seconds))
        return pause * random.uniform(0.8, 1.2)

    def run(self, ended: threading.Event, seconds: float) -> None:
        """Looks until `ended`, every so many seconds."""
        while not ended.wait(self.wait(seconds)):
            self.look()

    def _take_challenger(self, wanted: Wanted) -> None:
        challenger, state = wanted.challenger, self._versions.state
        present = state.challenger and state.challenger.identity.digest
        champions = {state.champion.identity.digest, wanted.champion and wanted.champion.digest}
        if challenger is None or challenger.digest in champions:
            self._refused.pop("challenger", None)
            self._trial(None)
            return
        if present != challenger.digest:
            self._trial(None)
        self._take("challenger", challenger)

    def _take(self, role: Role, version: Served) -> None:
        """Has a version that the store names play its role."""
        state = self._versions.state
        present = state.champion if role == "champion" else state.challenger
        if present is not None and present.identity.digest == version.digest:
            self._refused.pop(role, None)
            return
        bundle = state.of(version.digest)
        if bundle is not None:
            self._play(role, bundle, version, again=bundle is state.previous)
            return
        mark = f"{version.version} {self._source.stamp(version)}"
        if self._is_refused(role, mark):
            return
        try:
            bundle = self._load(version)
        except BundleRefused as refusal:
            self._refuse(role, version, mark, refusal)
            return
        self._play(role, bundle, version)

    def _is_refused(self, role: Role, mark: str) -> bool:
        """Whether a version was refused as it is, and need not be looked at again now."""
        known = self._refused.get(role)
        if known is None or known.mark != mark:
            return False
        return not known.refused.passing or self._clock() < known.at + PATIENCE

    def _refuse(self, role: Role, version: Served, mark: str, refusal: BundleRefused) -> None:
        known = self._refused.get(role)
        self._refused[role] = _Refusal(mark, refusal, self._clock())
        if known is None or (known.mark, known.refused.reason) != (mark, refusal.reason):
            number, reason = version.version, refusal.reason
            text = f"version {number} is refused as {role} ({reason}): {refusal}"
            self._tell(Event("refused", text, number, reason), warn=True)

    def _load(self, version: Served) -> LoadedBundle:
        try:
            located = self._source.fetch(version)
        except GateRefused as error:
            raise BundleRefused("gates", error.message) from None
        except BertworksError as error:
            raise BundleRefused("damaged", error.message) from None
        try:
            return self._admit(located)
        except BundleRefused as refusal:
            # What is kept for a rollback makes room for what is to serve.
            if refusal.reason != "memory" or not self._versions.forget():
                raise
        return self._admit(located)

    def _play(self, role: Role, bundle: LoadedBundle, version: Served, again: bool = False) -> None:
        self._refused.pop(role, None)
        number, digest = version.version, version.digest[:12]
        if role == "challenger":
            self._trial(bundle)
            self._tell(Event("tried", f"version {number} (bundle {digest}) is tried", number))
            return
        self._versions.serve(bundle)
        how: Outcome = "back" if again else "swapped"
        self._tell(Event(how, f"version {number} (bundle {digest}) serves now", number))

    def _note_problems(self, wanted: Wanted) -> None:
        """Tells a pointer that cannot be read once: it may be half-written."""
        for role, text in (wanted.problems or {}).items():
            if self._problems.get(role) != text:
                self._tell(
                    Event("refused", f"{text} What serves goes on.", 0, "pointer"), warn=True
                )
        self._problems = dict(wanted.problems or {})

    def _tell(self, event: Event, warn: bool = False) -> None:
        say = log.LOGGER.warning if warn else log.LOGGER.info
        say("%s: %s", self._name, event.text)
        self._told(event)
