"""Whether rows are enough for an agent: those at hand before anything is fetched or begun, others when
they were read."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from bertworks import progress
from bertworks.data.rows.examples import no_rows_in, placed
from bertworks.data.rows.reading import Found, Reader
from bertworks.data.rows.rejected import RejectedLog
from bertworks.data.rows.split import SPLITS
from bertworks.data.sources.fetch import local_files
from bertworks.data.sources.uri import parse
from bertworks.errors import BertworksError, DataError
from bertworks.spec import AgentSpec, Source
from bertworks.storage import temporary
from bertworks.tasks import for_task
from bertworks.tasks.target import Target

MOST_ROWS = 10_000
"""Rows that are looked at: more are enough, unless a step that reads all of them finds otherwise."""
MOST_BYTES = 1 << 25
"""Of files that are looked into: to find one label in larger ones would keep people waiting."""


class Apart:
    """Whether rows have something to tell apart; once they have, no later row changes that.

    Args:
        target: What is learned of them.
    """

    def __init__(self, target: Target) -> None:
        self._target, self._rows = target, 0
        self._values: Counter[str] = Counter()

    def add(self, value: Any) -> None:
        """Takes what is learned of a row, as an example has it."""
        if not self.enough():  # else: numbers could be as many as rows
            self._rows += 1
            self._values.update(self._target.told_apart(value))

    def enough(self) -> bool:
        """Whether they have."""
        found, needed, _ = self._target.variety(self._values, self._rows)
        return found >= needed

    def check(self) -> None:
        """Refuses rows that have nothing to tell apart.

        Raises:
            DataError: With what would do.
        """
        if self.enough():
            return
        found, needed, what = self._target.variety(self._values, self._rows)
        only = f" ({next(iter(self._values))!r:.60})" if len(self._values) == 1 else ""
        raise DataError(
            f"The {self._rows:,} rows have too few {what} to learn to tell apart: {found}{only}, of "
            f"at least {needed}.",
            "Give rows of others, too; where the column is another one, say which "
            "(data.sources[].columns.label).",
        )


def check_enough(spec: AgentSpec, folder: Path, *, alone: bool = True) -> None:
    """Refuses rows of which no agent can be made: a split without rows, one label, fewer than folds.

    Reads local files no further than it must. What else is wrong with rows ingest says, which reads all
    of them, and keeps those that it refuses.

    Args:
        spec: The agent's.
        folder: What local paths are relative to.
        alone: Whether no other rows are learned with them; those of a champion bring their labels.

    Raises:
        DataError: There are too few rows; says how many there are, and what would do.
    """
    if not all(_at_hand(source, folder) for source in spec.data.labelled):
        return
    data, seen = spec.data, _Seen(spec, alone)
    with (
        temporary.scratch() as place,
        progress.quiet(),
        RejectedLog(place, place / "kept.jsonl") as log,
    ):
        reader = Reader(
            spec.task, data.clean, folder, log, data.max_row_bytes, data.label_separator
        )
        try:
            for found in islice(reader.examples(data.labelled), MOST_ROWS):
                seen.add(found)
                if seen.enough():
                    return
        except BertworksError:
            return
    if reader.read < MOST_ROWS and not reader.rejected:
        seen.refuse()


def _at_hand(source: Source, folder: Path) -> bool:
    location = parse(source.uri)
    if location.kind != "local":
        return False
    with suppress(BertworksError, OSError):
        files = local_files(location.outer, folder)
        return sum(file.stat().st_size for file in files) <= MOST_BYTES
    return False


class _Seen:
    """What was seen so far."""

    def __init__(self, spec: AgentSpec, alone: bool) -> None:
        self._data = spec.data
        self._folds = spec.tune.folds if spec.tune.enabled and alone else None
        self._target = for_task(spec.task).target
        asked = alone and spec.validate_.checks.single_class == "error"
        self._apart = Apart(self._target) if asked else None
        self._splits: dict[str, str] = {}
        self._rows = 0

    def add(self, found: Found) -> None:
        """Takes a row as ingest will."""
        example = found.example
        self._rows += 1
        record = {"id": example["id"], "_split": found.source.split}
        before = self._splits.get(example["id"])
        self._splits[example["id"]] = placed(
            [record, *([{**record, "_split": before}] if before else [])], self._data
        )
        if self._apart is not None:
            self._apart.add(example[self._target.column])

    def enough(self) -> bool:
        """Whether no later row can make it too few."""
        counts = Counter(self._splits.values())
        return (
            all(counts[split] for split in SPLITS)
            and counts["train"] >= (self._folds or 1)
            and (self._apart is None or self._apart.enough())
        )

    def refuse(self) -> None:
        """Says what lacks, where they are not `enough`.

        Raises:
            DataError: With what would do.
        """
        counts = Counter(self._splits.values())
        total = len(self._splits)
        if total <= 1 < self._rows:
            return  # they repeat or contradict each other, which ingest counts
        for split in SPLITS:
            if not counts[split]:
                raise no_rows_in(split, total, self._data)
        if self._apart is not None:
            self._apart.check()
        if self._folds and counts["train"] < self._folds:
            raise too_few_for(self._folds, counts["train"])


def too_few_for(folds: int, rows: int) -> DataError:
    """The error for fewer training rows than folds."""
    return DataError(
        f"{rows} training rows cannot be dealt into {folds} folds.",
        f"Set tune.folds: {rows} or less, or leave it out; or give more rows."
        if rows > 1
        else "Leave tune.folds out, or give more rows.",
    )
