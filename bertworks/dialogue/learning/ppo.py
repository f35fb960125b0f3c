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
from bertworks.dialogue.learning.cloning import clone
from bertworks.dialogue.learning.environment import DialogueEnvironment, World
from bertworks.dialogue.learning.network import WIDTHS, Network
from bertworks.dialogue.learning.standing import Check, Cloned, Work
from bertworks.dialogue.simulation.measuring import measure
from bertworks.dialogue.turns import Turns
from bertworks.storage.checkpoints import Checkpoints


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
    start: Callable[[], Turns] | None = None,
    tell: Callable[[Check], None] | None = None,
    *,
    weigh: bool = False,
    checkpoints: Checkpoints | None = None,
) -> Learned:
    """Learns a policy.

    Args:
        world: Simulated users to learn with, and other ones of theirs to check with.
        settings: How.
        seed: Same seed, same policy on the same machine, however often it was cut off.
        start: Makes or reads the dialogues to imitate first; None: none.
        tell: Told of every check.
        weigh: Whether dialogues that went well are imitated more: logged ones, with their own rewards.
        checkpoints: Where to go on from and to save to, locked already; None saves nothing.
    """
    torch.set_num_threads(1)  # The network is small: a second thread costs more than it brings.
    environments = [
        DialogueEnvironment(world, seed * 1000 + number) for number in range(settings.environments)
    ]
    learner = MaskablePPO(
        "MlpPolicy",
        DummyVecEnv([lambda one=one: one for one in environments]),
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
    work = Work(learner, environments, checkpoints)
    work.resume()
    standing = work.standing
    keeper = _Keeper(world, settings, seed, work, tell)
    if not standing.imitated:
        if start is not None:
            standing.cloned = clone(work, start(), seed=seed, weigh=weigh)
        standing.imitated = True
        keeper.check(0)
    if settings.steps:
        done = standing.steps or 0
        with progress.stage(
            "talking with simulated users", settings.steps, "turns", start=done
        ) as stage:
            keeper.stage = stage
            work.remember(learner.policy.optimizer)
            first = standing.steps is None
            learner.learn(settings.steps - done, callback=keeper, reset_num_timesteps=first)
            stage.advance(learner.num_timesteps - stage.done)
        keeper.check(settings.steps)
    work.put(work.best)
    return Learned(learner, standing.cloned, standing.checks)


class _Keeper(BaseCallback):
    """Measures the policy on the way, and keeps the best weights and where it stands."""

    def __init__(
        self,
        world: World,
        settings: Settings,
        seed: int,
        work: Work,
        tell: Callable[[Check], None] | None,
    ) -> None:
        super().__init__()
        self._world, self._settings, self._seed = world, settings, seed
        self._work, self._tell = work, tell
        self._every = math.ceil(settings.steps / max(settings.checks, 1))
        self.stage: progress.Stage | None = None

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        """Between two updates: what a checkpoint keeps is whole here."""
        standing = self._work.standing
        if self.stage is not None:
            success = sum(one.success for one in standing.checks[-1].found)
            note = f"success {success / len(self._world.errors):.3f}"
            self.stage.advance(self.num_timesteps - self.stage.done, note)
        standing.due = standing.due or self._every
        if self.num_timesteps >= standing.due:
            standing.due += self._every
            self.check(self.num_timesteps)
        if standing.steps != self.num_timesteps:
            standing.steps = self.num_timesteps
            self._work.save(self._work.learner.policy.optimizer)

    def check(self, steps: int) -> None:
        policy = Network(self._work.learner)
        found = tuple(
            measure(
                policy, self._world.knowledge, self._settings.dialogues, 7_000_000 + self._seed,
                errors, self._world.habits,
            )
            for errors in self._world.errors
        )  # fmt: skip
        checks = self._work.standing.checks
        checks.append(Check(steps, found))
        if max(checks, key=lambda one: one.reward) is checks[-1]:
            self._work.keep_best()
        if self._tell is not None:
            self._tell(checks[-1])
