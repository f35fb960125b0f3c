"""How good tags are: as entities, and one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertworks.contracts.metrics import Confusion, LabelReport, LabelScores, Spans
from bertworks.tasks import measuring
from bertworks.tasks.measuring import ratio
from bertworks.tasks.predictions import Predictions
from bertworks.tasks.scores import Measure, RowMean, Scores
from bertworks.tasks.tagging.entities import OUTSIDE, counts, spans

Counts = dict[str, tuple[int, int, int]]
Pair = tuple[Sequence[str], Sequence[str]]
"""True and given tags of a row."""


class TaggingScores(Scores):
    """Entity precision, recall, F1 (micro and macro over types), and the same for single tokens.

    Token scores count the outside tag O as a tag like the others, so token micro F1 is token
    accuracy. Resamples draw whole rows: words of one sentence are not independent.
    """

    macro = "entity_macro_f1"

    def measure(self, answers: Predictions) -> Measure:
        """Entity scores are seqeval's."""
        entities = stacked([counts(*pair) for pair in _pairs(answers)])
        tokens = stacked([_token_counts(*pair) for pair in _pairs(answers)])

        def measure(weights: np.ndarray) -> Mapping[str, np.ndarray]:
            right, guessed, real = np.split(weights @ entities, 3, axis=1)
            sums = right.sum(axis=1), guessed.sum(axis=1), real.sum(axis=1)
            hit, said, true = np.split(weights @ tokens, 3, axis=1)
            return {
                "entity_f1": measuring.f1(*sums),
                "entity_precision": ratio(sums[0], sums[1]),
                "entity_recall": ratio(sums[0], sums[2]),
                "entity_macro_f1": measuring.macro_f1(right, guessed, real),
                "token_f1": measuring.f1(hit.sum(axis=1), said.sum(axis=1), true.sum(axis=1)),
                "token_accuracy": ratio(hit.sum(axis=1), true.sum(axis=1)),
                "token_macro_f1": measuring.macro_f1(hit, said, true),
            }

        return measure

    def confidence(self, answers: Predictions) -> np.ndarray:
        """That of the row's least certain tag."""
        if answers.probabilities is None:
            return np.full(len(answers), np.nan)
        return np.array([min(row, default=1.0) for row in answers.probabilities], dtype=float)

    def badness(self, answers: Predictions) -> np.ndarray:
        """That of the row's surest wrong tag; without probabilities 1."""
        return np.array([_surest_wrong(answers, row) for row in range(len(answers))], dtype=float)

    def means(self, answers: Predictions) -> list[RowMean]:
        """Precision and recall of entities, and accuracy of tags."""
        pairs = _pairs(answers)
        same = [sum(a == b for a, b in zip(*pair, strict=True)) for pair in pairs]
        words = np.array([len(truth) for truth, _ in pairs], float)
        token = RowMean("token_accuracy", ratio(np.array(same, float), words), words)
        return [*entity_means(pairs, "entity"), token]

    def of_means(self, values: dict[str, float]) -> dict[str, float]:
        """entity_f1 follows from precision and recall."""
        return with_f1(values, "entity")

    def label_slices(self, answers: Predictions) -> list[Any] | None:
        """None: the report has the scores by entity type."""
        return None

    def confusion(self, answers: Predictions) -> Confusion:
        """Words by true and given tag, O included."""
        return measuring.confusion_matrix(*_flat(answers))

    def report(self, answers: Predictions) -> LabelReport:
        """By tag, and by type of entity."""
        labels, truth, given = _flat(answers)
        tags = measuring.label_counts(truth, given, len(labels))
        return LabelReport(measuring.label_report(labels, tags), entity_report(_pairs(answers)))

    def cases(self, named: Any) -> set[tuple[int, str]]:
        """Each word's tag with the word's place."""
        return set(enumerate(named))

    def readable(self, value: Any, text: str) -> list[str]:
        """The entities, such as "PER: Ada Lovelace"."""
        words = text.split(" ")
        return [f"{kind}: {' '.join(words[start:end])}" for kind, start, end in spans(value)]

    def spans(self, answers: Predictions, row: int) -> Spans:
        """Of truth and prediction each entity as (type, first word, one past the last)."""
        return Spans(list(spans(answers.truth[row])), list(spans(answers.prediction[row])))

    def changed(self, answers: Predictions, before: Predictions) -> int:
        """Rows with another tag."""
        both = zip(answers.prediction, before.prediction, strict=True)
        return sum(a != b for a, b in both)


def entity_means(pairs: Sequence[Pair], name: str) -> list[RowMean]:
    """Precision and recall of entities, of pairs of true and given tags, under a name's prefix."""
    found = [list(counts(*pair).values()) for pair in pairs]
    sums = [np.array(one).reshape(-1, 3).sum(axis=0) for one in found]
    right, guessed, real = np.array(sums, float).reshape(-1, 3).T
    return [
        RowMean(f"{name}_precision", ratio(right, guessed), guessed),
        RowMean(f"{name}_recall", ratio(right, real), real),
    ]


def with_f1(values: dict[str, float], name: str) -> dict[str, float]:
    """A slice's means with the F1 that follows from such a precision and recall."""
    if f"{name}_recall" not in values:
        return values
    # No answer or no entity in the slice gives nothing to divide by.
    both = values.get(f"{name}_precision", math.nan), values[f"{name}_recall"]
    precision, recall = (0.0 if math.isnan(value) else value for value in both)
    total = precision + recall
    if all(map(math.isnan, both)):
        return values
    return values | {f"{name}_f1": 2 * precision * recall / total if total else 0.0}


def entity_report(pairs: Sequence[Pair]) -> dict[str, LabelScores]:
    """Precision, recall, F1 and support by type of entity."""
    sums: dict[str, np.ndarray] = {}
    for pair in pairs:
        for kind, found in counts(*pair).items():
            sums[kind] = sums.get(kind, np.zeros(3)) + np.array(found)
    kinds = sorted(sums)
    return measuring.label_report(kinds, np.array([sums[kind] for kind in kinds]).reshape(-1, 3))


def _surest_wrong(answers: Predictions, row: int) -> float:
    truth, given = answers.truth[row], answers.prediction[row]
    sure = answers.probabilities[row] if answers.probabilities else [1.0] * len(truth)
    misses = [s for a, b, s in zip(truth, given, sure, strict=True) if a != b]
    return float(max(misses, default=0.0))


def _pairs(answers: Predictions) -> list[Pair]:
    return list(zip(answers.truth, answers.prediction, strict=True))


def _flat(answers: Predictions) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Tags, and truth and prediction as indexes into them, one a word."""
    words = [tag for row in answers.truth for tag in row]
    given = [tag for row in answers.prediction for tag in row]
    labels = list(dict.fromkeys([*answers.labels, OUTSIDE, *sorted({*words, *given})]))
    place = {name: index for index, name in enumerate(labels)}
    return (
        labels,
        np.array([place[tag] for tag in words], dtype=np.int64),
        np.array([place[tag] for tag in given], dtype=np.int64),
    )


def _token_counts(truth: Sequence[str], prediction: Sequence[str]) -> Counts:
    return {
        tag: (
            sum(a == b == tag for a, b in zip(truth, prediction, strict=True)),
            prediction.count(tag),
            truth.count(tag),
        )
        for tag in {*truth, *prediction}
    }


def stacked(rows: Sequence[Counts]) -> np.ndarray:
    """Per-row counts side by side: all `right`, then all `guessed`, then all `real` columns."""
    names = {name: place for place, name in enumerate(sorted({n for row in rows for n in row}))}
    table = np.zeros((len(rows), 3, max(1, len(names))))
    for index, row in enumerate(rows):
        for name, values in row.items():
            table[index, :, names[name]] = values
    return table.reshape(len(rows), -1)
