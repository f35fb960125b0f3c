"""Lines of JSON, each with the SHA-256 of the line before it, and how they are verified.

A line that is changed, left out, added or moved no longer fits the next one. What a chain alone cannot
show is that lines at its very end are missing, or that somebody wrote all of it anew: for that its head,
the SHA-256 of the last line, is told where it cannot be changed (the server's log, another machine), and
compared.

A line that was torn, because the machine lost power or the disk was full, is never taken away: it is
closed by a line that says which bytes were left, so that a torn line is told from a forged one.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NONE = "0" * 64
"""What the first line of all has for the line before it."""
PREVIOUS, KIND, TORN, BEGIN = "previous", "kind", "torn", "begin"

_DIGEST = re.compile("[0-9a-f]{64}")


class Broken(Exception):
    """A line does not fit.

    Attributes:
        line: Its number in the file, from 1.
        rule: What is wrong with it.
    """

    def __init__(self, line: int, rule: str) -> None:
        super().__init__(f"line {line}: {rule}")
        self.line, self.rule = line, rule


@dataclass
class Verified:
    """What was found in lines that fit.

    Attributes:
        head: SHA-256 of the last line.
        lines: How many there are, torn ones left out.
        torn: How many torn ones there are.
        answers: How many lines tell of a request.
    """

    head: str
    lines: int = 0
    torn: int = 0
    answers: int = 0


def line_of(record: Mapping[str, Any], head: str) -> bytes:
    """A record as the line behind `head`, without its end."""
    text = json.dumps({PREVIOUS: head, **record}, ensure_ascii=False, separators=(",", ":"))
    # Halves of surrogate pairs cannot be written; a client may have sent them.
    return text.encode("utf-8", "backslashreplace")


def digest(line: bytes) -> str:
    """A line's SHA-256, as the next one has it."""
    return hashlib.sha256(line).hexdigest()


def torn(fragments: Sequence[bytes]) -> dict[str, Any]:
    """The record that closes torn lines."""
    return {
        KIND: TORN,
        "bytes": [len(one) for one in fragments],
        "sha256": [digest(one) for one in fragments],
    }


def read(line: bytes) -> dict[str, Any] | None:
    """A line's record; None where it is none, as the beginning of one never is."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    whole = isinstance(record, dict) and _DIGEST.fullmatch(str(record.get(PREVIOUS, "")))
    return record if whole else None


def verify(lines: Iterable[bytes], head: str | None) -> Verified:
    """Checks that each line fits the one before it.

    Args:
        lines: Of a file, each with its end.
        head: What the first one has for the line before it; None: whatever it says.

    Raises:
        Broken: The first line that does not.
    """
    found = Verified(head or NONE)
    fragments: list[tuple[int, bytes]] = []
    number = 0
    for number, ended in enumerate(lines, 1):
        line = ended.removesuffix(b"\n")
        record = read(line) if line is not ended else None
        if record is None:
            fragments.append((number, line))
            continue
        if head is None and found.lines == 0:
            found.head = record[PREVIOUS]
        if fragments and not _closes(record, [one for _, one in fragments]):
            raise Broken(fragments[0][0], "it is no record, and no line behind it says why")
        if record[PREVIOUS] != found.head:
            raise Broken(
                number, "it or the line before it was changed, or one between them removed"
            )
        found.torn += len(fragments)
        fragments.clear()
        found.head = digest(line)
        found.lines += 1
        found.answers += record.get(KIND) == "answer"
    if fragments:
        last = len(fragments) == 1 and fragments[0][0] == number
        raise Broken(
            fragments[0][0],
            "it is torn; the server closes it when it starts" if last else "it is no record",
        )
    return found


def _closes(record: Mapping[str, Any], fragments: Sequence[bytes]) -> bool:
    return all(record.get(name) == value for name, value in torn(fragments).items())
