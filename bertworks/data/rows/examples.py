"""Labelled rows, merged: duplicates and conflicts removed, split by content, written as shards."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bertworks import progress
from bertworks.contracts.examples import EXAMPLES, Examples
from bertworks.data.rows.agreement import agreed
from bertworks.data.rows.reading import Reader
from bertworks.data.rows.rejected import CONFLICT, RATED, RejectedLog
from bertworks.data.rows.shards import ShardWriter, examples_schema
from bertworks.data.rows.spill import Record, Spill
from bertworks.data.rows.split import SPLITS, content_id, split_of
from bertworks.data.rows.spots import Spot
from bertworks.errors import DataError
from bertworks.spec import Data, Task
from bertworks.tasks import for_task
from bertworks.tasks.handler import TaskHandler

# A content that stands in several pinned splits belongs to the one that must stay unseen.
_PINNED = ("test", "validation", "train")

LEAST_ROWS = 20
"""Fewer are hardly ever enough to train, validate and test an agent on."""

Taker = Callable[[str, Record], None]


def write_examples(
    folder: Path, task: Task, data: Data, reader: Reader, scratch: Path, take: Taker
) -> Examples:
    """Reads the labelled sources of `data` and writes the examples artifact's files.

    Args:
        folder: Where the splits and info.json go.
        task: What an example holds.
        data: Sources, clean-up, shares.
        reader: Set up for this task.
        scratch: An empty folder for rows on their way, on a disk with room for all of them.
        take: Called with (split, row) for every row that is kept.

    Returns:
        info.json.

    Raises:
        DataError: Too many rejected rows, only one distinct row, or a split without rows.
    """
    handler = for_task(task)
    extra = sorted({name for source in data.labelled for name in source.columns.extra})
    spill = Spill(scratch)
    repeats: Counter[str] = Counter()  # of official rows only, and those files are small
    for found in reader.examples(data.labelled):
        record = {
            **found.example,
            "_split": found.source.split,
            "_keep_all": found.source.keep_all,
            "_spot": found.spot,
        }
        if found.source.keep_all:
            record["id"] = _official_id(record["id"], repeats)
        spill.add(record)
    reader.log.check(reader.read, reader.rejected, data.max_rejected, "data.sources")
    counts: Counter[str] = Counter()
    labels: set[str] = set()
    label_rows: Counter[str] = Counter()
    with contextlib.ExitStack() as stack:
        schema = examples_schema(task, extra)
        writers = {
            split: stack.enter_context(ShardWriter(folder / split, schema)) for split in SPLITS
        }
        with progress.stage("merging and splitting", total=reader.read, unit="rows") as stage:
            merged = _merged(spill, handler, data, reader.log, counts, stage.advance)
            for split, row in merged:
                writers[split].add(row)
                labels.update(handler.target.stored(row))
                label_rows.update(handler.target.counted(row[handler.target.column]))
                take(split, row)
    rows = {split: writer.rows for split, writer in writers.items()}
    _check_rows(rows, counts, reader, data)
    info = Examples(
        task=task,
        rows=rows,
        clean=data.clean,
        labels=sorted(labels),
        extra=extra,
        read=reader.read,
        duplicates=counts["duplicates"],
        conflicts=counts["conflicts"],
        left_out=counts["left_out"],
        rejected=reader.rejected,
        label_rows=dict(sorted(label_rows.items())),
        unmatched=reader.unmatched,
        conflicting_texts=counts["conflicting_texts"],
        settled=counts["settled"],
        settled_texts=counts["settled_texts"],
        sources=reader.sources,
    )
    EXAMPLES.write(folder, info)
    return info


def _merged(
    spill: Spill,
    handler: TaskHandler,
    data: Data,
    log: RejectedLog,
    counts: Counter[str],
    advance: Callable[[int], None],
) -> Iterator[tuple[str, Record]]:
    """Yields (split, row) in the order of ids: one row for each content that has one label.

    Rows of a source with `keep_all` are all kept, and leave no room for others of their content.
    """
    target = handler.target
    for group in spill.groups():
        advance(len(group))
        official = [row for row in group if row["_keep_all"]]
        for row in official:
            yield row["_split"], row
        conflict = len({target.text(row[target.column]) for row in group}) > 1
        others = [row for row in group if not row["_keep_all"]]
        settled = agreed(others, target, data) if conflict and not official else None
        if conflict and settled is None:
            counts["conflicts"] += len(others)
            counts["conflicting_texts"] += 1
            for row in others:
                rule = RATED if target.numeric else CONFLICT
                text = " | ".join(handler.form.corpus_texts(row))
                value = f"{target.text(row[target.column])}: {text}"
                log.add(Spot(*row["_spot"]), rule, value)
        elif official:
            counts["duplicates"] += len(others)
        else:
            counts["duplicates"] += len(others) - 1
            if settled is not None:
                counts["settled_texts"] += 1
                counts["settled"] += len(others)
            if data.max_rows is not None and counts["kept"] >= data.max_rows:
                counts["left_out"] += 1
                continue
            counts["kept"] += 1
            split = placed(others, data)
            row = next((row for row in others if row["_split"] == split), others[0])
            yield split, {**row, **(settled or {})}


def placed(group: Sequence[Mapping[str, Any]], data: Data) -> str:
    """The split of a content, by its rows: their `id`, and the `_split` that their source says."""
    pinned = {row["_split"] for row in group}
    return next(
        (split for split in _PINNED if split in pinned),
        split_of(group[0]["id"], data.salt, data.validation, data.test),
    )


def _official_id(identity: str, repeats: Counter[str]) -> str:
    """The content id at its first appearance in an official file; then one that tells them apart."""
    repeats[identity] += 1
    number = repeats[identity]
    return identity if number == 1 else content_id(identity, str(number))


def _check_rows(rows: dict[str, int], counts: Counter[str], reader: Reader, data: Data) -> None:
    total, read, rejected = sum(rows.values()), reader.read, reader.rejected
    empty = next((split for split in SPLITS if not rows[split]), None)
    if empty is None:
        return
    if total <= 1 < read - rejected and 2 * rejected < read:
        raise DataError(
            f"Of {read} rows only {total} distinct row{'s' if total != 1 else ''} with one label "
            f"remained: {counts['duplicates']} are duplicates, {counts['conflicts']} carry "
            f"conflicting labels{f', {rejected} were rejected' if rejected else ''}.",
            "Check that data.sources[].columns.text names the text and not a constant column. Rows that "
            "do not agree are settled by `data.conflicting_labels: majority`, scores by "
            "`data.repeated_scores: mean`.",
        )
    if rejected and 2 * rejected >= read:
        raise _too_many_rejected(empty, total, reader)
    raise no_rows_in(empty, total, data, rejected)


def _too_many_rejected(split: str, total: int, reader: Reader) -> DataError:
    """The error for a split that has no rows as most were rejected, whatever data.max_rejected says."""
    advice = reader.log.advice()
    return DataError(
        f"{reader.rejected} of {reader.read} rows of data.sources were rejected, and of the {total} "
        f"distinct others none is in the {split} split. {reader.log.told()}",
        f"{advice}{' ' if advice else ''}Look at that file, then mend the data or the source's "
        "settings.",
    )


def no_rows_in(split: str, total: int, data: Data, rejected: int = 0) -> DataError:
    """The error for a split that has none of the rows, beside those that were rejected."""
    shares = f"data.validation = {data.validation}, data.test = {data.test}"
    more = "Give more rows, "
    if total < LEAST_ROWS:
        more = f"Give more rows (some hundred a label are a beginning, {LEAST_ROWS} in all the least), "
    change = "lower data.validation and data.test" if split == "train" else f"raise data.{split}"
    return DataError(
        f"The {split} split has no rows: {total} row{'' if total == 1 else 's'} in all"
        f"{f' beside {rejected} that were rejected' if rejected else ''}, {shares}.",
        f"{more}{change}, or give a source with `split: {split}`.",
    )
