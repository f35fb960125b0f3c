"""`bertworks predict`: texts in, predictions out, as jsonl, csv, tsv or parquet."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from bertworks.batch.answers import Writer
from bertworks.batch.outputs import PARQUET, format_of
from bertworks.batch.rows import CHUNK_ROWS, ending_of
from bertworks.batch.texts import ENDINGS, Form, Given, column_names, read
from bertworks.errors import DataError
from bertworks.storage.replacing import named_place_fault, replacing
from bertworks.tasks.top import top_labels
from pipelines.cli.command import takes

FORMATS = ("jsonl", "csv", "tsv")
TOP = 5


def predict_stream(
    bundle: Path,
    texts: Sequence[str],
    file: Path | None,
    out: Path | None,
    format_: str,
    *,
    top: int = TOP,
    keep_formulas: bool = False,
    beam: Sequence[str] | None = None,
) -> None:
    """Predicts for texts from arguments, a file, or stdin, in chunks, in order.

    A file's answers that go into a file are a `bertworks.batch.job`: killed, the same command goes on
    where it was, and rows that cannot be read are kept apart. Else the first of these is raised.

    Each answer is written beside the columns that its row came with; one that has the name of a part of
    the answer ("label") is called input_label then.

    Args:
        bundle: The bundle's folder.
        texts: Texts; when empty, `file` or stdin is read.
        file: .txt (one a line), .csv, .tsv, .jsonl, .json (one object a line, or one array),
            .parquet, .arrow or .feather, the texts also packed (.csv.gz, .bz2, .xz), with columns text,
            or text_a and text_b, or tokens, or as the agent's spec called them; a single column may
            have any name.
            For tagging also .conll (a word a line).
        out: .jsonl, .csv or .tsv to write, all or nothing, each also .gz; of a file also .parquet;
            None: stdout.
        format_: Format for stdout.
        top: How many labels' scores to write of each row, the best ones.
        keep_formulas: Write cells that a spreadsheet would run as formulas as they are.
        beam: Options of Apache Beam, which then does the work; None: this process does it.

    Raises:
        DataError: The file or a row of it cannot be read, a format is not known, there are both
            texts and a file, `out` is the file itself, or its folder is not there.
    """
    if file is not None:
        _check_file(file, texts)
    packed = False
    if out is not None:
        format_, packed = format_of(out)
        _check_out(out, file)
    whole = file is not None and out is not None
    if format_ not in FORMATS and not (whole and format_ == PARQUET):
        raise DataError(
            f"The output format is jsonl, csv or tsv, of a file also parquet. Received: {format_!r}",
            "Name the file OUT.jsonl, or give --format jsonl.",
        )
    if packed and not whole:
        raise DataError(
            f"Only the answers to a file are packed. Received: {out}",
            f"Leave the .gz out: -o {str(out)[:-3]}",
        )
    if beam is not None:
        _by_beam(bundle, file, out, beam, top, keep_formulas)
        return
    from bertworks.runtime.agent import Agent

    agent = Agent.load(bundle)
    if file is not None and out is not None:
        from bertworks.batch.job import Job, answer_file, tell

        job = Job(bundle, file, out, top, keep_formulas)
        tell(job, answer_file(agent, job))
        return
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
    writer.told.tell()


def _by_beam(
    bundle: Path, file: Path | None, out: Path | None, options: Sequence[str], top: int, keep: bool
) -> None:
    if file is None or out is None:
        raise DataError(
            "Beam reads a file and writes a file, and one of them was not named.",
            "Name both, or leave Beam out.",
        )
    from bertworks.batch.beam import answer_by_beam
    from bertworks.batch.job import Job, tell

    job = Job(bundle, file, out, top, keep)
    tell(job, answer_by_beam(job, options))


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
            writer.write(stream, given, top_labels(answer, top))
        stream.flush()
