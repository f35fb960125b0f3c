"""From tags on words to tags on pieces, and back."""

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


def align_tags(
    word_index: Sequence[int] | npt.NDArray[np.integer],
    tags: Sequence[int] | npt.NDArray[np.integer],
    ignore: int = IGNORE,
) -> npt.NDArray[np.int32]:
    """Puts each word's tag on its first piece, and `ignore` everywhere else.

    Args:
        word_index: The word of each piece, -1 for [CLS] and [SEP].
        tags: One a word.
        ignore: What the other pieces get.

    Returns:
        int32, as many as pieces.
    """
    words, values = np.asarray(word_index), np.asarray(tags, dtype=np.int32)
    first = first_pieces(words)
    aligned = np.full(len(words), ignore, dtype=np.int32)
    aligned[first] = values[words[first]]
    return aligned


def tags_of_words(
    word_index: Sequence[int] | npt.NDArray[np.integer],
    pieces: Sequence[int] | npt.NDArray[np.integer],
    words: int,
    missing: int,
) -> npt.NDArray[np.int32]:
    """Reads each word's tag from its first piece.

    Args:
        word_index: The word of each piece, -1 for [CLS] and [SEP].
        pieces: A tag for each piece, for example the model's best.
        words: How many words the row has.
        missing: The tag of words that have no piece: cut off, or nothing but control characters.

    Returns:
        int32, as many as words.
    """
    index, values = np.asarray(word_index), np.asarray(pieces, dtype=np.int32)
    first = first_pieces(index)
    tags = np.full(words, missing, dtype=np.int32)
    tags[index[first]] = values[first]
    return tags
