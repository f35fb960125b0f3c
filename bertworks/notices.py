"""Notices: what a step dropped, cut, merged, guessed or warns of, for the person who runs it.

A step returns them as `notices` beside its metrics. They are shown at the end of the step and again at
the end of the run, on the laptop and on a cluster alike, and stand in the report.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Level = Literal["note", "warning"]


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

    def to_json(self) -> dict[str, Any]:
        """The record that a step returns and the run keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Notice:
        """Reads what `to_json` wrote; unknown keys of a later version are left out."""
        known = {
            name: record[name] for name in ("text", "level", "count", "more") if name in record
        }
        return cls(**known)
