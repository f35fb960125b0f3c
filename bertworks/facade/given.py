"""Rows as Python has them (a path, a DataFrame, a list of dicts) as a source of a spec.

Objects become a file that is named by its content: the same rows are the same source, and the cache
knows them again.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from bertworks.data.formats.nested import outer
from bertworks.errors import DataError
from bertworks.storage import temporary
from bertworks.storage.artifacts import sha256_of
from bertworks.storage.replacing import replacing

Given = Any
"""A path or URI; a DataFrame or another table (pyarrow, polars, …); or dicts, one a row."""
_ROWS = 'Give a path or URI, a DataFrame, or one dict a row: [{"text": "a warm film", "label": "good"}].'


class RowsFile(TypedDict):
    """Rows as a source of a spec names them; of objects with the sha256 of the file they became."""

    uri: str
    sha256: NotRequired[str]


def is_frame(data: Any) -> bool:
    """Whether it is a pandas DataFrame; pandas is not imported for it."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, pandas.DataFrame)


def is_series(data: Any) -> bool:
    """Whether it is a pandas Series."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, pandas.Series)


def is_missing(value: Any) -> bool:
    """Whether a cell stands for "there is nothing": None, NaN, pandas' NA and NaT."""
    if isinstance(value, float):
        return value != value
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def source_of(
    data: Given, columns: Sequence[str], folder: Path, asked: str = "Agent.fit"
) -> RowsFile:
    """Where the rows are read from.

    Args:
        data: The rows.
        columns: What is read of a table or of dicts; more columns there change nothing.
        folder: Where the file of objects goes.
        asked: What the rows were given to, for the advice.

    Raises:
        DataError: These are no rows, none of them, or a column is not there.
    """
    if isinstance(data, str | os.PathLike):
        return {"uri": os.fspath(data)}
    if is_frame(data) or hasattr(data, "__arrow_c_stream__"):
        return _of_table(data, columns, folder, asked)
    if isinstance(data, Mapping) or not isinstance(data, Iterable):
        raise DataError(f"A {type(data).__name__} is not taken for rows.", _ROWS)
    rows = list(data)
    for number, row in enumerate(rows, 1):
        if not isinstance(row, Mapping):
            raise DataError(
                f"Row {number} must be a dict. Received: {type(row).__name__} {row!r:.80}", _ROWS
            )
    return _of_records(rows, columns, folder, asked)


def _of_table(data: Any, columns: Sequence[str], folder: Path, asked: str) -> RowsFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = [
        str(name) for name in (data.columns if is_frame(data) else pa.table(data).schema.names)
    ]
    _check(names, len(data), columns, asked)
    columns = _outermost(columns, names)
    places = [names.index(name) for name in columns]
    try:
        if is_frame(data):
            kept = data.iloc[:, places].set_axis(list(columns), axis=1)
            table = pa.Table.from_pandas(kept, preserve_index=False)
        else:
            table = pa.table(data).select(places)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # A column of several types, as pandas allows it.
        return _of_records(kept.to_dict("records"), columns, folder, asked)
    plain = [
        column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    # What names the numbers of labels and tags (table_rows) goes with them.
    about = {
        key: one for key, one in (table.schema.metadata or {}).items() if key == b"huggingface"
    }
    table = pa.Table.from_arrays(plain, names=list(columns)).replace_schema_metadata(about or None)
    with temporary.scratch() as scratch, temporary.writing():
        pq.write_table(table, scratch / "rows.parquet")
        return _kept(scratch / "rows.parquet", folder)


def _of_records(
    rows: Sequence[Mapping[Any, Any]], columns: Sequence[str], folder: Path, asked: str
) -> RowsFile:
    known = dict.fromkeys(str(name) for row in rows for name in row)
    _check(known, len(rows), columns, asked)
    columns = _outermost(columns, known)
    with temporary.scratch() as scratch, temporary.writing():
        with open(scratch / "rows.jsonl", "w", encoding="utf-8") as stream:
            for number, row in enumerate(rows, 1):
                named = {str(name): value for name, value in row.items()}
                kept = {name: named[name] for name in columns if name in named}
                try:
                    stream.write(json.dumps(_plain(kept), allow_nan=False) + "\n")
                except (TypeError, ValueError) as error:
                    raise DataError(
                        f"Row {number} cannot be written as JSON: {error}.",
                        "Give texts, numbers, and lists of them.",
                    ) from None
        return _kept(scratch / "rows.jsonl", folder)


def _check(names: Iterable[str], rows: int, columns: Sequence[str], asked: str) -> None:
    known = list(names)
    if not rows:
        raise DataError(
            "No rows were given.", "Give a list of dicts, or a table, that holds at least one row."
        )
    for column in _outermost(columns, known):
        theirs = f"Theirs: {', '.join(map(repr, known))}"
        if column not in known:
            raise DataError(
                f"The rows have no column {column!r}. {theirs}",
                f"Say which of theirs it is with an argument of {asked}: text, label, score, tokens "
                "or tags.",
            )
    refuse_twins(columns, known)


def refuse_twins(columns: Sequence[str], known: Sequence[str]) -> None:
    """Refuses a table in which a column that is read stands twice.

    Raises:
        DataError: It does.
    """
    for column in _outermost(columns, known):
        if (many := known.count(column)) > 1:
            raise DataError(
                f"The rows have {many} columns {column!r}. Theirs: {', '.join(map(repr, known))}",
                "Keep one of them alone.",
            )


def _outermost(columns: Sequence[str], known: Collection[str]) -> list[str]:
    """The columns that hold what is read: of `meta.body`, which is inside an object, `meta`."""
    own = (one if one in known else outer(one, known) or one for one in columns)
    return list(dict.fromkeys(own))


def _plain(value: Any) -> Any:
    """A value as JSON has it: what stands for "missing" is null, numpy's numbers are numbers."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if hasattr(value, "tolist"):  # of numpy: an array, or a number
        return _plain(value.tolist())
    return None if is_missing(value) else value


def _kept(file: Path, folder: Path) -> RowsFile:
    """The file under a name that says its content; one that is there already is left as it is."""
    digest = sha256_of(file)
    place = folder / f"{digest[:32]}{file.suffix}"
    if not place.is_file() or sha256_of(place) != digest:
        with replacing(place) as beside:
            beside.write_bytes(file.read_bytes())
    return {"uri": str(place), "sha256": digest}
