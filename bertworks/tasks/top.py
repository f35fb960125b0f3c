"""Answers with the scores of their best labels only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertworks.errors import DataError


def top_labels(answer: Mapping[str, Any], top: int) -> Mapping[str, Any]:
    """The answer with the scores of its `top` best labels, best first, and of all that it names.

    Of an answer that lists documents the `top` nearest ones.
    """
    documents = answer.get("documents")
    if isinstance(documents, list):
        return {**answer, "documents": documents[:top]}
    scores = answer.get("scores")
    if not isinstance(scores, dict):
        return answer
    ranked = sorted(scores, key=lambda label: -scores[label])
    labels = answer.get("labels")
    named = labels if isinstance(labels, list) else []
    kept = [label for place, label in enumerate(ranked) if place < top or label in named]
    return {**answer, "scores": {label: scores[label] for label in kept}}


def checked_top(value: Any) -> int | None:
    """A request's `top`; None: it has none.

    Raises:
        DataError: It is no number of labels.
    """
    if value is None:
        return None
    whole = type(value) is int or (isinstance(value, float) and value.is_integer())
    if not whole or value < 1:
        raise DataError(
            "`top` must be a number of labels, 1 or more. "
            f"Received: {type(value).__name__} {value!r:.40}",
            "Send a whole number, such as 3, or leave `top` out for all labels.",
        )
    return int(value)
