"""Tags on words and tags on pieces."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bertworks.text.alignment import IGNORE, align_tags, first_pieces, tags_of_words

PIECES = st.lists(st.integers(0, 4), max_size=20)  # pieces of each word; 0: nothing is left of it


def _word_index(pieces: list[int]) -> list[int]:
    return [-1, *(word for word, count in enumerate(pieces) for _ in range(count)), -1]


@given(pieces=PIECES)
def test_each_word_with_pieces_keeps_its_tag(pieces: list[int]) -> None:
    words, tags = _word_index(pieces), list(range(len(pieces)))
    aligned = align_tags(words, tags)
    assert aligned.dtype == np.int32 and len(aligned) == len(words)
    kept = [tag for tag, count in zip(tags, pieces, strict=True) if count]
    assert aligned[aligned != IGNORE].tolist() == kept
    assert aligned[0] == aligned[-1] == IGNORE


@given(pieces=PIECES)
def test_there_and_back(pieces: list[int]) -> None:
    words, tags = _word_index(pieces), [number + 1 for number in range(len(pieces))]
    back = tags_of_words(words, align_tags(words, tags), len(tags), missing=0)
    wanted = [tag if count else 0 for tag, count in zip(tags, pieces, strict=True)]
    assert back.tolist() == wanted


def test_first_pieces() -> None:
    assert first_pieces([-1, 0, 0, 2, 3, 3, -1]).tolist() == [
        False, True, False, True, True, False, False,
    ]  # fmt: skip
