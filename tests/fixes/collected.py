"""Every error that the code can raise with advice in it, read from the source by its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bertworks import errors

REPOSITORY = Path(__file__).resolve().parents[2]
ERRORS = {
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.BertworksError)
}
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""Stands for a part of a text that only the running program knows."""


@dataclass(frozen=True)
class Advice:
    """One place that raises an error.

    Attributes:
        place: File and line, from the repository's root.
        error: The error's class.
        fix: The advice as written; `UNKNOWN` for what is filled in when it runs; None: there is none.
    """

    place: str
    error: str
    fix: str | None


def advice() -> Iterator[Advice]:
    """All of them, in the order of files and lines."""
    for top in ("bertworks", "components", "pipelines"):
        for file in sorted((REPOSITORY / top).rglob("*.py")):
            yield from _of_file(file)


def _of_file(file: Path) -> Iterator[Advice]:
    tree = ast.parse(file.read_text("utf-8"))
    named = _named_texts(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and [_name(one) for one in node.targets] == ["FIXES"]:
            assert isinstance(node.value, ast.Dict)  # a table of advice by what happened
            for fix in node.value.values:
                place = f"{file.relative_to(REPOSITORY)}:{fix.lineno}"
                yield Advice(place, "SourceError", _text(fix))
        if isinstance(node, ast.Call) and _name(node.func) in ERRORS:
            fix = node.args[1] if len(node.args) > 1 else None
            fix = next((word.value for word in node.keywords if word.arg == "fix"), fix)
            if isinstance(fix, ast.Name):
                fix = named.get(fix.id, fix)
            yield Advice(
                f"{file.relative_to(REPOSITORY)}:{node.lineno}",
                _name(node.func),
                None if fix is None else _text(fix),
            )


def _named_texts(tree: ast.Module) -> dict[str, ast.expr]:
    """What each name stands for that one assignment of a file gives a text to, and no other."""
    given: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for name in map(_name, node.targets):
                given.setdefault(name, []).append(node.value)
    return {
        name: values[0]
        for name, values in given.items()
        if len(values) == 1 and _text(values[0]) != UNKNOWN
    }


def _name(function: ast.expr) -> str:
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def _text(node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            _text(part) if isinstance(part, ast.Constant) else UNKNOWN for part in node.values
        )
    if isinstance(node, ast.BinOp):
        return _text(node.left) + _text(node.right)
    if isinstance(node, ast.IfExp):
        return f"{_text(node.body)} {_text(node.orelse)}"
    return UNKNOWN
