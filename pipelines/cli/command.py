"""How the user called this program, and what the place that it prints to can show."""

from __future__ import annotations

import codecs
import io
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from bertworks.errors import SpecError

NAME = "bertworks"
_READABLE = "bertworks.readable"
_PATHS = [[option] for option in ("--file", "--out", "-o", "--root", "--store")]
# What our own lines hold beyond ASCII, for terminals and files that take ASCII only.
_PLAIN = str.maketrans(
    {
        "✓": "+", "✗": "x", "▸": ">", "▹": ">", "·": ".", "–": "-", "—": "-", "…": "...", "→": "->",
        "×": "x", "’": "'", "‘": "'", "“": '"', "”": '"', "≥": ">=", "≤": "<=", "\u00a0": " ",
        **dict.fromkeys("─━┄┈╌═", "-"), **dict.fromkeys("│┃║", "|"),
        **dict.fromkeys("┌┐└┘├┤┬┴┼╭╮╰╯┏┓┗┛┡┩┢┪╇", "+"),
    }
)  # fmt: skip


class _Narrow(io.TextIOWrapper):
    """An output in an encoding that cannot hold every character; what it cannot becomes readable.

    It passes for UTF-8, as libraries write past an output that says ASCII, or draw with other means.
    """

    encoding = "utf-8"
    takes = ""


def print_anywhere() -> None:
    """Makes stdout and stderr take every text, whatever the locale: nothing printed may be an error."""
    codecs.register_error(_READABLE, _readable)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper) or isinstance(stream, _Narrow):
            continue
        real = codecs.lookup(stream.encoding).name
        if real.startswith("utf"):
            # Halves of surrogate pairs: names of files that are no UTF-8.
            stream.reconfigure(errors="backslashreplace")
            continue
        narrow = _Narrow(
            stream.detach(), real, _READABLE, line_buffering=stream.line_buffering,
            write_through=True,
        )  # fmt: skip
        narrow.takes = real
        setattr(sys, name, narrow)


def takes(stream: TextIO) -> str:
    """The encoding that a stream really writes."""
    return getattr(stream, "takes", "") or getattr(stream, "encoding", None) or "utf-8"


def check_arguments(arguments: Sequence[str]) -> None:
    """Refuses arguments that are no text; names of files may be made of any bytes.

    Raises:
        SpecError: Names the argument, its place and its bytes.
    """
    for place, argument in enumerate(arguments):
        try:
            argument.encode("utf-8")
        except UnicodeEncodeError:
            value = argument.partition("=")[2] if argument.startswith("--") else argument
            if arguments[place - 1 : place] in _PATHS or os.path.lexists(value):
                continue
            raise SpecError(
                f"Argument {place + 1} is not UTF-8. Received: {os.fsencode(argument)[:100]!r}",
                "Write it in UTF-8, or give a text in a file: --file texts.txt, converted with "
                "iconv -f WINDOWS-1252 -t UTF-8.",
            ) from None


def _readable(error: UnicodeError) -> tuple[str | bytes, int]:
    """Codec error handler: marks and quotes become like ones in ASCII, all else an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "backslashreplace").decode("ascii"), error.end


def called() -> str:
    """`bertworks` where the shell finds it; else the path it was called by (.venv/bin/bertworks)."""
    own = sys.argv[0]
    if Path(own).name != NAME:
        return NAME
    found = shutil.which(NAME)
    return NAME if found and Path(found).resolve() == Path(own).resolve() else own
