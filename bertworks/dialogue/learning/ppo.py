"""Reinforcement: proximal policy optimization with simulated users (Schulman et al. 2017).

MaskablePPO of sb3-contrib, as only some actions are possible in a turn (Huang and Ontañón 2022).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from sb3_contrib import MaskablePPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

from bertworks import progress
from bertworks.dialogue.learning.cloning import Cloned, clone
from bertworks.dialogue.learning.environment import DialogueEnvironment, World
from bertworks.dialogue.learning.network import WIDTHS, Network
from bertworks.dialogue.simulation.measuring import Measured, measure
from bertworks.dialogue.turns import Turns


@dataclass(frozen=True)
class Settings:
    """How a policy is learned.

    Attributes:
        steps: Turns with simulated users.
        environments: Dialogues side by side.
        rollout: Turns of each between two updates.
        batch: Turns of a gradient step.
        epochs: Passes over a rollout.
        learning_rate: At the beginning; it falls to a tenth in a line.
        entropy: Weight of the entropy: more tries out more.
        discount: Of the next turn's reward.
        checks: How often it is measured on the way; the best is kept.
        dialogues: Of each check, for each rate of errors.
    """

    steps: int = 200_000
    environments: int = 16
    rollout: int = 256
    batch: int = 512
    epochs: int = 6
    learning_rate: float = 5e-4
    entropy: float = 0.005
    discount: float = 0.99
    checks: int = 5
    dialogues: int = 250


@dataclass(frozen=True)
class Check:
    """The policy at one time.

    Attributes:
        steps: Turns that it had learned from.
        found: For each rate of errors of the world.
    """

    steps: int
    found: tuple[Measured, ...]

    @property
    def reward(self) -> float:
        """Mean over the rates: what the best is chosen by."""
        return sum(one.reward for one in self.found) / len(self.found)


@dataclass
class Learned:
    """What came of it.

    Attributes:
        learner: Holds the best policy.
        cloned: How well the start imitates; None: it started from nothing.
        checks: On the way, the start first.
    """

    learner: MaskablePPO
    cloned: Cloned | None = None
    checks: list[Check] = field(default_factory=list)

    @property
    def best(self) -> Check:
        """The one that is kept."""
        return max(self.checks, key=lambda one: one.reward)


def learn(
    world: World,
    settings: Settings,
    seed: int,
    start: Turns | None = None,
    tell: Callable[[Check], None] | None = None,
    *,
    weigh: bool = False,
) -> Learned:
    """Learns a policy.

    Args:
        world: Simulated users to learn with, and other ones of theirs to check with.
        settings: How.
        seed: Same seed, same policy on the same machine.
        start: Dialogues to imitate first; None: none.
        tell: Told of every check.
        weigh: Whether dialogues that went well are imitated more: logged ones, with their own rewards.
    """
    torch.set_num_threads(1)  # The network is small: a second thread costs more than it brings.
    makers = [
        lambda number=number: DialogueEnvironment(world, seed * 1000 + number)
        for number in range(settings.environments)
    ]
    learner = MaskablePPO(
        "MlpPolicy",
        DummyVecEnv(makers),
        learning_rate=lambda left: settings.learning_rate * (0.1 + 0.9 * left),
        n_steps=settings.rollout,
        batch_size=settings.batch,
        n_epochs=settings.epochs,
        gamma=settings.discount,
        ent_coef=settings.entropy,
        policy_kwargs={"net_arch": {"pi": WIDTHS, "vf": WIDTHS}},
        seed=seed,
        device="cpu",
    )
    learned = Learned(learner)
    if start is not None:
        learned.cloned = clone(learner, start, seed=seed, weigh=weigh)
    keeper = _Keeper(world, settings, seed, learned, tell)
    keeper.check(0)
    if settings.steps:
        with progress.stage("talking with simulated users", settings.steps, "turns") as stage:
            keeper.stage = stage
            learner.learn(settings.steps, callback=keeper)
            stage.advance(learner.num_timesteps - stage.done)
        keeper.check(settings.steps)
    learner.policy.load_state_dict(keeper.best)
    return learned


class _Keeper(BaseCallback):
    """Measures the policy on the way, and keeps the best weights."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        seed: int,
        learned: Learned,
        tell: Callable[[Check], None] | None,
    ) -> None:
        super().__init__()
        self._world, self._settings, self._seed = world, settings, seed
        self._learned, self._tell = learned, tell
        self._due = math.ceil(settings.steps / max(settings.checks, 1))
        self.best: dict[str, torch.Tensor] = {}
        self.stage: progress.Stage | None = None

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.stage is not None:
            success = sum(one.success for one in self._learned.checks[-1].found)
            note = f"success {success / len(self._world.errors):.3f}"
            self.stage.advance(self.num_timesteps - self.stage.done, note)
        if self.num_timesteps >= self._due:
            self._due += math.ceil(self._settings.steps / self._settings.checks)
            self.check(self.num_timesteps)

    def check(self, steps: int) -> None:
        policy = Network(self._learned.learner)
        found = tuple(
            measure(
                policy, self._world.knowledge, self._settings.dialogues, 7_000_000 + self._seed,
                errors, self._world.habits,
            )
            for errors in self._world.errors
        )  # fmt: skip
        self._learned.checks.append(Check(steps, found))
        if self._learned.best is self._learned.checks[-1]:
            state = self._learned.learner.policy.state_dict()
            self.best = {name: value.clone() for name, value in state.items()}
        if self._tell is not None:
            self._tell(self._learned.checks[-1])
