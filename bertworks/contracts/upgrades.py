"""What became of a challenger that answered a share of the traffic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bertworks.contracts.files import File
from bertworks.contracts.retraining import Version

Ending = Literal["promoted", "put back", "undecided"]


@dataclass(frozen=True)
class Figure:
    """One limit, and what was seen of it.

    Attributes:
        name: As in the spec's `serve.canary`: errors, slower, slow, confidence, disagreement, accuracy.
        limit: How much worse the challenger may be.
        value: How much worse it was, the mean; null where nothing was compared. Of "slower": the share
            of pairs in which it took longer than allowed, whose limit is a half.
        low: Lower end of its interval, which holds at all times at once, at 95 %.
        high: Upper end.
        compared: How many comparisons there were.
        broken: Evidence that the limit is broken, as a decimal logarithm: 2 is a chance of 1 in 100.
        kept: Evidence that it is kept, likewise.
    """

    name: str
    limit: float
    value: float | None
    low: float
    high: float
    compared: int
    broken: float
    kept: float


@dataclass(frozen=True)
class Arm:
    """One of the two.

    Attributes:
        version: Its number.
        digest: Of its bundle.
        requests: That it answered, or failed to.
        errors: Of these, those that failed by its fault.
        seconds: Median seconds of those that it answered; null without any.
    """

    version: int
    digest: str
    requests: int = 0
    errors: int = 0
    seconds: float | None = None

    @property
    def label(self) -> Version:
        """Its number and digest."""
        return Version(self.version, self.digest)


@dataclass(frozen=True)
class CanaryRecord:
    """A file of NAME/canaries: how a challenger's trial on live traffic ended.

    Attributes:
        agent: Its name.
        began: ISO 8601, UTC.
        ended: Likewise.
        outcome: "promoted", "put back", or "undecided" (put back for want of evidence).
        reason: Why, in one sentence.
        champion: The one that served.
        challenger: The one that was tried.
        figures: Every limit.
        rules: The spec's `serve.canary`.
        server: Which server decided.
        format: Of the file.
    """

    agent: str
    began: str
    ended: str
    outcome: Ending
    reason: str
    champion: Arm
    challenger: Arm
    figures: list[Figure]
    rules: dict[str, object] = field(default_factory=dict)
    server: str = ""
    format: int = 1


@dataclass(frozen=True)
class Betting:
    """Evidence against one hypothesis, see `serving.upgrades.evidence.Evidence`.

    Attributes:
        bound: The hypothesis' bound.
        capitals: Of each stake.
        highest: The highest mean of them so far.
    """

    bound: float
    capitals: list[float]
    highest: float


@dataclass(frozen=True)
class Sequence:
    """What an interval that holds at all times is reckoned from, see `ConfidenceSequence`.

    Attributes:
        count: Values so far.
        sums: Of the values, their squares, the stakes, the weighted values, and the variation.
    """

    count: int
    sums: list[float]


@dataclass(frozen=True)
class Limited:
    """What was seen of one limit.

    Attributes:
        name: As in the spec's `serve.canary`.
        broken: Evidence that it is broken.
        kept: Evidence that it is kept.
        sequence: Its interval.
    """

    name: str
    broken: Betting
    kept: Betting
    sequence: Sequence


@dataclass(frozen=True)
class TrialState:
    """A file of NAME/evidence: what a server has seen of a trial that is under way.

    Attributes:
        agent: Its name.
        since: When the challenger was named: that of challenger.json.
        began: When the trial began, ISO 8601, UTC.
        champion: Digest of the one that serves.
        challenger: Digest of the one that is tried.
        servers: How many servers decided on their own.
        rules: The spec's `serve.canary`.
        requests: By arm.
        failed: By arm: those that failed by its fault.
        limits: Every limit.
        waiting: What waits for the other arm, by measure and arm.
        latest: Seconds of the champion's latest requests.
        seconds: Seconds of each arm's latest requests.
        kept: When this was written, ISO 8601, UTC.
        left: Whether the server has ended since, in order.
        format: Of the file.
    """

    agent: str
    since: str
    began: str
    champion: str
    challenger: str
    servers: int
    rules: dict[str, object]
    requests: dict[str, int]
    failed: dict[str, int]
    limits: list[Limited]
    waiting: dict[str, dict[str, list[float]]]
    latest: list[float]
    seconds: dict[str, list[float]]
    kept: str = ""
    left: bool = False
    format: int = 1


TRIAL: File[TrialState] = File("evidence.json", TrialState)
CANARY: File[CanaryRecord] = File("canary.json", CanaryRecord)
