"""One simulated dialogue, a turn at a time: what a policy is measured and taught by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bertworks.dialogue.actions import BYE, Situation
from bertworks.dialogue.acts import Act
from bertworks.dialogue.knowledge import Knowledge
from bertworks.dialogue.simulation.agenda import User
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.simulation.goals import Goal, Habits, sample
from bertworks.dialogue.state import State, listened, spoke

SUCCESS = 20.0
TURN = -1.0
RUDE = -1.0
"""Rewards: of a goal that is met, of every turn of the agent's, of no goodbye to a user who says so
(Young et al. 2013 reckon 20 less the turns)."""


@dataclass(frozen=True)
class Step:
    """What came of one turn of the agent's.

    Attributes:
        acts: What it said.
        reward: See `SUCCESS`, `TURN` and `RUDE`.
        done: The dialogue is over.
    """

    acts: tuple[Act, ...]
    reward: float
    done: bool


class Episode:
    """A dialogue with a simulated user, from the agent's side.

    >>> episode = Episode(knowledge, np.random.default_rng(0))      # doctest: +SKIP
    >>> while not episode.over:                                     # doctest: +SKIP
    ...     episode.step(policy.choose(episode.situation).action)

    Args:
        knowledge: What is talked about.
        random: All draws: same seed and same actions, same dialogue.
        errors: How the user is misunderstood.
        habits: How users are.
        goal: None: a sampled one.

    Attributes:
        user: The simulated user.
        situation: Where the agent stands; it is the agent's turn.
        over: Whether the dialogue is over.
        turns: Of the agent's.
    """

    def __init__(
        self,
        knowledge: Knowledge,
        random: np.random.Generator,
        errors: Errors | None = None,
        habits: Habits | None = None,
        goal: Goal | None = None,
    ) -> None:
        self._knowledge, self._random = knowledge, random
        self._errors, habits = errors or Errors(), habits or Habits()
        goal = goal or sample(knowledge, habits, random)
        self.user = User(goal, habits, knowledge, random)
        self.over, self.turns = False, 0
        self.situation = self._listen(State(), self.user.speaks())

    def _listen(self, state: State, said: tuple[Act, ...]) -> Situation:
        heard = self._errors.hear(said, self._knowledge, self._random)
        state = listened(state, heard, self._knowledge.domain, self._knowledge)
        return Situation(state, self._knowledge)

    def step(self, action: str) -> Step:
        """The agent takes an action, and the user answers.

        Raises:
            ValueError: The action is not possible here, or the dialogue is over.
        """
        if self.over:
            raise ValueError("the dialogue is over")
        acts = self.situation.acts(action)
        state = spoke(self.situation.state, acts)
        self.turns += 1
        reward = TURN
        if self.user.done:  # They said goodbye before; whatever the agent says, they are gone.
            self.over = True
            reward += 0.0 if action == BYE else RUDE
        elif action == BYE:
            self.over = True
        else:
            self.situation = self._listen(state, self.user.speaks(acts))
        if self.over:
            reward += SUCCESS if self.success else 0.0
        return Step(acts, reward, self.over)

    @property
    def success(self) -> bool:
        """See `User.served`."""
        return self.user.served(self._knowledge)

    @property
    def ending(self) -> str:
        """See `User.ending`."""
        return self.user.ending(self._knowledge)
