"""The runtime: loads a bundle and answers.

Needs numpy, `tokenizers` and the bundle's one engine; no TensorFlow, no transformers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertworks.contracts.agent import AGENT, AgentRecord
from bertworks.errors import ArtifactError
from bertworks.runtime import confidence, engines
from bertworks.runtime.confidence import Read, Scope
from bertworks.runtime.engines import Engine, Floats
from bertworks.runtime.inference import Runner
from bertworks.spec import Clean
from bertworks.storage.artifacts import open_artifact, sha256_of
from bertworks.tasks import for_task
from bertworks.tasks.forms.form import Encoded, Row
from bertworks.tasks.handler import TaskHandler
from bertworks.text import windows
from bertworks.text.tokenizer import Tokenizer


def digest_of_reading(folder: Path, info: AgentRecord) -> str:
    """What tells a bundle's graph, its tokenizer and how it reads texts from those of others.

    Two bundles of the same digest compute the same vectors.
    """
    engine = info.engine
    names = [] if engine is None else [engine.file, str(Path(engine.file).with_suffix(".bin"))]
    files = [folder / name for name in (*names, "tokenizer.json") if (folder / name).is_file()]
    clean = None if info.clean is None else info.clean.model_dump(mode="json")
    reads = [info.max_length, clean, *(sha256_of(file) for file in files)]
    return hashlib.sha256(json.dumps(reads).encode()).hexdigest()


class Agent:
    """A loaded agent. Any number of threads may share one.

    Attributes:
        info: agent.json.
        task: What the agent does.
        handler: The task, which knows what rows and answers are.
        form: The form of its rows.
        labels: Label names; empty for regression.
        clean: How texts are cleaned before they are read, as ingest cleaned those of the training;
            None: not at all (agents of before this was recorded).
        max_length: Tokens that are read at once; longer rows are cut, or read in windows.
        most_tokens: Tokens that are read of a row; what stands behind them is cut.
        max_batch: Rows that one forward pass takes, at most.
    """

    def __init__(
        self,
        info: AgentRecord,
        tokenizer: Tokenizer,
        engine: Engine,
        max_batch: int = 32,
        scope: Scope | None = None,
    ) -> None:
        self.info, self._scope = info, scope
        self.task, self.labels, self.clean = info.task, info.labels, info.clean
        self.max_length = info.max_length
        self.most_tokens = windows.most_tokens(self.task)
        self.max_batch = max_batch
        self._tokenizer = tokenizer
        self._runner = Runner(engine, size=max_batch, pad=tokenizer.special.pad)
        self.handler: TaskHandler = for_task(self.task, info.labels, info.score)
        self.form = self.handler.form

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
        info = AGENT.read(bundle)
        tokenizer = Tokenizer.load(bundle.path)
        engine = engines.load(bundle.path, info.engine, threads)
        known = info.calibration
        scope = Scope.load(bundle.path) if known is not None and known.vector else None
        return cls(info, tokenizer, engine, max_batch, scope)._fitting(bundle.path)

    @classmethod
    def from_model(
        cls, folder: str | os.PathLike[str], *, threads: int | None = None, max_batch: int = 32
    ) -> Agent:
        """Loads an uncompressed model artifact: its float32 graph is built in memory.

        Arguments and errors are those of `load`, for a model artifact with a head.
        """
        from bertworks.compression.builders import Source

        model = open_artifact(folder, "model")
        info, tokenizer = AGENT.read(model), Tokenizer.load(model.path)
        source = Source.read(model, tokenizer.special.pad)
        if source.head.kind not in ("sequence", "token", "vector"):
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
            (logits,) = self.predict_logits([marks], [[0, 0]] if self.form.two_texts else None)
            if logits.ndim != (2 if self.handler.target.per_word else 1):
                raise ValueError(f"a row's have the shape {logits.shape}")
        except (IndexError, ValueError) as error:
            raise ArtifactError(
                f"{folder}: agent.json says {self.task.kind.type}, and its graph gives no such answers "
                f"({error}).",
                "Make it anew with the step that wrote it (finetune, prune or quantize).",
            ) from None
        wanted = self.handler.outputs
        if wanted is not None and logits.shape[-1] != wanted:
            raise ArtifactError(
                f"{folder}: agent.json names {wanted} outputs, its graph gives {logits.shape[-1]}.",
                "Make it anew with the step that wrote it (finetune, prune or quantize).",
            )
        self.handler = self.handler.opened(folder)
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
            rows: Texts; for pair tasks two texts a row; for tagging and understanding texts or
                lists of words.
            advance: Told the number of rows done after each batch; what it raises ends the work.
            cleaned: What the rows were cleaned by already, as those of an examples artifact are: where
                that is the agent's own way, it is not done again. None: they come as they are.

        Returns:
            A dict a row. Classification: label, score (its probability), scores (label to
            probability). Multi-label: labels, scores. Regression: score, in the data's own unit.
            Matching: document (the id of the nearest one, "" where none fits), score (its cosine),
            documents (the nearest ones: id, text, score, fits).
            Tagging: tokens, tags, scores, and entities with type, text, start, end (characters of
            the text as it was given, or of the words joined by one space) and score. Understanding:
            intent, intent_score, and as tagging, its entities being slots. All: truncated,
            whether the end of the row was not read; in tagging, the words there get the tag O and
            score 0. Where the spec's `confidence` asked for it: confident (whether it is sure enough),
            out_of_scope (whether the text is like none that was trained on), set (labels among which
            the true one is).

        Raises:
            DataError: A row is not of the shape that the task takes.
        """
        return self.answers(rows, self.encode(rows, cleaned=cleaned), advance)

    def answers(
        self,
        rows: Sequence[Row],
        encoded: Encoded,
        advance: Callable[[int], None] = lambda rows: None,
        *,
        beside: bool = False,
    ) -> list[dict[str, Any]]:
        """Answers for rows that are tokenized already, as `predict` gives them.

        Args:
            rows: The rows.
            encoded: What `encode` made of them.
            advance: See `predict`.
            beside: See `Runner.logits`.
        """
        read = self.read(encoded.ids, encoded.types, advance, beside=beside)
        decoded = self.handler.decode(read.logits, encoded.starts) if read.logits else []
        answers = self.handler.answers(rows, encoded, decoded)
        known = self.info.calibration
        if known is not None and read.logits and confidence.names(known):
            found = confidence.marks(known, self.handler.sureness(decoded), read)
            answers = confidence.marked(answers, found, self.labels)
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
        """Logits of rows that are tokenized already, over the bundle's temperature, in the order given.

        Args:
            input_ids: Token ids of each row, marks included, at most `most_tokens`. Rows of more than
                `max_length` are read in windows.
            type_ids: Token types of each row, for pair tasks.
            advance: See `predict`.

        Returns:
            (outputs,) for each row; (tokens, outputs) for tagging.
        """
        return self.read(input_ids, type_ids, advance).logits

    def read(
        self,
        input_ids: Sequence[Sequence[int]],
        type_ids: Sequence[Sequence[int]] | None = None,
        advance: Callable[[int], None] = lambda rows: None,
        *,
        beside: bool = False,
    ) -> Read:
        """All that the graph says of rows; arguments as in `predict_logits` and `Runner.logits`."""
        if type_ids is not None:
            answers = self._runner.logits(input_ids, type_ids, advance, beside=beside)
        else:
            parts, _ = windows.split(input_ids, self.max_length)
            lengths = [len(ids) for ids in input_ids]
            answers = self._runner.logits(parts, None, advance, beside=beside)
            answers = windows.combine(answers, lengths, self.max_length)
        known = self.info.calibration
        vectors = None
        if known is not None and known.vector:
            answers, vectors = confidence.parted(answers, self.handler.outputs or 0, known.vector)
        logits = [confidence.scaled(row, self.info.temperature) for row in answers]
        if vectors is None or self._scope is None:
            return Read(logits, vectors=vectors)
        return Read(logits, self._scope.scores(vectors), vectors)

    def vectors(self, rows: Sequence[Row]) -> NDArray[np.float64]:
        """The encoder's vectors of rows, (rows, width): what lies near is about the same thing.

        Args:
            rows: As for `predict`.

        Raises:
            DataError: A row is not of the shape that the task takes.
            ArtifactError: The bundle gives none.
        """
        encoded = self.encode(rows)
        read = self.read(encoded.ids, encoded.types)
        if self.handler.head().kind == "vector":
            return np.asarray(read.logits, np.float64)
        if read.vectors is None:
            raise ArtifactError(
                f"This bundle of task {self.task.kind.type} gives labels, and no vectors of texts.",
                "Use one of task matching, or one whose run had texts out of scope (confidence."
                "out_of_scope).",
            )
        return np.asarray(read.vectors, np.float64)

    def encode(self, rows: Sequence[Row], *, cleaned: Clean | None = None) -> Encoded:
        """Cleans and tokenizes rows as training did.

        Args:
            rows: As for `predict`; so is `cleaned`.
            cleaned: See `predict`.

        Raises:
            DataError: A row is not of the shape that the task takes.
        """
        for place, row in enumerate(rows):
            self.form.check(place, row)
        clean = None if cleaned == self.clean else self.clean
        return self.form.encode(self._tokenizer, rows, self.most_tokens, clean)
