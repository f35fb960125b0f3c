"""How good a policy would be, by dialogues that another one had: before it may talk to anybody.

Doubly robust: a model of values is fitted to the logs, and what it gets wrong is corrected by the
rewards that were seen, weighted by how much more probable the actions are under the new policy. The
estimate is right where either of the two is. Jiang and Li 2016, "Doubly robust off-policy value
evaluation for reinforcement learning", equation 10.

The weights of whole dialogues have long tails: what the new policy does and the old one hardly ever did
is not seen in most logs, and dialogues that are long under the new policy least of all. Weights that are
normalized to their sum (Thomas and Brunskill 2016) count what was seen for all that there is; with
rewards that fall with every turn they flatter the policy, with intervals that are too narrow. So they
are not normalized here. Their mean is 1 where the logs show all that the new policy does; what it lacks
of 1 is the share of its dialogues that they do not show. That share is valued by the model alone, and
the interval grows by it, times the spread of what the model was wrong by where it could be seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bertworks.dialogue.turns import Turns
from bertworks.errors import DataError
from bertworks.evaluation.bootstrap import Estimate, estimate

Floats = NDArray[np.float64]
Shares = Callable[[NDArray[np.float32], NDArray[np.bool_]], Floats]
"""From features and possible actions of turns to a policy's probabilities: `policies.Graph.taken`."""

FEWEST = 50
FEWEST_EFFECTIVE = 30
"""Dialogues that the logs must be worth for a policy; fewer tell nothing by any estimate."""
MOST_UNSEEN = 0.5
_SWEEPS = 25
_RIDGE = 1.0


@dataclass(frozen=True)
class Judged:
    """What a policy would have come to.

    Attributes:
        value: Reward of a dialogue, on average, by the doubly robust estimate.
        low, high: Its 95 % interval, by resampling dialogues; wider by what the logs do not show.
        logged: What the policy of the logs came to.
        logged_low, logged_high: Its 95 % interval.
        gain: `value` less `logged`.
        gain_low, gain_high: Its 95 % interval, over the same resamples.
        model: What the model of values says alone.
        unseen: Share of the policy's dialogues that the logs do not show.
        dialogues: In the logs.
        effective: How many dialogues the weights leave, in effect, at the last turns; few mean that the
            logs say little of this policy, and that the model says it nearly alone.
    """

    value: float
    low: float
    high: float
    logged: float
    logged_low: float
    logged_high: float
    gain: float
    gain_low: float
    gain_high: float
    model: float
    unseen: float
    dialogues: int
    effective: float

    @property
    def told(self) -> bool:
        """Whether the logs say enough of this policy to go by."""
        return not self.reason

    @property
    def reason(self) -> str:
        """Why they do not; "" where they do."""
        if self.effective < FEWEST_EFFECTIVE:
            return (
                f"{self.dialogues:,} dialogues are worth {self.effective:.0f} for this policy, which "
                f"does other things; {FEWEST_EFFECTIVE} are needed"
            )
        if self.unseen > MOST_UNSEEN:
            return (
                f"{self.unseen:.0%} of what this policy does is not in {self.dialogues:,} dialogues; "
                f"at most {MOST_UNSEEN:.0%} may be missing"
            )
        return ""

    @property
    def better(self) -> bool:
        """Whether the policy is better than that of the logs by more than chance."""
        return self.told and self.gain_low > 0


def judge(turns: Turns, shares: Shares, *, seed: int = 0, resamples: int = 1000) -> Judged:
    """Judges a policy by logged dialogues.

    The value model is fitted on one half of the dialogues and used on the other, both ways round, so
    that it never judges what it learned from.

    Args:
        turns: Of dialogues under a policy that tried out every action now and then, with the probability
            of each action that was taken.
        shares: The new policy.
        seed: Of the halves and of the resamples.
        resamples: For the intervals.

    Raises:
        DataError: Too few dialogues; or an action that was taken was impossible under the policy of the
            logs.
    """
    starts = turns.starts
    count = len(starts)
    if count < FEWEST:
        raise DataError(
            f"A policy is judged by {FEWEST} dialogues or more. Received: {count}.",
            "Log more dialogues.",
        )
    if not ((turns.probability > 0) & (turns.probability <= 1)).all():
        raise DataError(
            "The logs tell of actions that their own policy would never take: a probability is not "
            "above 0 and at most 1.",
            "Log each action with its probability under the policy that chose it.",
        )
    wanted = shares(turns.features, turns.possible)
    random = np.random.default_rng(seed)
    half = random.permutation(count) % 2
    of_turn = np.repeat(np.arange(count), np.diff([*starts, len(turns)]))
    values = np.zeros_like(wanted)
    for side in (0, 1):
        inside = half[of_turn] == side
        model = _fitted(turns, wanted, of_turn, ~inside)
        values[inside] = model(turns.features[inside])
    grid = _Grid.of(turns, wanted, values, starts, of_turn)
    logged = np.add.reduceat(turns.reward, starts)

    def rewards(weights: Floats) -> dict[str, Floats]:
        value = np.array([grid.estimate(counts) for counts in weights])
        before = weights @ logged / count
        return {"value": value, "logged": before, "gain": value - before}

    found = estimate(rewards, count, resamples, seed)
    unseen = grid.unseen()
    wider = unseen * grid.spread()
    value, gain = _wider(found["value"], wider), _wider(found["gain"], wider)
    before = _wider(found["logged"], 0.0)
    return Judged(
        *value,
        *before,
        *gain,
        float(grid.state_value[:, 0].mean()),
        unseen,
        count,
        grid.effective(),
    )


def _wider(found: Estimate, by: float) -> tuple[float, float, float]:
    """A value and the ends of its interval, which is wider by so much on both sides."""
    assert found.low is not None and found.high is not None
    return found.value, found.low - by, found.high + by


@dataclass(frozen=True)
class _Grid:
    """Turns of dialogues side by side, (dialogues, longest); what lies behind an end is 0.

    Attributes:
        ratio: Of the probabilities of all actions up to this turn, new to old; 1 before the first.
            Behind an end it stays as it was.
        reward: Of the turn.
        action_value: The model's, of the action that was taken.
        state_value: The model's, of what the new policy would do.
    """

    ratio: Floats
    reward: Floats
    action_value: Floats
    state_value: Floats

    @classmethod
    def of(
        cls,
        turns: Turns,
        wanted: Floats,
        values: Floats,
        starts: NDArray[np.int64],
        of_turn: NDArray[np.int64],
    ) -> _Grid:
        places = np.arange(len(turns)) - starts[of_turn]
        shape = (len(starts), int(places.max()) + 1)
        rows = np.arange(len(turns))

        def laid_out(column: Floats, filler: float = 0.0) -> Floats:
            found = np.full(shape, filler)
            found[of_turn, places] = column
            return found

        ratio = wanted[rows, turns.action] / turns.probability
        return cls(
            np.cumprod(laid_out(ratio, 1.0), axis=1, dtype=np.float64),
            laid_out(turns.reward),
            laid_out(values[rows, turns.action]),
            laid_out((wanted * values).sum(axis=1)),
        )

    def estimate(self, counts: Floats) -> float:
        """The estimate where each dialogue counts so often, (dialogues,)."""
        weights = self.ratio * (counts / counts.sum())[:, None]
        before = np.column_stack([counts / counts.sum(), weights[:, :-1]])
        seen = weights * (self.reward - self.action_value)
        return float((seen + before * self.state_value).sum())

    def unseen(self) -> float:
        """What the mean weight of whole dialogues lacks of 1, which it is expected to be."""
        return max(0.0, 1.0 - float(self.ratio[:, -1].mean()))

    def spread(self) -> float:
        """By how much the model is wrong about a dialogue of the new policy: root mean square."""
        following = np.column_stack([self.state_value[:, 1:], np.zeros(len(self.reward))])
        wrong = (self.reward + following - self.action_value).sum(axis=1)
        weights = self.ratio[:, -1]
        return float(np.sqrt((weights * wrong**2).sum() / weights.sum())) if weights.any() else 0.0

    def effective(self) -> float:
        """Kish's effective number of dialogues at the last turn."""
        weights = self.ratio[:, -1]
        squares = float((weights**2).sum())
        return float(weights.sum() ** 2 / squares) if squares else 0.0


def _fitted(
    turns: Turns, wanted: Floats, of_turn: NDArray[np.int64], inside: NDArray[np.bool_]
) -> Callable[[NDArray[np.float32]], Floats]:
    """Values of actions under the new policy, by fitted Q evaluation (Le, Voloshin and Yue 2019).

    A ridge regression for each action over the features, on the reward and the value of the next turn.

    Returns:
        From features, (turns, features), to values, (turns, actions).
    """
    places = np.flatnonzero(inside)
    seen = _with_one(turns.features[places])
    follows = np.zeros(len(places), bool)
    follows[:-1] = of_turn[places[1:]] == of_turn[places[:-1]]
    action, reward = turns.action[places], turns.reward[places]
    width, actions = seen.shape[1], wanted.shape[1]
    solvers, members = [], []
    for number in range(actions):
        rows = np.flatnonzero(action == number)
        part = seen[rows]
        members.append(rows)
        solvers.append(np.linalg.solve(part.T @ part + _RIDGE * np.eye(width), part.T))
    weights = np.zeros((width, actions))
    upper = float(np.abs(np.add.reduceat(turns.reward, turns.starts)).max())
    next_shares = np.zeros((len(places), actions))
    next_seen = np.zeros_like(seen)
    next_shares[:-1] = wanted[places][1:] * follows[:-1, None]
    next_seen[:-1] = seen[1:]
    for _ in range(_SWEEPS):
        following = (next_shares * np.clip(next_seen @ weights, -upper, upper)).sum(axis=1)
        target = reward + following
        for number in range(actions):
            weights[:, number] = solvers[number] @ target[members[number]]
    return lambda features: np.clip(_with_one(features) @ weights, -upper, upper)


def _with_one(features: NDArray[np.float32]) -> Floats:
    return np.column_stack([features, np.ones(len(features))]).astype(np.float64)
