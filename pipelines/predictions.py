"""`bertworks predict`: texts in, predictions out, as jsonl or csv."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from bertworks.errors import DataError

CHUNK_ROWS = 1024


def predict_stream(
    bundle: Path, texts: Sequence[str], file: Path | None, out: Path | None, format_: str
) -> None:
    """Predicts for texts from arguments, a file, or stdin, in chunks, in order.

    Args:
        bundle: The bundle's folder.
        texts: Texts; when empty, `file` or stdin is read.
        file: .txt (one a line), .csv or .jsonl (columns text, or text_a and text_b, or tokens).
        out: .jsonl or .csv to write, all or nothing; None: stdout.
        format_: Format for stdout.

    Raises:
        DataError: The file or a row of it cannot be read, or a format is not known.
    """
    if out is not None:
        format_ = out.suffix.lstrip(".")
    if format_ not in ("jsonl", "csv"):
        raise DataError(
            f"The output format is jsonl or csv. Received: {format_!r}", "Name the file OUT.jsonl."
        )
    from bertworks.serving.runtime import Agent

    agent = Agent.load(bundle)
    rows = _rows(texts, file, pair=bool(agent.task.pair), words=agent.task.type == "tagging")
    if out is None:
        _write(agent, rows, sys.stdout, format_)
        return
    beside = out.with_name(f".{out.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        with open(beside, "w", encoding="utf-8", newline="") as stream:
            _write(agent, rows, stream, format_)
        os.replace(beside, out)
    finally:
        beside.unlink(missing_ok=True)


def _write(agent: Any, rows: Iterator[Any], stream: TextIO, format_: str) -> None:
    writer: Any = None
    while chunk := list(islice(rows, CHUNK_ROWS)):
        for row, prediction in zip(chunk, agent.predict(chunk), strict=True):
            record = {**_shown(row), **prediction}
            if format_ == "jsonl":
                stream.write(json.dumps(record, ensure_ascii=False) + "\n")
                continue
            flat = {
                key: value if isinstance(value, str | int | float) else json.dumps(value)
                for key, value in record.items()
            }
            if writer is None:
                writer = csv.DictWriter(stream, fieldnames=list(flat), lineterminator="\n")
                writer.writeheader()
            writer.writerow(flat)
        stream.flush()


def _shown(row: Any) -> dict[str, Any]:
    if isinstance(row, tuple):
        return {"text_a": row[0], "text_b": row[1]}
    return {"tokens": row} if isinstance(row, list) else {"text": row}


def _rows(texts: Sequence[str], file: Path | None, *, pair: bool, words: bool) -> Iterator[Any]:
    if texts:
        yield from _lines(texts, "argument", pair)
    elif file is None:
        if sys.stdin.isatty():
            print("reading texts from the keyboard, one a line; end with Ctrl-D", file=sys.stderr)
        yield from _lines(_stdin_lines(), "stdin line", pair)
    else:
        yield from _file_rows(file, pair=pair, words=words)


def _stdin_lines() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(
                f"stdin line {number} is not UTF-8: {error.reason}. Received: {line[:100]!r}",
                "Convert the text to UTF-8.",
            ) from None


def _lines(lines: Iterable[str], where: str, pair: bool) -> Iterator[Any]:
    for number, line in enumerate(lines, 1):
        if not pair:
            yield line
            continue
        first, tab, second = line.partition("\t")
        if not tab:
            raise DataError(
                f"{where} {number}: this agent takes two texts with a tab between. "
                f"Received: {line[:100]!r}",
                "Separate the two texts with a tab.",
            )
        yield (first, second)


def _file_rows(file: Path, *, pair: bool, words: bool) -> Iterator[Any]:
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}.", "Give a UTF-8 file.") from None
    if file.suffix == ".csv":
        records: Iterator[dict[str, Any]] = iter(csv.DictReader(io.StringIO(content)))
    elif file.suffix in (".jsonl", ".json"):
        records = _json_lines(content, file)
    else:
        yield from _lines(content.splitlines(), f"{file} line", pair)
        return
    for number, record in enumerate(records, 1):
        try:
            if pair:
                yield (_text(record, "text_a"), _text(record, "text_b"))
            elif words and isinstance(record.get("tokens"), list):
                yield [str(word) for word in record["tokens"]]
            else:
                yield _text(record, "text")
        except KeyError as error:
            raise DataError(
                f"{file} row {number}: no column {error}. Received: {', '.join(map(str, record))}",
                "Name the column text (or text_a and text_b).",
            ) from None


def _text(record: dict[str, Any], column: str) -> str:
    """A cell's text; null and a cell that is not there (a short csv row) are the empty text."""
    value = record[column]
    return "" if value is None else str(value)


def _json_lines(content: str, file: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise DataError(
                f"{file}:{number}: not JSON: {error}. Received: {line[:100]!r}", "Mend the line."
            ) from None
        yield value if isinstance(value, dict) else {"text": value}
