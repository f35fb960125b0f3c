"""A challenger's trial: what both arms did is observed, until it is clear which of the two is to serve.

Which requests the challenger answers is drawn by a hash of the request's id, or of the caller's, with
the challenger's digest: the same one for all servers, and another one for each challenger.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from bertworks.contracts.upgrades import Arm as ArmRecord
from bertworks.contracts.upgrades import CanaryRecord, Ending, TrialState
from bertworks.serving.exchange import Exchange
from bertworks.serving.models.bundle import LoadedBundle
from bertworks.serving.upgrades.comparison import Comparison, Observed, Verdict
from bertworks.serving.upgrades.matching import Arm
from bertworks.serving.upgrades.shadow import Second, Shadow
from bertworks.spec.upgrades import Canary
from bertworks.spec.upgrades import Shadow as ShadowRules
from bertworks.storage.outcomes import now
from bertworks.tasks.handler import Answer

FAULTS = {"fault", "slow"}
"""Reasons of a request without an answer that are the agent's; others are the client's or the load's."""
REMEMBERED = 20_000
"""Rows, at most, of the latest requests, of which is kept what was answered: labels may come later."""
LATEST = 1000
"""Requests of an arm whose median of seconds is shown."""


@dataclass(frozen=True)
class Rules:
    """What a challenger is tried by.

    Attributes:
        canary: None: it answers no client.
        shadow: None: it answers nothing behind their back either.
    """

    canary: Canary | None = None
    shadow: ShadowRules | None = None

    @classmethod
    def of(cls, serve: Mapping[str, object] | None, given: Rules | None = None) -> Rules:
        """Those of the command line, else those of the challenger's spec; without any, the defaults.

        Args:
            serve: What the challenger's agent.json has of the spec's `serve`.
            given: Of the command line.
        """
        if given is not None and (given.canary or given.shadow):
            return given
        said: dict[str, Any] = dict(serve or {})
        canary, shadow = said.get("canary"), said.get("shadow")
        found = cls(
            None if canary is None else Canary.model_validate(canary),
            None if shadow is None else ShadowRules.model_validate(shadow),
        )
        return found if found.canary or found.shadow else cls(Canary())


_ARMS: tuple[Arm, Arm] = ("champion", "challenger")
_Key = tuple[str, str]
"""Who asked, and the id of the request: ids are the clients' own."""


@dataclass
class _Answered:
    """A request that may get labels."""

    arm: Arm
    answers: Sequence[Answer]
    other: Sequence[Answer] | None = None
    told: set[int] = field(default_factory=set)


class Trial:
    """One challenger against one champion; may be told and asked from any thread.

    Args:
        agent: The agent's name.
        champion: It answers.
        challenger: It is tried.
        rules: How.
        shadow: Asks the other one.
        servers: How many servers decide on their own, each on its share of the traffic.
        clear: Called once, when there is a verdict.
    """

    def __init__(
        self,
        agent: str,
        champion: LoadedBundle,
        challenger: LoadedBundle,
        rules: Rules,
        shadow: Shadow,
        servers: int = 1,
        clear: Callable[[], None] = lambda: None,
    ) -> None:
        self.agent, self.rules, self.began = agent, rules, now()
        self.bundles: dict[Arm, LoadedBundle] = {"champion": champion, "challenger": challenger}
        self._shadow, self._clear = shadow, clear
        self._handler = champion.agent.handler
        self._comparison = Comparison(rules.canary or Canary(), servers)
        self._seconds: dict[Arm, list[float]] = {"champion": [], "challenger": []}
        self._kept: OrderedDict[_Key, _Answered] = OrderedDict()
        self._rows, self._servers = 0, servers
        self._lock = threading.RLock()
        self.verdict: Verdict | None = None

    @property
    def seen(self) -> int:
        """Requests of both arms so far."""
        return sum(self._comparison.requests.values())

    def state(self, since: str, left: bool = False) -> TrialState:
        """All that was seen, to go on with after a restart.

        Args:
            since: When the challenger was named.
            left: Whether this server ends now.
        """
        champion, challenger = (self.bundles[arm].identity.digest for arm in _ARMS)
        with self._lock:
            told = self._comparison
            return TrialState(
                self.agent, since, self.began, champion, challenger, self._servers, self._rules_told(),
                {str(arm): count for arm, count in told.requests.items()},
                {str(arm): count for arm, count in told.failed.items()},
                told.limits, told.waiting, told.latest,
                {arm: list(seconds) for arm, seconds in self._seconds.items()}, now(), left,
            )  # fmt: skip

    def resume(self, state: TrialState, since: str) -> bool:
        """Goes on from a state where it is of this trial; returns whether it is.

        Labels that come for requests from before then are not counted.
        """
        own = self.state(since)
        same = ("agent", "since", "champion", "challenger", "servers", "rules")
        if any(getattr(own, name) != getattr(state, name) for name in same):
            return False
        fresh = Comparison(self.rules.canary or Canary(), self._servers)
        try:
            fresh.resume(state)
            seconds: dict[Arm, list[float]] = {arm: list(state.seconds[arm]) for arm in _ARMS}
        except (ValueError, KeyError):
            return False
        with self._lock:
            self._comparison, self._seconds, self.began = fresh, seconds, state.began
        self._judge()
        return True

    def _rules_told(self) -> dict[str, object]:
        return (self.rules.canary or Canary()).model_dump(mode="json")

    def draw(self, exchange: Exchange) -> bool:
        """Whether the challenger answers a request."""
        canary = self.rules.canary
        if canary is None:
            return False
        caller, request = _key(exchange)
        key = caller if canary.by == "caller" and caller else request
        return self._chance("canary", key) < canary.share

    def answered(self, exchange: Exchange) -> None:
        """Takes what became of a request."""
        arm = self._arm(exchange.digest)
        if arm is None:
            return
        failed = exchange.reason in FAULTS
        if not failed and (exchange.status != 200 or not exchange.answers):
            return
        cost = None if failed else exchange.cost / max(len(exchange.rows), 1)
        self._observe(arm, exchange.answers, failed, cost)
        if not failed:
            self._remember(exchange, arm)
            self._ask_other(exchange, arm)

    def failed(self) -> None:
        """Says that the challenger failed at a request, which the champion then answered."""
        self._observe("challenger", (), True, None)

    def labelled(self, exchange: Exchange, row: int, right: Any) -> bool:
        """Takes what is right for a row of an exchange; the first word on a row counts.

        Args:
            exchange: The request.
            row: Its place.
            right: A label, labels, tags or a number, as answers have them.

        Returns:
            Whether the request is remembered and has such a row, about which nothing was said before.
        """
        with self._lock:
            kept = self._kept.get(_key(exchange))
            if kept is None or not 0 <= row < len(kept.answers) or row in kept.told:
                return False
            kept.told.add(row)
            own = float(self._handler.is_right(kept.answers[row], right))
            if kept.other is None:
                self._comparison.add_labelled(kept.arm, own)
            else:
                both = own, float(self._handler.is_right(kept.other[row], right))
                self._comparison.add_labelled_pair(
                    *(both if kept.arm == "champion" else both[::-1])
                )
        self._judge()
        return True

    def overdue(self, seconds: float) -> None:
        """Ends a trial that has lasted longer than allowed; `seconds` since it began."""
        hours = (self.rules.canary or Canary()).most_hours
        if self.rules.canary and self.verdict is None and seconds > 3600 * hours:
            self._end(Verdict(False, f"It was not clear after {hours:g} hours.", True))

    def record(self, outcome: Ending, reason: str, server: str = "") -> CanaryRecord:
        """All of it, for the store."""
        with self._lock:
            return CanaryRecord(
                agent=self.agent,
                began=self.began,
                ended=now(),
                outcome=outcome,
                reason=reason,
                champion=self._arm_record("champion"),
                challenger=self._arm_record("challenger"),
                figures=self._comparison.figures(),
                rules=(self.rules.canary or Canary()).model_dump(),
                server=server,
            )

    def _arm(self, digest: str) -> Arm | None:
        for arm, bundle in self.bundles.items():
            if bundle.identity.digest == digest:
                return arm
        return None

    def _observe(
        self, arm: Arm, answers: Sequence[Answer], failed: bool, seconds: float | None
    ) -> None:
        sure = self._confidence(answers)
        with self._lock:
            self._comparison.add(arm, Observed(failed, seconds, sure))
            if seconds is not None:
                latest = self._seconds[arm]
                latest.append(seconds)
                del latest[:-LATEST]
        self._judge()

    def _confidence(self, answers: Sequence[Answer]) -> float | None:
        sure = self._handler.sureness(answers) if answers else np.empty(0)
        known = sure[np.isfinite(sure)]
        return float(np.clip(known.mean(), 0, 1)) if known.size else None

    def _remember(self, exchange: Exchange, arm: Arm) -> None:
        kept = _Answered(arm, self._given(exchange.answers))
        with self._lock:
            old = self._kept.pop(_key(exchange), None)
            self._kept[_key(exchange)] = kept
            self._rows += len(kept.answers) - (0 if old is None else len(old.answers))
            while self._rows > REMEMBERED:
                _, oldest = self._kept.popitem(last=False)
                self._rows -= len(oldest.answers)

    def _given(self, answers: Sequence[Answer]) -> list[Answer]:
        """Of answers what they say, without the scores of all labels."""
        return [self._handler.said(answer) for answer in answers]

    def _ask_other(self, exchange: Exchange, arm: Arm) -> None:
        """In a canary the champion is asked what it would have said, in a shadow the challenger."""
        canary, shadow = self.rules.canary, self.rules.shadow
        other: Arm = "champion" if arm == "challenger" else "challenger"
        share = 0.0
        if arm == "challenger" and canary is not None and canary.disagreement is not None:
            share = canary.agreement_share
        elif arm == "champion" and shadow is not None:
            share = shadow.share
        if self._chance(other, exchange.id) >= share:
            return
        answers, request = self._given(exchange.answers), _key(exchange)

        def told(second: Second) -> None:
            self._compare(request, other, answers, second)

        self._shadow.ask(self.bundles[other], exchange.rows, told)

    def _compare(
        self, request: _Key, other: Arm, answers: Sequence[Answer], second: Second
    ) -> None:
        if other == "challenger":  # It answers no client, or few: this is what is known of it.
            failed = second.answers is None
            cost = None if failed else second.cost / max(len(answers), 1)
            self._observe(other, second.answers or (), failed, cost)
        if second.answers is None:
            return
        alike = [
            self._handler.alike(one, two) for one, two in zip(answers, second.answers, strict=True)
        ]
        with self._lock:
            self._comparison.add_pair(sum(alike) / len(alike))
            if request in self._kept:
                self._kept[request].other = self._given(second.answers)
        self._judge()

    def _judge(self) -> None:
        with self._lock:
            if self.verdict is not None or self.rules.canary is None:
                return
            verdict = self._comparison.verdict()
        if verdict is not None:
            self._end(verdict)

    def _end(self, verdict: Verdict) -> None:
        with self._lock:
            if self.verdict is not None:
                return
            self.verdict = verdict
        self._clear()

    def _chance(self, use: str, key: str) -> float:
        """From 0 to 1, the same for the same key, and for each use and challenger on its own."""
        salt = f"{use} {self.bundles['challenger'].identity.digest} {key}"
        drawn = hashlib.sha256(salt.encode("utf-8", "replace")).digest()[:8]
        return int.from_bytes(drawn, "big") / 2**64

    def _arm_record(self, arm: Arm) -> ArmRecord:
        identity = self.bundles[arm].identity
        seconds = self._seconds[arm]
        middle = median(seconds) if seconds else math.nan
        return ArmRecord(
            identity.version or 0, identity.digest, self._comparison.requests[arm],
            self._comparison.failed[arm], None if math.isnan(middle) else middle,
        )  # fmt: skip


def _key(exchange: Exchange) -> _Key:
    return exchange.caller.id if exchange.caller is not None else "", exchange.id
