"""Writes the rows of a plan: what a challenger is trained and tested on, and all that is known."""

from __future__ import annotations

import contextlib
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bertworks import progress
from bertworks.contracts.examples import EXAMPLES, OUTSIDE, Example
from bertworks.data.rows.documents import write_merged
from bertworks.data.rows.shards import ShardWriter, examples_schema
from bertworks.data.validation.profile.rows import SPLITS
from bertworks.retraining.plan import RetrainingPlan
from bertworks.retraining.rows import by_id
from bertworks.spec import Task
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import for_task


def write_rows(
    task: Task,
    sources: Sequence[Artifact],
    plan: RetrainingPlan,
    examples: Path,
    history: Path,
) -> None:
    """Writes two examples artifacts' files (docs/artifacts.md).

    Args:
        task: What the rows hold.
        sources: Where the rows stand, older ones first: what the champion knows, what its last
            challenger knew, and the rows of this run's ingest.
        plan: Which of them go where.
        examples: Folder for the rows to train on and to measure with.
        history: Folder for all rows, which the next retraining compares with.
    """
    target, current = for_task(task).target, sources[-1]
    known = EXAMPLES.read(current)
    schema = examples_schema(task, known.extra)
    blank = dict.fromkeys(known.extra, "")
    labels: tuple[set[str], set[str]] = (set(), set())
    trained: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    with contextlib.ExitStack() as stack:
        writers = [
            {split: stack.enter_context(ShardWriter(folder / split, schema)) for split in SPLITS}
            for folder in (examples, history)
        ]
        with progress.stage("merging rows", total=len(plan.split), unit="rows") as stage:
            for identity, group in by_id(*sources):
                if identity not in plan.split:
                    continue
                row = {**blank, **_row(group, identity in plan.fresh)}
                split = plan.split[identity]
                for number in (0, 1) if plan.used(identity) else (1,):
                    writers[number][split].add(row)
                    labels[number].update(target.stored(row))
                    if target.unites:
                        for name in row[target.column]:
                            trained[number][name] += split == "train"
                stage.advance()
    for number, folder in enumerate((examples, history)):
        rows = {split: writer.rows for split, writer in writers[number].items()}
        left_out = plan.left_out if number == 0 else 0  # those that are not rehearsed
        info = replace(
            known,
            rows=rows,
            labels=sorted(labels[number]),
            read=sum(rows.values()) + left_out,
            duplicates=0,
            conflicts=0,
            left_out=left_out,
            rejected=0,
            out_of_scope=known.out_of_scope if number == 0 else None,
        )
        if target.unites:
            info = replace(info, documents=write_merged(folder, sources, trained[number]))
        EXAMPLES.write(folder, info)
    if known.out_of_scope is not None:
        shutil.copytree(current / OUTSIDE, examples / OUTSIDE)


def _row(group: list[tuple[int, str, Example]], fresh: bool) -> Example:
    """The row that stands for a content: the newest when it counts as new, else the oldest."""
    ordered = sorted(group, key=lambda one: one[0])
    return ordered[-1 if fresh else 0][2]
