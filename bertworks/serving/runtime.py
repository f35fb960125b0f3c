"""The runtime: loads a bundle and answers.

Needs numpy, `tokenizers` and the bundle's one engine; no TensorFlow, no transformers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bertworks.artifacts import Artifact, open_artifact
from bertworks.compression import engines
from bertworks.compression.engines import Engine, Floats
from bertworks.compression.inference import Runner
from bertworks.errors import ArtifactError, DataError
from bertworks.sources.clean import clean_text
from bertworks.spec import Clean, Task
from bertworks.tasks import for_task
from bertworks.tasks.handler import TaskHandler
from bertworks.tasks.tagging import spans
from bertworks.text import windows, words
from bertworks.text.alignment import first_pieces
from bertworks.text.tokenizer import Tokenizer

_FORMAT = 1  # of agent.json

Row = str | Sequence[str]
"""One text; two texts (pair tasks); or for tagging a text or a list of words."""


@dataclass(frozen=True)
class Encoded:
    """Rows as the graph takes them.

    Attributes:
        ids: Token ids of each row, marks included.
        truncated: Whether the row is longer than what is read of it.
        types: Token types of each row, for pair tasks; else None.
        words: Tagging: the words of each row with their places; else None.
        starts: Tagging: the position of each word's first piece; words that were cut off have none.
        kept: Tagging: index of the word that each of `starts` belongs to.
    """

    ids: list[list[int]]
    truncated: list[bool]
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
        clean: How texts are cleaned before they are read, as ingest cleaned those of the training;
            None: not at all (agents of before this was recorded).
        max_length: Tokens that are read at once; longer rows are cut, or read in windows.
        most_tokens: Tokens that are read of a row; what stands behind them is cut.
        max_batch: Rows that one forward pass takes, at most.
    """

    def __init__(
        self, info: Mapping[str, Any], tokenizer: Tokenizer, engine: Engine, max_batch: int = 32
    ) -> None:
        self.info = dict(info)
        # Before there were windows, all rows were cut.
        self.task = Task.model_validate({"long_text": "cut", **info["task"]})
        self.labels: list[str] = list(info.get("labels") or [])
        self.clean = _clean_of(info)
        self.max_length = int(info["max_length"])
        self.most_tokens = windows.most_tokens(self.task)
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
        return cls(info, tokenizer, engine, max_batch)._fitting(bundle.path)

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
        engine = engines.OnnxRuntime(graph, {}, threads)
        return cls(info, tokenizer, engine, max_batch)._fitting(model.path)

    def _fitting(self, folder: Path) -> Agent:
        """This agent, once its graph has given as many outputs as agent.json names.

        Raises:
            ArtifactError: More or fewer: labels would be given to answers that mean others.
        """
        marks = [self._tokenizer.special.cls, self._tokenizer.special.sep]
        try:
            (logits,) = self.predict_logits([marks], [[0, 0]] if self.task.pair else None)
            if logits.ndim != (2 if self.task.type == "tagging" else 1):
                raise ValueError(f"a row's have the shape {logits.shape}")
        except (IndexError, ValueError) as error:
            raise ArtifactError(
                f"{folder}: agent.json says {self.task.type}, and its graph gives no such answers "
                f"({error}).",
                "Make it anew with the step that wrote it (finetune, prune or quantize).",
            ) from None
        wanted = 1 if self.task.type == "regression" else len(self.labels)
        if logits.shape[-1] != wanted:
            raise ArtifactError(
                f"{folder}: agent.json names {wanted} outputs, its graph gives {logits.shape[-1]}.",
                "Make it anew with the step that wrote it (finetune, prune or quantize).",
            )
        return self

    def predict(
        self,
        rows: Sequence[Row],
        advance: Callable[[int], None] = lambda rows: None,
        *,
        cleaned: Clean | None = None,
    ) -> list[dict[str, Any]]:
        """Answers for each row, in the order given.

        Args:
            rows: Texts; for pair tasks two texts a row; for tagging texts or lists of words.
            advance: Told the number of rows done after each batch; what it raises ends the work.
            cleaned: What the rows were cleaned by already, as those of an examples artifact are: where
                that is the agent's own way, it is not done again. None: they come as they are.

        Returns:
            A dict a row. Classification: label, score (its probability), scores (label to
            probability). Multi-label: labels, scores. Regression: score, in the data's own unit.
            Tagging: tokens, tags, scores, and entities with type, text, start, end (characters of
            the text as it was given, or of the words joined by one space) and score. All: truncated,
            whether the end of the row was not read; in tagging, the words there get the tag O and
            score 0.

        Raises:
            DataError: A row is not of the shape that the task takes.
        """
        encoded = self.encode(rows, cleaned=cleaned)
        logits = self.predict_logits(encoded.ids, encoded.types, advance)
        answers = self._handler.decode(logits, encoded.starts) if logits else []
        if encoded.words is not None and encoded.kept is not None:
            answers = [
                _tagged(rows[row], placed, encoded.kept[row], answers[row])
                for row, placed in enumerate(encoded.words)
            ]
        return [
            {**answer, "truncated": cut}
            for answer, cut in zip(answers, encoded.truncated, strict=True)
        ]

    def predict_logits(
        self,
        input_ids: Sequence[Sequence[int]],
        type_ids: Sequence[Sequence[int]] | None = None,
        advance: Callable[[int], None] = lambda rows: None,
    ) -> list[Floats]:
        """Logits of rows that are tokenized already, in the order given.

        Args:
            input_ids: Token ids of each row, marks included, at most `most_tokens`. Rows of more than
                `max_length` are read in windows.
            type_ids: Token types of each row, for pair tasks.
            advance: See `predict`.

        Returns:
            (outputs,) for each row; (tokens, outputs) for tagging.
        """
        if type_ids is not None:
            return self._runner.logits(input_ids, type_ids, advance)
        parts, _ = windows.split(input_ids, self.max_length)
        lengths = [len(ids) for ids in input_ids]
        answers = self._runner.logits(parts, None, advance)
        return windows.combine(answers, lengths, self.max_length)

    def encode(self, rows: Sequence[Row], *, cleaned: Clean | None = None) -> Encoded:
        """Cleans and tokenizes rows as training did.

        Args:
            rows: As for `predict`; so is `cleaned`.
            cleaned: See `predict`.

        Raises:
            DataError: A row is not of the shape that the task takes.
        """
        for place, row in enumerate(rows):
            _check(self.task, place, row)
        clean = None if cleaned == self.clean else self.clean
        if self.task.type == "tagging":
            return self._encode_words([words.read(row, clean) for row in rows])
        if self.task.pair:
            firsts, seconds = (
                [clean_text(row[side], clean) if clean else row[side] for row in rows]
                for side in (0, 1)
            )
            room = self.most_tokens - 3
            pairs = self._tokenizer.pieces_of_pairs(firsts, seconds, room)
            both = [self._tokenizer.assemble(*pair, self.most_tokens) for pair in pairs]
            cut = [len(first) + len(second) > room for first, second in pairs]
            return Encoded([ids for ids, _ in both], cut, [types for _, types in both])
        room = self.most_tokens - 2
        given = [clean_text(str(row), clean) if clean else str(row) for row in rows]
        pieces = self._tokenizer.pieces_batch(given, room + 1)
        both = [self._tokenizer.assemble(ids, None, self.most_tokens) for ids in pieces]
        return Encoded([ids for ids, _ in both], [len(ids) > room for ids in pieces])

    def _encode_words(self, rows: Sequence[words.Words]) -> Encoded:
        pieces = self._tokenizer.pieces_of_words_batch(
            [row.read for row in rows], self.most_tokens - 1
        )
        marked = [self._tokenizer.mark_words(*row, self.most_tokens) for row in pieces]
        starts = [np.flatnonzero(first_pieces(index)).tolist() for _, index in marked]
        kept = [
            [index[start] for start in row] for (_, index), row in zip(marked, starts, strict=True)
        ]
        cut = [len(ids) > self.most_tokens - 2 for ids, _ in pieces]
        ids = [ids for ids, _ in marked]
        return Encoded(ids, cut, None, [row.placed for row in rows], starts, kept)


def roles(task: Task) -> tuple[str, ...]:
    """What the columns of a task's rows are called: of the first of these that are there it reads."""
    if task.pair:
        return ("text_a", "text_b")
    return ("tokens", "text") if task.type == "tagging" else ("text",)


def _tagged(
    row: Row, placed: list[words.Word], kept: list[int], answer: dict[str, Any]
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


def _clean_of(info: Mapping[str, Any]) -> Clean | None:
    """agent.json's clean; an agent of before it was recorded cleans nothing, as it did then."""
    recorded = info.get("clean")
    return None if recorded is None else Clean.model_validate(recorded)


def _agent_json(artifact: Artifact) -> dict[str, Any]:
    try:
        info = artifact.json("agent.json")
        if info.get("format", _FORMAT) != _FORMAT:
            raise ValueError(f"its format is {info['format']}, this version reads {_FORMAT}")
        Task.model_validate({**info["task"], "max_length": info["max_length"]})
        labels = info.get("labels") or []
        if not all(isinstance(one, str) for one in labels) or len(set(labels)) < len(labels):
            raise ValueError(f"labels must be texts, none twice: {str(labels)[:80]}")
        _clean_of(info)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{artifact.path / 'agent.json'} cannot be read: {error}.",
            "Run the step that makes it again.",
        ) from None
    return dict(info)
