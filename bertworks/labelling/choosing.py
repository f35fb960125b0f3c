"""Which rows are worth an annotator's time: those that the agent is unsure of, unlike each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bertworks.labelling.pool import Candidate
from bertworks.runtime.agent import Agent

WIDER = 20
"""So many times the rows wanted are looked at, the most doubtful ones."""
_FEATURES = 2**16


def judge(candidates: Sequence[Candidate], agent: Agent) -> None:
    """Has the agent answer them, and notes its answers and doubts."""
    answers = agent.predict([one.row for one in candidates])
    sure = agent.handler.sureness(answers)
    for one, answer, how in zip(candidates, answers, sure, strict=True):
        one.answer = answer
        one.doubt = 1.0 if np.isnan(how) else float(1 - how)


def choose(candidates: Sequence[Candidate], count: int) -> list[Candidate]:
    """The rows to label, most wanted first.

    Greedy k-center (Sener and Savarese 2018, "Active learning for convolutional neural networks: a
    core-set approach", algorithm 1), with each row's distance to what was chosen weighed by its doubt.
    Distance is one less the cosine of TF-IDF vectors of letters, two to four in a row, for which no
    words need to be told apart.

    Args:
        candidates: Judged rows.
        count: How many are wanted.
    """
    doubtful = sorted(candidates, key=lambda one: (-one.doubt, one.key))[: WIDER * count]
    if not doubtful:
        return []
    vectors = _vectors([" \n ".join(map(str, one.shown.values())) for one in doubtful])
    doubts = np.array([one.doubt for one in doubtful]) + 1e-6
    far = np.ones(len(doubtful))
    chosen: list[Candidate] = []
    while len(chosen) < min(count, len(doubtful)):
        place = int(np.argmax(doubts * far))
        chosen.append(doubtful[place])
        near = np.asarray((vectors @ vectors[place].T).todense()).ravel()
        far = np.minimum(far, np.clip(1 - near, 0, None) + 1e-9)
        far[place] = -1.0
    return chosen


def _vectors(texts: Sequence[str]) -> Any:
    """Rows of unit length, sparse (texts, features)."""
    from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

    counted = HashingVectorizer(
        analyzer="char_wb", ngram_range=(2, 4), n_features=_FEATURES, norm=None,
        alternate_sign=False,
    ).transform(texts)  # fmt: skip
    return TfidfTransformer(sublinear_tf=True).fit_transform(counted).tocsr()
