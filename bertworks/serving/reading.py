"""JSON from strangers: strict, and looked over before any of it becomes objects.

A body of a megabyte may hold half a million lists, 64 bytes each; or 500,000 of them inside each
other. So containers are counted on the bytes, strings taken out, which costs less than reading it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from typing import Any

import orjson

from bertworks.serving.refusals import Refused, setting
from bertworks.spec.limits import Limits

PER_ROW = 4
"""Lists and objects that a row takes, at most: an object, its list of words, a list a dimension."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NO_BRACKET = re.compile(rb"[^][{}]+")


def load(body: bytes, limits: Limits) -> Any:
    """Decodes JSON as RFC 8259 has it: UTF-8, no NaN, no lone surrogates.

    Raises:
        Refused: It is no JSON, is nested deeper than `limits.depth`, has more lists and objects than its
            rows could need, or an object that has a key twice: readers differ in which one counts, so
            that what was checked elsewhere may not be what is answered here.
    """
    check_nesting(body, limits)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # The reader's message names a place, never what stands there.
        raise Refused(400, "json", f"The body must be JSON: {error}.") from None
    # Outside of strings a colon stands behind each key, and nowhere else.
    if body.count(b":") != (kept := _keys(value)) and _STRING.sub(b"", body).count(b":") != kept:
        raise Refused(400, "keys", "No object may have a key twice.", "Send each key once.")
    return value


def _keys(value: Any) -> int:
    """Keys of all objects in a value that was read."""
    found = 0
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            found += len(one)
            stack.extend(part for part in one.values() if isinstance(part, dict | list))
        elif isinstance(one, list):
            stack.extend(part for part in one if isinstance(part, dict | list))
    return found


def check_nesting(body: bytes, limits: Limits) -> None:
    """Refuses JSON that is too deep, or has too many lists and objects; see `load`."""
    most = PER_ROW * limits.rows + 4 * limits.depth
    if body.count(b"[") + body.count(b"{") <= limits.depth:
        return
    brackets = _NO_BRACKET.sub(b"", _STRING.sub(b"", body))
    opening = brackets.count(b"[") + brackets.count(b"{")
    if opening > most:
        raise Refused(
            422, "containers",
            f"The body must have at most {most} lists and objects. Received: {opening}",
            setting("rows", math.ceil((opening - 4 * limits.depth) / PER_ROW)),
        )  # fmt: skip
    depth = deepest = 0
    for bracket in brackets:
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    if deepest > limits.depth:
        raise Refused(
            422, "depth",
            f"Lists and objects must be at most {limits.depth} inside each other. "
            f"Received: {deepest}",
            setting("depth", deepest),
        )  # fmt: skip


def check_members(value: Any, known: Collection[str], where: str) -> None:
    """Refuses an object with members that nobody would read: what was meant by them would not be done.

    Args:
        value: Decoded JSON.
        known: The members that an object there may have.
        where: What to call it in messages.

    Raises:
        Refused: It has another one.
    """
    unknown = sorted(set(value) - set(known)) if isinstance(value, dict) else []
    if unknown:
        raise Refused(
            400, "member",
            f"{where} may have {', '.join(f'`{one}`' for one in known)} alone. "
            f"Received: {', '.join(f'`{one[:40]}`' for one in unknown[:8])}",
            "Leave it out, or correct its name.",
        )  # fmt: skip
