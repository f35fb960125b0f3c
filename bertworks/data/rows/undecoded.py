"""Bytes that break an encoding: kept apart in the text, so that they cost only their own row.

Each becomes a lone surrogate, U+DC00 and the byte, which no text holds. Only JSON's escapes make such
characters, too: who reads JSON looks at what stands in the file.
"""

from __future__ import annotations

import codecs
import re

ERRORS = "bertworks.mark"
"""The error handler of decoders."""
_FIRST = 0xDC00
_MARKED = re.compile("[\udc00-\udcff]")
_ESCAPED = re.compile(r"\\udc([0-9a-f]{2})")


def _marks(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    broken = error.object[error.start : error.end]
    return "".join(chr(one if one in b"\r\n" else _FIRST + one) for one in broken), error.end


codecs.register_error(ERRORS, _marks)


def is_marked(text: str) -> bool:
    """Whether bytes that break the encoding stand in a text."""
    return not text.isascii() and _MARKED.search(text) is not None


def with_bytes(text: str) -> str:
    """The text with such bytes as a file's reader can look for them.

    >>> with_bytes("caf\\udce9")
    'caf\\\\xe9'
    """
    return _MARKED.sub(lambda found: f"\\x{ord(found[0]) - _FIRST:02x}", text)


def quoted(text: str) -> str:
    """As `repr` has it, with such bytes as they stand in the file."""
    return _ESCAPED.sub(r"\\x\1", repr(text))
