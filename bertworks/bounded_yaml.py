"""YAML as plain values with the line of every key, within bounds: a spec is written by people.

A few aliases of aliases stand for billions of values, and brackets in brackets for a stack without
end: size, depth and what aliases unfold to are counted before anything is built.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import yaml

from bertworks.errors import SpecError

Key = tuple[str | int, ...]

_ODD_NUMBER = re.compile(r"[-+]?0[0-9_]|.*:")

MAX_CHARACTERS = 1_000_000
MAX_VALUES = 50_000
MAX_DEPTH = 30
_STANDARD = "tag:yaml.org,2002:"
_TAGS = {
    yaml.MappingNode: ("map",),
    yaml.SequenceNode: ("seq",),
    yaml.ScalarNode: ("str", "int", "float", "bool", "null", "timestamp", "merge", "value"),
}
"""What nodes of each kind may be; any other tag is somebody's own, and means nothing here."""
_TOO_LARGE = "A spec is small: keep data in files of their own, and write repeated parts out."


_UNREADABLE = (ValueError, OverflowError, TypeError, AttributeError, KeyError)
"""What PyYAML's constructors raise at values that do not fit."""


class NotYaml(SpecError):
    """The text is not YAML at all."""


def read(text: str, shown: str) -> tuple[Any, dict[Key, int]]:
    """Reads one YAML document.

    Args:
        text: YAML.
        shown: The file's name in messages.

    Returns:
        Its value ({} when empty), and the line of every key and list entry.

    Raises:
        SpecError: Not YAML, a key twice, a value that cannot be read, or past the bounds.
    """
    if len(text) > MAX_CHARACTERS:
        raise SpecError(
            f"{shown} has {len(text):,} characters; a spec may have {MAX_CHARACTERS:,}.", _TOO_LARGE
        )
    try:
        _check_depth(text, shown)
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{shown}:{mark.line + 1}" if mark else shown
        problem = getattr(error, "problem", None) or str(error)
        if getattr(error, "context", None) == "expected a single document in the stream":
            raise SpecError(
                f"{where}: a second document begins here; a spec is one.",
                "Take the line `---` out, or put what follows it into a file of its own.",
            ) from None
        raise NotYaml(f"{where}: not valid YAML: {problem}.", "Mend the YAML.") from None
    builder = _Builder(shown)
    return ({} if root is None else builder.build(root, ())), builder.lines


def _check_depth(text: str, shown: str) -> None:
    """The parser's events come without recursion, whatever the depth."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else "?"
            raise SpecError(
                f"{shown}:{line}: lists and keys stand more than {MAX_DEPTH} deep.",
                _TOO_LARGE,
            )


class _Builder:
    """Turns YAML nodes into values, and notes the line of every key."""

    def __init__(self, shown: str) -> None:
        self.lines: dict[Key, int] = {}
        self._shown = shown
        self._values = 0
        self._open: set[int] = set()

    def build(self, node: yaml.Node, key: Key) -> Any:
        line = node.start_mark.line + 1
        if key:
            self.lines.setdefault(key, line)
        self._values += 1
        if self._values > MAX_VALUES:
            raise SpecError(
                f"{self._shown}:{line}: more than {MAX_VALUES:,} values, aliases unfolded.",
                _TOO_LARGE,
            )
        if id(node) in self._open:
            raise SpecError(
                f"{self._shown}:{line}: an alias stands inside of what it stands for.",
                "Write that part out.",
            )
        self._open.add(id(node))
        try:
            return self._value(node, key, line)
        finally:
            self._open.remove(id(node))

    def _value(self, node: yaml.Node, key: Key, line: int) -> Any:
        tag = node.tag.removeprefix(_STANDARD)
        if tag not in _TAGS[type(node)]:
            shown = f"!!{tag}" if tag != node.tag else node.tag
            raise SpecError(
                f"{self._shown}:{line}: `{_dotted(key)}` has the tag {shown[:60]}, which says nothing "
                "here.",
                "Leave the tag out, or put the value in quotes if it is text.",
            )
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, key)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*key, i)) for i, child in enumerate(node.value)]
        loader = yaml.SafeLoader("")
        try:
            value = loader.construct_object(node, deep=True)
            str(value)  # of an int in hexadecimal, too, no more digits than can be written
            return node.value if _is_meant_as_text(value, node.value) else value
        except (*_UNREADABLE, yaml.YAMLError) as error:
            # A number of thousands of digits, a 13th month, a tag that the value does not fit.
            raise SpecError(
                f"{self._shown}:{line}: `{_dotted(key)}` cannot be read{_why(error)}. "
                f"Received: {str(node.value)[:40]!r}",
                "Correct the value, or put it in quotes if it is text.",
            ) from None
        finally:
            loader.dispose()

    def _mapping(self, node: yaml.MappingNode, key: Key) -> dict[str, object]:
        result: dict[str, object] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            if not isinstance(name_node, yaml.ScalarNode):
                raise SpecError(
                    f"{self._shown}:{line}: a key is a single word, not a list or a mapping.",
                    "Put quotes around a key that starts with a bracket or a brace.",
                )
            name = str(name_node.value)
            if name in result:
                raise SpecError(
                    f"{self._shown}:{line}: {_dotted((*key, name))} stands twice.",
                    "Keep one of the two.",
                )
            self.lines[(*key, name)] = line
            result[name] = self.build(value_node, (*key, name))
        return result


def _why(error: Exception) -> str:
    """What an error of the parser says that a person can use."""
    useful = isinstance(error, ValueError | OverflowError | yaml.YAMLError)
    return f": {str(error)[:200]}" if useful else " as what its tag says"


def _is_meant_as_text(value: Any, written: str) -> bool:
    """Whether YAML 1.1 makes of a word or a number what no reader expects: `no`, 010, 12:30, a date.

    As text a label of that name stays what it is; where the spec wants a switch or a number, it is read
    as one from the text.
    """
    if isinstance(value, bool):
        return written.lower() not in ("true", "false")
    if isinstance(value, int):
        return _ODD_NUMBER.match(written) is not None
    return isinstance(value, date) or (isinstance(value, float) and ":" in written)


def _dotted(key: Key) -> str:
    return ".".join(map(str, key)) or "the spec"
