"""Sentences out of CoNLL files, and tags of the usual schemes turned into IOB2."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from bertworks.errors import DataError

Sentence = tuple[int, list[str], list[str], tuple[str, str] | None]

# A type may be of several words ("B-Person name"): not in a column, but in a list, or from spans.
_TAG = re.compile(r"^([BIMEOSLU])[-_](\S(?:.*\S)?)$")
# Not str.split(): a no-break or ideographic space may be a token, or a part of one.
_GAP = re.compile(r"[ \t]+")
_KEY = re.compile(r"^#\s*[\w.:-]+\s*=")

MOST_WORDS = 300
"""Words of a file without a blank line: more cannot be meant to be one sentence."""


class Sentences:
    """The sentences of a CoNLL file: (first line's number, tokens, tags as read, None).

    Sentences are parted by blank lines; -DOCSTART- lines are skipped, and comments (`# id = 3`). A line
    whose number of columns differs from the file's first whole line is broken, and its sentence with
    it: then the number is the broken line's, and the last item is (rule, value).

    Args:
        lines: (number, line), the line None where it was too long.
        token_column: Index of the word's column; negative counts from the end.
        tag_column: Index of the tag's column.
        limit: Longest sentence, in characters.
        name: The file's name in messages.
        on_comment: Called with the number and the text of each comment that is skipped.
    """

    def __init__(
        self,
        lines: Iterable[tuple[int, str | None]],
        token_column: int,
        tag_column: int,
        limit: int = 1_000_000,
        name: str = "the file",
        on_comment: Callable[[int, str], None] = lambda number, text: None,
    ) -> None:
        self._lines, self._token, self._tag = lines, token_column, tag_column
        self._limit, self._name, self._on_comment = limit, name, on_comment
        self._width = 0

    def __iter__(self) -> Iterator[Sentence]:
        """Yields the sentences.

        Raises:
            DataError: No blank line parts the sentences of a long file.
        """
        first, size, parted = 0, 0, False
        tokens, tags = list[str](), list[str]()
        fault: tuple[int, str, str] | None = None
        for number, line in self._lines:
            text = None if line is None else line.strip(" \t\r\n")
            if text == "" or (text is not None and text.startswith("-DOCSTART-")):
                parted = True
                if tokens or fault:
                    yield _sentence(first, tokens, tags, fault)
                first, size, tokens, tags, fault = 0, 0, [], [], None
                continue
            if text is None:
                fault = fault or (number, "longer than max_row_bytes", "")
                continue
            cells = text.split("\t") if "\t" in text else _GAP.split(text)
            if text.startswith("#") and self._is_comment(text, cells, bool(tokens)):
                self._on_comment(number, text)
                continue
            if (rule := self._broken(cells)) is not None:
                fault = fault or (number, rule, text[:300])
                continue
            first = first or number
            size += len(text)
            if size > self._limit:
                fault = fault or (
                    first,
                    "sentence longer than max_row_bytes",
                    " ".join(tokens)[:300],
                )
                tokens, tags = [], []
                continue
            tokens.append(cells[self._token])
            tags.append(cells[self._tag])
        if not parted and (len(tokens) > MOST_WORDS or (fault and size > self._limit)):
            raise self._not_parted(len(tokens))
        if tokens or fault:
            yield _sentence(first, tokens, tags, fault)

    def _is_comment(self, text: str, cells: list[str], inside: bool) -> bool:
        """Whether a line that begins with `#` is a comment and not the word `#` with its tag."""
        if _KEY.match(text):
            return True
        wide = not self._width or len(cells) == self._width
        place = self._tag if self._tag >= 0 else len(cells) + self._tag
        tag = cells[place] if 0 <= place < len(cells) else ""
        is_word = wide and len(cells) > 1 and (tag == "O" or _TAG.match(tag) is not None)
        return not is_word and (not inside or not wide)

    def _broken(self, cells: list[str]) -> str | None:
        """Which rule a line of columns breaks; None where it keeps to them."""
        needed = max(self._token if self._token >= 0 else -self._token - 1, 1)
        if len(cells) > needed:  # a word without a tag says nothing of the other lines
            self._width = self._width or len(cells)
        if len(cells) == self._width and len(cells) > needed:
            return None
        expected = max(self._width, needed + 1)
        return f"broken conll line: {expected} columns expected, {len(cells)} found"

    def _not_parted(self, words: int) -> DataError:
        return DataError(
            f"{self._name} has no blank line: its {words or 'many'} words would be one sentence, cut "
            "at task.max_length.",
            "Put a blank line behind each sentence (for example behind each line of the word `.`).",
        )


def to_iob2(tags: Sequence[str]) -> list[str]:
    """Turns IOB1, IOB2, BIOES, BMES or BILOU tags into IOB2.

    No scheme has to be named: a tag begins an entity if it says so (B, S, U), or if it says "inside"
    (I, M, E, L) where no entity of its type is open. That reading is right for all of them.

    Raises:
        ValueError: A tag is of none of these schemes; its text is the tag.
    """
    result, open_type = [], ""
    for tag in tags:
        if tag == "O":
            result.append("O")
            open_type = ""
            continue
        if (match := _TAG.match(tag)) is None or match[1] == "O":
            raise ValueError(tag)
        mark, kind = match.groups()
        begins = mark in "BSU" or kind != open_type
        result.append(f"{'B' if begins else 'I'}-{kind}")
        open_type = "" if mark in "SUEL" else kind
    return result


def _sentence(
    first: int, tokens: list[str], tags: list[str], fault: tuple[int, str, str] | None
) -> Sentence:
    return (first, tokens, tags, None) if fault is None else (fault[0], [], [], fault[1:])
