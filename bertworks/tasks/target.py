"""What an agent learns of each row: read from a source, stored, counted, checked, turned into numbers.

Arrow is needed by what reads and writes columns alone; serving loads this without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

    from bertworks.contracts.examples import Example
    from bertworks.spec import Columns
    from bertworks.tasks.forms.form import Pieces

Unknown = dict[str, int]
"""How often each label was seen that is not known."""

Variety = tuple[int, int, str]
"""How many different targets there are, how many are needed, and what they are."""


class Company(ABC):
    """Rows that others are learned with, and which of them a row is learned with.

    Attributes:
        asked: How many of the rows are asked and scored, the first ones; the others are their company.
    """

    asked: int

    @abstractmethod
    def mine(self, vectors: Sequence[np.ndarray], wanted: int) -> None:
        """Chooses by a model's outputs, one a row, so many rows for each that it is to be told from."""

    @abstractmethod
    def together(self, chosen: np.ndarray, seed: int, epoch: int) -> np.ndarray:
        """Some of the asked rows and what each is learned with in an epoch, from 0."""

    @abstractmethod
    def split(self, together: np.ndarray, parts: int) -> list[np.ndarray]:
        """Such rows in parts, each asked row with its company."""


class Target(ABC):
    """What is learned of a row, whatever labels there are.

    Attributes:
        column: The column of the examples artifact.
        learned: The column of the tokens artifact that training reads.
        numeric: A number a row; else labels, or what has no labels.
        has_labels: Whether what may be answered is a list of names that is known beforehand.
        unites: Whether rows of one text that do not agree are all right, see `united`.
        many: A list a row; else one value.
        per_word: A value for each word of the row.
        outside: The label that says "none"; "" where there is no such label.
        value_name: What a row is said to have, for messages.
        title: What a picture of the training rows' targets is headed.
    """

    column: ClassVar[str]
    learned: ClassVar[str]
    numeric: ClassVar[bool] = False
    has_labels: ClassVar[bool] = True
    unites: ClassVar[bool] = False
    many: ClassVar[bool] = False
    per_word: ClassVar[bool] = False
    outside: ClassVar[str] = ""
    value_name: ClassVar[str] = "label"
    title: ClassVar[str] = "Labels"

    @property
    def named_value(self) -> str:
        """What a value is called where it is said that it has no labels."""
        return "number" if self.numeric else self.value_name

    # From a source's rows to examples.

    def source_columns(self, columns: Columns) -> list[str]:
        """What a source calls the target's columns."""
        return list(columns.one_hot) or [columns.label]

    @abstractmethod
    def read(self, reader: Any, columns: Columns, values: Mapping[str, Any]) -> Example:
        """The target of a source's row, in the columns of the examples artifact.

        Args:
            reader: A `bertworks.data.labels.labels.LabelReader`; it refuses what is no target.
            columns: What the source calls its columns.
            values: The row.
        """

    @abstractmethod
    def field(self) -> tuple[str, pa.DataType]:
        """The column of the examples artifact, with its type."""

    def stored(self, row: Mapping[str, Any]) -> list[str]:
        """The labels as they stand in an example: all that info.json names."""
        value = row[self.column]
        return list(value) if self.many else [value]

    def to_source(self, value: Any) -> dict[str, Any]:
        """A stored value in the columns that a source has for it by default."""
        return {"label": value}

    def of_source(self, row: Mapping[str, Any]) -> Any:
        """The stored value of what `to_source` gave."""
        return row["label"]

    def choices(self, labels: Sequence[str]) -> list[str]:
        """Those of an agent's labels that are said of whole rows, as answers name them."""
        return list(labels)

    def kinds(self, labels: Sequence[str]) -> list[str]:
        """The types of what an agent with these labels marks in a text."""
        return []

    def counted(self, value: Any) -> set[str]:
        """What is counted of a stored value as a label of its row."""
        return set(self.names(value))

    def names(self, value: Any) -> tuple[str, ...]:
        """The labels in a stored value, each once."""
        return (value,) if isinstance(value, str) else tuple(sorted(set(value or ())))

    def shown_labels(self, value: Any) -> list[str]:
        """The labels of a stored value as the report counts them."""
        return list(self.names(value))

    def told(self, value: Any, words: Sequence[str]) -> str:
        """A stored value as a person reads it.

        Args:
            value: What is learned of a row.
            words: The row's text, or its words where each is answered.
        """
        if self.numeric:
            return f"{value:g}"
        return value if isinstance(value, str) else ", ".join(value) or "no label"

    def settled(self, rows: Sequence[Mapping[str, Any]], how: str) -> Any:
        """One target for rows of one content that do not agree: what most of them say.

        Args:
            rows: Examples.
            how: `data.conflicting_labels`, or for numbers `data.repeated_scores`; not "drop".

        Returns:
            A stored value, or None where no target has a majority.
        """
        counts = Counter(self.text(row[self.column]) for row in rows).most_common()
        if counts[0][1] * 2 <= len(rows):
            return None
        return next(row[self.column] for row in rows if self.text(row[self.column]) == counts[0][0])

    def united(self, rows: Sequence[Mapping[str, Any]]) -> Example | None:
        """What rows of one content hold together, in the columns of examples; None: see `settled`."""
        return None

    def text(self, value: Any) -> str:
        """A stored value as text, for records and to compare by."""
        return value if isinstance(value, str) else str(value)

    # What validation asks.

    def label_values(self, values: pa.Array) -> pa.Array:
        """The labels that stored values are counted under."""
        return values

    def balance(self, labels: Counter[str], rows: int) -> tuple[int, str]:
        """What a label's share is a share of: how many, and of what, for messages."""
        return rows, "rows"

    def told_apart(self, value: Any) -> set[str]:
        """What `variety` counts of a stored value."""
        return {self.text(value)} if self.numeric else self.counted(value)

    def variety(self, values: Mapping[str, int], rows: int) -> Variety:
        """Whether there is something to tell apart in rows.

        Args:
            values: The labels, or the numbers as text, to how many rows have each.
            rows: How many there are.
        """
        return len(values), 2, "labels"

    # From examples to numbers.

    def label_lists(self, batch: pa.RecordBatch) -> pa.ListArray:
        """The labels of each row of a batch of examples as a list of texts."""
        from bertworks.text.ragged import singletons

        column = batch.column(self.column)
        return column if self.many else singletons(column)

    def beside(self, batch: pa.RecordBatch, pieces: Pieces) -> dict[str, pa.Array]:
        """The target's columns beside a batch's token ids, as they are read."""
        return {self.column: batch.column(self.column)}

    def label_count(self, batch: pa.RecordBatch) -> int:
        """How many labels a batch has in all."""
        return len(self.label_lists(batch).flatten())

    def ordered(self, labels: Iterable[str]) -> list[str]:
        """Labels in the order that the transform step gives them (docs/artifacts.md, tokens)."""
        return sorted(labels)

    @abstractmethod
    def number(
        self, table: pa.Table, labels: Sequence[str], score: Mapping[str, float] | None
    ) -> tuple[pa.Table, Unknown]:
        """Replaces what was read (texts, scores) by what training needs.

        Args:
            table: Encoded rows.
            labels: Those of the train split; none for numbers.
            score: For numbers `mean` and `std` of the train split.
        """

    @abstractmethod
    def indexes(self, values: Sequence[Any], labels: Sequence[str]) -> Any:
        """Stored values in the shape of `Predictions.truth`."""

    @abstractmethod
    def named(self, values: Any, row: int, labels: Sequence[str]) -> Any:
        """One row of such an array as it is stored: a label, labels, tags or a number."""

    # What training takes.

    def batch(self, targets: Any, chosen: np.ndarray) -> tuple[np.ndarray, float]:
        """The targets of some rows as one array, and what a sum of their losses is divided by."""
        found = np.asarray(targets)[chosen]
        kind = np.int32 if np.issubdtype(found.dtype, np.integer) else np.float32
        return found.astype(kind), float(len(chosen))

    def company(self, targets: Any) -> Company | None:
        """What rows are learned with, from the targets of them all; None: each is learned by itself."""
        return None

    def numbers(self, documents: Sequence[str]) -> list[int]:
        """A number for each document's id, where rows are learned with documents.

        Raises:
            NotImplementedError: The task's rows are learned by themselves.
        """
        raise NotImplementedError

    def of_document(self, number: int) -> list[int]:
        """The target of a row that is a document, where `company` has such.

        Raises:
            NotImplementedError: The task's rows are learned by themselves.
        """
        raise NotImplementedError


class LabelTarget(Target):
    """One label a row; index -100 where there is none."""

    column = learned = "label"

    def read(self, reader: Any, columns: Columns, values: Mapping[str, Any]) -> Example:
        """`label`."""
        return {"label": reader.label_in(reader.cell(values, columns.label))}

    def field(self) -> tuple[str, pa.DataType]:
        """A text."""
        import pyarrow as pa

        return self.column, pa.string()

    def number(
        self, table: pa.Table, labels: Sequence[str], score: Mapping[str, float] | None
    ) -> tuple[pa.Table, Unknown]:
        """The label's place in `labels`."""
        from bertworks.text.labels import number_column

        return number_column(table, self.column, labels)

    def indexes(self, values: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """int64, (rows,)."""
        place = {name: index for index, name in enumerate(labels)}
        return np.asarray([place[value] for value in values], dtype=np.int64)

    def named(self, values: Any, row: int, labels: Sequence[str]) -> str:
        """The label."""
        return labels[int(values[row])]


class NumberTarget(Target):
    """A number a row, in the data's own unit; learned scaled to mean 0 and deviation 1."""

    column, learned = "score", "scaled"
    numeric, has_labels = True, False
    value_name, title = "score", "Scores"

    def read(self, reader: Any, columns: Columns, values: Mapping[str, Any]) -> Example:
        """`score`."""
        return {"score": reader.number(reader.cell(values, columns.label))}

    def field(self) -> tuple[str, pa.DataType]:
        """A 64-bit number."""
        import pyarrow as pa

        return self.column, pa.float64()

    def stored(self, row: Mapping[str, Any]) -> list[str]:
        """None: a number is no label."""
        return []

    def names(self, value: Any) -> tuple[str, ...]:
        """None."""
        return ()

    def settled(self, rows: Sequence[Mapping[str, Any]], how: str) -> float:
        """Their mean or their median."""
        from statistics import fmean, median

        scores = [row[self.column] for row in rows]
        return fmean(scores) if how == "mean" else float(median(scores))

    def variety(self, values: Mapping[str, int], rows: int) -> Variety:
        """Different scores."""
        return len(values), 2, "different scores"

    def label_count(self, batch: pa.RecordBatch) -> int:
        """0."""
        return 0

    def number(
        self, table: pa.Table, labels: Sequence[str], score: Mapping[str, float] | None
    ) -> tuple[pa.Table, Unknown]:
        """Adds the scaled score."""
        from bertworks.text.labels import scale

        assert score is not None
        return scale(table, score["mean"], score["std"]), {}

    def indexes(self, values: Sequence[Any], labels: Sequence[str]) -> np.ndarray:
        """float64, (rows,)."""
        return np.asarray(values, dtype=float)

    def named(self, values: Any, row: int, labels: Sequence[str]) -> float:
        """The number."""
        return float(values[row])
