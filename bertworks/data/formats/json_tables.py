"""All rows in one JSON object: as data frames are written, by names of rows, or in a list inside.

pandas' `to_json` writes {"text": {"0": …}, "label": {"0": …}} by default, and lists with
`orient="list"`; `split` is {"columns": […], "data": [[…], …]}, `index` {"0": {"text": …}, …}. Others
write {"version": 1, "data": [{"text": …}, …]}. Such an object has to be held whole, so it has a limit of
its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from bertworks.data.formats.nested import reached

LONGEST = 128_000_000
"""Characters of a file that is one such object; longer ones are to be written as a row a line."""

DEEPEST = 3
"""Objects inside each other, around a list of rows."""

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
    if _SPLIT.match(head) or _BY_INDEX.match(head) or _is_one(head):
        return True
    if _FIRST.match(head) is None:
        return False
    opens = r"\s*:\s*(?:\{|\[\s*\[)" if lists else r"\s*:\s*[\[{]"
    places = [place for name in needed if (place := head.find(json.dumps(name))) >= 0]
    named = [re.compile(r'"(?:[^"\\]|\\.)*"' + opens).match(head, place) for place in places]
    return bool(named) and all(named)


def _is_one(head: str) -> bool:
    """Whether an object begins that does not end with its line, or that has no line behind it."""
    if not head.lstrip().startswith("{"):
        return False
    first, _, rest = head.lstrip().partition("\n")
    if not rest.strip():
        return True
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return not first.rstrip().endswith("},")
    return False


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
    by_name = needed or all(map(str.isdigit, value))
    if by_name and all(
        isinstance(one, dict) and set(needed) <= one.keys() for one in value.values()
    ):
        return iter(value.values())
    shown: list[Any] = [value.get(name) for name in needed]
    if shown and all(isinstance(one, dict) and one for one in shown):
        return _by_key(value, list(shown[0]))
    if shown and all(isinstance(one, list) and one for one in shown):
        if lists and not all(_are(one, list) for one in shown):
            return None  # the words and tags of one row
        return _by_place(value, len(shown[0]), needed)
    if needed and not set(needed) & value.keys():
        return _listed(value, needed)
    return None


def _listed(value: Mapping[str, Any], needed: Collection[str]) -> Iterator[Any] | None:
    """The list inside whose objects have the columns, for the most part."""
    found: Any = value
    for name in path_to_rows(value):
        found = found[name]
    if found is value:
        return None
    fitting = sum(set(needed) <= reached(one, needed).keys() for one in found)
    return iter(found) if 2 * fitting >= len(found) else None


def path_to_rows(value: Mapping[str, Any], deep: int = DEEPEST) -> list[str]:
    """The keys that lead to a list of objects; none where there is none."""
    for name, inner in value.items():
        if isinstance(inner, list) and inner and all(isinstance(item, dict) for item in inner):
            return [name]
    for name, inner in value.items():
        if deep and isinstance(inner, dict) and (path := path_to_rows(inner, deep - 1)):
            return [name, *path]
    return []


def columns_in(value: Mapping[str, Any]) -> list[str]:
    """The columns of rows that an object seems to hold, by names of rows or in a list; else none."""
    inner = [one for one in value.values() if isinstance(one, dict)]
    if len(inner) == len(value) > 1:
        common = [name for name in inner[0] if all(name in one for one in inner)]
        return common if len(inner) > len(common) > 1 else []
    found: Any = value
    for name in path_to_rows(value):
        found = found[name]
    return (
        [] if found is value else [name for name in found[0] if all(name in one for one in found)]
    )


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
