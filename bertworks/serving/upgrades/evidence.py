"""Evidence that may be looked at after every observation: e-processes and confidence sequences.

A test of fixed size that is looked at again and again finds a difference sooner or later where there
is none. Here the evidence against a hypothesis is the capital of a gambler who bets against it at fair
odds: were the hypothesis true, the capital would be a supermartingale, and by Ville's inequality it
would ever reach 1 / `level` with probability `level` at most, however often one looks and whenever
one stops.

The bets are those on a bounded mean of Waudby-Smith and Ramdas, "Estimating means of bounded random
variables by betting" (2023), section 4, as a mixture over a grid of fixed stakes (Robbins' method of
mixtures, 1970; the same idea as the mixture sequential probability ratio test of Johari, Pekelis and
Walsh, "Always valid inference", 2017, section 4). The interval is theirs of section 3.2, theorem 2.
"""

from __future__ import annotations

import math

from bertworks.contracts.upgrades import Betting, Sequence

_STAKES = [0.95 * 0.6**place for place in range(12)]
"""Parts of the largest stake that cannot ruin the gambler, 0.95 to 0.003: small ones for differences
that are small against the noise, large ones for those that are plain."""
_MOST = 1e300
"""Capital above it is given away, as a float holds no more. Less capital is less evidence: nothing is
refuted wrongly by that, nor by capital that is rounded down to 0."""


class Evidence:
    """Against "the mean is at most `bound`" of values in [0, 1] that come one by one.

    Holds for any dependence, as long as the hypothesis bounds the mean of each value given those
    before it.

    Args:
        bound: The hypothesis' bound, above 0 and below 1.

    Raises:
        ValueError: The bound is not between 0 and 1.

    Example:
        >>> evidence = Evidence(bound=0.5)
        >>> for _ in range(12):
        ...     evidence.add(1.0)
        >>> evidence.rejects(0.01)
        True
    """

    def __init__(self, bound: float) -> None:
        if not 0 < bound < 1:
            raise ValueError(f"bound must be between 0 and 1. Received: {bound}")
        self.bound = bound
        self._bets = [(part / bound, 1.0) for part in _STAKES]  # stake, capital
        self._highest = 1.0

    def add(self, value: float) -> None:
        """Takes one value.

        Raises:
            ValueError: It is not in [0, 1].
        """
        if not 0 <= value <= 1:
            raise ValueError(f"value must be from 0 to 1. Received: {value}")
        gain = value - self.bound
        self._bets = [
            (stake, min(capital * (1 + stake * gain), _MOST)) for stake, capital in self._bets
        ]
        now = sum(capital for _, capital in self._bets) / len(self._bets)
        self._highest = max(self._highest, now)

    @property
    def state(self) -> Betting:
        """All that it knows, to go on with later."""
        return Betting(self.bound, [capital for _, capital in self._bets], self._highest)

    def resume(self, state: Betting) -> None:
        """Goes on from a state.

        Raises:
            ValueError: It is of another hypothesis, or of other stakes.
        """
        if state.bound != self.bound or len(state.capitals) != len(self._bets):
            raise ValueError("the state is of another hypothesis")
        stakes = [stake for stake, _ in self._bets]
        self._bets, self._highest = list(zip(stakes, state.capitals, strict=True)), state.highest

    @property
    def logarithm(self) -> float:
        """The highest capital so far, as a decimal logarithm: 2 is the evidence of level 0.01."""
        return math.log10(self._highest)

    def rejects(self, level: float) -> bool:
        """Whether the hypothesis was refuted at a level, at any time so far."""
        return self._highest >= 1 / level


class ConfidenceSequence:
    """Intervals for the mean of values in [0, 1], all of them right at once with `1 - level`.

    Args:
        level: The chance that the mean ever lies outside.
    """

    def __init__(self, level: float = 0.05) -> None:
        self._cost = math.log(2 / level)
        self.count = 0
        self._sum = self._squares = 0.0
        self._weights = self._weighted = self._variation = 0.0

    def add(self, value: float) -> None:
        """Takes one value."""
        before = (0.5 + self._sum) / (1 + self.count)
        spread = (0.25 + self._squares) / (1 + self.count)
        self.count += 1
        time = self.count * math.log1p(self.count)
        stake = min(0.75, math.sqrt(2 * self._cost / (spread * time)))
        self._weights += stake
        self._weighted += stake * value
        self._variation += (value - before) ** 2 * (-math.log1p(-stake) - stake)
        self._sum += value
        after = (0.5 + self._sum) / (1 + self.count)
        self._squares += (value - after) ** 2

    @property
    def state(self) -> Sequence:
        """All that it knows, to go on with later."""
        sums = [self._sum, self._squares, self._weights, self._weighted, self._variation]
        return Sequence(self.count, sums)

    def resume(self, state: Sequence) -> None:
        """Goes on from a state."""
        self.count = state.count
        self._sum, self._squares, self._weights, self._weighted, self._variation = state.sums

    @property
    def mean(self) -> float | None:
        """The plain mean; None before the first value."""
        return self._sum / self.count if self.count else None

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper end, within [0, 1]."""
        if not self.count:
            return 0.0, 1.0
        centre = self._weighted / self._weights
        radius = (self._cost + self._variation) / self._weights
        return max(0.0, centre - radius), min(1.0, centre + radius)
