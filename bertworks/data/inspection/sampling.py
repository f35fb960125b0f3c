"""Rows of a place, bounded in number and bytes however large its files are."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from bertworks.data.formats import tables
from bertworks.data.formats.annotators import LeftOut, annotated, unfolded
from bertworks.data.formats.columns import Refusal
from bertworks.data.formats.json_tables import columns_in
from bertworks.data.formats.rows import read_rows
from bertworks.data.formats.table_rows import columns_of
from bertworks.data.inspection.places import Place
from bertworks.data.inspection.published import Published, names_beside
from bertworks.data.inspection.sniffing import Shape, shape_of
from bertworks.data.sources.fetch import Fetched
from bertworks.data.sources.first_bytes import PACKED
from bertworks.errors import DataError
from bertworks.spec import Columns, Source

MOST_ROWS = 200_000
MOST_BYTES = 64_000_000
"""Of a place; more is looked at in pieces from all over it."""
PIECES_BYTES = 10_000_000
MOST_FILES = 300
_PIECES = 16
_SENTENCES = 1_000
_DOCUMENTS = 10
_DOCUMENT_BYTES = 50_000
_LONGEST_ROW = 1_000_000

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Sample:
    """Rows of a place as they were read, before any column is chosen.

    Attributes:
        place: Where they are from.
        shape: How they are read.
        rows: The rows.
        refused: Rows that could not be read.
        fix: What mends most of these.
        whole: Whether these are all rows.
        size: Bytes of the files.
        stand_in: Files to read instead, where only pieces of the place are looked at.
        classes: Column to the names that its numbers have in the file's own metadata.
        published: Column to those that a file beside it gives them.
    """

    place: Place
    shape: Shape
    rows: list[Values]
    refused: int
    fix: str
    whole: bool
    size: int
    stand_in: tuple[Fetched, ...] | None
    classes: Mapping[str, Sequence[str]]
    published: Mapping[str, Published]

    @property
    def source(self) -> dict[str, Any]:
        """The source's settings so far."""
        pin = {"sha256": self.place.pin} if self.place.pin else {}
        return {"uri": self.place.uri, **pin, **self.shape.settings}


def sample_of(place: Place, scratch: Path, *, documents: bool = False) -> Sample:
    """Reads a place's rows, or some from all over it.

    Args:
        place: The files.
        scratch: A folder for pieces of large files.
        documents: Whether files of lines are known to be a text each.

    Raises:
        DataError: It is empty, binary, or not what its name says.
    """
    files = place.files
    if len(files) > MOST_FILES:
        files = tuple(random.Random(len(files)).sample(files, MOST_FILES))
    shape = shape_of(max(files[:20], key=lambda file: file.path.stat().st_size))
    bare = shape.format == "lines" and "pattern" not in shape.settings
    if bare and (documents or _are_documents(files)):
        settings = {**shape.settings, "format": "document"}
        shape = replace(shape, settings=settings, format="document", said="a text a file")
    size = sum(file.path.stat().st_size for file in place.files)
    whole, stand_in = len(files) == len(place.files), None
    if size > MOST_BYTES and _are_lines(files, shape):
        files = stand_in = tuple(
            _pieces(file, scratch / f"{number}{file.path.suffix}", PIECES_BYTES // len(files))
            for number, file in enumerate(files)
        )
        whole = False
    rows: list[Values] = []
    refused, fix, held = 0, "", 0
    classes: dict[str, Sequence[str]] = {}
    source = Source.model_validate({"uri": place.uri, **shape.settings})
    for file in files:
        if not file.path.stat().st_size:
            continue
        needed: Sequence[str] = ()
        if shape.format in tables.FORMATS:
            needed, named = columns_of(file, shape.format)
            classes.update(named)
        for row in _rows(file, source, needed):
            if isinstance(row, Refusal):
                refused, fix = refused + 1, fix or row.fix
                continue
            for values in _plainly(row.values):
                rows.append(
                    {name: one for name, one in values.items() if name not in shape.doubles}
                )
                held += sum(len(one) for one in values.values() if isinstance(one, str))
            if shape.format == "conll" and len(rows) >= _SENTENCES:
                break  # what its columns hold is known; ingest's reader reads them all
            if len(rows) >= MOST_ROWS or held >= 2 * MOST_BYTES:
                whole = False
                break
        else:
            continue
        break
    published = names_beside(place.files[0].path) if place.is_local else {}
    published = {name: one for name, one in published.items() if name not in classes}
    return Sample(place, shape, rows, refused, fix, whole, size, stand_in, classes, published)


def _are_documents(files: Sequence[Fetched]) -> bool:
    """Whether each of many small files is one text of several lines."""
    looked = sorted(files, key=lambda file: file.path.stat().st_size)[:: max(1, len(files) // 20)]
    if len(files) < _DOCUMENTS or looked[len(looked) // 2].path.stat().st_size > _DOCUMENT_BYTES:
        return False
    breaks = sorted(
        file.path.read_bytes()[:_DOCUMENT_BYTES].strip().count(b"\n") for file in looked
    )
    return breaks[len(breaks) // 2] > 0


def _are_lines(files: Sequence[Fetched], shape: Shape) -> bool:
    """Whether pieces of the files can be read: what is packed or one JSON array has no middle."""
    wide = str(shape.settings.get("encoding", "")).startswith(("utf-16", "utf-32"))
    if wide or shape.format in (*tables.FORMATS, "yaml", "document"):
        return False
    packed = any(file.path.suffix.lower() in PACKED for file in files)
    return not packed and not (shape.format == "jsonl" and any(map(_is_array, files)))


def _is_array(file: Fetched) -> bool:
    with file.path.open("rb") as stream:
        return stream.read(64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _rows(file: Fetched, source: Source, needed: Sequence[str]) -> Iterator[Any]:
    """The rows of a file; of one JSON object that holds all rows, these."""
    found = read_rows(file, source, needed, _LONGEST_ROW)
    first = list(islice(found, 2))
    if len(first) == 1 and not isinstance(first[0], Refusal):
        values = first[0].values
        columns = columns_in(values)
        if not columns:
            columns = [name for name, one in values.items() if isinstance(one, list | dict) and one]
            if len({len(values[name]) for name in columns}) != 1:  # type: ignore[arg-type]
                columns = []
        if columns:
            table = list(read_rows(file, source, columns, _LONGEST_ROW))
            if len(table) > 1:
                yield from table
                return
    yield from first
    yield from found


def _plainly(values: Values) -> Iterator[Values]:
    """A row as its columns stand, for each of its annotators; what annotation tools wrap is unfolded.

    None where it was left out.
    """
    for one in annotated(values):
        with suppress(LeftOut):
            yield unfolded(one, Columns(), filtered=False)


def _pieces(file: Fetched, into: Path, room: int) -> Fetched:
    """A file of the first lines and of lines from all over another one.

    Raises:
        DataError: Its lines do not end.
    """
    size = file.path.stat().st_size
    length = room // _PIECES
    endless: list[int] = []
    with file.path.open("rb") as stream, into.open("wb") as out:
        for number in range(_PIECES):
            start = (size - length) * number // max(_PIECES - 1, 1)
            stream.seek(start)
            if number:
                rest = stream.readline(_LONGEST_ROW)  # of a line
                if len(rest) == _LONGEST_ROW and not rest.endswith(b"\n"):
                    endless.append(start)
                    continue
            piece = stream.read(length)
            end = piece.rfind(b"\n") + 1
            out.write(piece[:end] if end else b"")
    if len(endless) > 1:
        raise DataError(
            f"{file.name}: the line at byte {endless[0]:,} is longer than {_LONGEST_ROW:,} bytes, and "
            f"so are those at {len(endless) - 1} of {_PIECES - 1} other places that were looked at.",
            "Look there: a file that was cut off while it was copied ends in NUL bytes (fetch it "
            "again); else write a row a line.",
        )
    return replace(file, path=into)
