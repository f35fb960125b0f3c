"""Texts that are only a word for "there is none": "nan", "NULL", "N/A", as other programs write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bertworks.data.labels.labels import Refused
from bertworks.data.rows.tally import Kind
from bertworks.data.rows.values import EMPTY_WORDS, is_missing

KEPT = Kind(
    "empty_words",
    "{count} texts are only a word that often stands for an empty cell: {details}; they were kept "
    "(first: {first})",
    "warning",
    "To leave them out list them in the source's `empty_words`.",
)
WORDS = Kind(
    "nan_words",
    "{count} words are {details}, as programs write a missing value; they were kept (first: {first})",
)
_NEVER_MEANT = ("nan", "NaN", "<NA>")  # "None" and "NA" are words that people write


class MissingTexts:
    """Tells such words from texts.

    csv has no way to write "none" but words, and pandas takes these for none; in JSON and Parquet, whose
    null is another thing, they are texts.

    Args:
        words: The source's `empty_words`; None: pandas' list for csv and tsv, none for other formats.

    Attributes:
        untyped: Whether the rows come from csv or tsv.
    """

    def __init__(self, words: Sequence[str] | None) -> None:
        self._given = None if words is None else frozenset(words)
        self.untyped = False

    def look(self, text: str, column: str) -> tuple[Kind, str, str] | None:
        """What to note of a text that is kept; None: nothing.

        Raises:
            Refused: It stands for an empty cell.
        """
        word = text.strip()
        refused = EMPTY_WORDS if self.untyped else frozenset[str]()
        if word in (refused if self._given is None else self._given):
            raise Refused(
                f"column {column!r} holds a word for an empty cell",
                word,
                "To train on such words set the source's `empty_words: []`.",
            )
        known = self._given is None and word in EMPTY_WORDS
        return (KEPT, word, repr(word)) if known else None

    def look_at_words(self, words: Sequence[Any], column: str) -> list[tuple[Kind, str, str]]:
        """What to note of a list of words.

        Raises:
            Refused: One of them is no word but a missing value.
        """
        gap = next((place for place, word in enumerate(words, 1) if is_missing(word)), None)
        if gap is not None:
            raise Refused(
                f"column {column!r}: a word is missing (null or NaN)",
                f"word {gap} of {words}",
                "pandas reads the words null, NA and nan as missing: read the file that this one was "
                "made of with keep_default_na=False.",
            )
        return [(WORDS, word, repr(word)) for word in words if word in _NEVER_MEANT]
