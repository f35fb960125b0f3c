"""Masks personal data in what an answer repeats of the text: a tagging's words and entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bertworks.serving.audit.personal import Found, find
from bertworks.tasks.forms.form import texts_in


def without_personal_data(answer: Mapping[str, Any], row: Any) -> dict[str, Any]:
    """The answer with `[email]` and the like in place of words that are, or are a part of, such data.

    Args:
        answer: Of any task; only one that repeats words is changed.
        row: What was asked: a text, or words.
    """
    changed = dict(answer)
    tokens = answer.get("tokens")
    if isinstance(tokens, list):
        changed["tokens"] = _tokens(tokens)
    entities = answer.get("entities")
    if isinstance(entities, list):
        found = find(" ".join(texts_in(row)))
        changed["entities"] = [_entity(one, found) for one in entities]
    return changed


def _tokens(tokens: Sequence[str]) -> list[str]:
    found = find(" ".join(tokens))
    kept, start = [], 0
    for token in tokens:
        kind = _kind(found, start, start + len(token))
        kept.append(f"[{kind}]" if kind else token)
        start += len(token) + 1
    return kept


def _entity(entity: Mapping[str, Any], found: Sequence[Found]) -> dict[str, Any]:
    kind = _kind(found, entity["start"], entity["end"])
    return {**entity, "text": f"[{kind}]"} if kind else dict(entity)


def _kind(found: Sequence[Found], start: int, end: int) -> str:
    """The kind of what lies over these characters; "" where nothing does."""
    return next((one.kind for one in found if one.start < end and start < one.end), "")
