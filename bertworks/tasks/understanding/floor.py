"""The floor of understanding: a linear model of the text for the intent, and tagging's for the slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bertworks.tasks.forms import form_named
from bertworks.tasks.tagging import floor as tagging
from bertworks.tasks.text_features import text_features
from bertworks.tasks.understanding.frames import slots_of

Rows = Mapping[str, Sequence[Any]]


def frames(train: Rows, test: Rows, seed: int) -> list[list[str]]:
    """Frames of the test rows: a linear SVM on TF-IDF features, and one word at a time."""
    from sklearn.svm import LinearSVC

    targets = [frame[0] for frame in train["frame"]]
    if len(set(targets)) == 1:
        intents = [targets[0]] * len(test["tokens"])
    else:
        learned, asked = text_features(form_named("text"), _texts(train), _texts(test))
        intents = LinearSVC(random_state=seed).fit(learned, targets).predict(asked).tolist()
    tags = tagging.tags(
        {"tokens": train["tokens"], "tags": [slots_of(one) for one in train["frame"]]},
        {"tokens": test["tokens"], "truth": [slots_of(one) for one in test["truth"]]},
        seed,
    )
    return [[intent, *row] for intent, row in zip(intents, tags, strict=True)]


def _texts(rows: Rows) -> dict[str, list[str]]:
    return {"text": [" ".join(words) for words in rows["tokens"]]}
