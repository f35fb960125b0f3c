"""What is written of each row: its own columns, and beside them the answer, as jsonl, csv or tsv."""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO, cast

from bertworks.batch.texts import Given
from bertworks.data.formats.csv_formulas import MARK, is_formula


@dataclass
class Told:
    """What is not as it was given, and what was not read, counted.

    Attributes:
        rows: Answers.
        formulas: Cells that a spreadsheet would run, written with a ' before them.
        truncated: Rows whose end was not looked at.
        unsure: Rows whose answer is not sure enough.
        outside: Rows like none that the agent learned from.
        columns: Of a table: its header, once it was written.
    """

    rows: int = 0
    formulas: int = 0
    truncated: int = 0
    unsure: int = 0
    outside: int = 0
    columns: list[str] = field(default_factory=list)

    def count(self, answer: Mapping[str, object]) -> None:
        """Counts an answer."""
        self.rows += 1
        self.truncated += bool(answer.get("truncated"))
        self.unsure += answer.get("confident") is False
        self.outside += answer.get("out_of_scope") is True

    def tell(self) -> None:
        """Says it on stderr."""
        rows = self.rows
        if self.formulas:
            print(
                f"note: {self.formulas:,} cell{'s' if self.formulas > 1 else ''} that a spreadsheet "
                "would run as a formula: written with a ' before it; --keep-formulas leaves it out",
                file=sys.stderr,
            )
        if self.unsure:
            print(
                f"note: {self.unsure:,} of {rows:,} answers are not sure enough (confident); the "
                "spec's confidence.abstain sets what is",
                file=sys.stderr,
            )
        if self.outside:
            print(
                f"note: {self.outside:,} of {rows:,} texts are like none that the agent learned "
                "from (out_of_scope); the spec's confidence.out_of_scope sets how many are told",
                file=sys.stderr,
            )
        if self.truncated:
            print(
                f"note: {self.truncated:,} of {rows:,} texts are longer than the agent reads: their "
                "end was not looked at (truncated); the spec's task.max_length sets how much is",
                file=sys.stderr,
            )


class Writer:
    """Writes records with their answers.

    Args:
        format_: jsonl, csv or tsv.
        names: Columns that any of the records may have; those of the first when empty.
        keep_formulas: Write cells that a spreadsheet would run as formulas as they are.
        told: What was counted so far, of a writing that goes on.
    """

    def __init__(
        self,
        format_: str,
        names: Sequence[str] = (),
        keep_formulas: bool = False,
        told: Told | None = None,
    ) -> None:
        self._format, self._names, self._keep = format_, names, keep_formulas
        self._line = io.StringIO(newline="")
        self._table: csv.DictWriter[str] | None = None
        self.told = told or Told()
        if self.told.columns:
            self._begin(self.told.columns)

    def write(self, stream: TextIO, given: Given, answer: Mapping[str, object]) -> None:
        """Writes one row."""
        self.told.count(answer)
        record = {**beside(given.record, answer), **answer}
        if self._format == "jsonl":
            stream.write(_json(record, stream) + "\n")
            return
        flat = {self._safe(key): self._cell(value) for key, value in record.items()}
        if self._table is None:
            known = beside(dict.fromkeys(self._names), answer)
            self.told.columns = list(
                dict.fromkeys(self._cell(key) for key in dict.fromkeys((*known, *record)))
            )
            self._begin(self.told.columns).writeheader()
            self._pass_on(stream)
        assert self._table is not None
        self._table.writerow(flat)
        self._pass_on(stream)

    def head(self, stream: TextIO, names: Sequence[str], answer: Mapping[str, object]) -> None:
        """Writes a table's header alone: the input's columns, and those of any answer."""
        if self._format != "jsonl" and self._table is None:
            known = beside(dict.fromkeys(names), answer)
            self.told.columns = [self._cell(key) for key in dict.fromkeys((*known, *answer))]
            self._begin(self.told.columns).writeheader()
            self._pass_on(stream)

    def _begin(self, columns: Sequence[str]) -> csv.DictWriter[str]:
        delimiter = "\t" if self._format == "tsv" else ","
        # With "\n" as its end of line, it would not quote cells that hold "\r".
        self._table = csv.DictWriter(
            self._line, columns, restval="", delimiter=delimiter, lineterminator="\r\n"
        )
        return self._table

    def _pass_on(self, stream: TextIO) -> None:
        """Writes the table's line, ended as everywhere here."""
        stream.write(self._line.getvalue().removesuffix("\r\n") + "\n")
        self._line.seek(0)
        self._line.truncate()

    def _cell(self, value: Any) -> Any:
        if value is None or isinstance(value, int | float):
            return value
        text = (
            value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        )
        self.told.formulas += not self._keep and is_formula(text)
        return self._safe(text)

    def _safe(self, text: str) -> str:
        """A text as its cell, without counting it: the names of a header come with each row."""
        return _encodable(MARK + text if not self._keep and is_formula(text) else text)


def beside(record: Mapping[str, object], answer: Mapping[str, object]) -> dict[str, object]:
    """The record's columns, those with the name of a part of the answer renamed."""
    kept: dict[str, object] = {}
    for name, value in record.items():
        if name == "tokens" and name in answer:
            continue  # the answer has the words themselves
        own = name
        while own in answer or (own != name and own in record):
            own = f"input_{own}"
        kept[own] = value
    return kept


def _json(record: Mapping[str, object], stream: TextIO) -> str:
    """JSON that the stream can take: with escapes where it takes ASCII only, or is given no text."""
    try:
        text = json.dumps(record, ensure_ascii=False, default=str, allow_nan=False)
    except ValueError:  # a table's empty number, or one that no float holds: JSON has neither
        return _json(cast("Mapping[str, object]", _finite(record)), stream)
    try:
        # `takes`: of an output that passes for UTF-8, see pipelines.cli.command.
        text.encode(getattr(stream, "takes", "") or getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return json.dumps(record, default=str)
    return text


def _finite(value: object) -> object:
    """The value with NaN as null, which Parquet's tables mean by it, and infinities as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def _encodable(text: str) -> str:
    """Halves of surrogate pairs, which no file can hold, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
