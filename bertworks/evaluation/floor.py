"""The floor: a linear model on word counts, trained on the same rows as the encoder.

It takes seconds and no pretraining; what the encoder scores above it is what the encoder buys.
"""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np

from bertworks.evaluation.data import Columns
from bertworks.evaluation.predictions import OUTSIDE, Predictions
from bertworks.spec import Task

NAMES = {
    "classification": "TF-IDF + linear SVM",
    "regression": "TF-IDF + ridge regression",
    "tagging": "word features + linear SVM",
}


def floor_predictions(
    task: Task, labels: list[str], train: Columns, test: Columns, seed: int
) -> Predictions:
    """Trains the floor on the train rows and answers the test rows.

    Args:
        task: What is asked.
        labels: Label names, in the model's order.
        train: Columns of the train rows, as in the examples artifact.
        test: Columns of the test rows, with `truth` as in `Predictions.truth`.
        seed: Of the linear model.
    """
    if task.type == "tagging":
        given = _tags(train, test, seed)
        return Predictions(task, labels, test["id"], test["truth"], given)
    learned, asked = _features(task, train, test)
    if task.type == "regression":
        from sklearn.linear_model import Ridge

        model = Ridge(alpha=1.0, solver="sparse_cg", random_state=seed)
        answers = model.fit(learned, np.asarray(train["score"], dtype=float)).predict(asked)
        return Predictions(task, labels, test["id"], test["truth"], answers)
    return Predictions(
        task, labels, test["id"], test["truth"], _classes(task, labels, train, learned, asked, seed)
    )


def _classes(
    task: Task, labels: list[str], train: Columns, learned: Any, asked: Any, seed: int
) -> np.ndarray:
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.svm import LinearSVC

    place = {name: index for index, name in enumerate(labels)}
    model = LinearSVC(random_state=seed)
    if task.multi_label:
        marks = np.zeros((len(train["id"]), len(labels)), dtype=int)
        for row, names in enumerate(train["labels"]):
            marks[row, [place[name] for name in names]] = 1
        return np.asarray(OneVsRestClassifier(model).fit(learned, marks).predict(asked))
    targets = np.array([place[name] for name in train["label"]])
    if len(set(targets.tolist())) == 1:
        return np.full(asked.shape[0], targets[0])
    return np.asarray(model.fit(learned, targets).predict(asked))


def _features(task: Task, train: Columns, test: Columns) -> tuple[Any, Any]:
    """TF-IDF of one text; for pairs of both, and of what they share and where they differ."""
    from scipy import sparse

    names = ["text_a", "text_b"] if task.pair else ["text"]
    vectorizer = _vectorizer([text for name in names for text in train[name][:200]])
    vectorizer.fit([text for name in names for text in train[name]])
    found = []
    for rows in (train, test):
        parts = [vectorizer.transform(rows[name]) for name in names]
        if task.pair:
            shared = parts[0].multiply(parts[1])
            overlap = sparse.csr_matrix(shared.sum(axis=1))
            parts += [shared, abs(parts[0] - parts[1]), overlap * 10]
        found.append(sparse.hstack(parts, format="csr"))
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


def _tags(train: Columns, test: Columns, seed: int) -> list[list[str]]:
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


def _word_features(sentences: list[list[str]]) -> list[list[str]]:
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
