"""Dialogues with simulated users as a gymnasium environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from bertworks.dialogue import features
from bertworks.dialogue.actions import names
from bertworks.dialogue.knowledge import Knowledge
from bertworks.dialogue.simulation.episode import Episode
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.simulation.goals import Habits

SCALE = 10.0
"""Rewards are divided by it: values of about 1 are learned faster."""


@dataclass(frozen=True)
class World:
    """Whom a policy learns with.

    Attributes:
        knowledge: What is talked about.
        errors: Each dialogue draws one of these.
        habits: How users are.
    """

    knowledge: Knowledge
    errors: Sequence[Errors] = (Errors(),)
    habits: Habits = field(default_factory=Habits)

    def episode(self, random: np.random.Generator) -> Episode:
        """A new dialogue."""
        errors = self.errors[int(random.integers(len(self.errors)))]
        return Episode(self.knowledge, random, errors, self.habits)


@dataclass(frozen=True)
class Begun:
    """A dialogue that is under way, as what leads there again.

    Attributes:
        random: State of the draws before it began, as numpy's generators have it.
        taken: Places of the actions since, in `actions.names`.
    """

    random: dict[str, Any]
    taken: list[int] = field(default_factory=list)


class DialogueEnvironment(gymnasium.Env[NDArray[np.float32], np.int64]):
    """One dialogue after another. An episode is a dialogue, a step a turn of the agent's.

    Args:
        world: Whom to talk with.
        seed: Same seed and same actions, same dialogues.
    """

    def __init__(self, world: World, seed: int = 0) -> None:
        domain = world.knowledge.domain
        self._world, self._actions = world, names(domain)
        self.observation_space = gymnasium.spaces.Box(
            0.0, 1.0, (len(features.names(domain)),), np.float32
        )
        self.action_space = gymnasium.spaces.Discrete(len(self._actions))
        self._random = np.random.default_rng(seed)
        self._begin()

    def _begin(self) -> None:
        self._drawn = dict(self._random.bit_generator.state)
        self._taken: list[int] = []
        self._episode = self._world.episode(self._random)

    @property
    def begun(self) -> Begun:
        """The dialogue as it stands."""
        return Begun(self._drawn, list(self._taken))

    def go_on(self, begun: Begun) -> NDArray[np.float32]:
        """Puts a dialogue in the place of the present one; returns what is seen in it."""
        self._random.bit_generator.state = begun.random
        self._begin()
        for action in begun.taken:
            self.step(np.int64(action))
        return features.vector(self._episode.situation)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begins a dialogue."""
        super().reset(seed=seed)
        if seed is not None:
            self._random = np.random.default_rng(seed)
        self._begin()
        return features.vector(self._episode.situation), {}

    def step(
        self, action: np.int64
    ) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Takes an action and hears the user.

        Args:
            action: Place in `actions.names`; a possible one.

        Raises:
            ValueError: It is not possible here.
        """
        done = self._episode.step(self._actions[int(action)])
        self._taken.append(int(action))
        seen = features.vector(self._episode.situation)
        info = {"success": self._episode.success} if done.done else {}
        return seen, done.reward / SCALE, done.done, False, info

    def action_masks(self) -> NDArray[np.bool_]:
        """Which actions are possible; MaskablePPO asks for it by this name."""
        return self._episode.situation.possible
