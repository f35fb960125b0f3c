"""Rows on disk, grouped by content: how deduplication needs no memory that grows with the data.

Rows go to 256 files by the first two digits of their content id. Read back file by file in order, and
sorted within, they come out ordered by id with equal contents side by side; only one file, about
1/256 of the rows, is in memory at a time.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from operator import itemgetter
from pathlib import Path
from typing import Any

_BUFFER_BYTES = 16 << 20

Record = Mapping[str, Any]
"""A row on its way, as JSON has it: an `id` and what its writer wants to read again."""


class Spill:
    """A write-once, read-once store of rows with an `id` (hex digits) each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._buffers: dict[str, list[str]] = {}
        self._buffered = 0

    def add(self, record: Record) -> None:
        """Stores a JSON-like row."""
        line = json.dumps(record, ensure_ascii=True)
        self._buffers.setdefault(record["id"][:2], []).append(line)
        self._buffered += len(line)
        if self._buffered > _BUFFER_BYTES:
            self._flush()

    def groups(self) -> Iterator[list[Record]]:
        """Yields the rows of each content, ordered by id, and within it as they were added."""
        self._flush()
        for file in sorted(self._folder.iterdir()):
            with file.open(encoding="ascii") as stream:
                records = [json.loads(line) for line in stream]
            file.unlink()
            records.sort(key=itemgetter("id"))  # stable: keeps the order of addition
            for _, group in itertools.groupby(records, key=itemgetter("id")):
                yield list(group)

    def _flush(self) -> None:
        for bucket, lines in self._buffers.items():
            with (self._folder / bucket).open("a", encoding="ascii") as stream:
                stream.write("\n".join(lines) + "\n")
        self._buffers.clear()
        self._buffered = 0
