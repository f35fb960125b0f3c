"""Sentences out of CoNLL files, and tags of the usual schemes turned into IOB2."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

Sentence = tuple[int, list[str], list[str], tuple[str, str] | None]

_TAG = re.compile(r"^([BIMEOSLU])[-_](\S+)$")
# Not str.split(): a no-break or ideographic space may be a token, or a part of one.
_GAP = re.compile(r"[ \t]+")


def read_sentences(
    lines: Iterable[tuple[int, str | None]], token_column: int, tag_column: int
) -> Iterator[Sentence]:
    """Yields (first line's number, tokens, tags as read, None), sentence by sentence.

    Sentences are parted by blank lines; -DOCSTART- lines are skipped. A line whose number of columns
    differs from the file's first token line is broken, and its sentence with it: then the number is
    the broken line's, and the last item is (rule, value).

    Args:
        lines: (number, line), the line None where it was too long.
        token_column: Index of the word's column; negative counts from the end.
        tag_column: Index of the tag's column.
    """
    width = 0
    first, tokens, tags = 0, list[str](), list[str]()
    fault: tuple[int, str, str] | None = None
    for number, line in lines:
        text = None if line is None else line.strip(" \t\r\n")
        if text == "" or (text is not None and text.startswith("-DOCSTART-")):
            if tokens or fault:
                yield _sentence(first, tokens, tags, fault)
            first, tokens, tags, fault = 0, [], [], None
            continue
        if text is None:
            fault = fault or (number, "longer than max_row_bytes", "")
            continue
        cells = text.split("\t") if "\t" in text else _GAP.split(text)
        width = width or len(cells)
        needed = max(token_column if token_column >= 0 else -token_column - 1, 1)
        if len(cells) != width or len(cells) <= needed:
            rule = (
                f"broken conll line: {max(width, needed + 1)} columns expected, {len(cells)} found"
            )
            fault = fault or (number, rule, text[:300])
            continue
        first = first or number
        tokens.append(cells[token_column])
        tags.append(cells[tag_column])
    if tokens or fault:
        yield _sentence(first, tokens, tags, fault)


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
