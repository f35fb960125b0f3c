"""Text with marked spans, as annotation tools export it, turned into words with tags.

Read are doccano (`label` or `labels`: [[start, end, type]]; `entities` with start_offset and
end_offset), Prodigy (`spans`, `tokens`), spaCy (`entities`: [[start, end, type]]) and Label Studio (JSON
with `data` and `annotations`, and JSON-MIN with a list of {start, end, labels}). Offsets count
characters, from 0, end exclusive.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from bertworks.data.formats.annotators import annotation, text_of
from bertworks.data.labels.labels import Refused
from bertworks.text.words import Word, split

_KIND_KEYS = ("label", "labels", "type", "entity_group", "entity")
_KEYS = ("spans", "entities", "labels", "label")


class Span(NamedTuple):
    """A marked stretch: text[start:end] is of type `kind`."""

    start: int
    end: int
    kind: str


def text_and_spans(
    values: Mapping[str, Any], text_column: str, label_column: str
) -> tuple[str, list[Span]] | None:
    """The text and its spans; None where the row holds none of the known forms.

    Raises:
        Refused: A span is not inside the text.
    """
    text: Any
    found: list[Span] | None
    if (done := annotation(values)) is not None:
        text, found = text_of(values["data"], text_column), _regions(done)
    else:
        text = values.get(text_column)
        found = next(
            (
                spans
                for key in dict.fromkeys((*_KEYS, label_column))
                if (spans := _list_of_spans(values.get(key))) is not None
            ),
            None,
        )
    if not isinstance(text, str) or found is None:
        return None
    for span in found:
        if not 0 <= span.start < span.end <= len(text):
            raise Refused(f"span [{span.start}, {span.end}] is not inside the text", text)
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


def _regions(done: Mapping[str, Any]) -> list[Span] | None:
    """The spans of a Label Studio annotation."""
    results = [one for one in done.get("result") or [] if isinstance(one, dict)]
    return _list_of_spans(
        [one.get("value") for one in results if one.get("type") in ("labels", None)]
    )


def _list_of_spans(value: Any) -> list[Span] | None:
    """The spans of a list in one of the known forms; None where it is something else."""
    if isinstance(value, str) and value.lstrip().startswith("[{"):
        try:
            value = json.loads(value)  # Label Studio's csv
        except ValueError:
            return None
    if not isinstance(value, list):
        return None
    spans = [_span(item) for item in value]
    return None if any(span is None for span in spans) else [one for one in spans if one]


def _span(item: Any) -> Span | None:
    if isinstance(item, list) and len(item) == 3:
        start, end, kind = item
    elif isinstance(item, dict):
        start = item.get("start", item.get("start_offset"))
        end = item.get("end", item.get("end_offset"))
        kind = next((item[name] for name in _KIND_KEYS if name in item), None)
        if isinstance(kind, list) and len(kind) == 1:
            kind = kind[0]
    else:
        return None
    start, end = (
        int(one) if isinstance(one, str) and one.isascii() and one.isdigit() else one
        for one in (start, end)
    )
    whole = all(isinstance(one, int) and not isinstance(one, bool) for one in (start, end))
    return Span(start, end, kind) if whole and isinstance(kind, str) else None


def _is_placed(token: Any) -> bool:
    return (
        isinstance(token, dict)
        and isinstance(token.get("text"), str)
        and isinstance(token.get("start"), int)
        and isinstance(token.get("end"), int)
    )
