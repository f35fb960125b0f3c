"""What annotators made of exported rows, as a file that a data source reads.

Files and rows are read by ingest's own readers, so that what comes out is what a run will take. Each
annotator of a Label Studio task counts. Rows of one text that do not agree are left out, and written
beside.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertworks import progress
from bertworks.contracts.agent import AgentRecord
from bertworks.data.formats.annotators import annotated, annotations_of
from bertworks.data.formats.columns import Refusal
from bertworks.data.formats.csv_formulas import unmarked
from bertworks.data.formats.rows import ENDINGS, read_rows
from bertworks.data.inspection.sniffing import shape_of
from bertworks.data.labels.labels import UNDECODABLE
from bertworks.data.rows.reading import Reader
from bertworks.data.rows.rejected import RejectedLog
from bertworks.data.rows.spots import Spot
from bertworks.data.rows.tally import Kind, Tally
from bertworks.data.rows.undecoded import is_marked, with_bytes
from bertworks.data.sources.fetch import Fetched
from bertworks.errors import DataError
from bertworks.labelling.pool import TEXTS, key_of
from bertworks.spec import Clean, Source
from bertworks.storage import temporary
from bertworks.storage.replacing import named_place_fault, replacing
from bertworks.tasks import for_task
from bertworks.tasks.target import Target

_LONGEST = 10_000_000
_VALUE = 200
_OWN_WAYS = ("format", "delimiter", "quote", "encoding")
ENCODING = Kind(
    "encoding",
    "{count} files are not UTF-8; they were read as {details} (first: {first})",
    "warning",
)
_OWN_ID = re.compile("[0-9a-f]{16}")
_SHOWN = 3


@dataclass(frozen=True)
class Imported:
    """What came of annotated files.

    Attributes:
        rows: Rows in the file.
        unlabelled: Rows that nobody has labelled yet.
        repeated: Rows that say again what others say.
        conflicts: Texts whose rows do not agree.
        refused: Rows that cannot be used: their file, row, line and value, and the rule that they break.
        new_labels: Labels that the agent does not know, with how many rows have them.
        guessed: What was read otherwise than it stands in the files.
    """

    rows: int
    unlabelled: int
    repeated: int
    conflicts: int
    refused: Sequence[Mapping[str, Any]]
    new_labels: Mapping[str, int]
    guessed: Tally


def import_labels(files: Sequence[Path], info: AgentRecord, out: Path) -> Imported:
    """Writes annotated rows as JSON lines in a data source's columns.

    Args:
        files: CSV, Label Studio's JSON, or doccano's JSON lines.
        info: Of the agent that the rows are for.
        out: The file, .jsonl; one that is there is not overwritten. Beside it, where there are any,
            `OUT.conflicts.jsonl` and `OUT.rejected.jsonl`.

    Raises:
        DataError: A file cannot be read, the output is there already, or no row is labelled.
    """
    if out.exists():
        raise DataError(
            f"{out} is there already.", "Name another file; a source may read all of a folder."
        )
    handler = for_task(info.task, info.labels, info.score)
    column = handler.target.column
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    gathered = _Gathered()
    with temporary.scratch() as place, progress.quiet():
        rows = place / "rows.jsonl"
        with rows.open("w", encoding="utf-8") as stream:
            for file in files:
                for row in gathered.labelled(file, handler.target):
                    stream.write(json.dumps(row, ensure_ascii=True) + "\n")
        if not rows.stat().st_size:
            raise gathered.nothing(files)
        with RejectedLog(place, place / "kept.jsonl") as log:
            reader = Reader(info.task, info.clean or Clean(), Path(), log, _LONGEST)
            for one in reader.examples([Source(uri=str(rows), format="jsonl")]):
                found[one.example["id"]].append(one.example)
        gathered.take(log.tally, place / "rejected.jsonl")
    agreed, conflicts, repeated = [], [], 0
    for group in found.values():
        said = {handler.target.text(one[column]) for one in group}
        if len(said) > 1:
            conflicts.append(group)
        else:
            agreed.append(group[0])
            repeated += len(group) - 1
    lines = [_line(one, handler.target) for one in agreed]
    _write(out, lines)
    if conflicts:
        several = [_line(one, handler.target) for group in conflicts for one in group]
        _write(out.with_name(f"{out.stem}.conflicts.jsonl"), several)
    if gathered.refused:
        _write(out.with_name(f"{out.stem}.rejected.jsonl"), gathered.refused)
    new = _new_labels(agreed, handler, info)
    return Imported(
        len(agreed), gathered.unlabelled, repeated, len(conflicts), gathered.refused, new,
        gathered.tally,
    )  # fmt: skip


class _Gathered:
    """What files hold beside labelled rows, and where each of these stands.

    Attributes:
        unlabelled: Rows that nobody has labelled yet.
        refused: Rows that cannot be used: their file, row, line and value, and the rule that they break.
        tally: What was read otherwise than it stands in the files.
    """

    def __init__(self) -> None:
        self.unlabelled = 0
        self.refused: list[dict[str, Any]] = []
        self.tally = Tally()
        self._origins: list[Spot] = []
        self._columns: dict[str, None] = {}

    def labelled(self, file: Path, target: Target) -> Iterator[Mapping[str, Any]]:
        """The labelled rows of a file; a task of Label Studio once for each of its annotations.

        Raises:
            DataError: The file is not there, or cannot be read.
        """
        if not file.is_file():
            raise DataError(f"{file} is not there.", "Correct the path.")
        format_ = ENDINGS.get(file.suffix.lower())
        if format_ not in ("csv", "tsv", "jsonl"):
            raise DataError(
                f"{file} is no .csv, .tsv, .json or .jsonl file.",
                "Give CSV, Label Studio's JSON, or doccano's JSON lines, as the tool exports them.",
            )
        fetched = Fetched(str(file), file, "")
        # Spreadsheets save a table with marks and an encoding of their own.
        settings = shape_of(fetched).settings if format_ != "jsonl" else {}
        own = {name: settings[name] for name in _OWN_WAYS if name in settings}
        if "encoding" in own:
            self.tally.add(ENCODING, Spot(str(file)), detail=own["encoding"])
        source = Source.model_validate({"uri": str(file), **own})
        rows = read_rows(fetched, source, (), _LONGEST, self.tally)
        for number, row in enumerate(rows, 1):
            spot = Spot(str(file), number, row.line)
            if isinstance(row, Refusal):
                self._refuse(spot, row.rule, row.value)
                continue
            self._columns.update(dict.fromkeys(row.values))
            if not row.whole and any(
                isinstance(cell, str) and is_marked(cell) for cell in row.values.values()
            ):
                shown = json.dumps(row.values, ensure_ascii=False)
                self._refuse(spot, UNDECODABLE, with_bytes(shown)[:_VALUE])
                continue
            for one in _annotations(_unmarked(row.values)):
                if _is_labelled(one, target):
                    self._origins.append(spot)
                    yield one
                else:
                    self.unlabelled += 1

    def _refuse(self, spot: Spot, rule: str, value: str) -> None:
        self.refused.append({**spot._asdict(), "rule": rule, "value": value})

    def take(self, tally: Tally, rejected: Path) -> None:
        """Adds what ingest's reader said of the labelled rows, each where it stands in its file."""
        self.tally.take(tally, lambda row: self._origins[row - 1])
        for line in rejected.read_text(encoding="ascii").splitlines():
            entry = json.loads(line)
            self.refused.append({**entry, **self._origins[entry["row"] - 1]._asdict()})

    def nothing(self, files: Sequence[Path]) -> DataError:
        """The error where no row is labelled."""
        rules = Counter(one["rule"] for one in self.refused)
        shown = "".join(f" {count:,} rows: {rule}." for rule, count in rules.items())
        columns = ", ".join(map(repr, self._columns)) or "none"
        return DataError(
            f"No row of {', '.join(map(str, files))} is labelled.{shown} Columns that were found: "
            f"{columns}.",
            "Save the file as UTF-8."
            if UNDECODABLE in rules
            else "Export what was labelled from the annotation tool, with its labels: a table needs a "
            "column called label beside those of the text.",
        )


def _unmarked(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of our own export without the marks that kept spreadsheets from running its cells.

    Other tables have no `id` of ours, and their cells are what they are.
    """
    if not _OWN_ID.fullmatch(str(row.get("id", ""))):
        return row
    texts = {name: row[name] for name in TEXTS if isinstance(row.get(name), str)}
    # Where they are as they were exported already, there was no mark, or somebody took it away.
    marked = {"label"} if key_of(texts) == row["id"] else {*texts, "label"}
    return {
        name: unmarked(value) if name in marked and isinstance(value, str) else value
        for name, value in row.items()
    }


def _annotations(task: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if annotations_of(task) == []:
        yield {**task, "annotations": []}
    else:
        yield from annotated(task)


def _is_labelled(row: Mapping[str, Any], target: Any) -> bool:
    """Whether somebody has labelled it. An empty list says "none" only where that is an answer."""
    if isinstance(row.get("data"), dict) and isinstance(row.get("annotations"), list):
        empty = target.many or target.per_word  # submitted with nothing chosen: "none" is an answer
        return any(empty or one.get("result") for one in row["annotations"])
    value = row.get("label")
    if isinstance(value, list) and not value:
        return bool(target.many or target.per_word)
    return value not in (None, "") or any(row.get(key) for key in ("tags", "entities", "spans"))


def _line(example: Mapping[str, Any], target: Target) -> dict[str, Any]:
    texts = {
        name: example[name]
        for name in ("text", "text_a", "text_b", "tokens", "context")
        if name in example
    }
    return {**texts, **target.to_source(example[target.column])}


def _new_labels(
    agreed: Sequence[Mapping[str, Any]], handler: Any, info: AgentRecord
) -> dict[str, int]:
    target, counts = handler.target, defaultdict[str, int](int)
    if not target.numeric:
        known = target.counted(info.labels)
        for one in agreed:
            for name in target.counted(one[target.column]) - known:
                counts[name] += 1
    return dict(counts)


def _write(out: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    with (
        replacing(out, fault=named_place_fault) as path,
        path.open("w", encoding="utf-8") as stream,
    ):
        for line in lines:
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
