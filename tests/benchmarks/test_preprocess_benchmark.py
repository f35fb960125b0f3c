"""Equal rows are told from unequal ones; the rows come out as asked."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.peak_memory import measured
from benchmarks.preprocess import Job, equal_share, found_share
from benchmarks.sentences import repeated, write_examples
from bertworks.storage import artifacts


def _table(rows: list[list[int]], labels: list[int]) -> pa.Table:
    ids = pa.array(rows, pa.list_(pa.int32()))
    return pa.table({"input_ids": ids, "label": pa.array(labels, pa.int32())})


def test_rows_that_differ_are_counted() -> None:
    own = _table([[1, 2], [3], [4, 5], [6]], [0, 1, 0, 1])
    assert equal_share(own, own) == 1
    assert equal_share(own, _table([[1, 2], [9], [4, 5], [6]], [0, 1, 0, 0])) == 0.5
    assert equal_share(own, _table([[1], [3, 3], [4, 5], [6]], [0, 1, 0, 1])) == 0.5
    with pytest.raises(SystemExit, match="wrote 4 rows, the peer 1"):
        equal_share(own, _table([[1, 2]], [0]))


def test_rows_without_order_are_found(tmp_path: Path) -> None:
    own = _table([[1, 2], [3], [3], [6]], [0, 1, 0, 1])
    (tmp_path / "rows").mkdir()
    theirs = pa.table({"input_ids": pa.array([[6], [3], [1, 2], [7]], pa.list_(pa.int64()))})
    pq.write_table(theirs, tmp_path / "rows/one.parquet")
    assert found_share(own, tmp_path) == 0.75


def test_rows_are_repeated_and_stay_distinct(tmp_path: Path) -> None:
    rows = [("A film.", "positive"), ("Another one.", "negative")]
    assert write_examples(tmp_path, repeated(rows, 3)) == 6
    examples = artifacts.open_artifact(tmp_path / "examples", "examples")
    written = pq.read_table(examples / "train").to_pylist()
    assert len({row["text"] for row in written} | {row["id"] for row in written}) == 12
    assert [row["label"] for row in written] == ["positive", "negative"] * 3
    assert written[0]["text"] == "A film."


def test_a_failed_side_is_named_with_what_it_said(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    job = Job("the side", (sys.executable, "-c", "raise SystemExit('no such file')"))
    with pytest.raises(SystemExit, match="the side ended with code 1"):
        job.run(tmp_path)
    assert "no such file" in capfd.readouterr().err


def test_time_and_memory_are_those_of_the_command() -> None:
    code = "import time; held = bytearray(200_000_000); time.sleep(1.2)"
    status, seconds, peak = measured([sys.executable, "-c", code])
    assert status == 0
    assert seconds >= 1.2
    assert 150e6 < peak < 600e6
