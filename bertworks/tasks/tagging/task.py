"""A tag for each word, read from its first piece; logits are one (length, labels) array a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

import numpy as np

from bertworks.contracts.examples import Example
from bertworks.models.config import Head
from bertworks.tasks.handler import Answer, Choices, Columns, Logits, TaskHandler
from bertworks.tasks.measuring import softmax
from bertworks.tasks.predictions import Predictions
from bertworks.tasks.tagging.entities import OUTSIDE, spans
from bertworks.tasks.tagging.target import TagsTarget, truth_of

if TYPE_CHECKING:
    from bertworks.tasks.forms.form import Encoded, Row
    from bertworks.tasks.scores import Scores
    from bertworks.tasks.tagging.losses import TaggingLosses
    from bertworks.text.words import Word


class Tags(TypedDict):
    """A tag for each word that is read, and its probability."""

    tags: list[str]
    scores: list[float]


class Entity(TypedDict):
    """Consecutive words of one type: where they stand in the text, and the least of their scores."""

    type: str
    text: str
    start: int
    end: int
    score: float


class TagsAnswer(Tags):
    """The same for all words, and the entities in the text."""

    tokens: list[str]
    entities: list[Entity]


class Tagging(TaskHandler):
    """Tags.

    Metrics take a `Truth` a row, or tags on pieces with -100 where no word begins. A word that was not
    read counts as answered with "O", as it is when the agent is asked.
    """

    target = TagsTarget()
    answer_type: ClassVar[type] = TagsAnswer
    given = "tags"
    auto_steps = 1200

    def example(self, reader: Any, columns: Any, values: Mapping[str, Any]) -> Example:
        """Words and their tags, which are cleaned together."""
        tokens, tags = reader.words_and_tags(values)
        return {"tokens": tokens, "tags": tags}

    def head(self) -> Head:
        """A token head."""
        return Head("token", self.labels)

    @property
    def losses(self) -> TaggingLosses:
        """Cross-entropy at the words' first pieces."""
        from bertworks.tasks.tagging.losses import TaggingLosses

        return TaggingLosses()

    def decode(
        self, logits: Logits, word_starts: Sequence[Sequence[int]] | None = None
    ) -> Sequence[Answer]:
        """The tags of each row, those that have a first piece.

        Raises:
            ValueError: `word_starts` was not given.
        """
        return self._tags(logits, word_starts)

    def _tags(self, logits: Logits, word_starts: Sequence[Sequence[int]] | None) -> list[Tags]:
        if word_starts is None:
            raise ValueError("Tagging needs `word_starts` to decode.")
        return [
            self._decode_row(np.asarray(row), np.asarray(starts, np.int64))
            for row, starts in zip(logits, word_starts, strict=True)
        ]

    def _decode_row(self, logits: np.ndarray, starts: np.ndarray) -> Tags:
        if not len(starts):
            return {"tags": [], "scores": []}
        chances = softmax(logits[starts])
        best = chances.argmax(axis=-1)
        return {
            "tags": [self.labels[index] for index in best],
            "scores": chances.max(axis=-1).tolist(),
        }

    def answers(
        self, rows: Sequence[Row], encoded: Encoded, decoded: Sequence[Answer]
    ) -> Sequence[Answer]:
        """Tags on all words, and the entities in the text."""
        placed, kept = encoded.words or [], encoded.kept or []
        return [on_text(*one) for one in zip(rows, placed, kept, decoded, strict=True)]

    def choices(self, rows: Columns, logits: Logits) -> Choices:
        """One a word that is read."""
        place = {tag: index for index, tag in enumerate(self.labels)}
        wide, truth = [np.zeros((0, len(self.labels)))], []
        for row, starts, kept, tags in zip(
            logits, rows["starts"], rows["kept"], rows["truth"], strict=True
        ):
            wide.append(np.asarray(row, np.float64)[np.asarray(starts, np.int64)])
            truth += [place.get(tags[word], -1) for word in kept]
        true = np.array(truth, np.int64)
        return np.concatenate(wide)[true >= 0], true[true >= 0]

    def sureness(self, decoded: Sequence[Answer]) -> np.ndarray:
        """The score of the row's least certain tag."""
        return np.array([min(one["scores"], default=1.0) for one in decoded], float)

    def predictions(self, rows: Columns, logits: Sequence[np.ndarray]) -> Predictions:
        """Takes the answer on each word's first piece; words that have none count as outside."""
        prediction, given = [], []
        decoded = self._tags(logits, rows["starts"])
        for truth, kept, answer in zip(rows["truth"], rows["kept"], decoded, strict=True):
            tags, sure = _on_words(len(truth), kept, answer, unread=1.0)
            prediction.append(tags)
            given.append(sure)
        return Predictions(
            self.task, list(self.labels), list(rows["id"]), list(rows["truth"]), prediction, given
        )

    def of_answers(self, truth: list[Any], answers: Sequence[Answer]) -> Predictions:
        """Tags beside each other."""
        return Predictions(
            self.task, [], [str(row) for row in range(len(truth))], truth,
            [one["tags"] for one in answers], [one["scores"] for one in answers],
        )  # fmt: skip

    def on_tokens(self, targets: Any, logits: Logits) -> tuple[dict[str, list[Any]], Logits]:
        """Words that were cut count as answered with "O" where a `Truth` knows them."""
        told = [truth_of(row) for row in targets]
        rows: dict[str, list[Any]] = {
            "starts": [row.starts.tolist() for row in told],
            "kept": [row.words.tolist() for row in told],
            "truth": [[self.labels[index] for index in row.tags] for row in told],
        }
        return rows, logits

    @cached_property
    def scores(self) -> Scores:
        """Of entities and of single tags."""
        from bertworks.tasks.tagging.scores import TaggingScores

        return TaggingScores()

    def floor(self, train: Columns, test: Columns, seed: int) -> Any:
        """A linear SVM, one word at a time, on its letters and its neighbours."""
        from bertworks.tasks.tagging.floor import tags

        return tags(train, test, seed)


def _on_words(
    count: int, kept: Sequence[int], answer: Answer, unread: float
) -> tuple[list[str], list[float]]:
    """Tags and scores of all words from those of the words that were read."""
    tags, scores = [OUTSIDE] * count, [unread] * count
    for word, tag, score in zip(kept, answer["tags"], answer["scores"], strict=True):
        tags[word], scores[word] = tag, score
    return tags, scores


def on_text(row: Row, placed: list[Word], kept: Sequence[int], answer: Answer) -> TagsAnswer:
    """Puts the tags on the words, and the entities on the text.

    Args:
        row: The text, or its words.
        placed: Its words with their places.
        kept: The words that `answer` has tags of.
        answer: Their tags and scores.
    """
    text = row if isinstance(row, str) else " ".join(row)
    tags, scores = _on_words(len(placed), kept, answer, unread=0.0)
    entities: list[Entity] = [
        {
            "type": kind,
            "text": text[placed[first].start : placed[end - 1].end],
            "start": placed[first].start,
            "end": placed[end - 1].end,
            "score": min(scores[first:end]),
        }
        for kind, first, end in spans(tags)
    ]
    return {
        "tokens": [word.text for word in placed],
        "tags": tags,
        "scores": scores,
        "entities": entities,
    }
