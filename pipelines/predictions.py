"""`bertworks predict`: texts in, predictions out, as jsonl or csv."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from bertworks.artifacts import replacing
from bertworks.errors import DataError
from bertworks.sources.csv_rows import read_records
from bertworks.sources.lines import Lines

CHUNK_ROWS = 1024
ENDINGS = (".txt", ".csv", ".tsv", ".jsonl", ".json", ".parquet")
_LONGEST_ROW = 2**31 - 1


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
            yield line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
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
    """The file's rows; what is wrong with the file or a row is a `DataError`."""
    try:
        if file.suffix.lower() == ".txt":
            yield from _lines(_file_lines(file), f"{file} line", pair)
            return
        for number, record in enumerate(_records(file), 1):
            yield _row(record, f"{file} row {number}", pair=pair, words=words)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} is not UTF-8: {error}.",
            f"Convert it, for example: iconv -f WINDOWS-1252 -t UTF-8 {file}",
        ) from None
    except OSError as error:
        raise DataError(
            f"{file} cannot be read: {error.strerror or error}.", "Check the path and its rights."
        ) from None


def _records(file: Path) -> Iterator[dict[str, Any]]:
    ending = file.suffix.lower()
    if ending in (".csv", ".tsv"):
        return _csv_records(file, "\t" if ending == ".tsv" else ",")
    return _parquet_records(file) if ending == ".parquet" else _json_records(file)


def _file_lines(file: Path) -> Iterator[str]:
    """The lines, cut at newlines only, as from stdin: U+2028 and form feeds are text."""
    with open(file, encoding="utf-8-sig", newline="\n") as stream:
        for line in stream:
            yield line.rstrip("\r\n")


def _csv_records(file: Path, delimiter: str) -> Iterator[dict[str, Any]]:
    with open(file, encoding="utf-8-sig", newline="") as stream:
        records = read_records(str(file), Lines(stream, _LONGEST_ROW, '"'), delimiter, '"')
        names: list[str] | None = None
        for number, cells, fault in records:
            if cells is None:
                raise DataError(f"{file}, line {number}: {fault}.", "Mend the line.")
            if names is None:
                names = _header([name.strip() for name in cells], file)
            elif len(cells) > len(names):
                raise DataError(
                    f"{file}, line {number}: {len(names)} columns expected, {len(cells)} found. "
                    f"Received: {delimiter.join(cells)[:100]!r}",
                    "Quote cells that hold the delimiter.",
                )
            else:
                yield dict(zip(names, [*cells, *[None] * (len(names) - len(cells))], strict=True))


def _header(names: list[str], file: Path) -> list[str]:
    """The column names; says which column is read when a lone one has another name than `text`."""
    if len(names) == 1 and (found := next((one for one in ";\t" if one in names[0]), None)):
        raise DataError(
            f"{file} has a single column {names[0][:100]!r}: its delimiter seems to be {found!r}.",
            "Write it with commas as .csv, or with tabs as .tsv.",
        )
    if len(names) == 1 and names[0] != "text":
        print(f"{file}: reading the texts from its column {names[0][:100]!r}", file=sys.stderr)
    return names


def _parquet_records(file: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as table:
            for batch in table.iter_batches(batch_size=CHUNK_ROWS):
                yield from batch.to_pylist()
    except pa.ArrowException as error:
        raise DataError(
            f"{file} is not a whole Parquet file: {error}", "Fetch or make it again."
        ) from None


def _json_records(file: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_file_lines(file), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{file}:{number}: not JSON: {error}. Received: {line[:100]!r}",
                "Mend the line; each line is one JSON object.",
            ) from None
        yield value if isinstance(value, dict) else {"text": value}


def _row(record: dict[str, Any], where: str, *, pair: bool, words: bool) -> Any:
    """What the agent takes of a record: a text, a pair, or a list of words."""
    if pair:
        return _text(record, "text_a", where), _text(record, "text_b", where)
    if words and isinstance(record.get("tokens"), list):
        return [str(word) for word in record["tokens"]]
    lone = next(iter(record)) if len(record) == 1 else "text"
    return _text(record, lone, where)


def _text(record: dict[str, Any], column: str, where: str) -> str:
    """A cell's text; null and a cell that is not there (a short csv row) are the empty text."""
    if column not in record:
        raise DataError(
            f"{where}: no column {column!r}. Its columns: {', '.join(map(repr, record))}",
            "Name the column text (or text_a and text_b).",
        )
    value = record[column]
    if isinstance(value, list | dict):
        raise DataError(
            f"{where}: column {column!r} is not text. Received: {str(value)[:100]}",
            "Give one text a row.",
        )
    return "" if value is None else str(value)
