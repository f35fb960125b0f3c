"""The nearest vectors, by comparing with all of them. Needs numpy alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CELLS = 8_000_000
"""Scores that are held at once."""

Vectors = NDArray[np.float32]
Places = NDArray[np.int64]


def best(queries: Vectors, documents: Vectors, count: int) -> tuple[Places, Vectors]:
    """The nearest documents of each query, by the product of vectors, nearest first.

    Of equal scores the earlier document comes first, so that the answer does not depend on how many
    queries are asked at once.

    Args:
        queries: (queries, width).
        documents: (documents, width).
        count: How many to find; at most as many as there are.

    Returns:
        Places among the documents and scores, both (queries, count).
    """
    count = min(count, len(documents))
    places = np.zeros((len(queries), count), np.int64)
    scores = np.zeros((len(queries), count), np.float32)
    rows = max(1, CELLS // max(1, len(documents)))
    for start in range(0, len(queries), rows):
        block = np.asarray(queries[start : start + rows] @ documents.T, np.float32)
        end = start + len(block)
        places[start:end], scores[start:end] = _first(block, count)
    return places, scores


def _first(block: Vectors, count: int) -> tuple[Places, Vectors]:
    """The greatest of each line, in order."""
    if not count:
        return np.zeros((len(block), 0), np.int64), np.zeros((len(block), 0), np.float32)
    found = np.argpartition(-block, count - 1, axis=1)[:, :count]
    least = np.take_along_axis(block, found, axis=1).min(axis=1, keepdims=True)
    result = np.empty((len(block), count), np.int64)
    for line, scores in enumerate(block):
        there = np.flatnonzero(scores >= least[line])  # ties at the end included, by their places
        order = np.argsort(-scores[there], kind="stable")[:count]
        result[line] = there[order]
    return result, np.take_along_axis(block, result, axis=1)
