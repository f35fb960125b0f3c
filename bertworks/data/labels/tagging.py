"""Words and their tags: from lists, from lists written as text, from text with marked spans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertworks.data.formats.conll import to_iob2
from bertworks.data.formats.spans import tagged, text_and_spans, words_of
from bertworks.data.labels.labels import (
    LIST_AS_TEXT,
    NAMES,
    TIDIED,
    LabelReader,
    Refused,
    cell,
    whole,
)
from bertworks.data.rows.clean import clean_text
from bertworks.data.rows.missing import MissingTexts
from bertworks.data.rows.tally import Kind
from bertworks.data.rows.values import is_blank, list_in, tidy
from bertworks.spec import Clean, Columns

SPANS = Kind(
    "spans",
    "{count} rows hold a text with marked spans; their words were tagged by them (first: {first})",
)
CUT_WORDS = Kind(
    "cut_words",
    "{count} rows have marked spans that begin or end inside a word, which was cut there: {details} "
    "(first: {first})",
    "warning",
    "Spans count characters from 0, the end exclusive: not bytes, and not UTF-16 units.",
)
ONE_WORD = Kind(
    "one_word",
    "{count} rows hold a single word as their sentence (first: {first})",
    "warning",
    "If the file has a word a row, write it as conll: a word and its tag a line, and a blank line "
    "behind each sentence.",
)
BLANK_WORDS = Kind(
    "blank_words",
    "{count} words show nothing (invisible characters); they were dropped with their tags (first: "
    "{first})",
)


class Tagged:
    """Reads the words and tags of one source's rows.

    Args:
        columns: Where they stand.
        clean: Clean-up for every word.
        labels: Renames tags and takes notes.
        missing: Tells words for a missing value.
    """

    def __init__(
        self, columns: Columns, clean: Clean, labels: LabelReader, missing: MissingTexts
    ) -> None:
        self._columns, self._clean, self._labels = columns, clean, labels
        self._missing = missing

    def read(self, values: Mapping[str, Any]) -> tuple[list[str], list[str]]:
        """Words and IOB2 tags, as many.

        Raises:
            Refused: They do not fit together, or a tag is of no known scheme.
        """
        if (found := self._from_spans(values)) is not None:
            tokens, tags = found
            named = [self._labels.mapped(tag) or tag for tag in tags]
        else:
            tokens, tags = self._pair(values)
            if len(tokens) != len(tags):
                raise Refused(f"{len(tokens)} tokens but {len(tags)} tags", " ".join(tokens))
            named = [self._tag(tag) for tag in tags]
        cleaned = [clean_text(whole(token), self._clean) for token in tokens]
        try:
            # A word that becomes empty goes together with its tag: the two stay aligned. If it began
            # an entity, the next word's "inside" tag now begins it.
            iob2 = to_iob2(named)
            kept = [
                (word, tag) for word, tag in zip(cleaned, iob2, strict=True) if not is_blank(word)
            ]
            iob2 = to_iob2([whole(tag) for _, tag in kept])
        except ValueError as error:
            raise Refused(
                "tag is not of IOB, BIOES or BMES form",
                str(error),
                "Rename tags with the source's `label_map`, e.g. {PER: I-PER}.",
            ) from None
        for token, word in zip(tokens, cleaned, strict=True):
            if is_blank(word) and token.strip():
                self._labels.mended.append((BLANK_WORDS, token, ""))
        if not kept:
            raise Refused("no tokens", "")
        return [whole(word) for word, _ in kept], iob2

    def _from_spans(self, values: Mapping[str, Any]) -> tuple[list[str], list[str]] | None:
        """Words and tags of a text with marked spans; None where the row has words and tags."""
        columns = self._columns
        if _are_texts(values.get(columns.tokens)) and values.get(columns.tags) is not None:
            return None
        marked = text_and_spans(values, columns.text, columns.label)
        if marked is None:
            return None
        text, spans = marked
        words = words_of(values, text)
        named = [span._replace(kind=self._labels.kind(span.kind)) for span in spans]
        found = tagged(words, text, named)
        self._labels.mended.append((SPANS, "", ""))
        if len(found[0]) > len(words):
            whole_ones = {text[word.start : word.end] for word in words}
            piece = next((one for one in found[0] if one not in whole_ones), "")
            self._labels.mended.append((CUT_WORDS, text, repr(piece)))
        return found

    def _pair(self, values: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
        columns = self._columns
        tokens, tags = cell(values, columns.tokens), cell(values, columns.tags)
        for column, value in ((columns.tokens, tokens), (columns.tags, tags)):
            if isinstance(value, list) and value:
                self._labels.mended += self._missing.look_at_words(value, column)
            elif isinstance(value, str):
                self._missing.look(value, column)
        if isinstance(tokens, str) and isinstance(tags, str):
            tokens, tags = self._from_text(tokens, tags)
        if not _are_texts(tokens):
            raise Refused(f"column {columns.tokens!r} is not a list of texts", tokens)
        if not isinstance(tags, list):
            raise Refused(f"column {columns.tags!r} is not a list of texts", tags)
        return tokens, tags

    def _from_text(self, tokens: str, tags: str) -> tuple[Any, Any]:
        """Lists that were written as text, or words and tags with spaces between."""
        lists = list_in(tokens), list_in(tags)
        if lists[0] is None or lists[1] is None:
            lists = tokens.split(), tags.split()
            if len(lists[0]) != len(lists[1]):
                return tokens, tags
            if len(lists[0]) == 1:
                self._labels.mended.append((ONE_WORD, tokens, ""))
                return lists
        self._labels.mended.append((LIST_AS_TEXT, tokens, ""))
        return lists

    def _tag(self, tag: Any) -> str:
        number = isinstance(tag, int) and not isinstance(tag, bool)
        if not isinstance(tag, str) and not number:
            raise Refused(f"column {self._columns.tags!r} is not a list of texts", tag)
        name = tidy(str(tag))
        mapped = self._labels.mapped(str(tag).strip(), name, not number)
        named = self._labels.renamed(name) if mapped is None else mapped
        if named.isascii() and named.isdigit():
            raise Refused("tags are numbers without names", named, NAMES)
        if not number and mapped is None and named == name != tag.strip():
            self._labels.mended.append((TIDIED, tag, f"{tag!r} as {named!r}"))
        return named


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
