"""A run on a file: answers beside its rows, bad rows kept apart, and no work done twice."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bertworks.batch.journal import Journal, State, discard, identity, journal
from bertworks.batch.outputs import PARQUET, Output, format_of, output_for
from bertworks.batch.pace import Pace
from bertworks.batch.rows import CHUNK_ROWS, BadRow, Followed, ending_of, header_of, open_table
from bertworks.batch.texts import Form, Given, column_names, read_all
from bertworks.data.formats import tables
from bertworks.errors import DataError
from bertworks.storage.replacing import named_place_fault, replacing
from bertworks.tasks import form_of
from bertworks.tasks.top import top_labels


@dataclass(frozen=True)
class Job:
    """What is answered, and where the answers go.

    Attributes:
        bundle: The bundle's folder.
        file: The rows.
        out: .jsonl, .csv or .tsv, each also .gz, or .parquet.
        top: How many labels' scores are written of a row, the best ones.
        keep_formulas: Whether cells that a spreadsheet would run are written as they are.
    """

    bundle: Path
    file: Path
    out: Path
    top: int = 5
    keep_formulas: bool = False

    @property
    def rejected(self) -> Path:
        """Where the rows go that cannot be answered: beside each output a file of its own."""
        return self.out.with_name(f"{self.out.name}.rejected.jsonl")

    @property
    def identity(self) -> str:
        """See `journal.identity`."""
        options = {"format": format_of(self.out), "top": self.top, "keep": self.keep_formulas}
        return identity(self.file, self.bundle, {**options, "chunk": CHUNK_ROWS})

    def output(self, folder: Path, state: State) -> Output:
        """The output, as an earlier run has left it."""
        format_, _ = format_of(self.out)
        names = column_names(self.file) if format_ in ("csv", "tsv") else []
        return output_for(
            folder, self.out, names=names, keep_formulas=self.keep_formulas,
            types=_types(self.file) if format_ == PARQUET else None,
            place=state.place, told=state.told,
        )  # fmt: skip


def answer_file(agent: Any, job: Job) -> State:
    """Answers every row of a file, in order; killed, it goes on where it was.

    Args:
        agent: The loaded agent of `job.bundle`.
        job: What to do.

    Returns:
        What was done.

    Raises:
        DataError: The file cannot be read, or none of its rows.
        EnvironmentFault: The output cannot be written.
    """
    _check_rejected(job)
    try:
        with journal(job.out, job.identity) as kept:
            state, output = _answer(agent, job, kept)
            if state.rejected and not state.told.rows:
                raise _none_readable(job, kept, state)
            if state.rejected or job.rejected.exists():
                with replacing(job.rejected, fault=named_place_fault) as path:
                    os.rename(kept.rejects, path)
            with replacing(job.out, fault=named_place_fault) as path:
                output.finish(path)
    except OSError as error:
        raise named_place_fault(error, job.out) from error
    except DataError:
        discard(job.out)  # the input has to change: nothing can go on from here
        raise
    return state


def tell(job: Job, state: State) -> None:
    """Says on stderr what is not as it was given."""
    state.told.tell()
    if state.rejected:
        rows = state.items
        print(
            f"warning: {state.rejected:,} of {rows:,} rows could not be read and have no answer; each "
            f"stands with its reason in {job.rejected}",
            file=sys.stderr,
        )


def answered(
    agent: Any, items: Sequence[Given | BadRow], top: int
) -> Iterator[tuple[Given, Mapping[str, object]] | BadRow]:
    """Each row with its answer, in order; rows that the agent does not take are bad rows."""
    form = form_of(agent.task)
    found = [checked(form, place, item) for place, item in enumerate(items)]
    good = [item for item in found if not isinstance(item, BadRow)]
    answers = iter(agent.predict([given.row for given in good]) if good else [])
    for item in found:
        yield item if isinstance(item, BadRow) else (item, top_labels(next(answers), top))


def _answer(agent: Any, job: Job, kept: Journal) -> tuple[State, Output]:
    state, followed = kept.state, Followed()
    pace = Pace(lambda: followed.share)
    output = job.output(kept.folder, state)
    items = read_all([], job.file, Form.of(agent), followed)
    if state.items:
        for _ in islice(items, state.items):
            pass
        pace.skip(state.items)
        print(f"going on after {state.items:,} rows of an earlier run", file=sys.stderr)
    number, rejected, size = state.items, state.rejected, state.rejected_bytes
    while chunk := list(islice(items, CHUNK_ROWS)):
        for item in answered(agent, chunk, job.top):
            number += 1
            if isinstance(item, BadRow):
                kept.reject(number, item)
                rejected += 1
            else:
                output.write(*item)
        if output.settle():
            size = kept.rejects.stat().st_size
            kept.note(State(state.job, number, output.place, rejected, size, output.told))
        pace.advance(len(chunk))
    if not (number or output.told.rows):
        output.head(header_of(job.file), _sample(agent, job.top))
    output.settle(last=True)
    pace.end(str(job.out))
    size = kept.rejects.stat().st_size
    return State(state.job, number, output.place, rejected, size, output.told), output


def _sample(agent: Any, top: int) -> Mapping[str, object]:
    """Any answer: which columns an output has."""
    (answer,) = agent.predict([form_of(agent.task).sample])
    return top_labels(answer, top)


def checked(form: Any, place: int, item: Given | BadRow) -> Given | BadRow:
    """A row, or a bad row where the agent's form does not take it."""
    if isinstance(item, BadRow):
        return item
    try:
        form.check(place, item.row)
    except DataError as error:
        if item.spot is not None:
            # Its place among others that are asked with it tells nobody where it stands.
            error.message = error.message.replace(f"Row {place + 1} ", f"{item.spot} ", 1)
        return BadRow(error, item.record, item.spot)
    return item


def _types(file: Path) -> dict[str, Any] | None:
    """The types of the input's columns, where it tells them."""
    if ending_of(file) not in tables.ENDINGS:
        return None
    with open_table(file) as table:
        return {field.name: field.type for field in table.schema}


def _check_rejected(job: Job) -> None:
    if job.rejected.exists() and job.rejected.samefile(job.file):
        raise DataError(
            f"{job.file} is where rows that cannot be read would go: they would be lost.",
            f"Name another output: -o {job.out.with_name(f'again-{job.out.name}')}",
        )


def _none_readable(job: Job, kept: Journal, state: State) -> DataError:
    with kept.rejects.open(encoding="utf-8") as stream:
        first = json.loads(stream.readline())
    return DataError(
        f"None of the {state.items} rows of {job.file} can be read. {first['error']}",
        first["fix"],
    )
