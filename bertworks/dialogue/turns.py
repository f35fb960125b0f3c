"""Turns of many dialogues as arrays: what policies are cloned from and judged by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bertworks.dialogue import features
from bertworks.dialogue.actions import Situation, names
from bertworks.dialogue.domain import Domain
from bertworks.errors import DataError
from bertworks.storage.replacing import replacing


@dataclass(frozen=True)
class Turn:
    """One turn of the agent's.

    Attributes:
        situation: Where it stood.
        action: What it did.
        probability: How probable that was under the policy that did it.
        reward: What came of it.
    """

    situation: Situation
    action: str
    probability: float
    reward: float


@dataclass(frozen=True)
class Turns:
    """Turns of dialogues, one below the other, each dialogue's together and in order.

    Attributes:
        dialogue: Number of the dialogue, (turns,), not falling.
        features: `features.vector`, (turns, features).
        possible: (turns, actions).
        action: Place in `actions.names`, (turns,).
        probability: Of the action under the policy that took it, (turns,); above 0.
        reward: (turns,).
    """

    dialogue: NDArray[np.int64]
    features: NDArray[np.float32]
    possible: NDArray[np.bool_]
    action: NDArray[np.int64]
    probability: NDArray[np.float64]
    reward: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.dialogue)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each dialogue begins, (dialogues,)."""
        return np.flatnonzero(np.diff(self.dialogue, prepend=-1))

    def returns(self) -> NDArray[np.float64]:
        """Rewards of each turn and of those after it, (turns,)."""
        found, total = np.zeros(len(self)), 0.0
        for place in range(len(self) - 1, -1, -1):
            last = place + 1 == len(self) or self.dialogue[place + 1] != self.dialogue[place]
            total = self.reward[place] + (0.0 if last else total)
            found[place] = total
        return found

    def of(self, dialogues: Iterable[int]) -> Turns:
        """The turns of some dialogues, in their order."""
        wanted = np.isin(self.dialogue, list(dialogues))
        return Turns(*(getattr(self, one.name)[wanted] for one in fields(self)))

    @classmethod
    def made(cls, dialogues: Iterable[Sequence[Turn]], domain: Domain) -> Turns:
        """Arrays of dialogues.

        Args:
            dialogues: Each its turns; one without turns is left out.
            domain: Its features and actions.

        Raises:
            DataError: There is no turn at all.
        """
        rows = [(number, turn) for number, one in enumerate(dialogues) for turn in one]
        if not rows:
            raise DataError("There are no turns in these dialogues.", "Give dialogues with turns.")
        known = names(domain)
        return cls(
            np.array([number for number, _ in rows]),
            np.stack([features.vector(turn.situation) for _, turn in rows]),
            np.stack([turn.situation.possible for _, turn in rows]),
            np.array([known.index(turn.action) for _, turn in rows]),
            np.array([turn.probability for _, turn in rows]),
            np.array([turn.reward for _, turn in rows]),
        )

    def save(self, file: Path) -> None:
        """Writes a .npz file, whole or not at all."""
        with replacing(file, ending=True) as path:
            np.savez_compressed(path, **{one.name: getattr(self, one.name) for one in fields(self)})

    @classmethod
    def load(cls, file: Path, domain: Domain) -> Turns:
        """Reads what `save` wrote.

        Raises:
            DataError: It is something else, or of another domain.
        """
        try:
            with np.load(file, allow_pickle=False) as arrays:
                found = cls(*(arrays[one.name] for one in fields(cls)))
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"{file} holds no turns: {error}.", "Give a file that Turns.save wrote."
            ) from None
        wanted = (len(features.names(domain)), len(names(domain)))
        if (found.features.shape[1:], found.possible.shape[1:]) != (wanted[:1], wanted[1:]):
            raise DataError(
                f"{file} holds turns of other slots: it has {found.features.shape[1]} features and "
                f"{found.possible.shape[1]} actions, and this dialogue {wanted[0]} and {wanted[1]}.",
                "Log dialogues of this spec.",
            )
        return found
