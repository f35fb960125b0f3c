"""What upgrades count, for Prometheus."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, get_args

from bertworks.contracts.upgrades import Figure
from bertworks.serving.upgrades.follower import Event, Outcome
from bertworks.serving.upgrades.shadow import Ended

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge


class UpgradeMeters:
    """The meters of one followed model.

    Args:
        name: The model's.
    """

    def __init__(self, name: str) -> None:
        self._name, self._all = name, _registered()
        for outcome in get_args(Outcome):
            if outcome != "refused":
                self._all.events.labels(name, outcome, "")  # So that each is 0 from the start.
        for ended in get_args(Ended):
            self._all.shadow.labels(name, ended)

    def event(self, event: Event) -> None:
        """Counts what became of a version."""
        self._all.events.labels(self._name, event.outcome, event.reason).inc()

    def shadow(self, ended: Ended) -> None:
        """Counts a request that was answered once more."""
        self._all.shadow.labels(self._name, ended).inc()

    def decided(self, outcome: str) -> None:
        """Counts a trial that is over."""
        self._all.decisions.labels(self._name, outcome).inc()

    def figures(self, figures: list[Figure]) -> None:
        """Shows how far a trial is."""
        for one in figures:
            for about, value in (("broken", one.broken), ("kept", one.kept)):
                self._all.evidence.labels(self._name, one.name, about).set(value)


class _Registered(NamedTuple):
    events: Counter
    shadow: Counter
    decisions: Counter
    evidence: Gauge


@cache
def _registered() -> _Registered:
    """Registered once a process: Prometheus refuses a name twice."""
    from prometheus_client import Counter, Gauge

    return _Registered(
        events=Counter(
            "bertworks_upgrades",
            "What became of versions that the store names: swapped, back, tried, refused (with the "
            "reason); unreachable: the store.",
            ["model_name", "outcome", "reason"],
        ),
        shadow=Counter(
            "bertworks_shadow_requests",
            "Requests that another bundle answered too: answered, failed, dropped.",
            ["model_name", "outcome"],
        ),
        decisions=Counter(
            "bertworks_canary_decisions",
            "Trials that are over: promoted, put back, undecided.",
            ["model_name", "outcome"],
        ),
        evidence=Gauge(
            "bertworks_canary_evidence",
            "Evidence that a limit is broken or kept, as a decimal logarithm: 2 is 1 in 100.",
            ["model_name", "limit", "about"],
        ),
    )
