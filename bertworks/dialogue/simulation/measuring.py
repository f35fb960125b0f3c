"""How good a policy is with simulated users."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bertworks.dialogue.actions import names_of
from bertworks.dialogue.knowledge import Knowledge
from bertworks.dialogue.policies import Policy
from bertworks.dialogue.simulation.episode import Episode
from bertworks.dialogue.simulation.errors import Errors
from bertworks.dialogue.simulation.goals import Habits
from bertworks.dialogue.turns import Turn, Turns

Watch = Callable[[Episode, str], None]


@dataclass(frozen=True)
class Measured:
    """What a number of dialogues came to.

    Attributes:
        dialogues: How many.
        success: Share in which the goal was met, true to the knowledge base.
        turns: Of the agent's in a dialogue, on average.
        reward: Of a dialogue, on average.
        endings: How they ended, most often first.
    """

    dialogues: int
    success: float
    turns: float
    reward: float
    endings: dict[str, int]


@dataclass(frozen=True)
class Ended:
    """What one dialogue came to.

    Attributes:
        success: Whether the goal was met, true to the knowledge base.
        turns: Of the agent's.
        reward: Of all turns together.
        ending: In a word; see `Episode.ending`.
    """

    success: bool
    turns: int
    reward: float
    ending: str


def each(
    policy: Policy,
    knowledge: Knowledge,
    dialogues: int,
    seed: int,
    errors: Errors | None = None,
    habits: Habits | None = None,
    watch: Watch | None = None,
) -> Iterator[Ended]:
    """Lets simulated users talk with a policy, and gives how each dialogue ended; see `measure`."""
    for number in range(dialogues):
        episode = Episode(knowledge, np.random.default_rng([seed, number]), errors, habits)
        reward = 0.0
        while not episode.over:
            action = policy.choose(episode.situation).action
            if watch is not None:
                watch(episode, action)
            reward += episode.step(action).reward
        yield Ended(episode.success, episode.turns, reward, episode.ending)


def summed(ended: Sequence[Ended]) -> Measured:
    """What a number of dialogues came to."""
    count = len(ended)
    endings = Counter(one.ending for one in ended)
    return Measured(
        count,
        sum(one.success for one in ended) / count,
        sum(one.turns for one in ended) / count,
        sum(one.reward for one in ended) / count,
        dict(endings.most_common()),
    )


def measure(
    policy: Policy,
    knowledge: Knowledge,
    dialogues: int,
    seed: int,
    errors: Errors | None = None,
    habits: Habits | None = None,
    watch: Watch | None = None,
) -> Measured:
    """Lets simulated users talk with a policy.

    Args:
        policy: Chooses.
        knowledge: What is talked about.
        dialogues: How many.
        seed: Every dialogue has draws of its own by it: policies meet the same goals.
        errors: How users are misunderstood.
        habits: How users are.
        watch: Told of each situation with the action that was chosen, before it is taken.
    """
    return summed(list(each(policy, knowledge, dialogues, seed, errors, habits, watch)))


def collect(
    policy: Policy,
    knowledge: Knowledge,
    dialogues: int,
    seed: int,
    errors: Sequence[Errors] = (Errors(),),
    habits: Habits | None = None,
    label: Policy | None = None,
) -> Turns:
    """Dialogues of a policy with simulated users, logged.

    Args:
        policy: Chooses what is done.
        knowledge: What is talked about.
        dialogues: How many.
        seed: Same seed, same goals.
        errors: Each dialogue draws one of these.
        habits: How users are.
        label: Whose action is logged instead, for learning from it in places where it would not go
            (Ross, Gordon and Bagnell 2011); None: the one that was taken.
    """
    found = []
    for number in range(dialogues):
        random = np.random.default_rng([seed, number])
        chosen = errors[int(random.integers(len(errors)))]
        episode, turns = Episode(knowledge, random, chosen, habits), []
        while not episode.over:
            situation = episode.situation
            action = policy.choose(situation).action
            share = policy.probabilities(situation)[names_of(situation).index(action)]
            shown = label.choose(situation).action if label is not None else action
            turns.append(Turn(situation, shown, float(share), episode.step(action).reward))
        found.append(turns)
    return Turns.made(found, knowledge.domain)
