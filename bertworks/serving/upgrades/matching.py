"""Comparable differences of what two arms did.

Traffic changes by the hour: a challenger that had the busy hour would look slow. So what is compared is
near in time: each observation of one arm with those of the other since the last comparison. Which arm
a request goes to is decided before anything is known of it, hence the blocks do not depend on the
values, and where both arms are alike the differences have the mean 0 given all before them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

Arm = Literal["champion", "challenger"]
MOST = 64
"""Observations of a block, at most: of a longer wait for the other arm only the latest count."""


class Blocks:
    """Blocks of observations of both arms, each as soon as both have one."""

    def __init__(self) -> None:
        self._waiting: dict[Arm, list[float]] = {"champion": [], "challenger": []}

    @property
    def waiting(self) -> dict[str, list[float]]:
        """What waits for the other arm, by arm."""
        return {arm: list(values) for arm, values in self._waiting.items()}

    def resume(self, waiting: Mapping[str, list[float]]) -> None:
        """Goes on from what waited."""
        for arm in self._waiting:
            self._waiting[arm] = list(waiting[arm])[-MOST:]

    def add(self, arm: Arm, value: float) -> tuple[list[float], list[float]] | None:
        """Takes one observation.

        Returns:
            The champion's and the challenger's since the last block, both with at least one; None:
            it waits for the other arm.
        """
        own = self._waiting[arm]
        own.append(value)
        del own[:-MOST]
        block = self._waiting["champion"], self._waiting["challenger"]
        if not all(block):
            return None
        self._waiting = {"champion": [], "challenger": []}
        return block


def difference(champion: list[float], challenger: list[float]) -> float:
    """How much higher the challenger's mean is; of values in [0, 1]: from -1 to 1."""
    return sum(challenger) / len(challenger) - sum(champion) / len(champion)


def share_above(champion: list[float], challenger: list[float], factor: float) -> float:
    """Of all pairs, the share in which the challenger's is more than `factor` times the champion's."""
    return sum(_above(champion, challenger, factor)) / (len(champion) * len(challenger))


def _above(champion: list[float], challenger: list[float], factor: float) -> Iterator[bool]:
    return (new > factor * old for old in champion for new in challenger)
