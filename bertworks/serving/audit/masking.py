"""Puts `[email]`, `[phone]` and the like in place of personal data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertworks.serving.audit.personal import find


def masked(text: str) -> str:
    """The text without the personal data that `personal.find` knows.

    Example:
        >>> masked("write to ann@example.org or +44 20 7946 0958")
        'write to [email] or [phone]'
    """
    while found := find(text):  # what is left over may be another's beginning or end
        parts, end = [], 0
        for one in found:
            parts += [text[end : one.start], f"[{one.kind}]"]
            end = one.end
        text = "".join([*parts, text[end:]])
    return text


def masked_all(value: Any) -> Any:
    """A value as of JSON with each text in it masked; keys too."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {masked_all(key): masked_all(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [masked_all(one) for one in value]
    return value
