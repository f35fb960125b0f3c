"""Text clean-up: markup, Unicode normalization, white space.

Ingest cleans every text, and so does the agent that is made of them: it carries the same settings. A
text is cleaned once. Without `html` a second time changes nothing; with it, it could: "&lt;b&gt;" is the
text "<b>", which would be markup the second time. So who asks an agent for rows that were cleaned
already says so (`Agent.predict`).
"""

from __future__ import annotations

import html
import unicodedata

from bertworks.data.formats.markup import pieces
from bertworks.spec import Clean


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
    return "".join(
        html.unescape(text[one.start : one.end]) if one.kind == "text" else "\n"
        for one in pieces(text)
    )
