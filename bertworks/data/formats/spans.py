"""Text with marked spans, as annotation tools export it, turned into words with tags.

Read are doccano (`label` or `labels`: [[start, end, type]]; `entities` with start_offset and
end_offset), Prodigy (`spans`, `tokens`), spaCy (`entities`: [[start, end, type]]) and Label Studio (JSON
with `data` and `annotations`, and JSON-MIN with a list of {start, end, labels}). Offsets count
characters, from 0, end exclusive. The name of a type may have spaces in it.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bertworks.data.formats.annotators import annotation, text_of
from bertworks.data.labels.labels import Refused, cell
from bertworks.data.rows.values import is_blank, is_missing
from bertworks.shortened import shortened
from bertworks.text.words import Word, split

_KIND_KEYS = ("label", "labels", "type", "entity_group", "entity")
_STARTS, _ENDS = ("start", "start_offset"), ("end", "end_offset")
KEYS = ("spans", "entities", "labels", "label")
"""Columns in which annotation tools write spans."""
_OFFSETS = (
    "Offsets count the characters of the text as it is exported, from 0, the end exclusive: not bytes, "
    "and not UTF-16 units. Export the spans again with the text that they were marked in."
)
_FORM = "Write each span as [start, end, type], or as an object with start, end and label."


class Span(NamedTuple):
    """A marked stretch: text[start:end] is of type `kind`, a number where types have no names."""

    start: int
    end: int
    kind: str | int


class NoSpans(Refused):
    """A row has no spans where they are expected: the column holds null."""


def text_and_spans(
    values: Mapping[str, Any], text_column: str, label_column: str
) -> tuple[str, list[Span]] | None:
    """The text and its spans; None where the row holds none of the known forms.

    Raises:
        NoSpans: A column of theirs is null.
        Refused: A span is malformed, or not inside the text, or its own words or tokens stand
            elsewhere, or there is no text.
    """
    text: Any
    found: list[Span] | None
    if (done := annotation(values)) is not None:
        text = text_of(values["data"], text_column)
        found = _regions(done, text)
    else:
        text = values.get(text_column)
        found = _spans_in(values, text, label_column)
        if found and not isinstance(cell(values, text_column), str):
            raise Refused(f"column {text_column!r} is not text", text)
    if not isinstance(text, str) or found is None:
        return None
    for span in found:
        if not 0 <= span.start < span.end <= len(text):
            raise Refused(
                "a span is not inside the text", f"[{span.start}, {span.end}] of {text!r}"
            )
    return text, found


def words_of(values: Mapping[str, Any], text: str) -> list[Word]:
    """The words of a row: its own tokens with places (Prodigy), or as the agent splits plain text."""
    tokens = values.get("tokens")
    if isinstance(tokens, list) and tokens and all(_is_placed(token) for token in tokens):
        return [Word(token["text"], token["start"], token["end"]) for token in tokens]
    return split(text)


def tagged(words: Sequence[Word], text: str, spans: Sequence[Span]) -> tuple[list[str], list[str]]:
    """Words and their IOB2 tags; a word is cut where a span begins or ends inside it.

    Raises:
        Refused: Two spans overlap.
    """
    ordered = sorted(set(spans))
    for before, after in zip(ordered, ordered[1:], strict=False):
        if after.start < before.end:
            raise Refused(
                "spans overlap",
                f"{text[before.start : before.end]} ({before.kind}), "
                f"{text[after.start : after.end]} ({after.kind})",
                "Keep one of the spans; a word has one tag.",
            )
    edges = sorted({edge for span in ordered for edge in (span.start, span.end)})
    tokens, tags, place, entered = [], [], 0, -1
    for start, end in _cut(words, edges):
        while place < len(ordered) and ordered[place].end <= start:
            place += 1
        tokens.append(text[start:end])
        if place == len(ordered) or ordered[place].start > start:
            tags.append("O")
        else:
            tags.append(f"{'I' if entered == place else 'B'}-{ordered[place].kind}")
            entered = place
    return tokens, tags


def _cut(words: Sequence[Word], edges: Sequence[int]) -> list[tuple[int, int]]:
    """The places of the words, cut at the edges that fall inside them."""
    pieces: list[tuple[int, int]] = []
    for _, start, end in words:
        cuts = [start, *(edge for edge in edges if start < edge < end), end]
        pieces += zip(cuts, cuts[1:], strict=False)
    return pieces


def _spans_in(values: Mapping[str, Any], text: Any, label_column: str) -> list[Span] | None:
    """The spans of the first column that has some; None where no column looks like theirs."""
    refused: Refused | None = None
    for key in dict.fromkeys((*KEYS, label_column)):
        try:
            if (found := _list_of_spans(values.get(key), text, values.get("tokens"))) is not None:
                return found
        except Refused as one:
            refused = refused or one
        if refused is None and key in values and is_missing(values[key]):
            refused = NoSpans(
                f"column {key!r} is null where spans are expected", None,
                "Where nothing is marked write an empty list (in jsonl: jq -c "
                f"'.[{json.dumps(key)}] //= []' FILE); take rows that nobody looked at out.",
            )  # fmt: skip
    if refused is not None:
        raise refused
    return None


def _regions(done: Mapping[str, Any], text: Any) -> list[Span] | None:
    """The spans of a Label Studio annotation."""
    results = [one for one in done.get("result") or [] if isinstance(one, dict)]
    return _list_of_spans(
        [one.get("value") for one in results if one.get("type") in ("labels", None)], text
    )


def _list_of_spans(value: Any, text: Any, tokens: Any = None) -> list[Span] | None:
    """The spans of a list in one of the known forms; None where it is something else.

    Args:
        value: The list.
        text: What the spans are of; where it is no text, what they say of it is not compared.
        tokens: The row's words with places, which spans may name by number.

    Raises:
        Refused: One is malformed, or says itself that it is of other words or tokens.
    """
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        try:
            value = json.loads(value)  # Label Studio's csv
        except ValueError:
            return None
    if not isinstance(value, list) or (value and not any(map(_is_like_a_span, value))):
        return None
    found = [_span(item) for item in value]
    for span, item in zip(found, value, strict=True):
        if isinstance(item, dict) and isinstance(text, str):
            _check_words(span, item, text)
            _check_tokens(span, item, tokens)
    return found


def _check_words(span: Span, item: Mapping[str, Any], text: str) -> None:
    """Compares the words that a span says it marks with those at its offsets.

    White space, line breaks and the form of accents may differ: Label Studio writes a break as a
    backslash and an n, and a selection may begin or end beside the space that is shown.
    """
    said = item.get("text")
    if not isinstance(said, str) or not 0 <= span.start < span.end <= len(text):
        return
    cut = text[span.start : span.end]
    if _compared(cut) != _compared(said):
        raise Refused(
            "a span's own text is not what stands at its offsets",
            f"[{span.start}, {span.end}] is {shortened(cut, 60)!r}, the span says "
            f"{shortened(said, 60)!r}",
            _OFFSETS,
        )


def _check_tokens(span: Span, item: Mapping[str, Any], tokens: Any) -> None:
    """Compares the tokens that a span of Prodigy's names, the last one included, with its offsets."""
    if not isinstance(tokens, list) or not all(map(_is_placed, tokens)):
        return
    for key, edge, place in (("token_start", "start", span.start), ("token_end", "end", span.end)):
        number = item.get(key)
        if not isinstance(number, int) or isinstance(number, bool):
            continue
        if not 0 <= number < len(tokens) or tokens[number][edge] != place:
            there = tokens[number][edge] if 0 <= number < len(tokens) else "none"
            raise Refused(
                f"a span's {key} is not the token at its offset",
                f"{edge} {place}, {key} {number}: a token with {edge} {there}",
                _OFFSETS,
            )


def _compared(text: str) -> str:
    """A text without what exports change in it."""
    for written in ("\\r", "\\n"):
        text = text.replace(written, " ")
    return "".join(unicodedata.normalize("NFC", text).split())


def _is_like_a_span(item: Any) -> bool:
    """Whether an item of a list can be meant as a span, however wrong it is."""
    if isinstance(item, dict):
        return any(key in item for key in _STARTS) and any(key in item for key in _ENDS)
    return isinstance(item, list) and len(item) > 1 and all(map(_is_number, item[:2]))


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdigit()
    return isinstance(value, int | float) and not isinstance(value, bool)


def _span(item: Any) -> Span:
    """The span that an item says.

    Raises:
        Refused: It is none, has other parts than a start, an end and a type, or one of them is wrong.
    """
    if isinstance(item, list):
        if len(item) != 3:
            raise Refused(f"a span of {len(item)} items", item, _FORM)
        start, end, kind = item
    elif not _is_like_a_span(item):
        raise Refused("an item among spans is no span", item, _FORM)
    else:
        start, end = (next(item[key] for key in keys if key in item) for keys in (_STARTS, _ENDS))
        kind = next((item[name] for name in _KIND_KEYS if name in item), None)
    if isinstance(kind, list):
        if len(kind) > 1:
            raise Refused("a span of several types", item, "Keep one of them: a word has one tag.")
        kind = kind[0] if kind else None
    if is_missing(kind) or (isinstance(kind, str) and is_blank(kind)):
        raise Refused("a span without a type", item, f"Name its type, or take it out. {_FORM}")
    if isinstance(kind, bool) or not isinstance(kind, str | int):
        raise Refused("the type of a span is no text", item, _FORM)
    return Span(_place(start, item), _place(end, item), kind)


def _place(value: Any, item: Any) -> int:
    """An offset as a whole number; 5.0 is one, as pandas writes a column that has had a gap."""
    if _is_number(value) and float(value).is_integer():
        return int(value)
    raise Refused("an offset of a span is no whole number", item, "Count characters, from 0.")


def _is_placed(token: Any) -> bool:
    return (
        isinstance(token, dict)
        and isinstance(token.get("text"), str)
        and isinstance(token.get("start"), int)
        and isinstance(token.get("end"), int)
    )
