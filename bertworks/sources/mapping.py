"""From a source's columns to one example, by the source's mapping and the task's contract."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from bertworks.sources.clean import clean_text
from bertworks.sources.conll import to_iob2
from bertworks.sources.split import content_id
from bertworks.spec import Clean, Source, Task

Example = dict[str, Any]


class Refused(Exception):
    """A row breaks a rule: `rule` in words, `value` as received."""

    def __init__(self, rule: str, value: Any) -> None:
        super().__init__(rule)
        self.rule, self.value = rule, value


class Mapper:
    """Makes examples of one source's rows.

    Args:
        source: Columns, constants, filter and label rules.
        task: What an example must hold; None: unlabelled text (the corpus).
        clean: Clean-up for every text.
        separator: Separates the labels of a multi-label cell.
        origin: The example's `source` where no column is named for it.

    Attributes:
        unmatched: Keys of `label_map` that no label has had so far.
    """

    def __init__(
        self, source: Source, task: Task | None, clean: Clean, separator: str, origin: str
    ) -> None:
        self._source, self._task, self._clean = source, task, clean
        self._separator, self._origin = separator, origin
        self._where = {column: frozenset(values) for column, values in source.where.items()}
        self._pattern = re.compile(source.label_pattern) if source.label_pattern else None
        labelled = task is not None and task.type != "regression"
        self.unmatched = set(source.label_map) if labelled else set()

    @property
    def needed(self) -> list[str]:
        """The columns that every row must have."""
        columns = self._source.columns
        if self._task is None:
            names = [columns.text]
        elif self._task.type == "tagging":
            names = [columns.tokens, columns.tags]
        elif self._task.pair:
            names = [columns.text_a, columns.text_b, columns.label]
        else:
            names = [columns.text, columns.label]
        if self._task is not None:
            names += [*columns.extra, *([columns.source] if columns.source else [])]
        return list(dict.fromkeys([*names, *self._where]))

    def wanted(self, values: Mapping[str, Any]) -> bool:
        """Whether the row passes the source's filter."""
        return all(
            column in values and plain(values[column]) in allowed
            for column, allowed in self._where.items()
        )

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
        example.update(self._target(values))
        origin = self._name(values, columns.source) if columns.source else self._origin
        example["source"] = origin
        for column in columns.extra:
            example[column] = self._name(values, column)
        return example

    def _target(self, values: Mapping[str, Any]) -> dict[str, Any]:
        assert self._task is not None
        if self._task.type == "tagging":
            return {}
        value = _get(values, self._source.columns.label)
        if self._task.type == "regression":
            return {"score": self._score(value)}
        if not self._task.multi_label:
            return {"label": self._label(value)}
        if isinstance(value, str):
            value = [part for part in value.split(self._separator) if part.strip()]
        if not isinstance(value, list):
            raise Refused("labels are neither a list nor a text", value)
        return {"labels": sorted({self._label(item) for item in value})}

    def _label(self, value: Any) -> str:
        if value is None or isinstance(value, (list, dict)):
            raise Refused("no label", value)
        label = plain(value)
        if self._pattern is not None:
            if (match := self._pattern.search(label)) is None:
                raise Refused("label does not match label_pattern", label)
            label = match[1] if self._pattern.groups else match[0]
        label = self._renamed(label.strip())
        if not label:
            raise Refused("no label", value)
        return _whole(label)

    def _renamed(self, label: str) -> str:
        if self.unmatched:
            self.unmatched.discard(label)
        return self._source.label_map.get(label, label)

    def _score(self, value: Any) -> float:
        try:
            score = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            score = math.nan
        if not math.isfinite(score):
            raise Refused("label is not a number", value)
        return score

    def _text(self, values: Mapping[str, Any], column: str) -> str:
        value = _get(values, column)
        if not isinstance(value, str):
            raise Refused(f"column {column!r} is not text", value)
        text = clean_text(_whole(value), self._clean)
        if not text.strip():
            raise Refused(f"column {column!r} is empty", value)
        return _whole(text)

    def _tagged(self, values: Mapping[str, Any]) -> Example:
        columns = self._source.columns
        tokens, tags = _get(values, columns.tokens), _get(values, columns.tags)
        for column, value in ((columns.tokens, tokens), (columns.tags, tags)):
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise Refused(f"column {column!r} is not a list of texts", value)
        if len(tokens) != len(tags):
            raise Refused(f"{len(tokens)} tokens but {len(tags)} tags", " ".join(tokens))
        mapped = [self._renamed(tag) for tag in tags]
        cleaned = [clean_text(_whole(token), self._clean) for token in tokens]
        try:
            # A word that becomes empty goes together with its tag: the two stay aligned. If it began
            # an entity, the next word's "inside" tag now begins it.
            iob2 = to_iob2(mapped)
            kept = [(word, tag) for word, tag in zip(cleaned, iob2, strict=True) if word.strip()]
            iob2 = to_iob2([_whole(tag) for _, tag in kept])
        except ValueError as error:
            raise Refused("tag is not of IOB, BIOES or BMES form", str(error)) from None
        if not kept:
            raise Refused("no tokens", "")
        words = [_whole(word) for word, _ in kept]
        return {"id": content_id(*words), "tokens": words, "tags": iob2}

    def _corpus_text(self, values: Mapping[str, Any]) -> str:
        columns = self._source.columns
        tokens = values.get(columns.tokens)
        if columns.text not in values and isinstance(tokens, list):
            return self._text({columns.text: " ".join(map(str, tokens))}, columns.text)
        return self._text(values, columns.text)

    def _name(self, values: Mapping[str, Any], column: str) -> str:
        return _whole(plain(_get(values, column)))


def plain(value: Any) -> str:
    """A cell as text, the same for csv, JSON and Parquet: true, 1, 2.5, and "" for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _get(values: Mapping[str, Any], column: str) -> Any:
    if column not in values:
        raise Refused(f"no column {column!r}", ", ".join(map(str, values)))
    return values[column]


def _whole(text: str) -> str:
    """The text, if it can be stored as UTF-8 and holds no NUL."""
    if "\0" in text:
        raise Refused("NUL byte", text)
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise Refused("bytes that are not in the encoding", text) from None
    return text
