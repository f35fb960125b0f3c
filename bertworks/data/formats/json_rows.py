"""Objects out of JSON: one a line, one after the other over several lines, or in one array.

spaCy's pairs ["a text", {"entities": […]}] are objects, too: the text goes into the text column.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from bertworks.errors import DataError

_BLOCK = 1 << 16
_SPACE = " \t\r\n"


class JsonRow(NamedTuple):
    """An object and the number of its first line, from 1; else None and why not."""

    number: int
    values: Mapping[str, object] | None
    fault: str = ""
    sample: str = ""


def parse_object(
    line: str, number: int, needed: Collection[str] = (), text: str = "text"
) -> JsonRow:
    """One object out of a text.

    Args:
        line: The text.
        number: Its line.
        needed: Keys that may stand only once.
        text: The column of a pair's text.
    """
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        return JsonRow(number, None, f"not JSON: {error}"[:200], line[:300])
    return _row(values, line, number, needed, text)


def _row(values: Any, source: str, number: int, needed: Collection[str], text: str) -> JsonRow:
    """What was parsed of `source`, as a row."""
    if isinstance(values, list) and len(values) == 2:
        first, second = values
        if isinstance(first, str) and isinstance(second, dict):
            return JsonRow(number, {**second, text: first})
    if not isinstance(values, dict):
        return JsonRow(number, None, "not a JSON object", source[:300])
    if (double := _double(source, needed)) is not None:
        return JsonRow(number, None, f"two values for {double!r}", source[:300])
    return JsonRow(number, values)


def spans_lines(head: str) -> bool:
    """Whether the beginning of a file shows one array, or objects over several lines."""
    start = head.lstrip(_SPACE)
    if start.startswith("["):
        # An array a line is no array of objects, or of pairs.
        return start[1:].lstrip(_SPACE)[:1] in ("{", "[", "")
    if not start.startswith("{"):
        return False
    first, newline, rest = start.partition("\n")
    if not newline:
        return False
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return not rest.lstrip(_SPACE).startswith("{")
    return False


def read_spanning(
    stream: io.TextIOBase,
    name: str,
    limit: int,
    needed: Collection[str] = (),
    text: str = "text",
) -> Iterator[JsonRow]:
    """Yields the objects of an array, or of objects that follow each other; holds one at a time.

    Args:
        stream: The text.
        name: The file's name in messages.
        limit: Characters an object may have.
        needed: Keys that may stand only once in an object.
        text: The column of a pair's text.

    Raises:
        DataError: The file is no such JSON from some line on, or it is a single object.
    """
    decoder, buffer, line, rows = json.JSONDecoder(), "", 1, 0
    in_array = began = ended = False
    values: Any = None
    while True:
        block = stream.read(_BLOCK)
        buffer += block
        while True:
            stripped = buffer.lstrip(_SPACE + ("," if in_array and rows else ""))
            line += buffer[: len(buffer) - len(stripped)].count("\n")
            buffer = stripped
            if not began and buffer.startswith("["):
                in_array, began, buffer = True, True, buffer[1:]
                continue
            began = began or bool(buffer)
            if in_array and buffer.startswith("]"):
                ended, buffer = True, buffer[1:].lstrip(_SPACE)
                break
            if not buffer or ended:
                break
            try:
                values, end = decoder.raw_decode(buffer)
            except (ValueError, RecursionError) as error:
                if block and len(buffer) <= limit:
                    break  # the object goes on in the next block
                raise _not_json(name, line, error, buffer, bool(block)) from None
            if end == len(buffer) and block:
                break  # a number could go on
            source, buffer = buffer[:end], buffer[end:]
            rows += 1
            yield _row(values, source, line, needed, text)
            line += source.count("\n")
        if ended or not block:
            break
    if in_array and not ended:
        raise _not_json(name, line, "the array is never closed", buffer, False)
    if buffer:
        raise _not_json(name, line, "text follows the end", buffer, False)


def _not_json(name: str, line: int, error: object, text: str, more: bool) -> DataError:
    if more:
        return DataError(
            f"{name}, line {line}: an object that begins here is longer than data.max_row_bytes.",
            "Raise data.max_row_bytes, or give the rows as one JSON object a line; out of a list LIST "
            "of one object so: jq -c '.LIST[]' FILE > rows.jsonl",
        )
    return DataError(
        f"{name}, line {line}: not JSON: {error}. Received: {text[:80]!r}",
        "Mend the file there, or write one JSON object a line (jsonl).",
    )


def _double(text: str, needed: Collection[str]) -> str | None:
    """A needed key that stands twice in the outer object; JSON's reader would take the last."""
    suspects = [name for name in needed if text.count(json.dumps(name)) > 1]
    if not suspects:
        return None
    seen: list[list[str]] = []

    def keep(pairs: list[tuple[str, object]]) -> dict[str, object]:
        seen.append([key for key, _ in pairs])  # the outer object comes last
        return dict(pairs)

    json.loads(text, object_pairs_hook=keep)
    counts = Counter(seen[-1])
    return next((name for name in suspects if counts[name] > 1), None)
