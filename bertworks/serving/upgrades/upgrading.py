"""One model that follows a model store: its follower, its trials, and the thread that does both."""

from __future__ import annotations

import asyncio
import math
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from bertworks.contracts.upgrades import Ending, TrialState
from bertworks.serving import log
from bertworks.serving.exchange import Exchange
from bertworks.serving.identity import Located
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.models.served import ServedModel
from bertworks.serving.upgrades.admission import admit
from bertworks.serving.upgrades.follower import Follower
from bertworks.serving.upgrades.meters import UpgradeMeters
from bertworks.serving.upgrades.pointers import StoreSource
from bertworks.serving.upgrades.shadow import Shadow
from bertworks.serving.upgrades.trial import Rules, Trial
from bertworks.serving.upgrades.versions import Versions
from bertworks.spec.upgrades import Follow
from bertworks.storage.challengers import Challengers

KEEP_SECONDS = 15.0
"""Between two times that the evidence of a trial is kept."""


@dataclass(frozen=True)
class Following:
    """What a model follows, and how.

    Attributes:
        store: Path or URI of the model store.
        agent: The agent's name there.
        follow: The spec's `serve.follow`.
        rules: Of trials; None: those of each challenger's own spec.
        servers: How many servers try challengers on their own.
        server: What this one is called among them: under that name it finds its evidence after a
            restart; "": as its host.
    """

    store: str
    agent: str
    follow: Follow = field(default_factory=Follow)
    rules: Rules | None = None
    servers: int = 1
    server: str = ""


class Upgrading:
    """Keeps a served model at what its store says; an observer of its exchanges.

    Args:
        model: The model; its router is replaced.
        following: What it follows.
        load: Loads a bundle beside the others.
    """

    def __init__(
        self,
        model: ServedModel,
        following: Following,
        load: Callable[[Located], LoadedBundle],
    ) -> None:
        self._model, self._following = model, following
        self._meters = UpgradeMeters(model.name)
        self.versions = Versions(model.champion, self._swapped, self._failed)
        model.router = self.versions
        self.follower = Follower(
            StoreSource(following.store, following.agent),
            self.versions,
            lambda located: admit(
                located, self.versions.state.champion.agent.info, load, following.follow
            ),
            model.name,
            told=self._meters.event,
            trial=self.try_out,
        )
        self._challengers = Challengers(following.store, following.agent)
        self.trial: Trial | None = None
        self._shadow: Shadow | None = None
        self._settled: Trial | None = None
        self._server = following.server or socket.gethostname()
        self._told = False
        self._since, self._kept_at = "", -math.inf
        self._wake, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    # The server's side

    async def start(self) -> None:
        """Begins to look; called on the event loop that answers requests."""
        self._shadow = Shadow(asyncio.get_running_loop(), counted=self._meters.shadow)
        self._thread = threading.Thread(target=self._run, name="upgrades", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Ends looking; a bundle that is being loaded is left."""
        self._ended.set()
        self._wake.set()
        await asyncio.to_thread(self._keep, last=True)

    def answered(self, exchange: Exchange) -> None:
        """Takes what became of a request; see `Observer`."""
        trial = self.trial
        if trial is not None and exchange.model == self._model.name:
            trial.answered(exchange)

    def labelled(self, exchange: Exchange, row: int, right: Any) -> bool:
        """Takes what is right for a row; see `Trial.labelled`."""
        trial = self.trial
        return trial is not None and trial.labelled(exchange, row, right)

    def status(self) -> dict[str, Any]:
        """What is loaded, what was refused and how a trial goes, as JSON."""
        state, trial = self.versions.state, self.trial
        found: dict[str, Any] = {
            "agent": self._following.agent,
            "store_failures": self.follower.failures,
            "refused": self.follower.refused,
        }
        for role in ("champion", "previous", "challenger"):
            bundle = getattr(state, role)
            found[role] = bundle and {
                "version": bundle.identity.version,
                "digest": bundle.identity.digest,
            }
        if trial is not None:
            verdict = trial.verdict
            record = asdict(trial.record("undecided", verdict.reason if verdict else ""))
            for name in ("agent", "outcome", "ended", "format", "server"):
                del record[name]
            found["trial"] = {**record, "clear": verdict is not None}
        return found

    # The follower's side

    def try_out(self, challenger: LoadedBundle | None) -> None:
        """Begins a trial, or ends the one that there is without a decision."""
        state = self.versions.state
        if challenger is None:
            self.trial = None
            if state.challenger is not None:
                self.versions.end_trial()
            if self._since:
                self._since = ""
                self._attempt(lambda: self._challengers.drop_evidence(self._server))
            return
        rules = Rules.of(challenger.agent.info.serve, self._following.rules)
        shadow = self._shadow
        if shadow is None:
            return
        shadow.most = rules.shadow.waiting if rules.shadow else shadow.most
        self.trial = Trial(
            self._following.agent,
            state.champion,
            challenger,
            rules,
            shadow,
            self._following.servers,
            self._clear,
        )
        self._go_on(self.trial)
        self.versions.try_out(challenger, self.trial.draw if rules.canary else None)
        if self.trial.verdict is not None:  # What was seen before was enough.
            self._clear()

    def look(self) -> None:
        """Carries out what is decided, and looks at the store."""
        self.settle()
        self.follower.look()
        self._keep()
        if self.trial is not None:
            self._meters.figures(self.trial.record("undecided", "").figures)

    def settle(self) -> None:
        """Carries out the verdict of a trial that has one; the next look does what fails."""
        trial = self.trial
        if trial is None or trial is self._settled:
            return
        trial.overdue(_seconds_since(trial.began))
        verdict = trial.verdict
        if verdict is None:
            return
        outcome: Ending = "promoted" if verdict.promote else "put back"
        if verdict.late:
            outcome = "undecided"
        record = trial.record(outcome, verdict.reason, self._server)
        try:
            done = self._challengers.decide(record)
        except Exception as error:  # whatever the store's driver raises; a read-only mount
            log.LOGGER.warning(
                "%s: version %d is to be %s, but the model store does not take it (%s); tried again",
                self._model.name, record.challenger.version, outcome, type(error).__name__,
            )  # fmt: skip
            return
        self._settled = trial
        if done:
            self._meters.decided(outcome)
            log.LOGGER.info(
                "%s: version %d is %s. %s",
                self._model.name, record.challenger.version, outcome, verdict.reason,
            )  # fmt: skip

    def _go_on(self, trial: Trial) -> None:
        """Goes on with what this server had seen of a trial before it was restarted."""

        def take() -> None:
            pointer = self._challengers.read()
            self._since = pointer.since if pointer is not None else ""
            known = self._challengers.evidence(self._server)
            if known is None or not self._resumed(trial, known):
                self._adopt(trial)

        self._kept_at = time.monotonic()
        self._attempt(take)

    def _resumed(self, trial: Trial, known: TrialState) -> bool:
        """Goes on from a state where it is of this trial; returns whether it is."""
        if not trial.resume(known, self._since):
            return False
        log.LOGGER.info(
            "%s: the trial of version %d goes on with %d requests that were seen before",
            self._model.name, trial.bundles["challenger"].identity.version or 0, trial.seen,
        )  # fmt: skip
        return True

    def _adopt(self, trial: Trial) -> None:
        """Goes on with what a server that is gone had seen, where that is more than this one has.

        A pod that takes another's place has another name, and may come before it is clear that the other
        is gone. Which of the two is gone on with is chosen by how much was seen, not by what: so the
        evidence stays what it is worth.
        """
        for server, state in self._challengers.abandoned(self._server, datetime.now(UTC)):
            if state.since != self._since:  # of a trial that is over
                self._challengers.drop_evidence(server)
            elif sum(state.requests.values()) > trial.seen and self._resumed(trial, state):
                self._challengers.keep_evidence(self._server, trial.state(self._since))
                self._challengers.drop_evidence(server)

    def _keep(self, last: bool = False) -> None:
        """Keeps what was seen of a trial, from time to time."""
        trial = self.trial
        if trial is None or not self._since or trial is self._settled:
            return
        if not (last or time.monotonic() >= self._kept_at + KEEP_SECONDS):
            return
        self._kept_at = time.monotonic()
        if not last:
            self._attempt(lambda: self._adopt(trial))
        if trial.seen:  # Also where nothing is new: it shows that this server is there.
            state = trial.state(self._since, left=last)
            self._attempt(lambda: self._challengers.keep_evidence(self._server, state))

    def _attempt(self, work: Callable[[], None]) -> bool:
        """Does what the store need not take: a mount may be read-only. That is told once."""
        try:
            work()
        except Exception as error:  # whatever the store's driver raises
            if not self._told:
                log.LOGGER.warning(
                    "%s: the model store does not take what is seen of trials (%s): a restart begins "
                    "them anew",
                    self._model.name, type(error).__name__,
                )  # fmt: skip
            self._told = True
            return False
        return True

    def _clear(self) -> None:
        """At once: who is put back answers nobody any more."""
        trial = self.trial
        if trial is not None and trial.verdict is not None and not trial.verdict.promote:
            self.versions.draw(None)
        self._wake.set()

    def _swapped(self, champion: LoadedBundle) -> None:
        self._model.serves(champion)

    def _failed(self, bundle: LoadedBundle) -> None:
        trial = self.trial
        if trial is not None and bundle is trial.bundles["challenger"]:
            trial.failed()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._wake.clear()
            try:
                self.look()
            except Exception as error:  # a fault of ours must not end the following
                log.fault(error)
            self._wake.wait(self.follower.wait(self._following.follow.seconds))


def _seconds_since(began: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(began)).total_seconds()
