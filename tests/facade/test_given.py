"""Rows of every form that Python has them in are a source, and the same rows are the same source."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertworks.errors import DataError
from bertworks.facade.given import source_of

FRAME = pd.DataFrame({"review": ["a", "b"], "stars": [5, 1], "other": [object(), object()]})
COLUMNS = ["review", "stars"]


def rows_in(source: dict[str, Any]) -> list[dict[str, Any]]:
    file = Path(source["uri"])
    if file.suffix == ".parquet":
        return pq.read_table(file).to_pylist()
    return [json.loads(line) for line in file.read_text().splitlines()]


def kept(data: Any, folder: Path, columns: list[str] = COLUMNS) -> list[dict[str, Any]]:
    return rows_in(source_of(data, columns, folder))


@pytest.mark.parametrize(
    "data",
    [
        FRAME,
        FRAME.set_index(pd.Index(["x", "y"])),
        FRAME.astype({"stars": "category"}),
        pa.table({"stars": [5, 1], "review": ["a", "b"]}),
        [{"review": "a", "stars": 5, "more": {1, 2}}, {"stars": np.int64(1), "review": "b"}],
        iter([{"review": "a", "stars": 5}, {"review": "b", "stars": 1}]),
    ],
    ids=["frame", "index", "category", "arrow", "dicts", "iterator"],
)
def test_every_form_gives_its_rows(data: Any, tmp_path: Path) -> None:
    assert kept(data, tmp_path) == [{"review": "a", "stars": 5}, {"review": "b", "stars": 1}]


def test_a_path_and_a_uri_stay_what_they_are(tmp_path: Path) -> None:
    assert source_of(tmp_path / "a.csv", COLUMNS, tmp_path) == {"uri": str(tmp_path / "a.csv")}
    assert source_of("s3://b/a.csv", COLUMNS, tmp_path) == {"uri": "s3://b/a.csv"}


def test_the_same_rows_are_the_same_file_and_others_another(tmp_path: Path) -> None:
    first = source_of(FRAME, COLUMNS, tmp_path)
    file = Path(first["uri"])
    written = file.stat().st_mtime_ns
    assert source_of(FRAME.assign(other=1), COLUMNS, tmp_path) == first
    assert file.stat().st_mtime_ns == written
    assert source_of(FRAME.assign(stars=2), COLUMNS, tmp_path) != first
    assert len(list(tmp_path.iterdir())) == 2  # and nothing half-written beside them
    file.write_bytes(b"torn")
    assert rows_in(source_of(FRAME, COLUMNS, tmp_path))[0]["review"] == "a"


def test_what_is_missing_is_null_and_columns_of_several_types_are_taken(tmp_path: Path) -> None:
    mixed = pd.DataFrame({"review": ["a", None, "c"], "stars": [5, "one", float("nan")]})
    assert [row["stars"] for row in kept(mixed, tmp_path)] == [5, "one", None]
    holes = pd.DataFrame({"review": ["a", None], "stars": pd.array([1, None], dtype="Int64")})
    assert kept(holes, tmp_path)[1] == {"review": None, "stars": None}
    dicts = [{"review": "a", "stars": float("nan")}, {"review": pd.NA, "stars": np.float32(2)}]
    assert kept(dicts, tmp_path) == [{"review": "a", "stars": None}, {"review": None, "stars": 2.0}]
    words = [{"review": np.array(["a", "b"]), "stars": ("x", "y")}]
    assert kept(words, tmp_path) == [{"review": ["a", "b"], "stars": ["x", "y"]}]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "No rows"),
        (FRAME.head(0), "No rows"),
        (FRAME.drop(columns="stars"), "no column 'stars'. Theirs: 'review', 'other'"),
        ([{"review": "a"}], "no column 'stars'"),
        (pd.concat([FRAME, FRAME], axis=1), "2 columns 'review'"),
        (["a warm film"], "Row 1 must be a dict"),
        ({"review": ["a"], "stars": [1]}, "A dict is not taken"),
        (7, "A int is not taken"),
        ([{"review": {1, 2}, "stars": 1}], "Row 1 cannot be written"),
    ],
)
def test_what_are_no_rows_is_refused_before_anything_runs(data, said, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=said) as raised:
        source_of(data, COLUMNS, tmp_path)
    assert raised.value.fix
    assert ("Keep one of them" if "columns" in said else "") in raised.value.fix
