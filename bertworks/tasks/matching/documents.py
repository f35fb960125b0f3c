"""The documents that may be found: a file of lines, read where one is asked for.

A million documents need their bytes on disk and eight bytes each in memory, until somebody asks for one
by its id. Needs numpy alone.
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from bertworks.errors import ArtifactError
from bertworks.shortened import shortened

FILE = "documents.jsonl"
SHOWN = 120
"""Characters of a document that stand in reports."""


@dataclass(frozen=True)
class Document:
    """One document.

    Attributes:
        id: What tells it from the others.
        text: As it was cleaned.
        seen: Training rows that it belongs to.
    """

    id: str
    text: str
    seen: int = 0


class Documents:
    """Documents in an order.

    Args:
        data: Lines of JSON, each with its newline.
        shown: Where they are from, for messages.
    """

    def __init__(self, data: bytes | mmap.mmap, shown: str = FILE) -> None:
        self._data, self._shown = data, shown
        marks = np.frombuffer(data, np.uint8) if len(data) else np.zeros(0, np.uint8)
        self._ends = np.flatnonzero(marks == ord("\n")) + 1

    @classmethod
    def of(cls, documents: Iterable[Document]) -> Documents:
        """Documents in memory."""
        return cls(b"".join(map(_line, documents)))

    @classmethod
    def load(cls, folder: Path) -> Documents:
        """Those of a bundle; they stay on disk.

        Raises:
            ArtifactError: The file is not there or cannot be read.
        """
        file = folder / FILE
        try:
            with file.open("rb") as stream:
                size = file.stat().st_size
                data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        except OSError as error:
            raise ArtifactError(
                f"{file} cannot be read: {error.strerror}.", "Make the bundle anew."
            ) from None
        return cls(data, str(file))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, place: int) -> Document:
        begin = int(self._ends[place - 1]) if place else 0
        try:
            found = json.loads(self._data[begin : int(self._ends[place])])
            return Document(str(found["id"]), str(found["text"]), int(found.get("seen", 0)))
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"{self._shown}: line {place + 1} is no document ({error}).",
                "Make the bundle anew.",
            ) from None

    def __iter__(self) -> Iterator[Document]:
        return (self[place] for place in range(len(self)))

    @cached_property
    def places(self) -> dict[str, int]:
        """Id to place."""
        return {one.id: place for place, one in enumerate(self)}

    @cached_property
    def seen(self) -> set[str]:
        """The ids of those that belong to training rows."""
        return {one.id for one in self if one.seen}

    def was_seen(self, name: str) -> bool:
        """Whether a document of this id belongs to training rows."""
        return name in self.seen

    def shown(self, name: str) -> str:
        """The document of an id as reports show it: the beginning of its text; the id where unknown."""
        place = self.places.get(name)
        return name if place is None else shortened(self[place].text, SHOWN)

    def write(self, folder: Path, more: Iterable[Document] = ()) -> None:
        """Writes the file, with more documents behind these."""
        with (folder / FILE).open("wb") as out:
            for begin in range(0, len(self._data), 1 << 24):
                out.write(self._data[begin : begin + (1 << 24)])
            out.writelines(map(_line, more))


def _line(document: Document) -> bytes:
    found = {"id": document.id, "text": document.text}
    if document.seen:
        found["seen"] = document.seen  # type: ignore[assignment]
    return (json.dumps(found, ensure_ascii=False) + "\n").encode()
