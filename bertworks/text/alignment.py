"""Where words begin among the pieces of a row: there a word's tag stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

IGNORE = -100  # what torch, transformers and seqeval-style scripts leave out of a loss


def first_pieces(word_index: Sequence[int] | npt.NDArray[np.integer]) -> npt.NDArray[np.bool_]:
    """Marks the first piece of each word.

    Args:
        word_index: The word of each piece, -1 for [CLS] and [SEP].

    Returns:
        Booleans, as many as pieces.
    """
    words = np.asarray(word_index)
    before = np.concatenate([[-1], words[:-1]])
    return np.asarray((words >= 0) & (words != before), dtype=np.bool_)
