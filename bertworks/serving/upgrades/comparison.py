"""A challenger against the champion on live traffic: figures, and a verdict as soon as it is clear.

Every limit of the spec's `serve.canary` is one sequential test in both directions (`evidence`): one
gathers evidence that the limit is broken, one that it is kept. The challenger is put back at the first
limit that is broken: the level is shared out among the limits, so that one that keeps them all is put
back with `false_alarm` at most. It is promoted when every limit is kept, each at `false_promotion`:
one that breaks any of them comes through with that chance at most (an intersection-union test,
Berger 1982). Looking after each request costs nothing.
"""

from __future__ import annotations

import bisect
from collections import deque
from dataclasses import dataclass
from typing import Literal

from bertworks.contracts.upgrades import Figure, Limited, TrialState
from bertworks.serving.upgrades.evidence import ConfidenceSequence, Evidence
from bertworks.serving.upgrades.matching import Arm, Blocks, difference, share_above
from bertworks.spec.upgrades import Canary

TAIL = 0.95
"""Slow is what takes longer than this part of the champion's latest requests."""
LATEST = 500
"""Requests of the champion that say what is slow."""
ENOUGH = 20
"""Of them, before anything is called slow."""


@dataclass(frozen=True)
class Observed:
    """What a request came to.

    Attributes:
        failed: By a fault of the agent's; a client's own fault is no observation.
        seconds: How long the answer took; None where there was none.
        confidence: The rows' mean, 0 to 1; None where the task knows none.
    """

    failed: bool
    seconds: float | None = None
    confidence: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What to do with the challenger.

    Attributes:
        promote: Whether it is to serve; else it is put back.
        reason: Why, in one sentence.
        late: Whether it is put back because it was not clear in time.
    """

    promote: bool
    reason: str
    late: bool = False


class Limit:
    """One limit: values in [0, 1], whose mean breaks it where it is above `bound`.

    Args:
        name: As in the spec.
        limit: As in the spec.
        form: "share" for values that are what is limited; "difference" for those from -1 to 1.
    """

    def __init__(
        self, name: str, limit: float, form: Literal["share", "difference"] = "difference"
    ) -> None:
        self.name, self.limit, self._form = name, limit, form
        bound = self._inside(limit)
        self.broken, self.kept = Evidence(bound), Evidence(1 - bound)
        self._sequence = ConfidenceSequence()

    def add(self, value: float) -> None:
        """Takes how much worse the challenger was, once."""
        inside = self._inside(value)
        self.broken.add(inside)
        self.kept.add(1 - inside)
        self._sequence.add(inside)

    @property
    def compared(self) -> int:
        """Values so far."""
        return self._sequence.count

    @property
    def state(self) -> Limited:
        """All that it knows, to go on with later."""
        return Limited(self.name, self.broken.state, self.kept.state, self._sequence.state)

    def resume(self, state: Limited) -> None:
        """Goes on from a state; raises as `Evidence.resume`."""
        self.broken.resume(state.broken)
        self.kept.resume(state.kept)
        self._sequence.resume(state.sequence)

    def figure(self) -> Figure:
        """What was seen."""
        low, high = map(self._outside, self._sequence.bounds)
        mean = self._sequence.mean
        value = None if mean is None else self._outside(mean)
        return Figure(
            self.name, self.limit, value, low, high, self.compared,
            self.broken.logarithm, self.kept.logarithm,
        )  # fmt: skip

    def _inside(self, value: float) -> float:
        return value if self._form == "share" else min(1.0, max(0.0, (1 + value) / 2))

    def _outside(self, value: float) -> float:
        return value if self._form == "share" else 2 * value - 1


class Comparison:
    """Takes what both arms did, and says when it is clear; one thread at a time.

    Args:
        rules: The spec's.
        servers: How many decide on their own, each on its share of the traffic: the chance of a wrong
            decision is that of all of them together.
    """

    def __init__(self, rules: Canary, servers: int = 1) -> None:
        self._rules = rules
        self._alarm = rules.false_alarm / servers
        self._promotion = rules.false_promotion / servers
        self._errors = Limit("errors", rules.errors)
        self._slower = Limit("slower", 0.5, "share")
        self._slow = Limit("slow", rules.slow)
        self._confidence = Limit("confidence", rules.confidence) if rules.confidence else None
        self._disagreement = (
            Limit("disagreement", rules.disagreement, "share") if rules.disagreement else None
        )
        self._accuracy = Limit("accuracy", rules.accuracy)
        self._blocks = {name: Blocks() for name in ("errors", "slower", "slow", "confidence")}
        self._right = Blocks()
        self._latest: deque[float] = deque(maxlen=LATEST)
        self._sorted: list[float] = []
        self.requests: dict[Arm, int] = {"champion": 0, "challenger": 0}
        self.failed: dict[Arm, int] = {"champion": 0, "challenger": 0}

    @property
    def limits(self) -> list[Limited]:
        """What was seen of every limit, to go on with later."""
        return [limit.state for limit in self._limits()]

    @property
    def waiting(self) -> dict[str, dict[str, list[float]]]:
        """What waits for the other arm, by measure."""
        return {name: blocks.waiting for name, blocks in self._all_blocks().items()}

    @property
    def latest(self) -> list[float]:
        """Seconds of the champion's latest requests."""
        return list(self._latest)

    def resume(self, state: TrialState) -> None:
        """Goes on from where another one of the same rules was.

        Raises:
            ValueError: It was of other limits.
            KeyError: Likewise.
        """
        limits = {limit.name: limit for limit in self._limits()}
        if [one.name for one in state.limits] != list(limits):
            raise ValueError("the state is of other limits")
        for one in state.limits:
            limits[one.name].resume(one)
        for name, blocks in self._all_blocks().items():
            blocks.resume(state.waiting[name])
        for seconds in state.latest:
            self._remember(seconds)
        for arm in self.requests:
            self.requests[arm], self.failed[arm] = state.requests[arm], state.failed[arm]

    def _all_blocks(self) -> dict[str, Blocks]:
        return {**self._blocks, "accuracy": self._right}

    def add(self, arm: Arm, seen: Observed) -> None:
        """Takes what a request came to."""
        self.requests[arm] += 1
        self.failed[arm] += seen.failed
        if block := self._blocks["errors"].add(arm, float(seen.failed)):
            self._errors.add(difference(*block))
        if seen.seconds is not None:
            self._add_seconds(arm, seen.seconds)
        if seen.confidence is None or self._confidence is None:
            return
        if block := self._blocks["confidence"].add(arm, seen.confidence):
            self._confidence.add(-difference(*block))

    def add_pair(self, alike: float) -> None:
        """Takes a request that both answered: the share of its rows that were answered alike."""
        if self._disagreement:
            self._disagreement.add(1 - alike)

    def add_labelled(self, arm: Arm, right: float) -> None:
        """Takes the share of a request's rows that one arm answered rightly."""
        if block := self._right.add(arm, right):
            self._accuracy.add(-difference(*block))

    def add_labelled_pair(self, champion: float, challenger: float) -> None:
        """The same of a request that both answered, which says more."""
        self._accuracy.add(champion - challenger)

    def figures(self) -> list[Figure]:
        """Every limit that is judged."""
        return [limit.figure() for limit in self._limits()]

    def verdict(self) -> Verdict | None:
        """What to do; None: it is not clear yet."""
        limits = self._limits()
        level = self._alarm / len(limits)
        for limit in limits:
            if limit.broken.rejects(level):
                return Verdict(False, _broken(limit.figure()))
        if self.requests["challenger"] < self._rules.least_requests:
            return None
        if all(limit.kept.rejects(self._promotion) for limit in limits if self._needed(limit)):
            asked = ", ".join(limit.name for limit in limits if self._needed(limit))
            return Verdict(True, f"All limits are kept: {asked}.")
        return None

    def _limits(self) -> list[Limit]:
        """The same limits from first to last, so that the level is shared out once and for all."""
        every = (
            self._errors, self._slower, self._slow, self._confidence, self._disagreement,
            self._accuracy,
        )  # fmt: skip
        return [limit for limit in every if limit]

    def _needed(self, limit: Limit) -> bool:
        """Whether it must be shown that a limit is kept: not where the task or traffic has no such."""
        if limit is self._accuracy:
            return self._rules.labels == "required" or limit.compared > 0
        return limit is not self._confidence or limit.compared > 0

    def _add_seconds(self, arm: Arm, seconds: float) -> None:
        factor = 1 + self._rules.slower
        if block := self._blocks["slower"].add(arm, seconds):
            self._slower.add(share_above(*block, factor))
        slow = self._slow_from()
        if slow is not None and (block := self._blocks["slow"].add(arm, float(seconds > slow))):
            self._slow.add(difference(*block))
        if arm == "champion":
            self._remember(seconds)

    def _slow_from(self) -> float | None:
        """By requests before this one alone, so that both arms are measured by the same."""
        if len(self._sorted) < ENOUGH:
            return None
        return self._sorted[int(TAIL * len(self._sorted))]

    def _remember(self, seconds: float) -> None:
        if len(self._latest) == LATEST:
            del self._sorted[bisect.bisect_left(self._sorted, self._latest[0])]
        self._latest.append(seconds)
        bisect.insort(self._sorted, seconds)


def _broken(figure: Figure) -> str:
    value = 0.0 if figure.value is None else figure.value
    what = {
        "errors": f"{value:+.1%} of requests fail",
        "slower": f"{value:.0%} of its requests take longer than allowed",
        "slow": f"{value:+.1%} of requests are slow",
        "confidence": f"its confidence is lower by {value:.3f}",
        "disagreement": f"it answers {value:.0%} of rows otherwise",
        "accuracy": f"its accuracy is lower by {value:.1%}",
    }[figure.name]
    return (
        f"The limit on {figure.name} is broken: {what}, at most {figure.limit:g} "
        f"is allowed ({figure.compared} comparisons)."
    )
