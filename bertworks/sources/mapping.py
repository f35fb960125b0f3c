"""From a source's columns to one example, by the source's mapping and the task's contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertworks.sources.annotators import unfolded
from bertworks.sources.clean import clean_text
from bertworks.sources.filters import Filter
from bertworks.sources.labels import LabelReader, Refused, cell, whole
from bertworks.sources.missing import MissingTexts
from bertworks.sources.split import content_id
from bertworks.sources.tagging import Tagged
from bertworks.sources.tally import Kind
from bertworks.sources.values import is_blank, plain
from bertworks.spec import Clean, Source, Task

Example = dict[str, Any]


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
        self._source, self._task, self._clean = source, task, clean
        self._origin = origin
        self.filter = Filter(source.where)
        self._reader = LabelReader(source, task or Task(), separator)
        self._missing = MissingTexts(source.empty_words)
        self._answers = "answer" in self._own()

    @property
    def unmatched(self) -> set[str]:
        """Keys of `label_map` that no label has had so far."""
        return self._reader.unmatched if self._task is not None else set()

    def mended(self) -> list[tuple[Kind, str, str]]:
        """What was mended since the last call: kind, value, detail."""
        found, self._reader.mended = self._reader.mended, []
        return found

    def begin(self, kind: str) -> None:
        """Says which format the rows that come next were read from."""
        self._missing.untyped = kind in ("csv", "tsv")

    @property
    def needed(self) -> list[str]:
        """The columns that every row must have."""
        names, columns = self._own(), self._source.columns
        if self._task is not None:
            names += [*columns.extra, *([columns.source] if columns.source else [])]
        return list(dict.fromkeys([*names, *self._source.where]))

    def _own(self) -> list[str]:
        """The columns of the texts and of what is learned, and those of the filter."""
        columns, filtered = self._source.columns, list(self._source.where)
        if self._task is None:
            return [columns.text, *filtered]
        if self._task.type == "tagging":
            return [columns.tokens, columns.tags, *filtered]
        texts = [columns.text_a, columns.text_b] if self._task.pair else [columns.text]
        return [*texts, *(columns.one_hot or [columns.label]), *filtered]

    def unfolded(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """The row with what annotation tools wrap brought into the source's columns.

        Raises:
            LeftOut: Its annotators did not accept it, or never saw it.
        """
        if self._task is None:
            return values
        return unfolded(values, self._source.columns, self._answers)

    def example(self, values: Mapping[str, Any]) -> Example:
        """The example of a row, with its `id`.

        Raises:
            Refused: The row breaks a rule.
        """
        values = {**values, **self._source.constants}
        columns = self._source.columns
        if self._task is None:
            text = self._corpus_text(values)
            return {"id": content_id(text), "text": text}
        if self._task.type == "tagging":
            example = self._tagged(values)
        elif self._task.pair:
            a = self._text(values, columns.text_a)
            b = self._text(values, columns.text_b)
            example = {"id": content_id(a, b), "text_a": a, "text_b": b}
        else:
            text = self._text(values, columns.text)
            example = {"id": content_id(text), "text": text}
        if self._task.type != "tagging":
            example.update(self._reader.target(values))
        origin = self._name(values, columns.source) if columns.source else self._origin
        example["source"] = origin
        for column in columns.extra:
            example[column] = self._name(values, column)
        return example

    def _text(self, values: Mapping[str, Any], column: str) -> str:
        value = cell(values, column)
        if not isinstance(value, str):
            raise Refused(f"column {column!r} is not text", value)
        text = clean_text(whole(value), self._clean)
        if is_blank(text):
            raise Refused(f"column {column!r} is empty", value)
        if (note := self._missing.look(text, column)) is not None:
            self._reader.mended.append(note)
        return whole(text)

    def _tagged(self, values: Mapping[str, Any]) -> Example:
        reader = Tagged(self._source.columns, self._clean, self._reader, self._missing)
        words, tags = reader.read(values)
        return {"id": content_id(*words), "tokens": words, "tags": tags}

    def _corpus_text(self, values: Mapping[str, Any]) -> str:
        columns = self._source.columns
        tokens = values.get(columns.tokens)
        if columns.text not in values and isinstance(tokens, list):
            return self._text({columns.text: " ".join(map(str, tokens))}, columns.text)
        return self._text(values, columns.text)

    def _name(self, values: Mapping[str, Any], column: str) -> str:
        return whole(plain(cell(values, column)))
