"""What the floors of whole texts learn from: TF-IDF of words, or of characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertworks.tasks.forms.form import RowForm


def text_features(
    form: RowForm, train: Mapping[str, Sequence[Any]], test: Mapping[str, Sequence[Any]]
) -> tuple[Any, Any]:
    """Sparse features (rows, features) of train and test rows, learned from the train rows.

    Args:
        form: The rows' form; for pairs the features tell what the two texts share.
        train, test: Columns of the examples artifact.
    """
    from scipy import sparse

    texts = [train[name] for name in form.columns]
    vectorizer = _vectorizer([text for column in texts for text in column[:200]])
    vectorizer.fit([text for column in texts for text in column])
    found = [sparse.hstack(form.features(vectorizer, rows), format="csr") for rows in (train, test)]
    return found[0], found[1]


def _vectorizer(sample: list[str]) -> Any:
    """Words and word pairs; for scripts without spaces one to three characters."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if written_without_spaces(sample):
        return TfidfVectorizer(
            analyzer="char", ngram_range=(1, 3), sublinear_tf=True, dtype=np.float32
        )
    return TfidfVectorizer(
        ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b", dtype=np.float32
    )


def written_without_spaces(sample: list[str]) -> bool:
    """Whether more than a third of the letters are Chinese, Japanese or Thai characters."""
    letters = [letter for text in sample for letter in text[:500] if letter.isalpha()]
    marks = ("CJK", "HIRAGANA", "KATAKANA", "THAI")
    dense = sum(unicodedata.name(letter, "").startswith(marks) for letter in letters)
    return dense * 3 > len(letters)
