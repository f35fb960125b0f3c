"""All rows of a list of sources: fetched, read, filtered, mapped; refused ones in the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertworks import progress
from bertworks.contracts.examples import Example, SourceRows, Unmatched
from bertworks.data.formats.annotators import LeftOut
from bertworks.data.formats.columns import Refusal, missing_column, one_hot_fix
from bertworks.data.formats.rows import format_of, read_rows
from bertworks.data.labels.labels import UNDECODABLE, Refused
from bertworks.data.rows.mapping import Mapper
from bertworks.data.rows.rejected import RejectedLog
from bertworks.data.rows.values import plain
from bertworks.data.sources.encodings import likely_encoding
from bertworks.data.sources.fetch import Fetched, combined_sha256, fetch
from bertworks.errors import DataError
from bertworks.notices import Notice
from bertworks.secrets import masked
from bertworks.spec import Clean, Source, Task


@dataclass(frozen=True, slots=True)
class Found:
    """An example, and where it was found."""

    example: Example
    source: Source
    file: str
    row: int


@dataclass
class Reader:
    """Reads sources in order.

    Attributes:
        task: What an example must hold; None: unlabelled text.
        clean: Clean-up for every text.
        folder: What local paths are relative to.
        log: Takes the refused rows.
        max_row_bytes: Longer rows are refused.
        separator: Separates the labels of a multi-label cell.
        read: Rows read so far that passed their source's filter, refused ones included.
        rejected: Rows refused so far.
        filtered: Rows left out so far by their source's filter.
        sources: What came of each source.
        unmatched: Keys of a `label_map` that no row had.
        notices: Values of a `where` that no row had.
    """

    task: Task | None
    clean: Clean
    folder: Path
    log: RejectedLog
    max_row_bytes: int
    separator: str = "|"
    read: int = 0
    rejected: int = 0
    filtered: int = 0
    sources: list[SourceRows] = field(default_factory=list)
    unmatched: list[Unmatched] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    _encodings: dict[str, str] = field(default_factory=dict)

    def examples(self, sources: Sequence[Source]) -> Iterator[Found]:
        """Yields every good row of the sources.

        Raises:
            SourceError: A source cannot be fetched, or is not what was pinned.
            DataError: A source has no rows, lacks a column, or its filter lets nothing through.
        """
        if not sources:
            return
        what = "reading rows" if self.task is not None else "reading the corpus"
        with progress.stage(what, unit="rows") as stage:
            for source in sources:
                before, filtered = self.read, self.filtered
                mapper = Mapper(source, self.task, self.clean, self.separator, masked(source.uri))
                with fetch(source.uri, source.sha256, self.folder) as files:
                    for file in files:
                        for found in self._file(file, source, mapper):
                            stage.advance()
                            yield found
                    _note_unmatched(stage, source, mapper)
                    self.unmatched += [
                        Unmatched(masked(source.uri), key) for key in sorted(mapper.unmatched)
                    ]
                    setting = f"{'data' if self.task else 'corpus'}.sources[].where"
                    self.notices += [
                        Notice(f"{masked(source.uri)}: {missed} ({setting})", "warning")
                        for missed in mapper.filter.missed()
                    ]
                    self.sources.append(
                        SourceRows(
                            uri=masked(source.uri),
                            sha256=combined_sha256(files),
                            rows=self.read - before,
                            filtered=self.filtered - filtered,
                            license=source.license,
                        )
                    )

    def _file(self, file: Fetched, source: Source, mapper: Mapper) -> Iterator[Found]:
        counts: Counter[str] = Counter()
        columns: dict[str, object] = {}
        tally = self.log.tally
        mapper.begin(format_of(file, source))
        for row in read_rows(file, source, mapper.needed, self.max_row_bytes, tally):
            if isinstance(row, Refusal):
                counts["refused"] += 1
                self._refuse(file, row.number, row.rule, row.value, row.fix)
                continue
            try:
                values = mapper.unfolded(row.values)
            except LeftOut as left:
                counts["left_out"] += 1
                tally.add(left.kind, file.name, row.number, left.value, left.value)
                continue
            if not counts["good"] and len(columns) < 1000:
                columns.update(values)
            if not mapper.filter.passes(values):
                counts["filtered"] += 1
                self.filtered += 1
                continue
            try:
                example = mapper.example(values)
            except Refused as refused:
                counts["refused"] += 1
                mapper.mended()
                fix = refused.fix
                if refused.rule == UNDECODABLE and source.encoding == "utf-8":
                    fix = self._encoding_fix(file)
                self._refuse(file, row.number, refused.rule, refused.value, fix)
                continue
            for kind, value, detail in mapper.mended():
                tally.add(kind, file.name, row.number, value, detail)
            counts["good"] += 1
            self.read += 1
            yield Found(example, source, file.name, row.number)
        _say_why_empty(file, source, mapper, counts, columns)

    def _refuse(self, file: Fetched, row: int, rule: str, value: Any, fix: str = "") -> None:
        self.read += 1
        self.rejected += 1
        self.log.add(file.name, row, rule, value, fix)

    def _encoding_fix(self, file: Fetched) -> str:
        """Names the encoding that a file that is not UTF-8 is likely to be in; looked at once."""
        if file.name not in self._encodings:
            self._encodings[file.name] = likely_encoding(file.path, file.name)
        likely = self._encodings[file.name]
        return f"If the file is not UTF-8, set the source's encoding: {likely}." if likely else ""


def _note_unmatched(stage: progress.Stage, source: Source, mapper: Mapper) -> None:
    """Notes keys of `label_map` that no row had: spelt wrong, or a label that is not there yet."""
    if mapper.unmatched:
        keys = ", ".join(map(repr, sorted(mapper.unmatched)))
        note = f"label_map: no row of {masked(source.uri)} has the label {keys}"
        stage.advance(0, f"{stage.note}; {note}" if stage.note else note)


def _say_why_empty(
    file: Fetched,
    source: Source,
    mapper: Mapper,
    counts: Counter[str],
    columns: Mapping[str, Any],
) -> None:
    """Raises when a file gave nothing for a reason that a setting mends; columns have a value each."""
    if counts["good"]:
        return
    if not counts.total():
        raise DataError(f"{file.name} has no rows.", "Give a file with rows.")
    known = {*columns, *source.constants}
    missing = next((column for column in mapper.needed if column not in known), None)
    if columns and missing is not None:
        hint = _where_rows_stand(file, columns)
        if missing == source.columns.label and not hint:
            flags = [name for name, value in columns.items() if plain(value) in ("0", "1")]
            hint = one_hot_fix(flags)
        raise missing_column(file.name, missing, list(columns), list(source.constants), hint)
    if counts["left_out"] and not counts["filtered"] and not counts["refused"]:
        raise DataError(
            f"{file.name}: its annotators accepted none of its {counts['left_out']} rows.",
            "Export what was annotated, or name the answers in the source's `where: {answer: [accept, "
            "reject, ignore]}`.",
        )
    if counts["filtered"] and not counts["refused"]:
        exist = "; ".join(
            mapper.filter.values_of(column, asked[0] if asked else "")
            for column, asked in source.where.items()
        )
        raise DataError(
            f"{file.name}: none of its {counts['filtered']} rows passes `where`: {source.where}. "
            f"{exist}.",
            "Correct the filter's columns and values (they are compared as text).",
        )


def _where_rows_stand(file: Fetched, columns: Mapping[str, Any]) -> str:
    """What to do with one JSON object that holds all rows in a list; "" for anything else."""
    for name, value in columns.items():
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            return (
                f"The rows seem to stand in the list {name!r}: write that list alone, for example: "
                f"jq '.{name}' {Path(file.name).name} > rows.json"
            )
    return ""
