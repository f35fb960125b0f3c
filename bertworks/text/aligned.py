"""Text clean-up that remembers where each character came from, for answers that name places."""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import Literal

from bertworks.data.formats.markup import pieces
from bertworks.spec import Clean

_ENTITY = re.compile(r"&(?:#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)")
_SPACE = re.compile(r"\s+")
_APART: dict[str, Literal["NFD", "NFKD"]] = {"NFC": "NFD", "NFKC": "NFKD"}


@dataclass(frozen=True)
class Aligned:
    """A text and the places that its characters have in the text that it was made of.

    Attributes:
        text: The cleaned text.
        starts: Where what became character i begins, a place each.
        ends: One past its end. Characters that one character was resolved to share its place.
    """

    text: str
    starts: list[int]
    ends: list[int]

    @classmethod
    def of(cls, text: str) -> Aligned:
        """A text as it is."""
        return cls(text, list(range(len(text))), list(range(1, len(text) + 1)))

    def place(self, start: int, end: int) -> tuple[int, int]:
        """The place that self.text[start:end], which is not empty, had before."""
        return self.starts[start], self.ends[end - 1]


def clean_aligned(text: str, clean: Clean) -> Aligned:
    """`clean_text`, with the places of the characters."""
    aligned = Aligned.of(text)
    if clean.html and ("<" in text or "&" in text):
        aligned = _rewritten(aligned, _markup(aligned.text))
    if clean.unicode != "none" and not aligned.text.isascii():
        aligned = _rewritten(aligned, _normalized(aligned.text, clean.unicode))
    return _rewritten(aligned, _folded(aligned.text)) if clean.whitespace else aligned


_Part = tuple[str, int, int]
"""What text[start:end] became; a part that did not change keeps the place of each character."""


def _rewritten(before: Aligned, parts: list[_Part]) -> Aligned:
    text: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for new, start, end in parts:
        text.append(new)
        if new == before.text[start:end]:
            starts += before.starts[start:end]
            ends += before.ends[start:end]
        else:
            starts += [before.starts[start]] * len(new)
            ends += [before.ends[end - 1]] * len(new)
    return Aligned("".join(text), starts, ends)


def _markup(text: str) -> list[_Part]:
    parts: list[_Part] = []
    for kind, begin, end in pieces(text):
        if kind == "break":
            parts.append(("\n", begin, end))
            continue
        at = begin
        for entity in _ENTITY.finditer(text, begin, end):
            parts.append((text[at : entity.start()], at, entity.start()))
            parts.append((html.unescape(entity[0]), *entity.span()))
            at = entity.end()
        parts.append((text[at:end], at, end))
    return [part for part in parts if part[0]]


def _normalized(text: str, form: Literal["NFC", "NFKC"]) -> list[_Part]:
    """Runs of characters that normalization joins, each with what it becomes."""
    parts: list[_Part] = []
    begin = 0
    for at in range(1, len(text)):
        if _apart(text, begin, at, form):
            parts.append((unicodedata.normalize(form, text[begin:at]), begin, at))
            begin = at
    if text:
        parts.append((unicodedata.normalize(form, text[begin:]), begin, len(text)))
    return parts


def _apart(text: str, begin: int, at: int, form: Literal["NFC", "NFKC"]) -> bool:
    """Whether the character at a place leaves those from `begin` on before it as they are."""
    character = text[at]
    if character.isascii():
        return True
    if unicodedata.combining(unicodedata.normalize(_APART[form], character)[0]):
        return False
    before = unicodedata.normalize(form, text[begin:at])
    together = unicodedata.normalize(form, text[begin : at + 1])
    return together == before + unicodedata.normalize(form, character)


def _folded(text: str) -> list[_Part]:
    parts: list[_Part] = []
    at = 0
    for space in _SPACE.finditer(text):
        start, end = space.span()
        if start > at:
            parts.append((text[at:start], at, start))
        if start and end < len(text):
            parts.append((" ", start, end))
        at = end
    if at < len(text):
        parts.append((text[at:], at, len(text)))
    return parts
