"""Texts and lists that are too long to be shown whole."""

from __future__ import annotations

from collections.abc import Sequence


def shortened(text: str, length: int) -> str:
    """At most `length` characters of a text; where it goes on, the last of them is an ellipsis."""
    return text if len(text) <= length else text[: length - 1] + "…"


def listed(names: Sequence[str], most: int) -> str:
    """The first `most` names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
