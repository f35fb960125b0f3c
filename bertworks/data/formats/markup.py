"""The text of HTML: a scanner that takes a time in proportion to the text, whatever stands in it.

The standard library's HTMLParser takes 46 s for 30,000 characters of "<a " and raises at "<![x[": what
cleans the requests of a server may do neither. The rules are those of HTML that matter for text: tags,
comments and declarations go; a `<` that opens none of them stays; script and style are hidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

_BLOCKS = frozenset([
    "address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr",
    "li", "main", "nav", "ol", "p", "pre", "section", "table", "td", "th", "title", "tr", "ul",
])  # fmt: skip
_HIDDEN = re.compile(r"</(?:script|style)(?=[\s/>])", re.IGNORECASE)
_OPENING = re.compile(r"<(?:(?P<comment>!--)|(?P<data>!\[CDATA\[)|[!?]|/|(?=[a-zA-Z]))")
_NAME = re.compile(r"</?([a-zA-Z][^\s/>]*)")
# A `>` inside an attribute's quotes does not end the tag; quotes elsewhere are characters like others.
_TAG_END = re.compile(r"""(?>[^>=]|=\s*"[^"]*"|=\s*'[^']*'|=(?!\s*["']))*+>""")
_COMMENT_END = re.compile(r"--\s*>")


class Piece(NamedTuple):
    """text[start:end], which is text with entities, or a tag that breaks the line."""

    kind: Literal["text", "break"]
    start: int
    end: int


def pieces(text: str) -> Iterator[Piece]:
    """What is left of an HTML fragment, in order; markup that is nothing but markup is left out."""
    ends = _Ends(text)
    at = begin = 0
    while found := _OPENING.search(text, at):
        start = found.start()
        end = ends.of(found)
        if end is None:
            at = found.end()  # a `<` that opens nothing
            continue
        if begin < start:
            yield Piece("text", begin, start)
        name = _NAME.match(text, start)
        tag = name[1].lower() if name else ""
        if tag in _BLOCKS:
            yield Piece("break", start, end)
        if tag in ("script", "style") and text[start + 1] != "/":
            hidden = _HIDDEN.search(text, end)
            end = hidden.start() if hidden else len(text)
        at = begin = end
    if begin < len(text):
        yield Piece("text", begin, len(text))


class _Ends:
    """Where markup ends. What was looked for to the end of the text in vain is not looked for again."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._last = text.rfind(">")
        self._comments = self._data = self._quotes = True

    def of(self, opening: re.Match[str]) -> int | None:
        """One past the end of what begins at `opening`; None: it has none."""
        text, after = self._text, opening.end()
        if after > self._last:
            return None
        if opening["comment"]:
            found = _COMMENT_END.search(text, after) if self._comments else None
            self._comments = found is not None
            return found.end() if found else None
        if opening["data"]:
            end = text.find("]]>", after) if self._data else -1
            self._data = end >= 0
            return end + 3 if self._data else None
        if self._quotes and text[opening.start() + 1] not in "!?/":
            if found := _TAG_END.match(text, after):
                return found.end()
            self._quotes = False  # a quote that nobody closes: from here on the next `>` will do
        return text.index(">", after) + 1
