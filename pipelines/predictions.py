"""`bertworks predict`: texts in, predictions out, as jsonl or csv."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from bertworks.artifacts import replacing
from bertworks.errors import DataError
from pipelines.prediction_rows import CHUNK_ROWS, lines_of, read_rows

ENDINGS = (".txt", ".csv", ".tsv", ".jsonl", ".json", ".parquet")


def predict_stream(
    bundle: Path, texts: Sequence[str], file: Path | None, out: Path | None, format_: str
) -> None:
    """Predicts for texts from arguments, a file, or stdin, in chunks, in order.

    Args:
        bundle: The bundle's folder.
        texts: Texts; when empty, `file` or stdin is read.
        file: .txt (one a line), .csv, .tsv, .jsonl, .json (one object a line) or .parquet, with
            columns text, or text_a and text_b, or tokens; a single column may have any name.
        out: .jsonl or .csv to write, all or nothing; None: stdout.
        format_: Format for stdout.

    Raises:
        DataError: The file or a row of it cannot be read, a format is not known, there are both
            texts and a file, or the folder of `out` is not there.
    """
    if file is not None:
        _check_file(file, texts)
    if out is not None:
        format_ = out.suffix.lower().lstrip(".")
        _check_out(out)
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
    with replacing(out) as beside, open(beside, "w", encoding="utf-8", newline="") as stream:
        _write(agent, rows, stream, format_)


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
    if file.suffix.lower() not in ENDINGS:
        raise DataError(
            f"{file}: the format cannot be told from the ending {file.suffix!r}.",
            f"Name the file with one of {' '.join(ENDINGS)}, or pipe its lines into stdin.",
        )


def _check_out(out: Path) -> None:
    if out.is_dir():
        raise DataError(f"{out} is a folder.", f"Name a file in it: {out / 'OUT.jsonl'}")
    if not out.parent.is_dir():
        raise DataError(
            f"{out} cannot be written: there is no folder {out.parent}.",
            f"Make the folder: mkdir -p {out.parent}",
        )


def _write(agent: Any, rows: Iterator[Any], stream: TextIO, format_: str) -> None:
    writer: Any = None
    while chunk := list(islice(rows, CHUNK_ROWS)):
        for row, prediction in zip(chunk, agent.predict(chunk), strict=True):
            record = {**_shown(row), **prediction}
            if format_ == "jsonl":
                stream.write(json.dumps(record, ensure_ascii=False) + "\n")
                continue
            flat = {
                key: value
                if isinstance(value, str | int | float)
                else json.dumps(value, ensure_ascii=False)
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
        yield from lines_of(texts, "argument", pair)
    elif file is None:
        if sys.stdin.isatty():
            print("reading texts from the keyboard, one a line; end with Ctrl-D", file=sys.stderr)
        yield from lines_of(_stdin_lines(), "stdin line", pair)
    else:
        yield from read_rows(file, pair=pair, words=words)


def _stdin_lines() -> Iterator[str]:
    for number, line in enumerate(sys.stdin.buffer, 1):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(
                f"stdin line {number} is not UTF-8: {error.reason}. Received: {line[:100]!r}",
                "Convert the text to UTF-8.",
            ) from None
