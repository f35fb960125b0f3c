"""How good tags are: as entities, and one by one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bertworks.contracts.metrics import Confusion, LabelReport, Spans
from bertworks.tasks import measuring
from bertworks.tasks.measuring import ratio
from bertworks.tasks.predictions import Predictions
from bertworks.tasks.scores import Measure, RowMean, Scores
from bertworks.tasks.tagging.entities import OUTSIDE, counts, spans

Counts = dict[str, tuple[int, int, int]]


class TaggingScores(Scores):
    """Entity precision, recall, F1 (micro and macro over types), and the same for single tokens.

    Token scores count the outside tag O as a tag like the others, so token micro F1 is token
    accuracy. Resamples draw whole rows: words of one sentence are not independent.
    """

    macro = "entity_macro_f1"

    def measure(self, answers: Predictions) -> Measure:
        """Entity scores are seqeval's."""
        entities = _stack([counts(*pair) for pair in _pairs(answers)])
        tokens = _stack([_token_counts(*pair) for pair in _pairs(answers)])

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
        found = np.zeros((len(answers), 5))
        for row, (truth, given) in enumerate(_pairs(answers)):
            entities = np.array(list(counts(truth, given).values())).reshape(-1, 3).sum(axis=0)
            equal = sum(a == b for a, b in zip(truth, given, strict=True))
            found[row] = [*entities, equal, len(truth)]
        right, guessed, real, same, words = found.T
        return [
            RowMean("entity_precision", ratio(right, guessed), guessed),
            RowMean("entity_recall", ratio(right, real), real),
            RowMean("token_accuracy", ratio(same, words), words),
        ]

    def of_means(self, values: dict[str, float]) -> dict[str, float]:
        """entity_f1 follows from precision and recall."""
        if "entity_recall" not in values:
            return values
        # No answer or no entity in the slice gives nothing to divide by.
        both = values.get("entity_precision", math.nan), values["entity_recall"]
        precision, recall = (0.0 if math.isnan(value) else value for value in both)
        total = precision + recall
        if all(map(math.isnan, both)):
            return values
        return values | {"entity_f1": 2 * precision * recall / total if total else 0.0}

    def label_slices(self, answers: Predictions) -> None:
        """None: the report has the scores by entity type."""
        return

    def confusion(self, answers: Predictions) -> Confusion:
        """Words by true and given tag, O included."""
        return measuring.confusion_matrix(*_flat(answers))

    def report(self, answers: Predictions) -> LabelReport:
        """By tag, and by type of entity."""
        labels, truth, given = _flat(answers)
        tags = measuring.label_counts(truth, given, len(labels))
        sums: dict[str, np.ndarray] = {}
        for pair in _pairs(answers):
            for kind, found in counts(*pair).items():
                sums[kind] = sums.get(kind, np.zeros(3)) + np.array(found)
        kinds = sorted(sums)
        entities = np.array([sums[kind] for kind in kinds]).reshape(-1, 3)
        return LabelReport(
            measuring.label_report(labels, tags), measuring.label_report(kinds, entities)
        )

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


def _surest_wrong(answers: Predictions, row: int) -> float:
    truth, given = answers.truth[row], answers.prediction[row]
    sure = answers.probabilities[row] if answers.probabilities else [1.0] * len(truth)
    misses = [s for a, b, s in zip(truth, given, sure, strict=True) if a != b]
    return float(max(misses, default=0.0))


def _pairs(answers: Predictions) -> list[tuple[list[str], list[str]]]:
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


def _token_counts(truth: list[str], prediction: list[str]) -> Counts:
    return {
        tag: (
            sum(a == b == tag for a, b in zip(truth, prediction, strict=True)),
            prediction.count(tag),
            truth.count(tag),
        )
        for tag in {*truth, *prediction}
    }


def _stack(rows: list[Counts]) -> np.ndarray:
    """Per-row counts side by side: all `right`, then all `guessed`, then all `real` columns."""
    names = {name: place for place, name in enumerate(sorted({n for row in rows for n in row}))}
    table = np.zeros((len(rows), 3, max(1, len(names))))
    for index, row in enumerate(rows):
        for name, values in row.items():
            table[index, :, names[name]] = values
    return table.reshape(len(rows), -1)
