"""Sealed records: JSON objects that carry the sha256 of all that they say.

A digest of the files alone leaves open what a record says about them. The seal covers every key, so
that a record which was damaged, or edited by hand, is noticed. It is no signature: it guards against
accidents, not against somebody who writes a seal of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from bertworks.errors import ArtifactError

SEAL = "seal"
FORMAT = 2
"""Records of format 1 were written before there were seals, and are read without one."""


def seal(record: Mapping[str, object]) -> dict[str, object]:
    """The record with its format and its seal."""
    content = {**record, "format": FORMAT}
    return {**content, SEAL: _seal_of(content)}


def read(raw: bytes | str, shown: str, shape: Mapping[str, type], fix: str) -> Mapping[str, Any]:
    """A record as it was written.

    Args:
        raw: JSON.
        shown: The file's name in messages.
        shape: Keys that must be there, and the type of each one's value.
        fix: What to do when it is damaged.

    Raises:
        ArtifactError: Not JSON, of another shape, of a later format, or not what was sealed.
    """
    try:
        record = json.loads(raw)
        problem = _problem(record, shape)
    except (ValueError, RecursionError) as error:
        problem = str(error)
    if problem:
        raise ArtifactError(f"{shown} is damaged: {problem}.", fix)
    return dict(record)


def _problem(record: Any, shape: Mapping[str, type]) -> str:
    """What is wrong with a record, or ""."""
    if not isinstance(record, dict):
        return f"it holds a {type(record).__name__} where an object with keys belongs"
    if record.get("format") == 1 and SEAL not in record:
        pass
    elif record.get("format") != FORMAT or not isinstance(record.get(SEAL), str):
        return (
            f"its format is {record.get('format')!r}; this version of bertworks reads {FORMAT} "
            "with a seal, and 1 without one"
        )
    elif record[SEAL] != _seal_of(record):
        return "it was changed after it was written (its seal does not fit)"
    for key, kind in shape.items():
        if key not in record:
            return f"it lacks {key!r}"
        value = record[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            return f"its {key!r} is a {type(value).__name__} where {kind.__name__} belongs"
    return ""


def _seal_of(record: Mapping[str, object]) -> str:
    content = {key: value for key, value in record.items() if key != SEAL}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
