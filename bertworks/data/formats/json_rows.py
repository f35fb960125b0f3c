"""Objects out of JSON: one a line, one after the other over several lines, or in one array.

spaCy's pairs ["a text", {"entities": […]}] are objects, too: the text goes into the text column. Other
lists are rows where the source's `names` say what their values are.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from bertworks.data.rows.tally import Kind
from bertworks.data.rows.undecoded import is_marked
from bertworks.errors import DataError

_BLOCK = 1 << 16
_SPACE = " \t\r\n"
COMMA = Kind(
    "commas", "{count} lines have a comma behind their object; it was left out (first: {first})"
)
_SEVERAL = "Several objects stand in one line; one a line: jq -c . FILE > rows.jsonl"
_PYTHON = "That is Python's notation: write the rows with json.dumps, one a line."


class JsonRow(NamedTuple):
    """An object and the number of its first line, from 1; else None and why not.

    Attributes:
        number: The line.
        values: The object.
        fault: Why there is none.
        sample: What stands there.
        fix: What mends it, where a setting or a command does.
        comma: Whether a comma behind the object was left out.
        whole: Whether all its bytes are in the encoding.
    """

    number: int
    values: Mapping[str, object] | None
    fault: str = ""
    sample: str = ""
    fix: str = ""
    comma: bool = False
    whole: bool = True


class Shape(NamedTuple):
    """What rows look like.

    Attributes:
        needed: Keys that may stand only once.
        text: The column of a pair's text.
        names: What the values of a row that is a list are called.
    """

    needed: Collection[str] = ()
    text: str = "text"
    names: Sequence[str] = ()


_ANY = Shape()


def parse_line(line: str) -> tuple[Any, bool]:
    """The JSON value of a line, and whether a comma behind it was left out, as in an array's lines.

    Raises:
        ValueError: It is not JSON.
        RecursionError: It is too deep.
    """
    try:
        return json.loads(line), False
    except (ValueError, RecursionError):
        if not (rest := line.rstrip()).endswith(","):
            raise
        try:
            return json.loads(rest[:-1]), True
        except (ValueError, RecursionError):
            pass
        raise


def parse_object(line: str, number: int, shape: Shape = _ANY) -> JsonRow:
    """One object out of a line."""
    try:
        values, comma = parse_line(line)
    except (ValueError, RecursionError) as error:
        fault = f"not JSON: {error}"[:200]
        fix = _SEVERAL if "Extra data" in fault and re.search(r"\}\s*\{", line) else ""
        fix = _PYTHON if line.lstrip().startswith(("{'", "['")) else fix
        return JsonRow(number, None, fault, line[:300], fix)
    return _row(values, line, number, shape)._replace(comma=comma)


def _row(values: Any, source: str, number: int, shape: Shape) -> JsonRow:
    """What was parsed of `source`, as a row."""
    made = _checked(values, source, number, shape)
    return made._replace(whole=False) if is_marked(source) else made


def _checked(values: Any, source: str, number: int, shape: Shape) -> JsonRow:
    if isinstance(values, list):
        return _list(values, source, number, shape)
    if not isinstance(values, dict):
        return JsonRow(number, None, "not a JSON object", source[:300])
    needed = shape.needed
    if (double := _double(source, needed)) is not None:
        return JsonRow(number, None, f"two values for {double!r}", source[:300])
    return JsonRow(number, values)


def _list(values: list[Any], source: str, number: int, shape: Shape) -> JsonRow:
    """A list as a row: by the source's `names`, or as a pair of spaCy's."""
    if shape.names and len(shape.names) == len(values):
        return JsonRow(number, dict(zip(shape.names, values, strict=True)))
    if shape.names:
        rule = f"{len(shape.names)} values expected, {len(values)} found"
        return JsonRow(number, None, rule, source[:300])
    if len(values) == 2 and isinstance(values[0], str) and isinstance(values[1], dict):
        return JsonRow(number, {**values[1], shape.text: values[0]})
    numbered = (f"value_{place}" for place in range(1, len(values) + 1))
    shown = ", ".join([*shape.needed, *numbered][: len(values)])
    fix = f"Name the values in their order in the source's `names`, for example: names: [{shown}]."
    return JsonRow(number, None, f"a list of {len(values)} values, no object", source[:300], fix)


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
    stream: io.TextIOBase, name: str, limit: int, shape: Shape = _ANY
) -> Iterator[JsonRow]:
    """Yields the objects of an array, or of objects that follow each other; holds one at a time.

    Args:
        stream: The text.
        name: The file's name in messages.
        limit: Characters an object may have.
        shape: What rows look like.

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
            yield _row(values, source, line, shape)
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
