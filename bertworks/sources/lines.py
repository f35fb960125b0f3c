"""Text lines of bounded length, with their numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator

_BLOCK = 65_536


class Lines:
    """The lines of a text stream; one longer than `limit` is skipped in blocks, not held.

    Args:
        stream: Opened with newline="" (csv) or newline="\\n".
        limit: Longest line, and for csv longest record, in bytes of UTF-8.
        quote: csv's quote character, by whose parity an over-long record's end is found; or "".

    Attributes:
        number: Number of the last line read, from 1.
        first: Number of the present record's first line (after `begin`).
        too_long: The present record is over the limit; what csv got of it is not to be used.
        ended_inside: The stream ended inside the present record.
        sample: The beginning of the present record.
    """

    def __init__(self, stream: io.TextIOWrapper, limit: int, quote: str = "") -> None:
        self._stream, self._limit, self._quote = stream, limit, quote
        self.number = 0
        self.begin()

    def begin(self) -> None:
        """A new record begins with the next line."""
        self.first = self.number + 1
        self.sample = ""
        self.too_long = self.ended_inside = False
        self._size = self._quotes = 0

    def each(self) -> Iterator[tuple[int, str | None]]:
        """Yields (number, line), every line a record; the line is None where it is over the limit."""
        with self._stream:
            while (line := self._next()) is not None:
                yield self.number, None if self.too_long else line
                self.begin()

    def of_records(self) -> Iterator[str]:
        """Yields lines to csv.reader. At a record over the limit it skips that record, and ends."""
        while (line := self._next()) is not None:
            if not self.too_long:
                yield line
                continue
            while self._quotes % 2:
                if self._next() is None:
                    break
            else:
                return
            break
        self.ended_inside = True

    def close(self) -> None:
        """Closes the stream."""
        self._stream.close()

    def _next(self) -> str | None:
        """Reads a line, or its beginning when that goes over the limit; None at the end."""
        line = self._stream.readline(self._limit + 1)
        if not line:
            return None
        self.number += 1
        self.sample = self.sample or line[:300]
        self._count(line)
        if self._size > self._limit:
            self.too_long = True
            block = line
            while block and not block.endswith("\n"):
                block = self._stream.readline(_BLOCK)
                self._count(block)
        return line

    def _count(self, text: str) -> None:
        self._size += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if self._quote:
            self._quotes += text.count(self._quote)
