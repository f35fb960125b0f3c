"""Supervised: a policy that does, among what is possible, what was done (behaviour cloning)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bertworks.dialogue.learning.environment import SCALE
from bertworks.dialogue.learning.standing import Cloned, Work
from bertworks.dialogue.turns import Turns

_MOST = 3.0
"""Standard deviations that count: a single dialogue is not followed alone."""


def clone(
    work: Work,
    turns: Turns,
    *,
    seed: int,
    weigh: bool = False,
    epochs: int = 15,
    batch: int = 256,
) -> Cloned:
    """Teaches a learner's policy the actions of dialogues, and its value function their returns.

    Cross-entropy over the possible actions, and squared error of the value: PPO then starts from a
    critic that knows what the policy is worth, and does not unlearn it at once.

    Args:
        work: Its learner's policy is changed in place; it goes on from where it stands.
        turns: Of dialogues that are to be followed.
        seed: Of the order and of what is held out.
        weigh: Whether turns count by what came of them, see `weights`; else they count alike.
        epochs: Passes over the turns.
        batch: Turns a step.
    """
    policy: Any = work.learner.policy
    policy.set_training_mode(True)
    seen, possible = torch.as_tensor(turns.features), turns.possible
    action, value = torch.as_tensor(turns.action), torch.as_tensor(turns.returns() / SCALE).float()
    weight = torch.as_tensor(weights(turns) if weigh else np.ones(len(turns))).float()
    random = np.random.default_rng(seed)
    kept_out = random.random(int(turns.dialogue.max()) + 1) < 0.1
    held_out = kept_out[turns.dialogue]
    places, outside = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    optimizer = torch.optim.Adam(policy.parameters(), lr=1e-3)
    standing = work.standing
    if standing.epochs:
        work.remember(optimizer)
        random.bit_generator.state = standing.order
    while standing.epochs < epochs:
        order = random.permutation(places)
        for begin in range(0, len(order), batch):
            part = order[begin : begin + batch]
            values, log_shares, _ = policy.evaluate_actions(
                seen[part], action[part], action_masks=possible[part]
            )
            loss = (
                -(weight[part] * log_shares).mean()
                + 0.5 * ((values.flatten() - value[part]) ** 2).mean()
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(policy.parameters(), 1.0)
            optimizer.step()
        standing.epochs += 1
        standing.order = dict(random.bit_generator.state)
        work.save(optimizer)
    policy.set_training_mode(False)
    with torch.no_grad():
        found = policy.get_distribution(seen[outside], possible[outside]).distribution.probs
    right = (found.argmax(dim=1) == action[outside]).double()
    return Cloned(len(places), len(outside), float(right.mean()) if len(outside) else None)


def weights(turns: Turns) -> NDArray[np.float64]:
    """How much turns count by what came of them, (turns,), 1 on average.

    Advantage-weighted regression (Peng et al. 2019): the exponential of what came of an action beyond
    what a turn like this comes to, in standard deviations. What a turn comes to is a ridge regression of
    the returns over its features.
    """
    returns = turns.returns()
    seen = np.column_stack([turns.features, np.ones(len(turns))]).astype(np.float64)
    usual = seen @ np.linalg.solve(seen.T @ seen + np.eye(seen.shape[1]), seen.T @ returns)
    beyond = returns - usual
    spread = float(beyond.std())
    found = np.exp(np.clip(beyond / spread, -_MOST, _MOST)) if spread > 0 else np.ones(len(turns))
    return np.asarray(found / found.mean(), np.float64)
