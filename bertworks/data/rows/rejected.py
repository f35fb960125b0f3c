"""The log of refused rows, and the limit on how many there may be."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

from bertworks.contracts.examples import CHANGED
from bertworks.data.labels.labels import LONE_HALF
from bertworks.data.rows.spots import Spot
from bertworks.data.rows.tally import Tally
from bertworks.data.rows.undecoded import quoted, with_bytes
from bertworks.data.rows.values import received
from bertworks.errors import DataError
from bertworks.storage.artifacts import write_json

CONFLICT = "conflicting labels"
RATED = "several scores"
LEFT_OUT = (CONFLICT, RATED)
"""Rules of rows that are listed but do not count as rejected: they are good, but do not agree."""

_VALUE_LENGTH = 200
_SHOWN_LENGTH = 60
_SHOWN_RULES = 3


class RejectedLog:
    """Writes `rejected.jsonl`, `summary.json` and `changed.json` (docs/artifacts.md).

    Args:
        folder: Where the files go.
        keep: Where the rows are kept when the run stops because of them.

    Attributes:
        rules: How many rows broke each rule.
        tally: What was read otherwise than it stands in the files.
    """

    def __init__(self, folder: Path, keep: Path) -> None:
        self._file, self._keep = folder / "rejected.jsonl", keep
        self._folder, self._summary = folder, folder / "summary.json"
        self._stream = self._file.open("w", encoding="utf-8")
        self.rules: Counter[str] = Counter()
        self.tally = Tally()
        self._first: dict[str, str] = {}
        self._fixes: dict[str, str] = {}

    def __enter__(self) -> RejectedLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()
        write_json(self._summary, dict(self.rules))
        CHANGED.write(self._folder, self.tally.changed())

    def add(self, spot: Spot, rule: str, value: Any, fix: str = "") -> None:
        """Notes a refused row. Conflicting labels are listed but do not count as rejected."""
        self.rules[rule] += 1
        if fix:
            self._fixes.setdefault(rule, fix)
        text = received(value)[:_VALUE_LENGTH]
        shown = text[:_SHOWN_LENGTH]
        escaped = rule == LONE_HALF
        said = repr(shown) if escaped else quoted(shown)
        self._first.setdefault(rule, f"{spot}: {said}")
        text = text if escaped else with_bytes(text)
        entry = {**spot._asdict(), "rule": rule, "value": text}
        # ASCII: the value may hold what no encoding can write.
        self._stream.write(json.dumps(entry) + "\n")

    @property
    def count(self) -> int:
        """Rejected rows, those that do not agree left out."""
        return self.rules.total() - sum(self.rules[rule] for rule in LEFT_OUT)

    def check(self, read: int, rejected: int, limit: float, what: str) -> None:
        """Stops when more than `limit` of the rows read were rejected.

        Raises:
            DataError: With the most frequent rules, an example, and where the rows are kept.
        """
        if not read or rejected <= limit * read:
            return
        raise DataError(
            f"{rejected} of {read} rows of {what} were rejected ({rejected / read:.1%}), which is "
            f"more than data.max_rejected = {limit:.1%}. {self.told()}",
            (f"{self.advice()} " if self.advice() else "")
            + "Look at that file, then mend the data or the source's settings, or raise "
            "data.max_rejected.",
        )

    def told(self) -> str:
        """The most frequent rules, the first row of each, and where the rejected rows are kept."""
        rules = "; ".join(
            f"{rule} ({self.rules[rule]}, first {self._first[rule]})" for rule in self._top()
        )
        return f"Rules: {rules}{self._others()}. The rejected rows are in {self.keep()}"

    def in_short(self) -> str:
        """The most frequent rules and how many rows broke each."""
        rules = ", ".join(f"{rule} ({self.rules[rule]})" for rule in self._top())
        return f"{rules}{self._others()}"

    def _others(self) -> str:
        """How many rows broke rules that are not among the most frequent ones; "" where none did."""
        others = self.rules.keys() - {*self._top(), *LEFT_OUT}
        rest = sum(self.rules[rule] for rule in others)
        rules = f"{len(others)} other rule{'' if len(others) == 1 else 's'}"
        return f", and {rest:,} more of {rules}" if rest else ""

    def advice(self) -> str:
        """The settings that mend the most frequent rules; "" where none does."""
        return " ".join(self._fixes[rule] for rule in self._top() if rule in self._fixes)

    def _top(self) -> list[str]:
        most = self.rules.most_common(_SHOWN_RULES + len(LEFT_OUT))
        return [rule for rule, _ in most if rule not in LEFT_OUT][:_SHOWN_RULES]

    def first(self, rule: str) -> str:
        """The first row that broke a rule: its file, its number and the beginning of its value."""
        return self._first.get(rule, "")

    def keep(self) -> Path:
        """Copies the log to its place beside the output, for a run that stops; returns that."""
        self._stream.flush()
        shutil.copyfile(self._file, self._keep)
        return self._keep
