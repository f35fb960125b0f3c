"""Words for tagging, cleaned as training cleaned them, with their places in what was given."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from bertworks.data.rows.clean import clean_text
from bertworks.spec import Clean
from bertworks.text.aligned import clean_aligned

# Characters that are words of their own: Han, kana and the like, as WordPiece splits them too.
_IDEOGRAPHS = "\u2e80-\u2fdf\u3005-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# Initials keep their points ("U.S."), words keep hyphens, apostrophes and inner points
# ("well-known", "example.org"); other marks stand alone.
_WORD = re.compile(
    rf"[{_IDEOGRAPHS}]"
    rf"|(?<!\w)(?:[^\W\d_{_IDEOGRAPHS}]\.){{2,}}(?!\w)"
    rf"|[^\W_{_IDEOGRAPHS}]+(?:[-.'’&][^\W_{_IDEOGRAPHS}]+)*"
    r"|[^\w\s]|_"
)


class Word(NamedTuple):
    """A word and its place: text[start:end] == word."""

    text: str
    start: int
    end: int


class Words(NamedTuple):
    """The words of a row.

    Attributes:
        placed: As the user gave them, with their places there.
        read: As the tokenizer takes them, one for each of `placed`; empty where clean-up leaves none.
    """

    placed: list[Word]
    read: list[str]


def read(row: str | Sequence[str], clean: Clean | None) -> Words:
    """The words of a text or a list of words.

    Args:
        row: A text is cleaned, then split; words that were given one by one are cleaned each, as ingest
            does with those of the training.
        clean: How; None: not at all.
    """
    if not isinstance(row, str):
        given = list(row)
        return Words(joined(given), [clean_text(one, clean) for one in given] if clean else given)
    cleaned = clean_text(row, clean) if clean else row
    found = split(cleaned)
    texts = [word.text for word in found]
    if clean is None or cleaned == row:
        return Words(found, texts)
    aligned = clean_aligned(row, clean)
    places = [aligned.place(word.start, word.end) for word in found]
    return Words([Word(row[start:end], start, end) for start, end in places], texts)


def split(text: str) -> list[Word]:
    """The words and punctuation marks of a text, in order."""
    return [Word(found.group(), found.start(), found.end()) for found in _WORD.finditer(text)]


def joined(words: Sequence[str]) -> list[Word]:
    """Words that were given one by one, with the places they have in `" ".join(words)`."""
    placed, start = [], 0
    for word in words:
        placed.append(Word(word, start, start + len(word)))
        start += len(word) + 1
    return placed
