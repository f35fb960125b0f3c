"""The floor of matching: words in common, weighted by BM25 (Robertson and Zaragoza 2009)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bertworks.errors import EnvironmentFault
from bertworks.tasks.text_features import written_without_spaces


def rankings(documents: Sequence[str], queries: Sequence[str], count: int) -> list[list[int]]:
    """The documents that BM25 finds for each query, best first, as places.

    Lucene's variant with a k1 of 1.5 and a b of 0.75, on lower-cased words without English stop words;
    on characters and pairs of them where texts are written without spaces.

    Args:
        documents: Texts.
        queries: Texts.
        count: How many to find, at most.
    """
    try:
        import bm25s
    except ImportError:
        raise EnvironmentFault(
            "The floor of matching needs bm25s, which is not installed.",
            "Install bm25s, or set evaluate.floor: false and gates.beat_floor: false.",
        ) from None
    dense = written_without_spaces(list(documents[:500]))

    def tokens(texts: Sequence[str]) -> Any:
        if dense:
            return [_pairs(text) for text in texts]
        found = bm25s.tokenize(list(texts), stopwords="en", return_ids=False, show_progress=False)
        return list(found)

    model = bm25s.BM25()
    model.index(tokens(documents), show_progress=False)
    known = model.vocab_dict
    asked = [[word for word in row if word in known] for row in tokens(queries)]
    some = [row for row, words in enumerate(asked) if words]  # of others it finds nothing
    result: list[list[int]] = [[] for _ in asked]
    if some:
        words = [asked[row] for row in some]
        found, _ = model.retrieve(words, k=min(count, len(documents)), show_progress=False)
        for row, places in zip(some, found, strict=True):
            result[row] = [int(place) for place in places]
    return result


def _pairs(text: str) -> list[str]:
    letters = [letter for letter in text.lower() if letter.isalnum()]
    return letters + [first + second for first, second in zip(letters, letters[1:], strict=False)]
