"""What every form of a row can do: be read, shown, tokenized, and asked for.

The examples artifact has the form's columns; requests, files to predict for, the tokenizers of
training and of serving, and the report take a row from there. Needs numpy alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from bertworks.errors import DataError
from bertworks.text.words import Word

if TYPE_CHECKING:
    import pyarrow as pa

    from bertworks.spec import Clean, Columns, Task
    from bertworks.text.ragged import Ragged
    from bertworks.text.tokenizer import Tokenizer

Row = str | Sequence[str]
"""One text; two texts (pairs); or a text or a list of words."""


def texts_in(row: Row) -> list[str]:
    """All texts of a row in order: a text, both of two, each word, words and what stands beside them."""
    if isinstance(row, str):
        return [row]
    parts = ([part] if isinstance(part, str) else part for part in row)
    return [text for part in parts for text in part]


@dataclass(frozen=True)
class Encoded:
    """Rows as the graph takes them.

    Attributes:
        ids: Token ids of each row, marks included.
        truncated: Whether the row is longer than what is read of it.
        types: Token types of each row, for pairs; else None.
        words: Lists of words: the words of each row with their places; else None.
        starts: Lists of words: the position of each word's first piece; words that were cut off have
            none.
        kept: Lists of words: index of the word that each of `starts` belongs to.
    """

    ids: list[list[int]]
    truncated: list[bool]
    types: list[list[int]] | None = None
    words: list[list[Word]] | None = None
    starts: list[list[int]] | None = None
    kept: list[list[int]] | None = None


@dataclass(frozen=True)
class Pieces:
    """An Arrow batch's rows as token ids.

    Attributes:
        columns: input_ids, length, and for pairs type_ids.
        truncated: How many rows were cut.
        after: Columns that stand behind the target's: for lists of words read_words.
        words: Lists of words: the index of each piece's word, marks included; else None.
        begins: Lists of words: whether a word begins at the piece, flat; else None.
    """

    columns: dict[str, pa.Array]
    truncated: int
    after: dict[str, pa.Array] = field(default_factory=dict)
    words: Ragged | None = None
    begins: Any = None


class TextReader(Protocol):
    """Reads a source's text columns (`bertworks.data.rows.mapping`)."""

    def text(self, values: Mapping[str, Any], column: str) -> str:
        """The cleaned text of a column; refuses the row where there is none."""


class RowForm(ABC):
    """One form of rows.

    Attributes:
        name: What a task's declaration calls it.
        columns: Columns of the examples artifact that hold the text.
        roles: What a file to predict for may call the text's columns, see `spec.Columns`.
        inputs: Names of the inputs of a V2 request.
        takes: What a row is, for messages.
        wanted: How to name the columns of a file, for messages.
        sample: A row to try an agent with.
        placeholder: What to put into a command where there is no row to show.
        two_texts: Whether token types tell two texts apart.
        pretokenized: Whether a row may be a list of words; then the first of its columns is one.
        may_be_empty: Those of its columns that a row need not fill.
    """

    name: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]
    roles: ClassVar[tuple[str, ...]]
    inputs: ClassVar[tuple[str, ...]]
    takes: ClassVar[str]
    wanted: ClassVar[str]
    sample: ClassVar[Row]
    placeholder: ClassVar[tuple[str, ...]]
    two_texts: ClassVar[bool] = False
    pretokenized: ClassVar[bool] = False
    may_be_empty: ClassVar[tuple[str, ...]] = ()

    def source_columns(self, columns: Columns) -> list[str]:
        """What a source calls the text's columns."""
        return [str(getattr(columns, name)) for name in self.columns]

    def read(
        self, reader: TextReader, columns: Columns, values: Mapping[str, Any]
    ) -> dict[str, str]:
        """The text of a source's row, in the columns of the examples artifact."""
        named = zip(self.columns, self.source_columns(columns), strict=True)
        return {name: reader.text(values, column) for name, column in named}

    def parts(self, row: Mapping[str, Any]) -> list[str]:
        """The texts of an example: what its id is made of."""
        return [str(row[name]) for name in self.columns]

    def parts_of_text(self, text: str) -> list[str]:
        """What `parts` gives of the example that a text alone would be."""
        return [text]

    def corpus_texts(self, row: Mapping[str, Any]) -> list[str]:
        """The texts of an example as text to pretrain on."""
        return self.parts(row)

    def fields(self) -> list[tuple[str, pa.DataType]]:
        """The text's columns of the examples artifact, with their types."""
        import pyarrow as pa

        return [(name, pa.string()) for name in self.columns]

    def rows(self, columns: Mapping[str, Sequence[Any]]) -> list[Any]:
        """Rows as an agent takes them, from columns of the examples artifact."""
        found = [columns.get(name, []) for name in self.columns]
        return list(found[0]) if len(found) == 1 else list(zip(*found, strict=True))

    @abstractmethod
    def shown(self, columns: Mapping[str, Sequence[Any]]) -> list[str]:
        """The text of each row as a person reads it."""

    @abstractmethod
    def accepts(self, row: Any) -> bool:
        """Whether a row has this form."""

    def check(self, place: int, row: Any) -> None:
        """Refuses a row that has another form, saying what it should be.

        Raises:
            DataError: It has.
        """
        if not self.accepts(row):
            raise DataError(
                f"Row {place + 1} must be {self.takes}. Received: {type(row).__name__} {row!r:.80}",
                "Give rows as this agent's task takes them.",
            )

    def of_inputs(self, columns: Sequence[Sequence[str]]) -> list[Row]:
        """The rows of a V2 request, from the values of its inputs."""
        return list(columns[0])

    def of_value(self, value: Any) -> Any:
        """The row of a V1 instance that is no object; what is no row is checked by the agent."""
        return value

    def of_instance(self, instance: Mapping[str, Any]) -> Row:
        """The row of a V1 instance that is an object with the keys of `keys_of`."""
        found: Row = instance[self.keys_of(instance)[0]]
        return found

    def keys_of(self, instance: Mapping[str, Any]) -> list[str]:
        """The keys that a V1 instance must have, neither more nor fewer."""
        return list(self.inputs)

    @abstractmethod
    def encode(
        self, tokenizer: Tokenizer, rows: Sequence[Row], most: int, clean: Clean | None
    ) -> Encoded:
        """Cleans and tokenizes rows for serving.

        Args:
            tokenizer: The agent's.
            rows: Rows of this form.
            most: Tokens that are read of a row, marks included.
            clean: How; None: not at all.
        """

    @abstractmethod
    def pieces(self, task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch) -> Pieces:
        """Token ids of a batch of the examples artifact, as `encode` cuts them, for training."""

    def whole_lengths(self, tokenizer: Tokenizer, columns: Mapping[str, list[Any]]) -> list[int]:
        """The tokens that each row would have, marks included, if none were cut."""
        parts = [tokenizer.pieces_batch(columns[name]) for name in self.columns]
        marks = tokenizer.template.marks if self.two_texts else 2
        return [sum(map(len, row)) + marks for row in zip(*parts, strict=True)]

    def tokenizer_inputs(self, batch: pa.RecordBatch, rows: int, most: int) -> list[Any]:
        """The first rows of a batch as `tokenizers` takes them, of each text `most` characters."""
        fields = [
            [(text or "")[:most] for text in batch.column(name).slice(0, rows).to_pylist()]
            for name in self.columns
        ]
        return fields[0] if len(fields) == 1 else list(zip(*fields, strict=True))

    def of_lines(self, lines: Sequence[str]) -> list[Row] | None:
        """Rows that the arguments of a command make together; None: each is one of its own."""
        return None

    def turn(self, row: Row) -> Row:
        """The part of a row whose words are answered: all of it, but for what stands beside a turn."""
        return row

    def named(self, row: Row) -> dict[str, Any]:
        """A row's texts in the columns that a data source has for them by default."""
        if isinstance(row, str):
            return {"text": row}
        return dict(zip(self.inputs, row, strict=True))

    def of_line(self, line: str, where: str) -> dict[str, str]:
        """The record of a line of text, by role.

        Raises:
            DataError: The line is no row.
        """
        return {"text": line}

    def of_record(
        self,
        record: Mapping[str, Any],
        column: Callable[[str], str | None],
        text: Callable[[str], str],
    ) -> Row:
        """The row of a record of a file to predict for.

        Args:
            record: Column to value.
            column: The record's column of a role, or None.
            text: The text of a role's column; refuses a record that has none.
        """
        return text("text")

    def remedy(self, task: Task) -> str:
        """What makes more of a text be read, for messages."""
        if task.long_text == "windows":
            return f"task.max_windows = {task.max_windows}, task.max_length = {task.max_length}"
        return f"task.max_length = {task.max_length}; task.long_text: windows reads all of it"

    def features(self, vectorizer: Any, columns: Mapping[str, Sequence[Any]]) -> list[Any]:
        """Sparse matrices (rows, features) for the floor, from a fitted vectorizer of texts."""
        return [vectorizer.transform(columns[name]) for name in self.columns]
