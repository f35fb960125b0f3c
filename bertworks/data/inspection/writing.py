"""A spec as YAML, with the reason of each decision as a comment at its place."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from bertworks.bounded_yaml import Key
from bertworks.data.inspection.decisions import Decision

WIDTH = 100
_LONGEST = 600


def to_yaml(
    content: Mapping[str, Any], decisions: Sequence[Decision], head: Sequence[str] = ()
) -> str:
    """The spec's text.

    Args:
        content: Sections, as YAML has them.
        decisions: What to say above the keys that they are about; those whose key is not there are
            said at the nearest section above it.
        head: Lines to begin with.
    """
    notes: dict[Key, list[str]] = {}
    for one in decisions:
        key = one.key
        while key and not _has(content, key):
            key = key[:-1]
        notes.setdefault(key, []).append(one.line())
    lines = heading(head)
    lines += [line for note in notes.get((), []) for line in _comment(note, 0)]
    lines += _mapping(content, (), 0, notes)
    return "\n".join(lines) + "\n"


def heading(head: Sequence[str]) -> list[str]:
    """The lines that a spec begins with, of any length: nothing is left out."""
    return [line for one in head for line in _comment(one, 0, None)]


def _has(content: Any, key: Key) -> bool:
    for part in key:
        if isinstance(content, list):
            content = dict(enumerate(content))
        if not isinstance(content, Mapping) or part not in content:
            return False
        content = content[part]
    return True


def _mapping(
    content: Mapping[str, Any], key: Key, indent: int, notes: Mapping[Key, list[str]]
) -> Iterator[str]:
    for name, value in content.items():
        here = (*key, name)
        for note in notes.get(here, []):
            yield from _comment(note, indent)
        if isinstance(value, Mapping) and value and not _is_plain(value):
            yield f"{' ' * indent}{_scalar(name)}:"
            yield from _mapping(value, here, indent + 2, notes)
        elif isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
            yield f"{' ' * indent}{_scalar(name)}:"
            yield from _items(value, here, indent + 2, notes)
        else:
            yield from _entry(name, value, indent)


def _items(
    items: Sequence[Mapping[str, Any]], key: Key, indent: int, notes: Mapping[Key, list[str]]
) -> Iterator[str]:
    for place, item in enumerate(items):
        here = (*key, place)
        for note in notes.get(here, []):
            yield from _comment(note, indent)
        lines = list(_mapping(item, here, indent + 2, notes))
        begun = False
        for line in lines:
            if not begun and not line.lstrip().startswith("#"):
                line, begun = f"{' ' * indent}- {line[indent + 2 :]}", True
            yield line


def _is_plain(value: Mapping[str, Any]) -> bool:
    """Whether a mapping has plain values alone, and few, so that it stands in one line."""
    plain = all(not isinstance(one, Mapping | list) for one in value.values())
    return plain and len(str(value)) < 70 and not _is_section(value)


def _is_section(value: Mapping[str, Any]) -> bool:
    return bool({"type", "uri", "metric", "html", "rare_labels", "max_too_long"} & value.keys())


def _entry(name: str, value: Any, indent: int) -> Iterator[str]:
    """A key and its value in one line."""
    flow = isinstance(value, list | Mapping)
    text = yaml.safe_dump(
        dict(value) if isinstance(value, Mapping) else value,
        default_flow_style=flow, allow_unicode=True, width=10**9, sort_keys=False,
    )  # fmt: skip
    text = text.removesuffix("...\n").rstrip("\n")
    yield f"{' ' * indent}{_scalar(name)}: {text}"


def _scalar(name: str) -> str:
    text = yaml.safe_dump(name, allow_unicode=True, width=10**9)
    return text.removesuffix("...\n").rstrip("\n")


def _comment(text: str, indent: int, longest: int | None = _LONGEST) -> Iterator[str]:
    """Comment lines of a text, whatever stands in it."""
    plain = "".join(one if one.isprintable() else " " for one in text)
    plain = plain.encode("utf-8", "backslashreplace").decode("utf-8")[:longest]
    for line in textwrap.wrap(plain, WIDTH - indent - 2, break_on_hyphens=False):
        yield f"{' ' * indent}# {line}"
