"""From a source's columns to one example, by the source's mapping and the task's contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertworks.contracts.examples import Example
from bertworks.data.formats.annotators import annotated, is_empty, unfolded
from bertworks.data.labels.labels import LabelReader, Refused, cell, whole
from bertworks.data.labels.tagging import Tagged
from bertworks.data.rows.clean import clean_text
from bertworks.data.rows.filters import Filter
from bertworks.data.rows.missing import MissingTexts
from bertworks.data.rows.split import content_id
from bertworks.data.rows.tally import Kind
from bertworks.data.rows.values import is_blank, is_missing, plain, tidy
from bertworks.spec import Clean, Source, Task
from bertworks.tasks import for_task

LONGEST_NAME = 200
"""Characters of a document's name, at most."""


class Mapper:
    """Makes examples of one source's rows.

    Args:
        source: Columns, constants, filter and label rules.
        task: What an example must hold; None: unlabelled text (the corpus).
        clean: Clean-up for every text.
        separator: Separates the labels of a multi-label cell.
        origin: The example's `source` where no column is named for it.
    """

    def __init__(
        self, source: Source, task: Task | None, clean: Clean, separator: str, origin: str
    ) -> None:
        self._source, self._clean = source, clean
        self._origin = origin
        self.filter = Filter(source.where)
        self._handler = None if task is None else for_task(task)
        plain_target = self._handler is not None and not self._handler.target.has_labels
        self.labels = LabelReader(source, separator, renames=not plain_target)
        self._missing = MissingTexts(source.empty_words)
        self._answers = "answer" in self._own()

    @property
    def unmatched(self) -> set[str]:
        """Keys of `label_map` that no label has had so far."""
        return self.labels.unmatched if self._handler is not None else set()

    def mended(self) -> list[tuple[Kind, str, str]]:
        """What was mended since the last call: kind, value, detail."""
        found, self.labels.mended = self.labels.mended, []
        return found

    def begin(self, kind: str) -> None:
        """Says which format the rows that come next were read from."""
        self._missing.untyped = kind in ("csv", "tsv")

    @property
    def needed(self) -> list[str]:
        """The columns that every row must have."""
        names, columns = self._own(), self._source.columns
        if self._handler is not None:
            names += [*columns.extra, *([columns.source] if columns.source else [])]
        return list(dict.fromkeys([*names, *self._source.where]))

    def _own(self) -> list[str]:
        """The columns of the texts and of what is learned, and those of the filter."""
        columns, filtered = self._source.columns, list(self._source.where)
        if self._handler is None:
            named = [columns.document_id] if self._source.documents and columns.document_id else []
            return [columns.text, *named, *filtered]
        texts = self._handler.form.source_columns(columns)
        return [*texts, *self._handler.target.source_columns(columns), *filtered]

    def annotated(self, values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """A task that several annotators answered once for each answer; any other row as it is."""
        return [values] if self._handler is None else annotated(values)

    def is_no_answer(self, values: Mapping[str, Any]) -> bool:
        """Whether a task's annotation is empty where "none" is no answer."""
        if self._handler is None or self._handler.target.many or self._handler.target.per_word:
            return False
        return is_empty(values)

    def unfolded(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """The row with what annotation tools wrap brought into the source's columns.

        Raises:
            LeftOut: Its annotators did not accept it, or never saw it.
        """
        if self._handler is None:
            return values
        return unfolded(values, self._source.columns, self._answers)

    def example(self, values: Mapping[str, Any]) -> Example:
        """The example of a row, with its `id`.

        Raises:
            Refused: The row breaks a rule.
        """
        values = {**values, **self._source.constants}
        columns = self._source.columns
        if self._handler is None:
            text = self._corpus_text(values)
            if self._source.documents and columns.document_id:
                name = self.name_of(values, columns.document_id)
                return {"id": content_id(name), "text": text, "name": name}
            return {"id": content_id(text), "text": text}
        made = self._handler.example(self, columns, values)
        return {
            "id": content_id(*self._handler.form.parts(made)),
            **made,
            "source": self._name(values, columns.source) if columns.source else self._origin,
            **{column: self._name(values, column) for column in columns.extra},
        }

    def text(self, values: Mapping[str, Any], column: str) -> str:
        """The cleaned text of a column.

        Raises:
            Refused: There is none.
        """
        value = cell(values, column)
        if not isinstance(value, str):
            raise Refused(f"column {column!r} is not text", value)
        text = clean_text(whole(value), self._clean)
        if is_blank(text):
            raise Refused(f"column {column!r} is empty", value)
        if (note := self._missing.look(text, column)) is not None:
            self.labels.mended.append(note)
        return whole(text)

    def text_before(self, values: Mapping[str, Any], column: str) -> str:
        """The cleaned text of a column that may be empty; "" where there is none.

        Raises:
            Refused: It holds something else.
        """
        value = values.get(column)
        if value is None or (isinstance(value, str) and is_blank(value)):
            return ""
        return self.text(values, column)

    def name_of(self, values: Mapping[str, Any], column: str) -> str:
        """What a column calls something: a text or a number as such, without space around it.

        Raises:
            Refused: There is none, or it is longer than 200 characters.
        """
        value = cell(values, column)
        name = "" if is_missing(value) else tidy(plain(value))
        if not name or len(name) > LONGEST_NAME:
            raise Refused(
                f"column {column!r} holds no name of 1 to {LONGEST_NAME} characters", value
            )
        return whole(name)

    def words_and_tags(self, values: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        """Cleaned words and their IOB2 tags, as many.

        Raises:
            Refused: They do not fit together, or a tag is of no known scheme.
        """
        return Tagged(self._source.columns, self._clean, self.labels, self._missing).read(values)

    def _corpus_text(self, values: Mapping[str, Any]) -> str:
        columns = self._source.columns
        tokens = values.get(columns.tokens)
        if columns.text not in values and isinstance(tokens, list):
            return self.text({columns.text: " ".join(map(str, tokens))}, columns.text)
        return self.text(values, columns.text)

    def _name(self, values: Mapping[str, Any], column: str) -> str:
        return whole(plain(cell(values, column)))
