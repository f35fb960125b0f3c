"""A knowledge base that may change while dialogues go on."""

from __future__ import annotations

import threading
from pathlib import Path

from bertworks.dialogue.domain import Domain
from bertworks.dialogue.knowledge.base import Knowledge
from bertworks.dialogue.knowledge.reading import read
from bertworks.errors import BertworksError

Signature = tuple[tuple[int, int, int], ...]


class Followed:
    """The newest whole state of a file.

    Each turn takes one `Knowledge` and keeps to it, so that no answer mixes two states. A file that
    became unreadable or wrong leaves the last good one in use, and `fault` says why.

    Args:
        file: See `reading.read`.
        domain: Likewise.
        table: Likewise.
        shown: Likewise.

    Raises:
        DataError: The file is not good at the beginning.

    Attributes:
        fault: Why the present file is not in use; "" where it is.
    """

    def __init__(
        self, file: Path, domain: Domain, table: str | None = None, shown: str | None = None
    ) -> None:
        self._file, self._domain, self._table, self._shown = file, domain, table, shown
        self._lock = threading.Lock()
        self._seen = self._signature()
        self._knowledge = read(file, domain, table, shown)
        self.fault = ""

    def now(self) -> Knowledge:
        """The knowledge base as its file is now; one look at the file where nothing changed."""
        with self._lock:
            seen = self._signature()
            if seen != self._seen:
                try:
                    self._knowledge = read(self._file, self._domain, self._table, self._shown)
                    self.fault = ""
                except BertworksError as error:
                    self.fault = error.message
                self._seen = seen
            return self._knowledge

    def _signature(self) -> Signature:
        """What tells one state of the file from the next; SQLite writes beside its file first."""
        found = []
        for path in (self._file, self._file.with_name(f"{self._file.name}-wal")):
            try:
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size, status.st_ino))
            except OSError:
                found.append((0, 0, 0))
        return tuple(found)
