"""Tagging (named entities): a tag a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bertworks.encoder.config import Head
from bertworks.tasks.handler import Logits, Metric, TaskHandler, softmax

OUTSIDE = "O"
IGNORED = -100

Span = tuple[str, int, int]


class Truth(NamedTuple):
    """What the words of one row are tagged with.

    Attributes:
        tags: Label index of every word, shape (words,), those that were cut off included.
        words: The words that are read, in order: those that have a first piece in the row.
        starts: Where in the row's logits each of them is answered.
    """

    tags: np.ndarray
    words: np.ndarray
    starts: np.ndarray


class Tagging(TaskHandler):
    """A tag for each word, read from its first piece; logits are one (length, labels) array a row.

    Metrics take a `Truth` a row, or tags on pieces with -100 where no word begins. A word that was not
    read counts as answered with "O", as it is when the agent is asked.
    """

    default_metric = "entity_f1"
    target_column = "tags"

    def head(self) -> Head:
        """A token head."""
        return Head("token", self.labels)

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """entity_f1 (micro, strict spans) and token_f1 (micro over all tags: token accuracy)."""
        return {"entity_f1": self._entity_f1, "token_f1": self._token_f1}

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
            told, given = self._tags(row, answer)
            wanted = set(spans([self.labels[index] for index in told]))
            found = set(spans([self.labels[index] for index in given]))
            right += len(wanted & found)
            predicted += len(found)
            actual += len(wanted)
        return 2 * right / (predicted + actual) if predicted + actual else 0.0

    def _token_f1(self, targets: Any, logits: Logits) -> float:
        right = total = 0
        for row, answer in zip(targets, logits, strict=True):
            told, given = self._tags(row, answer)
            right += int((given == told).sum())
            total += len(told)
        return right / total if total else 0.0

    def _tags(self, row: Truth | Any, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """True and given label index of every word."""
        row = truth_of(row)
        given = np.full(len(row.tags), self.labels.index(OUTSIDE) if OUTSIDE in self.labels else -1)
        given[row.words] = np.asarray(logits)[row.starts].argmax(axis=-1)
        return row.tags, given


def truth_of(row: Truth | Any) -> Truth:
    """A row's truth from its tags on pieces (-100 where no word begins), or as it is."""
    if isinstance(row, Truth):
        return row
    tags = np.asarray(row)
    starts = np.flatnonzero(tags != IGNORED)
    return Truth(tags[starts], np.arange(len(starts)), starts)


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
