"""Where a learning stands: what a checkpoint keeps, and how a learner goes on from it.

As a training of an encoder: killed at any moment it goes on from its last checkpoint, and ends with the
same weights. Kept are the policy and the optimizer's moments, the random states of the imitation's
order, of torch and of numpy, and of each dialogue under way where its draws began and which actions were
taken since: taken again, they lead to the same place.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from sb3_contrib import MaskablePPO

from bertworks.contracts.files import File, to_json
from bertworks.dialogue.learning.environment import Begun, DialogueEnvironment
from bertworks.dialogue.simulation.measuring import Measured
from bertworks.storage.checkpoints import Arrays, Checkpoints

WEIGHTS, MOMENTS = "weights/", "moments/"
TORCH, NUMPY = "random/torch", "random/numpy"


@dataclass(frozen=True)
class Cloned:
    """How well a policy does what was done.

    Attributes:
        turns: It learned from.
        held_out: Turns that it did not learn from; those of a tenth of the dialogues.
        accuracy: Share of these in which it does the same; null where there are none.
    """

    turns: int
    held_out: int
    accuracy: float | None


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
class Standing:
    """All that a checkpoint keeps beside its arrays.

    Attributes:
        epochs: Passes over the dialogues to imitate that are done.
        order: Random state of the order in the next one.
        imitated: Whether the imitation is over, or nothing was to be imitated.
        cloned: What came of it.
        steps: Turns with simulated users that were learned from; null before the first.
        due: At how many of them the policy is measured next.
        dialogues: Those under way.
        drawn: Of numpy's random state: its place, and the number that it holds back, if any.
        checks: On the way.
        best_file: Which file of the checkpoint has the best weights.
    """

    epochs: int = 0
    order: dict[str, Any] = field(default_factory=dict)
    imitated: bool = False
    cloned: Cloned | None = None
    steps: int | None = None
    due: int = 0
    dialogues: list[Begun] = field(default_factory=list)
    drawn: tuple[int, int, float] = (0, 0, 0.0)
    checks: list[Check] = field(default_factory=list)
    best_file: str | None = None


# A checkpoint's is of this very version (see `Checkpoints.for_run`): nothing is migrated.
STANDING: File[Standing] = File("state", Standing, fix="Delete the checkpoint; it begins anew.")


class Work:
    """A learning under way.

    Args:
        learner: What learns.
        environments: Its own, in its order.
        checkpoints: Where to go on from and to save to, locked already; None saves nothing.

    Attributes:
        standing: Where it stands.
        best: The best weights so far; none before the first check.
    """

    def __init__(
        self,
        learner: MaskablePPO,
        environments: Sequence[DialogueEnvironment],
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.learner, self._environments = learner, environments
        self._checkpoints = checkpoints
        self.standing = Standing()
        self.best: Arrays = {}
        self._moments: Arrays = {}

    def resume(self) -> None:
        """Takes up the last checkpoint, where there is one."""
        found = self._checkpoints.load() if self._checkpoints else None
        if found is None:
            return
        state, arrays, best = found
        standing = self.standing = STANDING.of(state, "the checkpoint's state")
        self.best = best or {}
        self.put(_under(WEIGHTS, arrays))
        self._moments = _under(MOMENTS, arrays)
        where = f"{standing.epochs} passes over what is imitated"
        if standing.steps is not None:
            where = f"{standing.steps:,} turns"
            self._go_on(standing.steps, arrays)
        print(f"goes on from a checkpoint, after {where}", file=sys.stderr, flush=True)

    def _go_on(self, steps: int, arrays: Arrays) -> None:
        """Puts the dialogues back to where they were, and all that draws."""
        standing, learner = self.standing, self.learner
        learner.num_timesteps = steps
        pairs = list(zip(self._environments, standing.dialogues, strict=True))
        learner._last_obs = np.stack([one.go_on(begun) for one, begun in pairs])
        learner._last_episode_starts = np.array([not begun.taken for _, begun in pairs])
        torch.set_rng_state(torch.from_numpy(arrays[TORCH]))
        np.random.set_state(("MT19937", arrays[NUMPY], *standing.drawn))

    def put(self, weights: Arrays) -> None:
        """Gives the policy these weights."""
        state = {name: torch.from_numpy(array.copy()) for name, array in weights.items()}
        self.learner.policy.load_state_dict(state)

    def weights(self) -> Arrays:
        """Copies of the policy's weights."""
        policy = self.learner.policy.state_dict()
        return {name: value.detach().numpy().copy() for name, value in policy.items()}

    def remember(self, optimizer: torch.optim.Optimizer) -> None:
        """Gives an optimizer the moments that the checkpoint had, once."""
        if not self._moments:
            return
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, array in self._moments.items():
            number, _, part = name.partition("/")
            state.setdefault(int(number), {})[part] = torch.from_numpy(array.copy())
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": state, "param_groups": groups})
        self._moments = {}

    def keep_best(self) -> None:
        """Keeps the policy's present weights as the best ones."""
        self.best = self.weights()
        if self._checkpoints:
            name = f"best-{self.standing.checks[-1].steps}.safetensors"
            self._checkpoints.save_best(name, self.best)
            self.standing.best_file = name

    def save(self, optimizer: torch.optim.Optimizer) -> None:
        """Writes a checkpoint, where one is worth its time."""
        if self._checkpoints is None or not self._checkpoints.affordable():
            return
        self.standing.dialogues = [one.begun for one in self._environments]
        drawn: Any = np.random.get_state(legacy=False)
        self.standing.drawn = (drawn["state"]["pos"], drawn["has_gauss"], drawn["gauss"])
        arrays = {WEIGHTS + name: value for name, value in self.weights().items()}
        for number, moments in optimizer.state_dict()["state"].items():
            for part, value in moments.items():
                arrays[f"{MOMENTS}{number}/{part}"] = value.detach().numpy().copy()
        arrays[TORCH] = torch.get_rng_state().numpy().copy()
        arrays[NUMPY] = drawn["state"]["key"].copy()
        self._checkpoints.save(to_json(self.standing), arrays)


def _under(place: str, arrays: Arrays) -> Arrays:
    return {
        name.removeprefix(place): value for name, value in arrays.items() if name.startswith(place)
    }
