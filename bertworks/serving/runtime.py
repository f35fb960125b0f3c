"""The runtime: loads a bundle and answers.

Needs numpy, `tokenizers` and the bundle's one engine; no TensorFlow, no transformers.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bertworks.artifacts import Artifact, open_artifact
from bertworks.compression import engines
from bertworks.compression.engines import Engine, Floats
from bertworks.compression.inference import Runner
from bertworks.errors import ArtifactError, DataError
from bertworks.serving import words
from bertworks.spec import Task
from bertworks.tasks import for_task
from bertworks.tasks.handler import TaskHandler
from bertworks.tasks.tagging import spans
from bertworks.text.alignment import first_pieces
from bertworks.text.tokenizer import Tokenizer

Row = str | Sequence[str]
"""One text; two texts (pair tasks); or for tagging a text or a list of words."""


@dataclass(frozen=True)
class Encoded:
    """Rows as the graph takes them.

    Attributes:
        ids: Token ids of each row, marks included.
        types: Token types of each row, for pair tasks; else None.
        words: Tagging: the words of each row with their places; else None.
        starts: Tagging: the position of each word's first piece; words that were cut off have none.
        kept: Tagging: index of the word that each of `starts` belongs to.
    """

    ids: list[list[int]]
    types: list[list[int]] | None = None
    words: list[list[words.Word]] | None = None
    starts: list[list[int]] | None = None
    kept: list[list[int]] | None = None


class Agent:
    """A loaded agent. Any number of threads may share one.

    Attributes:
        info: agent.json as read.
        task: What the agent does.
        labels: Label names; empty for regression.
        max_length: Tokens a row at most; longer rows are cut.
        max_batch: Rows that one forward pass takes, at most.
    """

    def __init__(
        self, info: Mapping[str, Any], tokenizer: Tokenizer, engine: Engine, max_batch: int = 32
    ) -> None:
        self.info = dict(info)
        self.task = Task.model_validate(info["task"])
        self.labels: list[str] = list(info.get("labels") or [])
        self.max_length = int(info["max_length"])
        self.max_batch = max_batch
        self._tokenizer = tokenizer
        self._runner = Runner(engine, size=max_batch, pad=tokenizer.special.pad)
        self._handler: TaskHandler = for_task(self.task, info)

    @classmethod
    def load(
        cls, folder: str | os.PathLike[str], *, threads: int | None = None, max_batch: int = 32
    ) -> Agent:
        """Loads a bundle, after checking every file's sha256.

        Args:
            folder: A bundle artifact.
            threads: CPU threads of one forward pass; None: all that may be used.
            max_batch: Rows that one forward pass takes, at most.

        Raises:
            ArtifactError: Not a bundle, damaged, or its engine is not installed.
        """
        bundle = open_artifact(folder, "bundle")
        info = _agent_json(bundle)
        tokenizer = Tokenizer.load(bundle.path)
        engine = engines.load(bundle.path, info.get("engine") or {}, threads)
        return cls(info, tokenizer, engine, max_batch)

    @classmethod
    def from_model(
        cls, folder: str | os.PathLike[str], *, threads: int | None = None, max_batch: int = 32
    ) -> Agent:
        """Loads an uncompressed model artifact: its float32 graph is built in memory.

        Arguments and errors are those of `load`, for a model artifact with a head.
        """
        from bertworks.compression.builders import Source

        model = open_artifact(folder, "model")
        info, tokenizer = _agent_json(model), Tokenizer.load(model.path)
        source = Source.read(model, tokenizer.special.pad)
        if source.head.kind not in ("sequence", "token"):
            raise ArtifactError(
                f"{model.path} has no head for a task: it is a {source.head.kind} model.",
                "Give the model that the finetune or prune step wrote.",
            )
        graph = source.graph("float32").SerializeToString()
        return cls(info, tokenizer, engines.OnnxRuntime(graph, {}, threads), max_batch)

    def predict(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Answers for each row, in the order given.

        Args:
            rows: Texts; for pair tasks two texts a row; for tagging texts or lists of words.

        Returns:
            A dict a row. Classification: label, score (its probability), scores (label to
            probability). Multi-label: labels, scores. Regression: score, in the data's own unit.
            Tagging: tokens, tags, scores, and entities with type, text, start, end (characters of
            the text, or of the words joined by one space) and score, and truncated: whether words
            stand behind the longest row; those get the tag O and score 0.

        Raises:
            DataError: A row is not of the shape that the task takes.
        """
        encoded = self.encode(rows)
        logits = self.predict_logits(encoded.ids, encoded.types)
        answers = self._handler.decode(logits, encoded.starts) if logits else []
        if encoded.words is None or encoded.kept is None:
            return answers
        return [
            _tagged(
                rows[row], placed, encoded.kept[row], answers[row],
                full=len(encoded.ids[row]) >= self.max_length,
            )
            for row, placed in enumerate(encoded.words)
        ]  # fmt: skip

    def predict_logits(
        self,
        input_ids: Sequence[Sequence[int]],
        type_ids: Sequence[Sequence[int]] | None = None,
    ) -> list[Floats]:
        """Logits of rows that are tokenized already, in the order given.

        Args:
            input_ids: Token ids of each row, marks included, at most `max_length`.
            type_ids: Token types of each row, for pair tasks.

        Returns:
            (outputs,) for each row; (tokens, outputs) for tagging.
        """
        return self._runner.logits(input_ids, type_ids)

    def encode(self, rows: Sequence[Row]) -> Encoded:
        """Tokenizes rows as training did.

        Raises:
            DataError: A row is not of the shape that the task takes.
        """
        for place, row in enumerate(rows):
            _check(self.task, place, row)
        if self.task.type == "tagging":
            return self._encode_words(rows)
        if self.task.pair:
            first, second = [row[0] for row in rows], [row[1] for row in rows]
            both = self._tokenizer.encode_batch(first, second, self.max_length)
            return Encoded([ids for ids, _ in both], [types for _, types in both])
        texts = [str(row) for row in rows]
        encoded = self._tokenizer.encode_batch(texts, None, self.max_length)
        return Encoded([ids for ids, _ in encoded])

    def _encode_words(self, rows: Sequence[Row]) -> Encoded:
        placed = [words.split(row) if isinstance(row, str) else words.joined(row) for row in rows]
        encoded = self._tokenizer.encode_words_batch(
            [[word.text for word in row] for row in placed], self.max_length
        )
        starts = [np.flatnonzero(first_pieces(index)).tolist() for _, index in encoded]
        kept = [
            [index[start] for start in row] for (_, index), row in zip(encoded, starts, strict=True)
        ]
        return Encoded([ids for ids, _ in encoded], None, placed, starts, kept)


def _tagged(
    row: Row, placed: list[words.Word], kept: list[int], answer: dict[str, Any], *, full: bool
) -> dict[str, Any]:
    """Puts the tags on the words, and the entities on the text."""
    text = row if isinstance(row, str) else " ".join(row)
    tags, scores = ["O"] * len(placed), [0.0] * len(placed)
    for word, tag, score in zip(kept, answer["tags"], answer["scores"], strict=True):
        tags[word], scores[word] = tag, score
    entities = [
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
        "truncated": full and (kept[-1] if kept else -1) < len(placed) - 1,
    }


def _check(task: Task, place: int, row: Any) -> None:
    """Refuses a row that the task cannot take, saying what it takes."""
    strings = isinstance(row, Sequence) and all(isinstance(part, str) for part in row)
    if task.type == "tagging":
        fits, wanted = strings, "a text or a list of words"
    elif task.pair:
        fits = strings and not isinstance(row, str) and len(row) == 2
        wanted = "two texts"
    else:
        fits, wanted = isinstance(row, str), "a text"
    if not fits:
        raise DataError(
            f"Row {place + 1} must be {wanted}. Received: {type(row).__name__} {row!r:.80}",
            "Give rows as this agent's task takes them.",
        )


def _agent_json(artifact: Artifact) -> dict[str, Any]:
    try:
        info = artifact.json("agent.json")
        Task.model_validate(info["task"])
        int(info["max_length"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{artifact.path / 'agent.json'} cannot be read: {error}.",
            "Run the step that makes it again.",
        ) from None
    return dict(info)
