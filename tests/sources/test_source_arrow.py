"""Rows in Arrow's own files: streams as Hugging Face saves them, files, and Feather."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.data.formats.rows import read_rows
from bertworks.data.formats.tables import Table
from bertworks.data.rows.tally import Tally
from bertworks.data.sources.fetch import Fetched
from bertworks.errors import DataError
from bertworks.spec import Source

ROWS = 60
NAMES = {"names": ["neg", "pos"], "_type": "ClassLabel"}
ABOUT = {"huggingface": json.dumps({"info": {"features": {"label": NAMES}}})}


def stream(table: pa.Table, path: Path, rows: int = 17, **options: Any) -> None:
    """As `datasets` writes it: batch after batch, no table of contents."""
    with ipc.new_stream(str(path), table.schema, options=ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=rows)


def file(table: pa.Table, path: Path, rows: int = 17) -> None:
    with ipc.new_file(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)


def packed(compression: str) -> Callable[[pa.Table, Path], None]:
    return lambda table, path: feather.write_feather(table, str(path), compression, chunksize=17)


WRITERS = {
    "stream.arrow": stream,
    "stream.arrows": stream,
    "file.arrow": file,
    "file.ipc": file,
    "plain.feather": packed("uncompressed"),
    "lz4.feather": packed("lz4"),
    "zstd.feather": packed("zstd"),
}


def rows_of(path: Path, *needed: str, tally: Tally | None = None, **source: Any) -> list[Any]:
    given = Source.model_validate({"uri": str(path), **source})
    found = read_rows(Fetched(path.name, path, ""), given, needed, 100_000, tally)
    return [row.values for row in found]  # type: ignore[union-attr]


def labelled(rows: int = ROWS) -> pa.Table:
    numbers = range(rows)
    made = {
        "text": [f"der {n}. Film, größer" for n in numbers],
        "label": [n % 2 for n in numbers],
        "other": [n / 8 for n in numbers],
    }
    return pa.table(made).replace_schema_metadata(ABOUT)


@pytest.mark.parametrize("name", WRITERS)
def test_ingest_reads_rows_with_their_labels_by_name(tmp_path, ingest, name):
    WRITERS[name](labelled(), tmp_path / name)
    done = ingest([{"uri": name}], validation=0.2, test=0.2)
    assert done.info["labels"] == ["neg", "pos"]
    rows = sorted(done.rows(), key=lambda row: int(row["text"].split(".")[0][4:]))
    assert [row["text"] for row in rows] == labelled()["text"].to_pylist()
    assert [row["label"] for row in rows] == ["neg", "pos"] * (ROWS // 2)


@pytest.mark.parametrize("kind", [stream, file, packed("lz4")])
def test_texts_of_every_type_are_texts(tmp_path, kind):
    texts = [f"text {n % 7} as long as it takes" if n % 5 else None for n in range(ROWS)]
    plain = pa.array(texts)
    table = pa.table({
        "large": plain.cast(pa.large_string()),
        "view": plain.cast(pa.string_view()),
        "category": plain.dictionary_encode(),
        "category of views": pa.DictionaryArray.from_arrays(
            plain.dictionary_encode().indices,
            plain.dictionary_encode().dictionary.cast(pa.string_view()),
        ),
        "runs": pa.compute.run_end_encode(plain),
        "categories": pa.array([[one] for one in texts], pa.list_(plain.dictionary_encode().type)),
    })  # fmt: skip
    kind(table, tmp_path / "a.arrow")
    found = rows_of(tmp_path / "a.arrow", *table.column_names)
    for name in table.column_names[:-1]:
        assert [row[name] for row in found] == texts, name
    assert [row["categories"] for row in found] == [[one] for one in texts]


def test_a_dictionary_that_changes_on_the_way_is_followed(tmp_path):
    chunks = [pa.array(words).dictionary_encode() for words in (["a", "b"], ["a", "b", "c"], ["d"])]
    table = pa.table({"text": pa.chunked_array(chunks)})
    for deltas in (False, True):
        stream(table, tmp_path / "a.arrow", emit_dictionary_deltas=deltas)
        assert [row["text"] for row in rows_of(tmp_path / "a.arrow", "text")] == list("ababcd")


@pytest.mark.parametrize("kind", [stream, file])
def test_texts_that_are_bytes_are_decoded_and_told_of(tmp_path, kind):
    texts = ["größer", "café", None]
    latin = pa.array([one and one.encode("cp1252") for one in texts], pa.binary())
    views = latin.cast(pa.binary_view())
    kind(pa.table({"a": latin, "b": views, "c": latin.dictionary_encode()}), tmp_path / "a.arrow")
    tally = Tally()
    found = rows_of(tmp_path / "a.arrow", "a", "b", "c", tally=tally, encoding="cp1252")
    assert found == [dict.fromkeys("abc", one) for one in texts]
    assert [tally.text(kind) for kind in tally.counts] == [
        "3 columns hold texts as bytes; they were read in the source's encoding: a, b, c"
    ]


def test_the_format_is_told_by_the_first_bytes_where_no_ending_tells_it(tmp_path):
    for number, kind in enumerate((stream, file)):
        kind(labelled(3), tmp_path / f"{number}.data")
        assert len(rows_of(tmp_path / f"{number}.data", "text")) == 3
        kind(labelled(3), tmp_path / "rows.csv")
        with pytest.raises(DataError, match="rows.csv is an Arrow") as raised:
            rows_of(tmp_path / "rows.csv", "text")
        assert raised.value.fix == "Set the source's `format: arrow`."
        assert len(rows_of(tmp_path / "rows.csv", "text", format="arrow")) == 3
        kind(labelled(3), tmp_path / "rows.parquet")
        with pytest.raises(DataError, match="rows.parquet is an Arrow"):
            rows_of(tmp_path / "rows.parquet", "text")


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_a_table_that_is_packed_as_a_whole_is_to_be_unpacked(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    (stream if ending == "arrow" else pq.write_table)(labelled(3), path)
    packed = tmp_path / f"a.{ending}.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataError, match="is a gzip file") as raised:
        rows_of(packed, "text")
    assert raised.value.fix.startswith("Unpack it first")
    assert len(rows_of(path, "text")) == 3


@pytest.mark.filterwarnings("ignore:Feather V1")
def test_what_is_no_such_file_is_named(tmp_path):
    (tmp_path / "text.arrow").write_text("text,label\ngood,1\n")
    with pytest.raises(DataError, match="text.arrow is not a whole Arrow file: its first bytes"):
        rows_of(tmp_path / "text.arrow", "text")
    feather.write_feather(labelled(3), str(tmp_path / "old.feather"), version=1)
    with pytest.raises(DataError, match="old.feather is a Feather file") as raised:
        rows_of(tmp_path / "old.feather", "text")
    assert raised.value.fix == "Write it as Parquet."
    lists = pa.array([["a"]], pa.list_(pa.string_view()))
    kind = pa.DictionaryArray.from_arrays(pa.array([0]), lists)
    stream(pa.table({"text": kind}), tmp_path / "lists.arrow")
    with pytest.raises(
        DataError, match=r"lists.arrow: this Arrow file cannot be read here"
    ) as told:
        rows_of(tmp_path / "lists.arrow", "text")
    assert "Write it again" in told.value.fix


def test_a_file_that_was_cut_anywhere_is_refused(tmp_path):
    path = tmp_path / "a.arrow"
    table = pa.table({"text": [f"t{n}" for n in range(9)], "label": pa.array(list("abc") * 3)})
    table = table.set_column(1, "label", table["label"].dictionary_encode())
    for kind in (stream, file):
        kind(table, path, rows=4)
        content = path.read_bytes()
        assert len(rows_of(path, "text", "label")) == 9
        # Batches and what stands before them end at multiples of eight.
        for length in (*range(8, len(content), 8), *range(1, len(content), 97)):
            path.write_bytes(content[:length])
            with pytest.raises(DataError, match=r"a.arrow is not a whole Arrow file"):
                rows_of(path, "text", "label")


def test_a_stream_that_was_cut_where_numbers_look_like_its_end_is_refused(tmp_path):
    path = tmp_path / "a.arrow"
    # As bytes each of these is what a stream ends with.
    numbers = pa.array([0xFFFFFFFF] * 8, pa.int64())
    stream(pa.table({"text": list("abcdefgh"), "number": numbers}), path, rows=8)
    content = path.read_bytes()
    cut = content[: len(content) - 8]
    assert cut.endswith(content[-8:])
    path.write_bytes(cut)
    with pytest.raises(DataError, match="it was cut off"):
        rows_of(path, "text")


def test_streams_that_were_joined_are_refused_not_read_to_the_first_end(tmp_path):
    stream(labelled(), tmp_path / "a.arrow")
    content = (tmp_path / "a.arrow").read_bytes()
    (tmp_path / "a.arrow").write_bytes(content * 2)
    with pytest.raises(DataError, match=f"{len(content):,} bytes follow the mark of its end"):
        rows_of(tmp_path / "a.arrow", "text")


@settings(max_examples=80, deadline=None)
@given(
    st.sampled_from([stream, file, packed("lz4")]),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_damaged_bytes_cost_the_file_and_nothing_else(tmp_path_factory, kind, changes):
    path = tmp_path_factory.mktemp("damaged") / "a.arrow"
    table = labelled(9)
    table = table.append_column("label 2", pa.array(["a", "b", None] * 3).dictionary_encode())
    table = table.append_column("words", pa.array([["a", "b"], [], None] * 3))
    kind(table, path)
    content = bytearray(path.read_bytes())
    for place, byte in changes:
        content[place % len(content)] = byte
    path.write_bytes(content)
    try:
        with Table(path, "a.arrow", "arrow", "Fetch it again.") as opened:
            for batch in opened.batches(rows=4):
                assert len(batch.rows) <= 4
    except DataError as error:
        assert error.message.startswith("a.arrow")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({
            "text": st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
            "label": st.none() | st.integers(-(2**40), 2**40),
            "words": st.none() | st.lists(st.text("äb ", max_size=3), max_size=3),
        }),
        max_size=25,
    ),
    st.integers(1, 30),
    st.integers(1, 30),
    st.sets(st.sampled_from(["text", "label", "words"])),
)  # fmt: skip
def test_rows_come_back_however_they_are_cut_into_batches(
    tmp_path_factory, rows, written, read, columns
):
    path = tmp_path_factory.mktemp("any") / "a.arrow"
    words = pa.list_(pa.string())
    schema = pa.schema({"text": pa.string(), "label": pa.int64(), "words": words})
    for kind in (stream, file):
        kind(pa.Table.from_pylist(rows, schema), path, written)
        for wanted in (None, sorted(columns)):
            with Table(path, "a.arrow", "arrow", "") as table:
                batches = list(table.batches(wanted, read))
            names = table.names if wanted is None else wanted
            found = [row for batch in batches for row in batch.rows]
            assert found == [{name: row[name] for name in names} for row in rows]
            shares = [batch.share for batch in batches]
            assert shares == sorted(shares) and all(0 < share <= 1 for share in shares)


@pytest.mark.parametrize("kind", [stream, file])
def test_a_batch_of_all_rows_takes_no_memory(tmp_path, kind):
    rows = 50_000
    table = pa.table({"text": [f"{n} " * 40 for n in range(rows)], "label": [0] * rows})
    kind(table, tmp_path / "a.arrow", rows)
    assert (tmp_path / "a.arrow").stat().st_size > 10_000_000
    del table
    before, most, count = pa.total_allocated_bytes(), 0, 0
    with Table(tmp_path / "a.arrow", "a.arrow", "arrow", "") as opened:
        for batch in opened.batches(["text"]):
            most = max(most, pa.total_allocated_bytes() - before)
            count += len(batch.rows)
    assert count == rows and most < 1_000_000
