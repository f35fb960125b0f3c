"""All rows in one JSON object, as data frames are written: column by column, split, or by index.

pandas' `to_json` writes {"text": {"0": …}, "label": {"0": …}} by default, and lists with
`orient="list"`; `split` is {"columns": […], "data": [[…], …]}, `index` {"0": {"text": …}, …}. Such an
object has to be held whole, so it has a limit of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

LONGEST = 128_000_000
"""Characters of a file that is one such object; longer ones are to be written as a row a line."""

_FIRST = re.compile(r'^\s*\{\s*"(?:[^"\\]|\\.)*"\s*:\s*([\[{])')
_SPLIT = re.compile(r'^\s*\{\s*"(?:columns|index|schema)"\s*:\s*[\[{]')
_BY_INDEX = re.compile(r'^\s*\{\s*"\d+"\s*:\s*\{')


def may_be_table(head: str, needed: Collection[str], lists: bool) -> bool:
    """Whether a file may be one object of all rows, by its first characters.

    Args:
        head: The beginning.
        needed: The columns that rows must have.
        lists: Whether these hold lists in a row, too (words and tags).
    """
    if _SPLIT.match(head) or _BY_INDEX.match(head):
        return True
    if _FIRST.match(head) is None:
        return False
    opens = r"\s*:\s*(?:\{|\[\s*\[)" if lists else r"\s*:\s*[\[{]"
    places = [place for name in needed if (place := head.find(json.dumps(name))) >= 0]
    named = [re.compile(r'"(?:[^"\\]|\\.)*"' + opens).match(head, place) for place in places]
    return bool(named) and all(named)


def table_in(
    value: Any, needed: Collection[str], lists: bool
) -> Iterator[Mapping[str, object]] | None:
    """The rows of such an object, in order; None where it is a row, or something else.

    Args:
        value: What was parsed.
        needed: The columns that rows must have.
        lists: Whether these hold lists in a row, too.
    """
    if not isinstance(value, dict) or not value:
        return None
    columns, data = value.get("columns") or [], value.get("data") or []
    if _are(columns, str) and data and _are(data, list):
        if all(len(row) == len(columns) for row in data):
            return (dict(zip(columns, row, strict=True)) for row in data)
        return None
    if isinstance(value.get("schema"), dict) and data and _are(data, dict):
        return iter(data)
    if all(isinstance(one, dict) and set(needed) <= one.keys() for one in value.values()):
        return iter(value.values())
    shown: list[Any] = [value.get(name) for name in needed]
    if shown and all(isinstance(one, dict) and one for one in shown):
        return _by_key(value, list(shown[0]))
    if shown and all(isinstance(one, list) and one for one in shown):
        if lists and not all(_are(one, list) for one in shown):
            return None  # the words and tags of one row
        return _by_place(value, len(shown[0]), needed)
    return None


def _by_key(value: Mapping[str, Any], keys: list[str]) -> Iterator[Mapping[str, object]] | None:
    """Rows of columns that are objects with a value for each key."""
    columns = {name: one for name, one in value.items() if isinstance(one, dict)}
    if any(list(one) != keys for one in columns.values()):
        return None
    return ({name: one[key] for name, one in columns.items()} for key in keys)


def _by_place(
    value: Mapping[str, Any], length: int, needed: Collection[str]
) -> Iterator[Mapping[str, object]] | None:
    """Rows of columns that are lists of one length."""
    columns = {
        name: one for name, one in value.items() if isinstance(one, list) and len(one) == length
    }
    if not set(needed) <= columns.keys():
        return None
    return ({name: one[place] for name, one in columns.items()} for place in range(length))


def _are(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)
