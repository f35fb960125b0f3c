"""Text lines of bounded length, with their numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator

_BLOCK = 65_536
_SAMPLE = 300


class BoundedLines:
    """The lines of a text stream; one longer than `limit` is skipped in blocks, not held.

    Args:
        stream: Opened with newline="" (every newline ends a line), "\\n" or "\\r".
        limit: Longest line, in bytes of UTF-8.
        quote: csv's quote character, which is counted in lines that are skipped; or "".

    Attributes:
        limit: As given.
        number: Number of the last line read, from 1.
        sample: The beginning of the last line that was over the limit.
        quotes: Quote characters in that line.
    """

    def __init__(self, stream: io.TextIOBase, limit: int, quote: str = "") -> None:
        self._stream, self.limit, self._quote = stream, limit, quote
        self.number = self.quotes = 0
        self.sample = ""

    def each(self) -> Iterator[tuple[int, str | None]]:
        """Yields (number, line), the newline included; the line is None where it is over the limit."""
        with self._stream:
            while line := self._stream.readline(self.limit + 1):
                self.number += 1
                # Most lines are far from the limit, whatever their characters take in UTF-8.
                long = len(line) * 4 > self.limit and _size(line) > self.limit
                if long:
                    self._skip(line)
                yield self.number, None if long else line

    def _skip(self, line: str) -> None:
        """Reads on to the end of an over-long line."""
        self.sample, self.quotes = line[:_SAMPLE], self._count(line)
        while line and not line.endswith(("\n", "\r")):
            line = self._stream.readline(_BLOCK)
            self.quotes += self._count(line)

    def _count(self, text: str) -> int:
        return text.count(self._quote) if self._quote else 0


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
