"""How good frames are: as wholes, their intents, and their slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertworks.contracts.metrics import Confusion, LabelReport, Spans
from bertworks.tasks import measuring
from bertworks.tasks.measuring import ratio
from bertworks.tasks.predictions import Predictions
from bertworks.tasks.scores import Measure, RowMean
from bertworks.tasks.tagging.entities import counts, spans
from bertworks.tasks.tagging.scores import (
    Counts,
    Pair,
    TaggingScores,
    entity_means,
    entity_report,
    stacked,
    with_f1,
)
from bertworks.tasks.understanding.frames import is_intent, slots_of, unmarked


class FrameScores(TaggingScores):
    """frame_accuracy, intent_accuracy, slot_precision, slot_recall, slot_f1, frame_macro_f1.

    A frame is right where its intent and all of its tags are (Goo et al. 2018: sentence-level semantic
    frame accuracy). Slots count as entities do: name, first and last word must be right. The macro F1
    is the mean over intents and slots' names.
    """

    macro = "frame_macro_f1"

    def measure(self, answers: Predictions) -> Measure:
        """Slots' scores are seqeval's."""
        slots = [counts(*pair) for pair in _slots(answers)]
        intents = [_intent_counts(*pair) for pair in _intents(answers)]
        both = stacked([{**one, **other} for one, other in zip(slots, intents, strict=True)])
        entities = stacked(slots)
        right_intent, right_frame = _right(answers)

        def measure(weights: np.ndarray) -> Mapping[str, np.ndarray]:
            sums = [part.sum(axis=1) for part in np.split(weights @ entities, 3, axis=1)]
            total = weights.sum(axis=1)
            return {
                "frame_accuracy": ratio(weights @ right_frame, total),
                "intent_accuracy": ratio(weights @ right_intent, total),
                "slot_f1": measuring.f1(sums[0], sums[1], sums[2]),
                "slot_precision": ratio(sums[0], sums[1]),
                "slot_recall": ratio(sums[0], sums[2]),
                "frame_macro_f1": measuring.macro_f1(*np.split(weights @ both, 3, axis=1)),
            }

        return measure

    def means(self, answers: Predictions) -> list[RowMean]:
        """Accuracy of frames and of intents, precision and recall of slots."""
        one = np.ones(len(answers))
        right_intent, right_frame = _right(answers)
        return [
            RowMean("frame_accuracy", right_frame, one),
            RowMean("intent_accuracy", right_intent, one),
            *entity_means(_slots(answers), "slot"),
        ]

    def of_means(self, values: dict[str, float]) -> dict[str, float]:
        """slot_f1 follows from precision and recall."""
        return with_f1(values, "slot")

    def label_slices(self, answers: Predictions) -> list[str]:
        """By the true intent."""
        return [unmarked(truth) for truth, _ in _intents(answers)]

    def confusion(self, answers: Predictions) -> Confusion:
        """Rows by true and given intent."""
        return measuring.confusion_matrix(*_indexes(answers))

    def report(self, answers: Predictions) -> LabelReport:
        """By intent, and by slot."""
        intents, truth, given = _indexes(answers)
        table = measuring.label_counts(truth, given, len(intents))
        return LabelReport(measuring.label_report(intents, table), entity_report(_slots(answers)))

    def readable(self, value: Any, text: str) -> list[str]:
        """The intent, and the slots, such as "artist: Ada Lovelace"."""
        return [f"intent: {unmarked(value[0])}", *super().readable(slots_of(value), text)]

    def spans(self, answers: Predictions, row: int) -> Spans:
        """Of truth and prediction each slot as (name, first word, one past the last)."""
        truth, given = _slots(answers)[row]
        return Spans(list(spans(truth)), list(spans(given)))


def _slots(answers: Predictions) -> list[Pair]:
    both = zip(answers.truth, answers.prediction, strict=True)
    return [(slots_of(truth), slots_of(given)) for truth, given in both]


def _intents(answers: Predictions) -> list[tuple[str, str]]:
    both = zip(answers.truth, answers.prediction, strict=True)
    return [(truth[0], given[0]) for truth, given in both]


def _right(answers: Predictions) -> tuple[np.ndarray, np.ndarray]:
    """Whether each row's intent is right, and whether its frame is: 0 or 1, (rows,)."""
    intents = [truth == given for truth, given in _intents(answers)]
    both = zip(answers.truth, answers.prediction, strict=True)
    frames = [list(truth) == list(given) for truth, given in both]
    return np.array(intents, float), np.array(frames, float)


def _intent_counts(truth: str, given: str) -> Counts:
    """As `entities.counts`, of a row's intent."""
    if truth == given:
        return {truth: (1, 1, 1)}
    return {truth: (0, 0, 1), given: (0, 1, 0)}


def _indexes(answers: Predictions) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Intents by their names, and truth and prediction as indexes into them, one a row."""
    pairs = _intents(answers)
    seen = sorted({one for pair in pairs for one in pair})
    known: Sequence[str] = [label for label in answers.labels if is_intent(label)]
    labels = list(dict.fromkeys([*known, *seen]))
    place = {label: index for index, label in enumerate(labels)}
    truth, given = (np.array([place[pair[side]] for pair in pairs], np.int64) for side in (0, 1))
    return [unmarked(label) for label in labels], truth, given
