"""The floor of tagging: a linear model on a word's letters and its neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertworks.tasks.tagging.entities import OUTSIDE


def tags(
    train: Mapping[str, Sequence[Any]], test: Mapping[str, Sequence[Any]], seed: int
) -> list[list[str]]:
    """One word at a time, from its letters and its neighbours."""
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import SGDClassifier

    hasher = FeatureHasher(n_features=2**20, input_type="string", alternate_sign=False)
    targets = [tag for row in train["tags"] for tag in row]
    if len(set(targets)) < 2:
        return [[targets[0] if targets else OUTSIDE] * len(row) for row in test["truth"]]
    model = SGDClassifier(loss="hinge", alpha=2e-6, max_iter=6, tol=None, random_state=seed)
    model.fit(hasher.transform(_word_features(train["tokens"])), np.array(targets))
    answers = model.predict(hasher.transform(_word_features(test["tokens"]))).tolist()
    found, begin = [], 0
    for words in test["tokens"]:
        found.append(answers[begin : begin + len(words)])
        begin += len(words)
    return found


def _word_features(sentences: Sequence[Sequence[str]]) -> list[list[str]]:
    features = []
    for words in sentences:
        low = ["<s>", *[word.lower() for word in words], "</s>"]
        for place, word in enumerate(words):
            before, here, after = low[place : place + 3]
            features.append(
                [
                    "bias", f"w={here}", f"W={word}", f"b={before}", f"a={after}",
                    f"p={here[:3]}", f"s={here[-3:]}", f"q={here[-2:]}", f"f={_shape(word)}",
                    f"bw={before} {here}", f"fb={_shape(word)} {before}", f"first={place == 0}",
                ]
            )  # fmt: skip
    return features


def _shape(word: str) -> str:
    """ "Paris" is Xx, "U.N." is X.X., "1996" is 9: letters and digits by kind, runs folded."""
    kinds = [
        "X"
        if letter.isupper()
        else "x"
        if letter.isalpha()
        else "9"
        if letter.isdigit()
        else letter
        for letter in word[:20]
    ]
    return "".join(
        kind for index, kind in enumerate(kinds) if index == 0 or kind != kinds[index - 1]
    )
