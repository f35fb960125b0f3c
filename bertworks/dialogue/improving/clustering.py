"""Texts that are about the same thing, by an encoder's vectors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST = 2000
"""Texts that are compared with each other; the distances of more would not fit into memory."""
_CUTS = 60
_ONE = 1e-9
_LOOSE = 0.1
"""Silhouette under which a row stands alone; 0 is as close to another group as to its own."""


def clusters(vectors: NDArray[np.float64], least: int) -> list[list[int]]:
    """Groups of rows that lie closer to each other than to the rest.

    Average linkage over cosine distances, the vectors' common part taken out. The tree is cut where the
    mean silhouette is greatest (Rousseeuw 1987, "Silhouettes"), so that no distance has to be known;
    what lies hardly closer to its group than to another stands alone.

    Args:
        vectors: (texts, width), `MOST` at most.
        least: Rows of a group.

    Returns:
        Places of the groups' rows, the row nearest to the group's middle first; the largest first.
    """
    count = len(vectors)
    if count < least:
        return []
    centred = vectors - vectors.mean(axis=0) if count > 2 else vectors
    unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), _ONE)
    labels = _cut(np.clip(1.0 - unit @ unit.T, 0.0, 2.0))
    found = []
    for label in range(int(labels.max()) + 1):
        places = np.flatnonzero(labels == label)
        if len(places) >= least:
            near = unit[places] @ unit[places].mean(axis=0)
            found.append([int(place) for place in places[np.argsort(-near, kind="stable")]])
    return sorted(found, key=lambda one: (-len(one), one))


def _cut(distances: NDArray[np.float64]) -> NDArray[np.int64]:
    """The groups of the best cut, (texts,), numbered from 0; -1 for rows that stand alone."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform
    from sklearn.metrics import silhouette_samples

    count = len(distances)
    np.fill_diagonal(distances, 0.0)
    tree = linkage(squareform(distances, checks=False), "average")
    best, labels = -np.inf, np.zeros(count, np.int64)
    for groups in sorted({*np.linspace(2, count - 1, _CUTS).round().astype(int)}):
        cut = fcluster(tree, groups, "maxclust") - 1
        if 2 <= len(set(cut)) < count:
            each = silhouette_samples(distances, cut, metric="precomputed")
            if each.mean() > best + _ONE:
                best, labels = each.mean(), np.where(each < _LOOSE, -1, cut)
    return np.asarray(labels, np.int64)
