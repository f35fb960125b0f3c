"""Dynamic masking for the masked language model (Devlin et al. 2019, section 3.1, task 1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bertworks.text.packing import Packed

SHARE_MASKED, SHARE_RANDOM = 0.8, 0.1


@dataclass(frozen=True)
class Masked:
    """Masked rows.

    Attributes:
        input_ids: (rows, length) int32, the rows after masking.
        places: (n,) int32, flat indices (row * length + column) of the tokens to predict, rising.
        targets: (n,) int32, the tokens that stood there.
    """

    input_ids: np.ndarray
    places: np.ndarray
    targets: np.ndarray


def mask(
    input_ids: np.ndarray,
    groups: np.ndarray,
    share: float,
    mask_id: int,
    vocab_size: int,
    random: np.random.Generator,
) -> Masked:
    """Chooses tokens to predict and hides them: 80 % [MASK], 10 % a random token, 10 % unchanged.

    Args:
        input_ids: (rows, length) int32.
        groups: (rows, length); tokens with equal numbers are chosen together, -1 is never chosen.
        share: Share of the tokens to predict; at least one group is chosen.
        mask_id: Id of [MASK].
        vocab_size: Random tokens are drawn from all of the vocabulary.
        random: Source of randomness.
    """
    flat, numbers = input_ids.reshape(-1).copy(), groups.reshape(-1)
    places = np.flatnonzero(np.isin(numbers, _choose(numbers[numbers >= 0], share, random)))
    targets = flat[places].copy()
    dice = random.random(len(places))
    flat[places[dice < SHARE_MASKED]] = mask_id
    replaced = (dice >= SHARE_MASKED) & (dice < SHARE_MASKED + SHARE_RANDOM)
    flat[places[replaced]] = random.integers(0, vocab_size, int(replaced.sum()))
    return Masked(flat.reshape(input_ids.shape), places.astype(np.int32), targets)


def groups_of(packed: Packed, words: np.ndarray | None) -> np.ndarray:
    """Numbers what is masked together: each token by itself, or with `words` the pieces of a word.

    Args:
        packed: Packed rows; marks and padding get -1.
        words: Word index of each flat token, or None.

    Returns:
        (rows, length) int64.
    """
    taken = packed.source >= 0
    groups = np.full(packed.source.shape, -1, np.int64)
    if words is None:
        groups[taken] = np.arange(int(taken.sum()))
        return groups
    rows, columns = np.nonzero(taken)
    own = words[packed.source[rows, columns]]
    keys = np.stack([rows, packed.segment_ids[rows, columns], own])
    begins = np.concatenate([[True], (keys[:, 1:] != keys[:, :-1]).any(axis=0)])
    groups[rows, columns] = np.cumsum(begins[: len(rows)]) - 1
    return groups


def _choose(numbers: np.ndarray, share: float, random: np.random.Generator) -> np.ndarray:
    """Groups in random order until they hold the share of the tokens, or would hold more."""
    names, sizes = np.unique(numbers, return_counts=True)
    order = random.permutation(len(names))
    wanted = max(1.0, round(share * len(numbers)))
    taken = int(np.searchsorted(np.cumsum(sizes[order]), wanted, side="right"))
    return np.asarray(names[order[: max(1, taken)]])
