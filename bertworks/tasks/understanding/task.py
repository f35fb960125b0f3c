"""The intent of a turn and a tag for each word, from one pass of a token head.

The intent is one more label of the head, answered at the first token; what is learned is the sum of the
log-likelihoods of the intent and of every word's tag (Chen, Zhuo and Wang 2019, "BERT for Joint Intent
Classification and Slot Filling", section 3.2). So what compresses and serves tags does so with frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from bertworks.contracts.examples import Example
from bertworks.tasks.handler import Answer, Logits
from bertworks.tasks.measuring import softmax
from bertworks.tasks.predictions import Predictions
from bertworks.tasks.tagging.target import truth_of
from bertworks.tasks.tagging.task import Entity, Tagging, Tags, on_text
from bertworks.tasks.understanding.frames import is_intent, marked, unmarked
from bertworks.tasks.understanding.target import FrameTarget

if TYPE_CHECKING:
    from bertworks.tasks.forms.form import Encoded, Row
    from bertworks.tasks.handler import Columns
    from bertworks.tasks.scores import Scores


class Understood(TypedDict):
    """The likeliest intent and its probability; a tag for each word that is read, and its own."""

    intent: str
    intent_score: float
    tags: list[str]
    scores: list[float]


class FrameAnswer(Understood):
    """The same for all words, and the slots that are filled, as entities in the text."""

    tokens: list[str]
    entities: list[Entity]


class Understanding(Tagging):
    """Frames: an intent and tags."""

    target = FrameTarget()
    answer_type = FrameAnswer
    tensors = (("intent", "BYTES"), ("intent_score", "FP64"))

    def example(self, reader: Any, columns: Any, values: Mapping[str, Any]) -> Example:
        """Words, and their frame."""
        tokens, tags = reader.words_and_tags(values)
        intent = reader.labels.label_in(reader.labels.cell(values, columns.label))
        made = {"tokens": tokens, "frame": self.target.of_source({"label": intent, "tags": tags})}
        if "context" in self.form.columns:
            made["context"] = reader.text_before(values, columns.context)
        return made

    def decode(
        self, logits: Logits, word_starts: Sequence[Sequence[int]] | None = None
    ) -> list[Understood]:
        """The intent and the tags of each row, those that have a first piece.

        Args:
            logits: (length, labels) a row.
            word_starts: As the form gives them: the first token, then each word's first piece.

        Raises:
            ValueError: `word_starts` was not given.
        """
        return [
            {
                "intent": unmarked(one["tags"][0]),
                "intent_score": one["scores"][0],
                "tags": one["tags"][1:],
                "scores": one["scores"][1:],
            }
            for one in self._tags(logits, word_starts)
        ]

    def _decode_row(self, logits: np.ndarray, starts: np.ndarray) -> Tags:
        """The likeliest intent first, then the likeliest tags: no other label is answered there."""
        chances = softmax(logits[starts])
        chances[:1, ~self._intents] = 0.0
        chances[1:, self._intents] = 0.0
        best = chances.argmax(axis=-1)
        return {
            "tags": [self.labels[index] for index in best],
            "scores": chances.max(axis=-1).tolist(),
        }

    @cached_property
    def _intents(self) -> np.ndarray:
        """Which labels are intents, (labels,)."""
        return np.array([is_intent(label) for label in self.labels], bool)

    def answers(
        self, rows: Sequence[Row], encoded: Encoded, decoded: Sequence[Answer]
    ) -> list[FrameAnswer]:
        """The intent, tags on all words, and the slots in the text."""
        placed = encoded.words or []
        kept = [[place - 1 for place in row[1:]] for row in encoded.kept or []]
        turns = [self.form.turn(row) for row in rows]
        tagged = [on_text(*one) for one in zip(turns, placed, kept, decoded, strict=True)]
        return [
            {"intent": one["intent"], "intent_score": one["intent_score"], **tags}
            for one, tags in zip(decoded, tagged, strict=True)
        ]

    def sureness(self, decoded: Sequence[Answer]) -> np.ndarray:
        """The score of the intent, or of the least certain tag where that is less."""
        return np.array([min(one["intent_score"], *one["scores"]) for one in decoded], float)

    def said(self, answer: Answer) -> Answer:
        """Its intent and its tags."""
        return {"intent": answer["intent"], "tags": answer["tags"]}

    def alike(self, one: Answer, other: Answer) -> bool:
        """Whether intent and tags are the same."""
        return self.is_right(one, _frame(other))

    def is_right(self, answer: Answer, truth: Any) -> bool:
        """Whether an answer's frame is the true one."""
        return bool(_frame(answer) == truth)

    def scope_labels(self, targets: Any) -> np.ndarray:
        """The intents."""
        return np.array([truth_of(row).tags[0] for row in targets], np.int64)

    def of_answers(self, truth: list[Any], answers: Sequence[Answer]) -> Predictions:
        """Frames beside each other."""
        return Predictions(
            self.task, [], [str(row) for row in range(len(truth))], truth,
            [_frame(one) for one in answers],
            [[one["intent_score"], *one["scores"]] for one in answers],
        )  # fmt: skip

    @cached_property
    def scores(self) -> Scores:
        """Of frames, intents and slots."""
        from bertworks.tasks.understanding.scores import FrameScores

        return FrameScores()

    def floor(self, train: Columns, test: Columns, seed: int) -> Any:
        """A linear SVM for the intent, and one word at a time for the slots."""
        from bertworks.tasks.understanding.floor import frames

        return frames(train, test, seed)


def _frame(answer: Answer) -> list[str]:
    """The frame of an answer, as it is stored."""
    return [marked(answer["intent"]), *answer["tags"]]
