"""Notices: what a step dropped, cut, merged, guessed or warns of, for the person who runs it.

A step returns them as `notices` beside its metrics. They are shown at the end of the step and again at
the end of the run, on the laptop and on a cluster alike, and stand in the report.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["note", "warning"]

# Lines in a pod's log: "step ingest warning: 3 rows ... [see rejected.jsonl]".
_LOGGED = re.compile(
    r"^step (?P<task>\S+) (?P<level>note|warning): (?P<text>.*?)(?: \[see (?P<more>[^\]]*)\])?$",
    re.M,
)
# What would break a line, move the cursor or turn the reading direction.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class Notice:
    """One thing that the user should know although the step went well.

    Attributes:
        text: What happened, in one sentence, with its count and the setting that changes it.
        level: "note" (done as asked, worth knowing) or "warning" (probably not what was wanted).
        count: How many rows, words or texts it concerns; None where it has no count.
        more: Where to read more: a file of the artifact, or a command.
    """

    text: str
    level: Level = "note"
    count: int | None = None
    more: str = ""

    def to_json(self) -> dict[str, str | int | None]:
        """The record that a step returns and the run keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Notice:
        """Reads what `to_json` wrote; unknown keys of a later version are left out."""
        known = {
            name: record[name] for name in ("text", "level", "count", "more") if name in record
        }
        return cls(**known)

    def line(self) -> str:
        """It in one line: "warning: 3 rows ... [see rejected.jsonl]"."""
        more = f" [see {self.more}]" if self.more else ""
        return _UNFIT.sub(_escaped, f"{self.level}: {self.text}{more}")


def _escaped(found: re.Match[str]) -> str:
    return " " if found[0] in "\n\t" else f"\\u{ord(found[0]):04x}"


def read_notices(records: Iterable[Mapping[str, Any]]) -> list[Notice]:
    """Notices from their records, the warnings first, each once."""
    return in_order(Notice.from_json(one) for one in records)


def in_order(notices: Iterable[Notice]) -> list[Notice]:
    """The warnings first, each once."""
    return sorted(dict.fromkeys(notices), key=lambda notice: notice.level != "warning")


def to_log(task: str, notices: Iterable[Notice]) -> str:
    """The lines in a pod's log that `from_log` reads; empty where there is nothing to say."""
    return "".join(f"step {task} {notice.line()}\n" for notice in notices)


def from_log(task: str, log: str) -> list[Notice]:
    """The notices of a task in a pod's log, the counts left out."""
    return read_notices(
        {"text": found["text"], "level": found["level"], "more": found["more"] or ""}
        for found in _LOGGED.finditer(log)
        if found["task"] == task
    )


def tally(notices: Iterable[Notice]) -> str:
    """How many there are: "2 warnings, 1 note"; empty where there are none."""
    counts = Counter(notice.level for notice in notices)
    return ", ".join(
        f"{counts[level]} {level}{'s' if counts[level] > 1 else ''}"
        for level in ("warning", "note")
        if counts[level]
    )
