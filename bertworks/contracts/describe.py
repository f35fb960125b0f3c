"""Writes docs/artifacts.md: its prose, with a table of fields wherever it names a contract.

    python -m bertworks.contracts.describe [--check] docs/artifacts.md

The prose stands in artifacts.md.in beside the page. A line such as `{{metrics.METRICS}}` becomes the
tables of that file's types, from their fields and docstrings.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bertworks.contracts.files import File

MODULES = (
    "examples", "statistics", "tokens", "history", "tuned", "metrics", "latency", "agent", "bundle",
    "known", "index", "confidence", "reference", "decision", "registered", "retraining", "versions",
    "upgrades", "runs", "dialogue",
)  # fmt: skip
_PLACE = re.compile(r"^\{\{(\w+)\.(\w+)\}\}$", re.M)
_ENTRY = re.compile(r"^ {8}(\w+): ((?:.*\n?)(?: {12,}.*\n?)*)", re.M)


def page(prose: str) -> str:
    """The text of docs/artifacts.md.

    Args:
        prose: The text with the places where tables belong.

    Raises:
        KeyError: The prose names a contract that there is not, or leaves one out.
    """
    told: set[int] = set()
    named: set[tuple[str, str]] = set()

    def tables(found: re.Match[str]) -> str:
        named.add((found[1], found[2]))
        file = getattr(importlib.import_module(f"bertworks.contracts.{found[1]}"), found[2])
        return "\n".join(_tables(file.kind, told)).rstrip()

    text = _PLACE.sub(tables, prose)
    if missing := set(_files()) - named:
        raise KeyError(f"the prose names no {', '.join(map('.'.join, sorted(missing)))}")
    return text


def _files() -> Iterator[tuple[str, str]]:
    """Module and name of every `File` of the contracts."""
    for module in MODULES:
        content = vars(importlib.import_module(f"bertworks.contracts.{module}"))
        for name, value in content.items():
            if isinstance(value, File) and f"\n{name}: File" in _source(module):
                yield module, name


def _source(module: str) -> str:
    return Path(__file__).with_name(f"{module}.py").read_text(encoding="utf-8")


def _tables(kind: Any, told: set[int]) -> Iterator[str]:
    """A table for each dataclass in a type that was not described yet, the outermost first."""
    for record in _records(kind):
        if id(record) in told:
            continue
        told.add(id(record))
        hints, about = typing.get_type_hints(record), _attributes(record)
        yield f"**{record.__name__}**: {_summary(record)}\n"
        yield "| field | type | |"
        yield "|---|---|---|"
        fields = [one for one in dataclasses.fields(record) if one.metadata.get("written", True)]
        for one in fields:
            shown = _shown(hints[one.name])
            if one.metadata.get("omit"):
                shown = f"{shown.removesuffix(' or null')}, may be left out"
            yield f"| {one.name} | {shown} | {about[one.name]} |"
        for name in getattr(record, "WRITTEN", ()):
            yield f"| {name} | boolean | {about[name]} |"
        yield ""
        for one in fields:
            yield from _tables(hints[one.name], told)


def _records(kind: Any) -> Iterator[type]:
    """The dataclasses that a type is made of."""
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        yield kind
    for part in typing.get_args(kind):
        yield from _records(part)


def _attributes(record: type) -> dict[str, str]:
    """What the docstrings say of each field, those of the bases included."""
    found: dict[str, str] = {}
    for one in reversed(record.__mro__):
        text = (one.__dict__.get("__doc__") or "").partition("Attributes:\n")[2]
        found |= {m[1]: " ".join(m[2].split()) for m in _ENTRY.finditer(text)}
    return found


def _summary(record: type) -> str:
    return " ".join((inspect.getdoc(record) or "").partition("\n\n")[0].split())


def _shown(kind: Any) -> str:
    """A type as JSON knows it."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return typing.cast(type, kind).__name__
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_shown(one) for one in parts)
    if origin is typing.Literal:
        return " or ".join(f'"{one}"' if isinstance(one, str) else str(one) for one in parts)
    if origin is list:
        return f"list of {_shown(parts[0])}"
    if origin is tuple:
        return f"[{', '.join(map(_shown, parts))}]"
    if origin in (dict, Mapping):
        return f"{_shown(parts[0])} to {_shown(parts[1])}"
    plain = {str: "text", int: "integer", float: "number", bool: "boolean", type(None): "null"}
    return plain.get(
        kind, "any" if kind in (Any, object) else f"the spec's {kind.__name__.lower()}"
    )


def main(arguments: list[str]) -> int:
    """Writes the page, or with --check says whether it is what would be written."""
    *options, file = arguments
    text = page(Path(f"{file}.in").read_text(encoding="utf-8"))
    if "--check" not in options:
        Path(file).write_text(text, encoding="utf-8")
    elif Path(file).read_text(encoding="utf-8") != text:
        print(f"error: {file} is not what the contracts say\n  fix: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
