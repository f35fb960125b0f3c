"""`bertworks predict`: texts in, predictions out, as jsonl, csv or tsv."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from bertworks.errors import DataError
from bertworks.storage.replacing import named_place_fault, replacing
from pipelines.cli.command import takes
from pipelines.cli.prediction_input import ENDINGS, Form, Given, column_names, read
from pipelines.cli.prediction_rows import CHUNK_ROWS, ending_of

FORMATS = ("jsonl", "csv", "tsv")
TOP = 5
# What spreadsheets take for a formula where a cell begins with it; full-width forms count as well.
_FORMULA = re.compile(r"[ \u00a0]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?(?:\d{1,3}(?:,\d{3})+|\d+|(?=\.\d))(?:\.\d*)?(?:[eE][+-]?\d+)?%?")


def predict_stream(
    bundle: Path,
    texts: Sequence[str],
    file: Path | None,
    out: Path | None,
    format_: str,
    *,
    top: int = TOP,
    keep_formulas: bool = False,
) -> None:
    """Predicts for texts from arguments, a file, or stdin, in chunks, in order.

    Each answer is written beside the columns that its row came with; one that has the name of a part of
    the answer ("label") is called input_label then.

    Args:
        bundle: The bundle's folder.
        texts: Texts; when empty, `file` or stdin is read.
        file: .txt (one a line), .csv, .tsv, .jsonl, .json (one object a line, or one array) or
            .parquet, the texts also packed (.csv.gz, .bz2, .xz), with columns text, or text_a and
            text_b, or tokens, or as the agent's spec called them; a single column may have any name.
            For tagging also .conll (a word a line).
        out: .jsonl, .csv or .tsv to write, all or nothing; None: stdout.
        format_: Format for stdout.
        top: How many labels' scores to write of each row, the best ones.
        keep_formulas: Write cells that a spreadsheet would run as formulas as they are.

    Raises:
        DataError: The file or a row of it cannot be read, a format is not known, there are both
            texts and a file, `out` is the file itself, or its folder is not there.
    """
    if file is not None:
        _check_file(file, texts)
    if out is not None:
        format_ = out.suffix.lower().lstrip(".")
        _check_out(out, file)
    if format_ not in FORMATS:
        raise DataError(
            f"The output format is jsonl, csv or tsv. Received: {format_!r}",
            "Name the file OUT.jsonl, or give --format jsonl.",
        )
    from bertworks.runtime.agent import Agent

    agent = Agent.load(bundle)
    rows = read(texts, file, Form.of(agent))
    names = column_names(file) if format_ != "jsonl" else []
    writer = Writer(format_, names, keep_formulas)
    if out is None:
        _write(agent, rows, writer, _data_stream(format_), top)
    else:
        with (
            replacing(out, fault=named_place_fault) as beside,
            open(beside, "w", encoding="utf-8", newline="") as stream,
        ):
            _write(agent, rows, writer, stream, top)
    writer.tell()


def _check_file(file: Path, texts: Sequence[str]) -> None:
    """Refuses at once, before the agent is loaded, what cannot be read."""
    if texts:
        raise DataError(
            f"Texts and --file were both given. Received: {texts[0][:100]!r} and {file}",
            "Give the texts or the file, not both.",
        )
    if file.is_dir():
        raise DataError(f"{file} is a folder.", "Name a file in it.")
    if not file.exists():
        raise DataError(f"{file} is not there.", "Correct the path.")
    if ending_of(file) not in ENDINGS:
        raise DataError(
            f"{file}: the format cannot be told from the ending {file.suffix!r}.",
            f"Name the file with one of {' '.join(ENDINGS)}, or pipe its lines into stdin.",
        )


def _check_out(out: Path, file: Path | None) -> None:
    if out.is_dir():
        raise DataError(f"{out} is a folder.", f"Name a file in it: {out / 'OUT.jsonl'}")
    if not out.parent.is_dir():
        raise DataError(
            f"{out} cannot be written: there is no folder {out.parent}.",
            f"Make the folder: mkdir -p {out.parent}",
        )
    if file is not None and out.exists() and out.samefile(file):
        raise DataError(
            f"--out {out} is the file that --file reads: the texts would be lost.",
            f"Name another file: -o {out.with_name(f'{out.stem}.predicted{out.suffix}')}",
        )


def _data_stream(format_: str) -> TextIO:
    """Stdout for data: a table is UTF-8 whatever the terminal can show; JSON has escapes of its own."""
    if format_ == "jsonl" or takes(sys.stdout).startswith("utf"):
        return sys.stdout
    sys.stdout.flush()
    return open(sys.stdout.fileno(), "w", encoding="utf-8", newline="", closefd=False)


def _write(agent: Any, rows: Iterator[Given], writer: Writer, stream: TextIO, top: int) -> None:
    while chunk := list(islice(rows, CHUNK_ROWS)):
        answers = agent.predict([given.row for given in chunk])
        for given, answer in zip(chunk, answers, strict=True):
            writer.write(stream, given, best(answer, top))
        stream.flush()


def best(answer: Mapping[str, object], top: int) -> Mapping[str, object]:
    """The answer with the scores of its `top` best labels, best first, and of all that it names."""
    scores = answer.get("scores")
    if not isinstance(scores, dict):
        return answer
    ranked = sorted(scores, key=lambda label: -scores[label])
    labels = answer.get("labels")
    named = labels if isinstance(labels, list) else []
    kept = [label for place, label in enumerate(ranked) if place < top or label in named]
    return {**answer, "scores": {label: scores[label] for label in kept}}


class Writer:
    """Writes records with their answers.

    Args:
        format_: jsonl, csv or tsv.
        names: Columns that any of the records may have; those of the first when empty.
        keep_formulas: As for `predict_stream`.
    """

    def __init__(
        self, format_: str, names: Sequence[str] = (), keep_formulas: bool = False
    ) -> None:
        self._format, self._names, self._keep = format_, names, keep_formulas
        self._line = io.StringIO(newline="")
        self._table: csv.DictWriter[str] | None = None
        self._formulas = self._cut = self._rows = self._unsure = self._outside = 0

    def write(self, stream: TextIO, given: Given, answer: Mapping[str, object]) -> None:
        """Writes one row."""
        self._rows += 1
        self._cut += bool(answer.get("truncated"))
        self._unsure += answer.get("confident") is False
        self._outside += answer.get("out_of_scope") is True
        record = {**_beside(given.record, answer), **answer}
        if self._format == "jsonl":
            stream.write(_json(record, stream) + "\n")
            return
        flat = {self._cell(key): self._cell(value) for key, value in record.items()}
        if self._table is None:
            known = _beside(dict.fromkeys(self._names), answer)
            columns = list(dict.fromkeys(self._cell(key) for key in (*known, *record)))
            delimiter = "\t" if self._format == "tsv" else ","
            # With "\n" as its end of line, it would not quote cells that hold "\r".
            self._table = csv.DictWriter(
                self._line, columns, restval="", delimiter=delimiter, lineterminator="\r\n"
            )
            self._table.writeheader()
            self._pass_on(stream)
        self._table.writerow(flat)
        self._pass_on(stream)

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
        if self._keep or not _FORMULA.match(text) or _NUMBER.fullmatch(text):
            return _encodable(text)
        self._formulas += 1
        return _encodable(f"'{text}")

    def tell(self) -> None:
        """Says on stderr what is not as it was given, and what was not read."""
        if self._formulas:
            print(
                f"note: {self._formulas:,} cell{'s' if self._formulas > 1 else ''} that a spreadsheet "
                "would run as a formula: written with a ' before it; --keep-formulas leaves it out",
                file=sys.stderr,
            )
        if self._unsure:
            print(
                f"note: {self._unsure:,} of {self._rows:,} answers are not sure enough (confident); the "
                "spec's confidence.abstain sets what is",
                file=sys.stderr,
            )
        if self._outside:
            print(
                f"note: {self._outside:,} of {self._rows:,} texts are like none that the agent learned "
                "from (out_of_scope); the spec's confidence.out_of_scope sets how many are told",
                file=sys.stderr,
            )
        if self._cut:
            print(
                f"note: {self._cut:,} of {self._rows:,} texts are longer than the agent reads: their "
                "end was not looked at (truncated); the spec's task.max_length sets how much is",
                file=sys.stderr,
            )


def _beside(record: Mapping[str, object], answer: Mapping[str, object]) -> dict[str, object]:
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
    text = json.dumps(record, ensure_ascii=False, default=str)
    try:
        text.encode(takes(stream))
    except UnicodeEncodeError:
        return json.dumps(record, default=str)
    return text


def _encodable(text: str) -> str:
    """Halves of surrogate pairs, which no file can hold, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
