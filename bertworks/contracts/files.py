"""Files of a type: read and checked once, at the boundary."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from bertworks.errors import ArtifactError
from bertworks.storage.artifacts import Artifact, write_json

T = TypeVar("T")
FORMAT = "format"
"""Key of a file's version; files of version 1 need not have it."""
OMIT = {"omit": True}
"""Metadata of a field that is not written where it is None."""
UNWRITTEN = {"written": False}
"""Metadata of a field that is kept in memory alone."""


@dataclass(frozen=True)
class File(Generic[T]):
    """A JSON file, the type of what it holds, and how older versions of it are read.

    Attributes:
        name: Of the file in its folder.
        kind: The type: a frozen dataclass, or a list or union of such.
        version: What this code writes and reads; an older one is migrated.
        migrate: Brings what an older version wrote into the present form. Called for every file of
            version 1, which does not tell what it lacks; None: nothing has changed since.
        fix: What to do where the file cannot be read.
    """

    name: str
    kind: Any
    version: int = 1
    migrate: Callable[[Any], Any] | None = None
    fix: str = "Run the step that makes it again."

    def read(self, folder: Artifact | Path) -> T:
        """The file of an artifact or folder.

        Raises:
            ArtifactError: It is not there, not of its type, or of a later version.
        """
        file = folder / self.name
        try:
            raw = file.read_bytes()
        except OSError as error:
            raise self._unreadable(str(file), error.strerror) from None
        return self.parse(raw, str(file))

    def parse(self, raw: bytes | str, shown: str) -> T:
        """What a file holds, from its text; `shown` names it in messages. Raises as `read` does."""
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise self._unreadable(shown, error) from None
        version = value.get(FORMAT, 1) if isinstance(value, dict) else 1
        if type(version) is not int or not 1 <= version <= self.version:
            raise ArtifactError(
                f"{shown} cannot be read: its format is {version!r:.40}, this version of bertworks "
                f"reads {'1' if self.version == 1 else f'1 to {self.version}'}.",
                "Use the version of bertworks that wrote it, or a later one; or run the step that "
                "makes it again with this version.",
            )
        if self.migrate is not None:
            # What is of another shape altogether is told of below.
            with contextlib.suppress(KeyError, TypeError, AttributeError, ValueError):
                raw = json.dumps(self.migrate(value))
        return self._checked(raw, shown)

    def of(self, value: Any, shown: str) -> T:
        """What a file holds, from JSON that was read; raises as `read` does."""
        return self.parse(json.dumps(value), shown)

    def write(self, folder: Path, value: T) -> None:
        """Writes the file, whole or not at all."""
        write_json(folder / self.name, to_json(value))

    def _checked(self, raw: bytes | str, shown: str) -> T:
        from pydantic import ValidationError

        try:
            value: T = _adapter(self.kind).validate_json(raw, strict=True)
        except ValidationError as error:
            raise self._unreadable(shown, _told(error)) from None
        return value

    def _unreadable(self, shown: str, reason: object) -> ArtifactError:
        return ArtifactError(f"{shown} cannot be read: {reason}.", self.fix)


def to_json(value: Any) -> Any:
    """A value of a contract as JSON has it: objects, lists, texts, numbers, booleans and null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [one for one in dataclasses.fields(value) if one.metadata.get("written", True)]
        content = {
            one.name: to_json(getattr(value, one.name))
            for one in fields
            if not (one.metadata.get("omit") and getattr(value, one.name) is None)
        }
        # Properties that readers of the file need not compute.
        return content | {name: getattr(value, name) for name in getattr(value, "WRITTEN", ())}
    if isinstance(value, Mapping):
        return {str(key): to_json(content) for key, content in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(content) for content in value]
    if hasattr(value, "model_dump"):  # a section of the spec
        return value.model_dump(mode="json")
    return value


@functools.cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _told(error: Any) -> str:
    """Field, rule and what was received, of the first thing that is wrong."""
    first = error.errors(include_url=False)[0]
    place = ".".join(map(str, first["loc"])) or "it"
    if first["type"] == "missing":
        return f"{place} is missing"
    return f"{place}: {first['msg']}. Received: {first['input']!r:.80}"
