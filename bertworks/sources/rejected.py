"""The log of refused rows, and the limit on how many there may be."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any

from bertworks.artifacts import write_json
from bertworks.errors import DataError
from bertworks.sources.mapping import plain

CONFLICT = "conflicting labels"
_VALUE_LENGTH = 200
_SHOWN_LENGTH = 60


class RejectedLog:
    """Writes `rejected.jsonl` and `summary.json` (docs/artifacts.md).

    Args:
        folder: Where the two files go.
        keep: Where the rows are kept when the run stops because of them.
    """

    def __init__(self, folder: Path, keep: Path) -> None:
        self._file, self._keep = folder / "rejected.jsonl", keep
        self._summary = folder / "summary.json"
        self._stream = self._file.open("w", encoding="utf-8")
        self.rules: Counter[str] = Counter()
        self._first: dict[str, str] = {}

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

    def add(self, file: str, row: int, rule: str, value: Any) -> None:
        """Notes a refused row. Conflicting labels are listed but do not count as rejected."""
        self.rules[rule] += 1
        text = (value if isinstance(value, str) else plain(value))[:_VALUE_LENGTH]
        self._first.setdefault(rule, f"{file} row {row}: {text[:_SHOWN_LENGTH]!r}")
        entry = {"file": file, "row": row, "rule": rule, "value": text}
        # ASCII: the value may hold what no encoding can write.
        self._stream.write(json.dumps(entry) + "\n")

    @property
    def count(self) -> int:
        """Rejected rows, those with conflicting labels left out."""
        return self.rules.total() - self.rules[CONFLICT]

    def check(self, read: int, rejected: int, limit: float, what: str) -> None:
        """Stops when more than `limit` of the rows read were rejected.

        Raises:
            DataError: With the most frequent rules, an example, and where the rows are kept.
        """
        if not read or rejected <= limit * read:
            return
        top = [(rule, count) for rule, count in self.rules.most_common(4) if rule != CONFLICT]
        raise DataError(
            f"{rejected} of {read} rows of {what} were rejected ({rejected / read:.1%}), which is "
            f"more than data.max_rejected = {limit:.1%}. Rules: "
            + "; ".join(f"{rule} ({count}, first {self._first[rule]})" for rule, count in top[:3])
            + f". The rejected rows are in {self.keep()}",
            "Look at that file, then mend the data or the source's settings, or raise "
            "data.max_rejected.",
        )

    def keep(self) -> Path:
        """Copies the log to its place beside the output, for a run that stops; returns that."""
        self._stream.flush()
        shutil.copyfile(self._file, self._keep)
        return self._keep
