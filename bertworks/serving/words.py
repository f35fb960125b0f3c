"""Splits plain text into words for tagging, remembering where each one stood."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

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
