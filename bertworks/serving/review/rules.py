"""Rules on an answer's label, on its confidence and on the texts that were sent."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bertworks.serving.review.verdict import Verdict
from bertworks.spec.review import Review

WINDOW, OVERLAP = 2000, 200
"""Texts are searched in pieces of WINDOW characters, each with the last OVERLAP of the one before: what
an expression takes at worst grows with a power of the length. What is longer than OVERLAP may be missed
where two pieces meet."""


class LabelRule:
    """Holds or flags answers by their labels: that of a classification, all of a multi-label one's, the
    types of a tagging's entities, and an intent."""

    def __init__(self, settings: Review) -> None:
        self._hold, self._flag = set(settings.hold_labels), set(settings.flag_labels)

    def judge(self, answer: Mapping[str, Any]) -> Verdict | None:
        """The verdict on an answer."""
        labels = labels_of(answer)
        if labels & self._hold:
            return Verdict("hold", "label")
        return Verdict("flag", "label") if labels & self._flag else None


class ConfidenceRule:
    """Holds or flags answers whose score is too low; of several scores the least counts."""

    def __init__(self, settings: Review) -> None:
        self._least, self._action = settings.minimum_confidence, settings.unsure

    def judge(self, answer: Mapping[str, Any]) -> Verdict | None:
        """The verdict on an answer."""
        if self._least is None:
            return None
        scores = confidences_of(answer)
        return Verdict(self._action, "confidence") if scores and min(scores) < self._least else None


class TextRules:
    """Holds or flags answers by what stands in the texts."""

    def __init__(self, settings: Review) -> None:
        self._rules = [(rule, re.compile(rule.pattern)) for rule in settings.texts]

    def judge(self, row: Any) -> list[Verdict]:
        """The verdicts on a row: a text, two texts, or a list of words."""
        if not self._rules:
            return []
        pieces = [piece for text in texts_of(row) for piece in _pieces(text)]
        return [
            Verdict(rule.action, f"text:{rule.name}")
            for rule, pattern in self._rules
            if any(pattern.search(piece) for piece in pieces)
        ]


def texts_of(row: Any) -> list[str]:
    """A row's texts; words are joined as one."""
    if isinstance(row, str):
        return [row]
    if isinstance(row, tuple):
        return [part if isinstance(part, str) else " ".join(part) for part in row]
    return [" ".join(part for part in row if isinstance(part, str))]


def labels_of(answer: Mapping[str, Any]) -> set[str]:
    """All labels that an answer gives."""
    labels = {answer[key] for key in ("label", "intent") if isinstance(answer.get(key), str)}
    labels |= set(answer["labels"]) if isinstance(answer.get("labels"), list) else set()
    entities = answer.get("entities")
    if isinstance(entities, list):
        labels |= {one["type"] for one in entities}
    return labels


def confidences_of(answer: Mapping[str, Any]) -> Sequence[float]:
    """The scores of what an answer gives: of its label or intent, of each of its labels or entities.

    A number has none.
    """
    if isinstance(answer.get("label"), str) and "score" in answer:
        return [answer["score"]]
    scores = answer.get("scores")
    if isinstance(answer.get("labels"), list) and isinstance(scores, Mapping):
        return [scores[label] for label in answer["labels"] if label in scores]
    entities = answer.get("entities")
    found = [one["score"] for one in entities] if isinstance(entities, list) else []
    return [answer["intent_score"], *found] if "intent_score" in answer else found


def _pieces(text: str) -> list[str]:
    if len(text) <= WINDOW:
        return [text]
    step = WINDOW - OVERLAP
    return [text[start : start + WINDOW] for start in range(0, len(text) - OVERLAP, step)]
