"""Texts that are too long to be shown whole."""

from __future__ import annotations


def shortened(text: str, length: int) -> str:
    """At most `length` characters of a text; where it goes on, the last of them is an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"
