"""All rows of a list of sources: fetched, read, filtered, mapped; refused ones in the log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from bertworks import progress
from bertworks.contracts.examples import Example, SourceRows, Unmatched
from bertworks.data.formats import tables
from bertworks.data.formats.annotators import NO_ANSWER, SEVERAL, LeftOut
from bertworks.data.formats.columns import Refusal, Row, missing_column, one_hot_fix
from bertworks.data.formats.json_tables import path_to_rows
from bertworks.data.formats.nested import names_inside
from bertworks.data.formats.rows import format_of, read_rows
from bertworks.data.labels.labels import LONE_HALF, UNDECODABLE, ZERO_AND_ONE, NoColumn, Refused
from bertworks.data.rows.mapping import Mapper
from bertworks.data.rows.rejected import RejectedLog
from bertworks.data.rows.spots import Spot
from bertworks.data.rows.values import plain
from bertworks.data.sources import shards
from bertworks.data.sources.encodings import encoding_advice
from bertworks.data.sources.fetch import Fetched, combined_sha256, fetch
from bertworks.errors import DataError
from bertworks.notices import Level, Notice
from bertworks.secrets import masked
from bertworks.shortened import listed
from bertworks.spec import Clean, Source, Task

_SHOWN = 3  # names of files in a notice
_MANY = 20  # keys of one object that may be texts
_CUT = (
    "What wrote the file cut characters in two, as where a text is cut to a length in UTF-16: cut it "
    "between characters."
)
_FAST_TEXT = (
    "Its lines are fastText's: set the source's "
    r"`pattern: '^__label__(?P<label>\S+)\s+(?P<text>.*)$'`."
)


@dataclass(frozen=True, slots=True)
class Found:
    """An example, and where it was found."""

    example: Example
    source: Source
    spot: Spot


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
        part: The part of the spec that its sources are of, for messages.
        read: Rows read so far that passed their source's filter, refused ones included.
        rejected: Rows refused so far.
        filtered: Rows left out so far by their source's filter.
        sources: What came of each source.
        unmatched: Keys of a `label_map` that no row had.
        notices: Values of a `where` that no row had, files that gave no row beside others that did, and
            parts of files that are not there.
    """

    task: Task | None
    clean: Clean
    folder: Path
    log: RejectedLog
    max_row_bytes: int
    separator: str = "|"
    part: Literal["data", "corpus"] = "data"
    read: int = 0
    rejected: int = 0
    filtered: int = 0
    sources: list[SourceRows] = field(default_factory=list)
    unmatched: list[Unmatched] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    _first_either: str = ""
    _encodings: dict[tuple[str, str], str] = field(default_factory=dict)

    def examples(self, sources: Sequence[Source]) -> Iterator[Found]:
        """Yields every good row of the sources.

        Raises:
            SourceError: A source cannot be fetched, or is not what was pinned.
            DataError: A source has no rows, lacks a column or names for its vectors of 0 and 1, or its
                filter lets nothing through.
        """
        if not sources:
            return
        what = "reading rows" if self.part == "data" else "reading the corpus"
        names: list[str] = []
        with progress.stage(what, unit="rows") as stage:
            for source in sources:
                before, filtered, self._first_either = self.read, self.filtered, ""
                mapper = Mapper(source, self.task, self.clean, self.separator, masked(source.uri))
                with fetch(source.uri, source.sha256, self.folder) as files:
                    names += [file.name for file in files]
                    gave_nothing: list[_Nothing] = []
                    for file in files:
                        for found in self._file(file, source, mapper, gave_nothing):
                            stage.advance()
                            yield found
                    mapper.labels.check(masked(source.uri), self._first_either)
                    if gave_nothing and len(gave_nothing) == len(files):
                        raise _why_empty(gave_nothing, source, mapper)
                    self.notices += _told(gave_nothing, len(files), source, self._setting)
                    _note_unmatched(stage, source, mapper)
                    self.unmatched += [
                        Unmatched(masked(source.uri), key) for key in sorted(mapper.unmatched)
                    ]
                    self.notices += [
                        Notice(f"{masked(source.uri)}: {missed} ({self._setting})", "warning")
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
        self.notices += shards.notices(names)

    @property
    def _setting(self) -> str:
        return f"{self.part}.sources[].where"

    def _file(
        self, file: Fetched, source: Source, mapper: Mapper, gave_nothing: list[_Nothing]
    ) -> Iterator[Found]:
        """The good rows of one file; a file without any is noted where a setting mends that."""
        if not (size := file.path.stat().st_size):
            gave_nothing.append(_Nothing(file.name, size))
            return
        counts: Counter[str] = Counter()
        columns: dict[str, object] = {}
        lacking: Counter[str] = Counter()
        tally = self.log.tally
        format_ = format_of(file, source)
        mapper.begin(format_)
        rows = read_rows(file, source, mapper.needed, self.max_row_bytes, tally)
        for spot, row in self._annotated(file, rows, mapper):
            if isinstance(row, Refusal):
                counts["refused"] += 1
                self._refuse(spot, row.rule, row.value, row.fix)
                continue
            try:
                values = mapper.unfolded(row.values)
            except LeftOut as left:
                counts["left_out"] += 1
                tally.add(left.kind, spot, left.value, left.value)
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
                if isinstance(refused, NoColumn):
                    lacking[refused.column] += 1
                mapper.mended()
                rule, fix = refused.rule, refused.fix
                if rule == UNDECODABLE and row.whole:
                    rule, fix = LONE_HALF, _CUT
                elif rule == UNDECODABLE and format_ not in tables.FORMATS:
                    fix = self._encoding_fix(file, source.encoding)
                self._refuse(spot, rule, refused.value, fix)
                continue
            for kind, value, detail in mapper.mended():
                if kind is ZERO_AND_ONE and not self._first_either:
                    self._first_either = f"{spot}: {value!r}"
                tally.add(kind, spot, value, detail)
            counts["good"] += 1
            self.read += 1
            yield Found(example, source, spot)
        if not counts["good"]:
            # A rule that most rows break tells more than a column that only a few others lack.
            if 2 * lacking.total() >= counts["refused"]:
                needed = [column for column, _ in lacking.most_common()] or mapper.needed
                _check_columns(file, source, needed, columns, counts.total() == 1)
            if not counts["refused"]:
                nothing = _Nothing(file.name, size, counts["filtered"], counts["left_out"])
                gave_nothing.append(nothing)

    def _annotated(
        self, file: Fetched, rows: Iterator[Row | Refusal], mapper: Mapper
    ) -> Iterator[tuple[Spot, Row | Refusal]]:
        """The rows of a file and their places; a task once for each annotator that answered it."""
        for number, row in enumerate(rows, 1):
            spot = Spot(file.name, number, row.line)
            several = [] if isinstance(row, Refusal) else mapper.annotated(row.values)
            if isinstance(row, Refusal) or len(several) < 2:
                yield spot, row
                continue
            said = [one for one in several if not mapper.is_no_answer(one)] or several[:1]
            for _ in range(len(several) - len(said)):
                self.log.tally.add(NO_ANSWER, spot)
            if len(said) > 1:
                self.log.tally.add(SEVERAL, spot, amount=len(said))
            for values in said:
                yield spot, replace(row, values=values)

    def _refuse(self, spot: Spot, rule: str, value: Any, fix: str = "") -> None:
        self.read += 1
        self.rejected += 1
        self.log.add(spot, rule, value, fix)

    def _encoding_fix(self, file: Fetched, given: str) -> str:
        """What to do with a file of another encoding than the source's; looked at once."""
        key = file.name, given
        if key not in self._encodings:
            self._encodings[key] = encoding_advice(file.path, file.name, given)
        return self._encodings[key]


def _note_unmatched(stage: progress.Stage, source: Source, mapper: Mapper) -> None:
    """Notes keys of `label_map` that no row had: spelt wrong, or a label that is not there yet."""
    if mapper.unmatched:
        keys = ", ".join(map(repr, sorted(mapper.unmatched)))
        note = f"label_map: no row of {masked(source.uri)} has the label {keys}"
        stage.advance(0, f"{stage.note}; {note}" if stage.note else note)


@dataclass(frozen=True)
class _Nothing:
    """A file that gave neither a good row nor a refused one; its bytes, and the rows left out."""

    name: str
    size: int
    filtered: int = 0
    left_out: int = 0


def _check_columns(
    file: Fetched, source: Source, needed: Sequence[str], columns: Mapping[str, Any], alone: bool
) -> None:
    """Raises when a file gave nothing as it lacks a needed column; columns have a value each.

    `alone` says whether they are those of a single row, which may hold all the others.
    """
    known = {*columns, *source.constants}
    missing = next((column for column in needed if column not in known), None)
    if columns and missing is not None:
        hint = _where_rows_stand(file, columns) if alone else ""
        if str(columns.get(source.columns.text, "")).startswith("__label__"):
            hint = _FAST_TEXT
        if missing == source.columns.label and not hint:
            flags = [name for name, value in columns.items() if plain(value) in ("0", "1")]
            hint = one_hot_fix(flags)
        found = [*columns, *names_inside(columns)]
        raise missing_column(file.name, missing, found, list(source.constants), hint)


def _why_empty(files: Sequence[_Nothing], source: Source, mapper: Mapper) -> DataError:
    """Why all files of a source gave nothing, and the setting that mends it."""
    name = files[0].name if len(files) == 1 else f"{masked(source.uri)} ({len(files)} files)"
    filtered = sum(file.filtered for file in files)
    left_out = sum(file.left_out for file in files)
    if filtered:
        exist = "; ".join(
            mapper.filter.values_of(column, asked[0] if asked else "")
            for column, asked in source.where.items()
        )
        return DataError(
            f"{name}: none of its {filtered} rows passes `where`: {source.where}. {exist}.",
            "Correct the filter's columns and values (they are compared as text).",
        )
    if left_out:
        return DataError(
            f"{name}: its annotators accepted none of its {left_out} rows.",
            "Export what was annotated, or name the answers in the source's `where: {answer: [accept, "
            "reject, ignore]}`.",
        )
    if not any(file.size for file in files):
        return DataError(f"{name} is empty.", "Give a file with rows, or take the source out.")
    return DataError(f"{name} has no rows.", "Give a file with rows.")


def _told(
    gave_nothing: Sequence[_Nothing], of: int, source: Source, setting: str
) -> Iterator[Notice]:
    """Notices on the files that gave nothing beside others that did."""
    kinds: list[tuple[str, Level, list[_Nothing]]] = [
        (f"have no row that passes the filter ({setting})", "note",
         [file for file in gave_nothing if file.filtered]),
        ("have no row that their annotators accepted", "warning",
         [file for file in gave_nothing if file.left_out and not file.filtered]),
        ("have no rows", "warning",
         [file for file in gave_nothing if not file.filtered and not file.left_out]),
    ]  # fmt: skip
    for what, level, files in kinds:
        if files:
            names = listed([file.name for file in files], _SHOWN)
            text = f"{len(files)} of {of} files of {masked(source.uri)} {what}: {names}"
            yield Notice(text, level, len(files))


def _where_rows_stand(file: Fetched, columns: Mapping[str, Any]) -> str:
    """What to do with one JSON object that holds all rows in a list; "" for anything else."""
    path = path_to_rows(columns)
    if not path:
        return _of_values(columns)
    shown = ".".join(path)
    asked = "".join(f".{name}" if name.isidentifier() else f".{json.dumps(name)}" for name in path)
    return (
        f"The rows seem to stand in the list {shown!r}: write that list alone, for example: "
        f"jq '{asked}' {Path(file.name).name} > rows.json"
    )


def _of_values(columns: Mapping[str, Any]) -> str:
    """What to do with one JSON object whose keys are labels, texts or names of rows; else ""."""
    values = list(columns.values())
    if len(values) > 1 and all(isinstance(one, dict) and one for one in values):
        return "Its values seem to be the rows: write them alone: jq -c '.[]' FILE > rows.jsonl"
    if all(isinstance(one, list) and one and isinstance(one[0], str) for one in values):
        made = "to_entries[] | .key as $label | .value[] | {text: ., label: $label}"
        return f"If its lists are the texts of a label each: jq -c '{made}' FILE > rows.jsonl"
    if len(values) > _MANY and not any(isinstance(one, list | dict) for one in values):
        made = "to_entries[] | {text: .key, label: .value}"
        return f"If its keys are texts and its values labels: jq -c '{made}' FILE > rows.jsonl"
    return ""
