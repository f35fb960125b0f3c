"""Rows of words: what has an answer for each word."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bertworks.data.rows.values import list_in
from bertworks.tasks.forms.form import Encoded, Pieces, Row, RowForm, TextReader
from bertworks.text import words
from bertworks.text.alignment import first_pieces

if TYPE_CHECKING:
    import pyarrow as pa

    from bertworks.spec import Clean, Columns, Task
    from bertworks.text.tokenizer import Tokenizer


class Words(RowForm):
    """A list of words a row; who asks an agent may give a text, which is cut into words."""

    name = "words"
    columns: ClassVar[tuple[str, ...]] = ("tokens",)
    roles: ClassVar[tuple[str, ...]] = ("text", "tokens")
    inputs: ClassVar[tuple[str, ...]] = ("text",)
    takes = "a text or a list of words"
    wanted = "text"
    sample: ClassVar[Row] = "warm up"
    placeholder: ClassVar[tuple[str, ...]] = ("a sentence of yours",)
    pretokenized = True

    def read(
        self, reader: TextReader, columns: Columns, values: Mapping[str, Any]
    ) -> dict[str, str]:
        """Words are read together with what is said of each; see `TaskHandler.example`."""
        raise NotImplementedError("words are read with their targets")

    def parts(self, row: Mapping[str, Any]) -> list[str]:
        """The words."""
        return list(row["tokens"])

    def parts_of_text(self, text: str) -> list[str]:
        """Its words, as an agent cuts it."""
        return [word.text for word in words.split(text)]

    def corpus_texts(self, row: Mapping[str, Any]) -> list[str]:
        """The words, joined by spaces."""
        return [" ".join(row["tokens"])]

    def fields(self) -> list[tuple[str, pa.DataType]]:
        """A list of words."""
        import pyarrow as pa

        return [("tokens", pa.list_(pa.string()))]

    def shown(self, columns: Mapping[str, Sequence[Any]]) -> list[str]:
        """The words, joined by spaces."""
        return [" ".join(row) for row in columns.get("tokens", [])]

    def accepts(self, row: Any) -> bool:
        """A text or a list of texts is one."""
        return isinstance(row, Sequence) and all(isinstance(part, str) for part in row)

    def keys_of(self, instance: Mapping[str, Any]) -> list[str]:
        """`tokens` or `text`."""
        return ["tokens"] if "tokens" in instance else ["text"]

    def encode(
        self, tokenizer: Tokenizer, rows: Sequence[Row], most: int, clean: Clean | None
    ) -> Encoded:
        """[CLS] pieces [SEP], and where each word begins."""
        read = [words.read(row, clean) for row in rows]
        pieces = tokenizer.pieces_of_words_batch([row.read for row in read], most - 1)
        marked = [tokenizer.mark_words(*row, most) for row in pieces]
        starts = [np.flatnonzero(first_pieces(index)).tolist() for _, index in marked]
        kept = [
            [index[start] for start in row] for (_, index), row in zip(marked, starts, strict=True)
        ]
        cut = [len(ids) > most - 2 for ids, _ in pieces]
        ids = [ids for ids, _ in marked]
        return Encoded(ids, cut, None, [row.placed for row in read], starts, kept)

    def pieces(self, task: Task, tokenizer: Tokenizer, batch: pa.RecordBatch) -> Pieces:
        """[CLS] pieces [SEP], and read_words, the index of each word that has a piece."""
        from bertworks.tasks.forms.batches import word_pieces

        return word_pieces(task, tokenizer, batch.column("tokens"))

    def whole_lengths(self, tokenizer: Tokenizer, columns: Mapping[str, list[Any]]) -> list[int]:
        """Pieces of all words and two marks."""
        return [len(ids) + 2 for ids, _ in tokenizer.pieces_of_words_batch(columns["tokens"])]

    def tokenizer_inputs(self, batch: pa.RecordBatch, rows: int, most: int) -> list[Any]:
        """The words of each row."""
        lists = batch.column("tokens").slice(0, rows).to_pylist()
        return [[word or "" for word in row or []] for row in lists]

    def named(self, row: Row) -> dict[str, Any]:
        """`text`, or `tokens`."""
        return {"text": row} if isinstance(row, str) else {"tokens": list(row)}

    def of_record(
        self,
        record: Mapping[str, Any],
        column: Callable[[str], str | None],
        text: Callable[[str], str],
    ) -> Row:
        """A list of words where there is one, else a text."""
        name = column("tokens")
        listed = None if name is None else _words(record[name])
        return text("text") if listed is None else listed


def _words(value: Any) -> list[str] | None:
    """A list of words, written as one or as text in a cell; None: it is none."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            value = list_in(value)
    return [str(word) for word in value] if isinstance(value, list) else None


FORM = Words()
