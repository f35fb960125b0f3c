"""Tagging (named entities): a tag a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bertworks.encoder.config import Head
from bertworks.tasks.handler import Logits, Metric, TaskHandler, softmax

OUTSIDE = "O"
IGNORED = -100

Span = tuple[str, int, int]


class Tagging(TaskHandler):
    """A tag for each word, read from its first piece; logits are one (length, labels) array a row."""

    default_metric = "entity_f1"
    target_column = "tags"

    def head(self) -> Head:
        """A token head."""
        return Head("token", self.labels)

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """entity_f1 (micro, strict spans) and token_f1 (micro over all tags: token accuracy)."""
        return {"entity_f1": self._entity_f1, "token_f1": _token_f1}

    def decode(
        self, logits: Logits, word_starts: Sequence[Sequence[int]] | None = None
    ) -> list[dict[str, Any]]:
        """`{"tags": [a tag a word], "scores": [its probability]}` for each row.

        Raises:
            ValueError: `word_starts` was not given.
        """
        if word_starts is None:
            raise ValueError("Tagging needs `word_starts` to decode.")
        return [
            self._decode_row(np.asarray(row), np.asarray(starts, np.int64))
            for row, starts in zip(logits, word_starts, strict=True)
        ]

    def _decode_row(self, logits: np.ndarray, starts: np.ndarray) -> dict[str, Any]:
        if not len(starts):
            return {"tags": [], "scores": []}
        chances = softmax(logits[starts])
        best = chances.argmax(axis=-1)
        return {
            "tags": [self.labels[index] for index in best],
            "scores": chances.max(axis=-1).tolist(),
        }

    def _entity_f1(self, targets: Any, logits: Logits) -> float:
        right = predicted = actual = 0
        for row, answer in zip(targets, logits, strict=True):
            told = np.asarray(row)
            first = told != IGNORED
            given = np.asarray(answer)[: len(told)].argmax(axis=-1)[first]
            wanted = set(spans([self.labels[index] for index in told[first]]))
            found = set(spans([self.labels[index] for index in given]))
            right += len(wanted & found)
            predicted += len(found)
            actual += len(wanted)
        return 2 * right / (predicted + actual) if predicted + actual else 0.0


def spans(tags: Sequence[str]) -> list[Span]:
    """The entities (type, first word, one past the last) of one row of IOB2 tags, in order.

    By the rules of the CoNLL-2000 scorer (Tjong Kim Sang and Buchholz 2000), which are seqeval's
    default: an entity ends where the type changes or a B- begins; an I- that continues nothing
    begins an entity of its own.
    """
    found: list[Span] = []
    kind, start = "", 0
    for place, tag in enumerate([*tags, OUTSIDE]):
        mark, _, name = tag.partition("-")
        name = (name or "_") if mark in ("B", "I") else ""
        if mark == "I" and name == kind:
            continue
        if kind:
            found.append((kind, start, place))
        kind, start = name, place
    return found


def _token_f1(targets: Any, logits: Logits) -> float:
    right = total = 0
    for row, answer in zip(targets, logits, strict=True):
        told = np.asarray(row)
        first = told != IGNORED
        given = np.asarray(answer)[: len(told)].argmax(axis=-1)
        right += int((given[first] == told[first]).sum())
        total += int(first.sum())
    return right / total if total else 0.0
