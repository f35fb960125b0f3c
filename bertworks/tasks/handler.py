"""What every task can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bertworks.contracts.examples import Example
from bertworks.errors import SpecError
from bertworks.models.config import Head
from bertworks.spec import Task
from bertworks.spec.task_kinds import TaskKind, lower_is_better
from bertworks.tasks import form_of
from bertworks.tasks.target import Target

if TYPE_CHECKING:
    from bertworks.tasks.forms.form import Encoded, Row, RowForm
    from bertworks.tasks.losses import Losses
    from bertworks.tasks.predictions import Predictions
    from bertworks.tasks.scores import Scores

NEVER = -100.0
"""The logit of a label that an agent does not know."""

Answer = Mapping[str, Any]
"""What is answered of a row, as JSON has it; which keys it has, each task's own type of it says."""

Logits = Sequence[np.ndarray] | np.ndarray
Columns = Mapping[str, Sequence[Any]]
Vectors = Callable[[Sequence[Any]], Sequence[np.ndarray]]
"""Token ids of rows, marks included -> what the graph says of each."""
Choices = tuple[np.ndarray, np.ndarray]


class TaskHandler(ABC):
    """One task: what a row is, what is learned of it, what the model answers, and how good that is.

    Its parts are loaded when they are asked for: `form` (the row's text), `target` (what is learned),
    `scores` (how good answers are), `losses` (TensorFlow), `floor` (scikit-learn).

    Attributes:
        task: What was asked.
        labels: Label names in the order of the logits; empty where a number is learned.
        score: Where a number is learned mean, std, min and max of the training scores; else None.
        default_metric: What the task is judged by unless a caller names another metric.
        target: What is learned of a row.
        answer_type: The typed dictionary of an answer, without what every answer has.
        given: Key of an answer that holds what is answered: a label, labels, tags or a number.
        tensors: Names and datatypes of what a V2 answer holds of each row, besides the whole answer
            as JSON.
        auto_steps: Optimizer steps that `epochs: auto` aims at.
    """

    target: ClassVar[Target]
    answer_type: ClassVar[type]
    given: ClassVar[str] = "label"
    tensors: ClassVar[tuple[tuple[str, str], ...]] = ()
    auto_steps: ClassVar[int] = 600

    def __init__(
        self,
        task: Task,
        labels: Sequence[str] = (),
        score: Mapping[str, float] | None = None,
        metric: str | None = None,
    ) -> None:
        self.task, self.labels, self.score = task, tuple(labels), score
        self.default_metric = metric or self.kind.metric

    @property
    def kind(self) -> TaskKind:
        """What the task declares."""
        return self.task.kind

    @property
    def form(self) -> RowForm:
        """The form of its rows."""
        return form_of(self.task)

    @property
    def target_column(self) -> str:
        """The tokens artifact's column that holds the targets."""
        return self.target.learned

    # Data

    def example(self, reader: Any, columns: Any, values: Mapping[str, Any]) -> Example:
        """The text and the target of a source's row, in the columns of the examples artifact.

        Args:
            reader: The source's `bertworks.data.rows.mapping.Mapper`.
            columns: What the source calls its columns.
            values: The row.
        """
        text = self.form.read(reader, columns, values)
        return {**text, **self.target.read(reader.labels, columns, values)}

    def truth(self, rows: Columns, labels: Sequence[str]) -> Any:
        """The rows' truth, as in `Predictions.truth`, from columns of the examples artifact."""
        return self.target.indexes(rows.get(self.target.column, []), labels)

    # Model

    @abstractmethod
    def head(self) -> Head:
        """The head that this task puts on the encoder."""

    @property
    def outputs(self) -> int | None:
        """Logits of a row, or of a token; None: as many as the encoder is wide."""
        return 1 if self.target.numeric else len(self.labels)

    @property
    def usual(self) -> float:
        """The size that a logit has, about: by it is judged whether two are the same."""
        return 1.0

    @property
    def negatives(self) -> int:
        """Rows that each one is to be told from, where the task has such and mines them."""
        return 0

    def opened(self, folder: Path) -> TaskHandler:
        """The same with what a bundle's or model's folder holds of the task's own, if anything.

        Raises:
            ArtifactError: It cannot be read.
        """
        return self

    def equipped(self, tokens: Path, vectors: Vectors) -> TaskHandler:
        """The same with what a tokens artifact holds for the answers, where the agent itself has none.

        Args:
            tokens: The artifact's folder.
            vectors: Asks the agent.
        """
        return self

    def beside_mb(self, tokens: Path, width: int) -> float:
        """What `complete` will write, about, 10^6 bytes.

        Args:
            tokens: The tokens artifact's folder.
            width: The encoder's.
        """
        return 0.0

    def complete(
        self, folder: Path, tokens: Path, vectors: Vectors, targets: Any, logits: Logits, graph: str
    ) -> list[str]:
        """Writes what a bundle of this task holds beside its graph.

        Args:
            folder: The bundle, as it is being written.
            tokens: The tokens artifact's folder.
            vectors: Asks the bundle's graph.
            targets: Of validation rows, as `metric` takes them.
            logits: The graph's, of these rows.
            graph: What tells the graph and what it reads from others: a digest.

        Returns:
            What there is to tell of it.

        Raises:
            DataError: It cannot be made as the spec asks.
        """
        return []

    def knowing(self, labels: Sequence[str]) -> TaskHandler:
        """The same for other labels."""
        return type(self)(self.task, labels, self.score, self.default_metric)

    def widened(self, logits: np.ndarray, known: Sequence[str]) -> np.ndarray:
        """Logits of an agent that knows some of the labels as logits of all of them.

        A label that it does not know is one that it never gives.

        Args:
            logits: (…, outputs) of that agent.
            known: Its labels, all of them among this task's.
        """
        if self.target.numeric or tuple(known) == self.labels:
            return logits
        wide = np.full((*logits.shape[:-1], len(self.labels)), NEVER, logits.dtype)
        wide[..., [self.labels.index(label) for label in known]] = logits
        return wide

    @property
    def losses(self) -> Losses:
        """Its losses, in TensorFlow."""
        raise NotImplementedError

    def label_weights(self, targets: Any) -> np.ndarray | None:
        """Weights that balance the labels, from the training rows' targets; None: it has none."""
        return None

    # Answers

    @abstractmethod
    def decode(
        self, logits: Logits, word_starts: Sequence[Sequence[int]] | None = None
    ) -> Sequence[Answer]:
        """Turns logits into JSON-ready predictions, one a row.

        Args:
            logits: (rows, outputs), or for an answer a word one (length, outputs) array a row.
            word_starts: The position of each word's first piece, a list a row; words that were cut
                off have none. None where rows have no words.
        """

    def answers(
        self, rows: Sequence[Row], encoded: Encoded, decoded: Sequence[Answer]
    ) -> Sequence[Answer]:
        """What a server answers of each row, from `decode`'s answers and the rows that were asked."""
        return decoded

    def choices(self, rows: Columns, logits: Logits) -> Choices | None:
        """Every choice among labels that the logits make, with the label that is true.

        Args:
            rows: As for `predictions`; what has no known truth is left out.
            logits: Likewise.

        Returns:
            Logits, (choices, labels), and places of the true labels, (choices,). None: the task's
            answers have no probabilities.
        """
        return None

    def sureness(self, decoded: Sequence[Answer]) -> np.ndarray:
        """How sure each of `decode`'s answers is, as `Predictions.confidence` says it: (rows,)."""
        return np.full(len(decoded), np.nan)

    def said(self, answer: Answer) -> Answer:
        """What an answer says, without the scores of all labels; enough for `alike` and `is_right`."""
        return {self.given: answer[self.given]}

    def scope_labels(self, targets: Any) -> np.ndarray:
        """Around which label's rows each row's vector belongs, (rows,), where `out_of_scope` is told.

        Args:
            targets: As `LabelledRows.truth`.
        """
        return np.asarray(targets)

    def alike(self, one: Answer, other: Answer) -> bool:
        """Whether two answers to a row say the same, however sure they are."""
        return self.is_right(one, other[self.given])

    def is_right(self, answer: Answer, truth: Any) -> bool:
        """Whether an answer says what is true.

        Args:
            answer: Of a row.
            truth: What such an answer holds under `given`.
        """
        return bool(answer[self.given] == truth)

    @abstractmethod
    def predictions(self, rows: Columns, logits: Sequence[np.ndarray]) -> Predictions:
        """Truth and answers of labelled rows.

        Args:
            rows: `id`, and `truth` as in `Predictions.truth`; where words are answered also `starts`,
                the position of first pieces, and `kept`, the words that they belong to.
            logits: One array a row: (outputs,), or (length, outputs) where words are answered.
        """

    def of_answers(self, truth: list[Any], answers: Sequence[Answer]) -> Predictions:
        """The same from stored targets and a server's answers, whatever labels there are."""
        raise NotImplementedError

    def on_tokens(self, targets: Any, logits: Logits) -> tuple[dict[str, list[Any]], Logits]:
        """Targets of the tokens artifact and logits as `predictions` takes them, without ids.

        Where some rows are there for others only, `asked` has the places of those that are answered.
        """
        return {"truth": list(targets)}, logits

    def answers_on_tokens(self, targets: Any, logits: Logits) -> Sequence[Answer]:
        """What an agent answers of rows of the tokens artifact, as far as it is counted of its answers.

        Args:
            targets: Of the target's column.
            logits: As for `on_tokens`.
        """
        columns, given = self.on_tokens(targets, logits)
        return self.decode(given, columns.get("starts"))

    # How good

    @cached_property
    @abstractmethod
    def scores(self) -> Scores:
        """Its measures and what explains them."""

    @abstractmethod
    def floor(self, train: Columns, test: Columns, seed: int) -> Any:
        """What a linear model, trained on the train rows, answers of the test rows.

        Returns:
            As in `Predictions.prediction`.
        """

    def metric(self, name: str | None, targets: Any, logits: Logits) -> float:
        """A metric's value on rows of a tokens artifact; None names the task's default.

        It is 0 where it is not defined on the rows.

        Args:
            name: One of the task's metrics.
            targets: The rows' targets as in the tokens artifact's target column.
            logits: As for `decode`.

        Raises:
            SpecError: The task has no such metric.
        """
        wanted = name or self.default_metric
        if wanted not in self.kind.metrics:
            raise SpecError(
                f"`metric` must be one of {', '.join(self.kind.metrics)} for type: "
                f"{self.task.type}. Received: {wanted}",
                "Correct `metric` in the spec.",
            )
        from bertworks.evaluation.tokenized import value_on_tokens

        return value_on_tokens(self, wanted, targets, logits)

    def is_better(self, name: str | None, value: float, than: float | None) -> bool:
        """Whether a value of a metric is better than an earlier one (None: there was none)."""
        if than is None or np.isnan(than):
            return True
        return value < than if lower_is_better(name or self.default_metric) else value > than
