"""Text clean-up: markup, Unicode normalization, white space."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser

from bertworks.spec import Clean

_BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "br",
        "dd",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "td",
        "th",
        "title",
        "tr",
        "ul",
    ]
)
_HIDDEN = frozenset(("script", "style"))


def clean_text(text: str, clean: Clean) -> str:
    """Applies the asked clean-ups to one text, in this order: markup, Unicode, white space.

    Markup comes first, since an entity may stand for a character that is then normalized. Without
    `whitespace`, breaks and block tags become line feeds; with it, single spaces.
    """
    if clean.html and ("<" in text or "&" in text):
        text = strip_html(text)
    if clean.unicode != "none" and not text.isascii():
        text = unicodedata.normalize(clean.unicode, text)
    return " ".join(text.split()) if clean.whitespace else text


def strip_html(text: str) -> str:
    """The text of an HTML fragment: tags removed, entities resolved, breaks as line feeds."""
    parser = _Text()
    parser.feed(text)
    parser.close()
    return "".join(parser.parts)


class _Text(HTMLParser):
    """Collects character data; `<` that opens no tag stays text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)
