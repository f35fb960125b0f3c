"""Rows of every format: round trips, bounded rows, bytes that break the encoding."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bertworks.data.formats.columns import Refusal, Row
from bertworks.data.formats.rows import read_rows
from bertworks.data.labels.labels import Refused
from bertworks.data.rows.mapping import Mapper
from bertworks.data.rows.values import is_blank
from bertworks.data.sources.fetch import Fetched
from bertworks.errors import DataError
from bertworks.spec import Clean, Source, Task

RAW = Clean(html=False, unicode="none", whitespace=False)
TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(
        lambda text: not is_blank(text)
    ),
    max_size=6,
)
FAST = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None
)


def rows_of(path: Path, limit: int = 10_000, needed: tuple[str, ...] = (), **source) -> list:
    given = Source.model_validate({"uri": str(path), **source})
    return list(read_rows(Fetched(str(path), path, ""), given, needed, limit))


def texts_of(path: Path, **source) -> list[str]:
    given = Source.model_validate({"uri": str(path), **source})
    mapper = Mapper(given, Task(), RAW, "|", "here")
    rows = read_rows(Fetched(str(path), path, ""), given, mapper.needed, 1_000_000)
    return [mapper.example(row.values)["text"] for row in rows if isinstance(row, Row)]


@FAST
@given(texts=TEXTS, delimiter=st.sampled_from([",", "\t"]), ending=st.sampled_from(["\n", "\r\n"]))
def test_csv_and_tsv_give_back_any_text(tmp_path, texts, delimiter, ending):
    path = tmp_path / ("rows.csv" if delimiter == "," else "rows.tsv")
    with path.open("w", encoding="utf-8", newline="") as stream:
        # QUOTE_ALL: the writer leaves some texts with a bare carriage return unquoted.
        writer = csv.writer(
            stream, delimiter=delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL
        )
        writer.writerows([["label", "text"], *(["x", text] for text in texts)])
    assert texts_of(path) == texts


@FAST
@given(texts=TEXTS, ascii_only=st.booleans())
def test_jsonl_gives_back_any_text(tmp_path, texts, ascii_only):
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps({"text": t, "label": 1}, ensure_ascii=ascii_only) for t in texts] or ["{}"]
    path.write_text("\n".join(lines), encoding="utf-8", newline="")
    given_source = Source(uri=str(path))
    mapper = Mapper(given_source, Task(), RAW, "|", "here")
    found = []
    for row in read_rows(Fetched(str(path), path, ""), given_source, mapper.needed, 1_000_000):
        if texts:
            found.append(mapper.example(row.values)["text"])
    assert found == texts


@FAST
@given(
    content=st.binary(min_size=1, max_size=300),
    kind=st.sampled_from(["csv", "jsonl", "lines", "conll"]),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-16-le", "gb18030", "shift_jis", "cp1252"]),
)
def test_any_bytes_give_rows_refusals_or_a_data_error(tmp_path, content, kind, encoding):
    path = tmp_path / "rows.bin"
    path.write_bytes(content)
    source = Source.model_validate({"uri": str(path), "format": kind, "encoding": encoding})
    mapper = Mapper(source, Task(), Clean(), "|", "here")
    try:
        for row in read_rows(Fetched(str(path), path, ""), source, (), 100):
            if isinstance(row, Row):
                try:
                    mapper.example(row.values)
                except Refused as refused:
                    assert refused.rule
    except DataError as error:
        assert error.fix


def test_csv_record_numbers_are_those_of_their_first_line(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text('text,label\n"one\ntwo",a\n\nthree,b\n')
    assert [(row.line, row.values["text"]) for row in rows_of(path)] == [
        (2, "one\ntwo"),
        (5, "three"),
    ]


def test_csv_wrong_number_of_columns_is_refused_with_its_line(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text,label\na,b\nc\nd,e,f\ng,h\n")
    found = rows_of(path)
    assert [row.values["text"] for row in found if isinstance(row, Row)] == ["a", "g"]
    assert [(row.line, row.rule) for row in found if isinstance(row, Refusal)] == [
        (3, "2 columns expected, 1 found"),
        (4, "2 columns expected, 3 found"),
    ]


@pytest.mark.parametrize("inner", ["x" * 5000, "line\n" * 1000, 'say ""hi""\n' * 500])
def test_an_over_long_csv_row_is_refused_alone(tmp_path, inner):
    path = tmp_path / "rows.csv"
    path.write_text(f'text,label\na,1\n"{inner}",2\nb,3\n')
    found = rows_of(path, limit=1000)
    assert [getattr(row, "rule", None) or row.values["text"] for row in found] == [
        "a", "longer than max_row_bytes", "b",
    ]  # fmt: skip
    assert found[1].line == 3
    assert found[2].line == 3 + 1 + inner.count("\n")


@pytest.mark.parametrize("kind", ["jsonl", "lines", "conll"])
def test_an_over_long_line_is_refused_alone(tmp_path, kind):
    row = {"jsonl": '{"text": "%s"}', "lines": "%s", "conll": "%s O\n"}[kind]
    path = tmp_path / "rows.any"
    path.write_text("\n".join(row % text for text in ("a", "y" * 200_000, "b")) + "\n")
    found = rows_of(path, limit=1000, format=kind)
    assert [isinstance(row, Refusal) for row in found] == [False, True, False]


def test_a_ten_megabyte_row_is_not_held_in_memory(tmp_path):
    import tracemalloc

    path = tmp_path / "rows.csv"
    with path.open("w") as stream:
        stream.write("text,label\na,1\n")
        for _ in range(100):
            stream.write("z" * 100_000)
        stream.write(",2\nb,3\n")
    tracemalloc.start()
    found = rows_of(path, limit=100_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [isinstance(row, Refusal) for row in found] == [False, True, False]
    assert peak < 3_000_000


@pytest.mark.parametrize("tail", ["b\nc\n", "b\n" * 1000])
def test_a_quote_that_is_never_closed_is_an_error_that_names_the_line(tmp_path, tail):
    path = tmp_path / "rows.csv"
    path.write_text('text\n"a\n' + tail)
    with pytest.raises(DataError, match="line 2: a quote that opens here is never closed"):
        rows_of(path, limit=1000)


@pytest.mark.parametrize("tail", ["b,2\nc,3\n", "b,2\n" * 1000])
def test_a_stray_quote_swallows_no_rows(tmp_path, tail):
    path = tmp_path / "rows.csv"
    path.write_text('text,label\n"a,1\n' + tail)
    texts = [row.values["text"] for row in rows_of(path, limit=1000)]
    assert texts == ['"a', *(line.partition(",")[0] for line in tail.splitlines())]


def test_without_a_quote_character_quotes_are_text(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_text('1\t"open\n2\t"both" sides\n')
    found = rows_of(path, header=False, names=["n", "text"], quote="")
    assert [row.values["text"] for row in found] == ['"open', '"both" sides']


def test_gzip_bom_and_other_encodings_are_read(tmp_path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress("\ufefftext,label\ngrün,1\n".encode()))
    (tmp_path / "b.csv").write_bytes("text,label\ngrün,1\n".encode("utf-16"))
    (tmp_path / "c.csv").write_bytes("text,label\ngrün,1\n".encode("latin-1"))
    assert texts_of(tmp_path / "a.csv.gz") == ["grün"]
    assert texts_of(tmp_path / "b.csv", encoding="utf-16") == ["grün"]
    assert texts_of(tmp_path / "c.csv", encoding="latin-1") == ["grün"]


def test_jsonl_refuses_what_is_no_object(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "a"}\n[1]\n{"text": \n\n{"text": "b"}\n' + "[" * 5000 + "\n")
    found = rows_of(path)
    assert [(row.line, isinstance(row, Row)) for row in found] == [
        (1, True), (2, False), (3, False), (5, True), (6, False),
    ]  # fmt: skip


def test_lines_with_named_groups(tmp_path):
    path = tmp_path / "rows.txt"
    path.write_text("LOC:city Where is Rome ?\nnonsense\n")
    found = rows_of(path, pattern=r"^(?P<label>[A-Z]+):\S+ (?P<text>.*)$")
    assert found[0].values == {"label": "LOC", "text": "Where is Rome ?"}
    assert found[1].line == 2
    assert "pattern" in found[1].rule


def test_parquet_rows_and_missing_column(tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "label": [0, 1], "other": [1.5, 2.5]}), path)
    assert [row.values for row in rows_of(path, needed=("text", "label"))] == [
        {"text": "a", "label": 0},
        {"text": "b", "label": 1},
    ]
    with pytest.raises(
        DataError, match=r"no column 'texts'.*'text', 'label', 'other'.*mean 'text'"
    ):
        rows_of(path, needed=("texts",))


@pytest.mark.parametrize("delimiter", [";", "|", "\t", ","])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_the_delimiter_is_a_setting_and_a_wrong_one_is_seen(tmp_path, ending, delimiter):
    path = tmp_path / f"rows.{ending}"
    path.write_text(f"text{delimiter}label\ngood{delimiter}1\n")
    rows = rows_of(path, needed=("text",), delimiter=delimiter)
    assert [row.values for row in rows] == [{"text": "good", "label": "1"}]
    if delimiter == {"csv": ",", "tsv": "\t"}[ending]:
        assert rows_of(path, needed=("text",)) == rows
        return
    with pytest.raises(DataError) as raised:
        rows_of(path, needed=("text",))
    assert raised.value.fix == f"Set the source's delimiter: {json.dumps(delimiter)}."


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_seen(tmp_path, encoding):
    path = tmp_path / "rows.csv"
    path.write_bytes("text,label\ngood,1\n".encode(encoding))
    with pytest.raises(DataError, match=f"encoding: {encoding}\\."):
        rows_of(path, needed=("text",))
    rows = rows_of(path, needed=("text",), encoding=encoding)
    assert [row.values for row in rows] == [{"text": "good", "label": "1"}]


@pytest.mark.parametrize(
    "text", ["质量很好，我很喜欢", "очень хороший фильм", "映画は面白い", "별로예요"]
)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_utf_16_without_a_mark_is_seen_in_other_scripts(tmp_path, encoding, text):
    path = tmp_path / "rows.txt"
    path.write_bytes(f"{text}\n".encode(encoding) * 999)
    with pytest.raises(DataError, match=f"encoding: {encoding}\\."):
        rows_of(path)
    assert [row.values for row in rows_of(path, encoding=encoding)] == [{"text": text}] * 999


@pytest.mark.parametrize("text", ["good\0 one\n" * 9, "\0\0\n" * 3 + "the film is good\n" * 900])
def test_text_with_stray_nul_bytes_is_no_utf_16(tmp_path, text):
    path = tmp_path / "rows.txt"
    path.write_bytes(text.encode())
    try:
        rows_of(path)
    except DataError as error:
        assert "utf-16" not in error.fix


def test_unknown_endings_encodings_and_empty_files_say_what_to_do(tmp_path):
    path = tmp_path / "rows.xyz"
    path.write_text("a")
    with pytest.raises(DataError, match=r"cannot be told from the ending '.xyz'"):
        rows_of(path)
    with pytest.raises(DataError, match="not a text encoding"):
        rows_of(path, format="lines", encoding="utf-99")
    path.write_text("")
    with pytest.raises(DataError, match="is empty"):
        rows_of(path, format="csv")
    damaged = tmp_path / "rows.parquet"
    damaged.write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="not a whole Parquet file"):
        rows_of(damaged)


def test_csv_reader_is_not_limited_to_small_cells(tmp_path):
    path = tmp_path / "rows.csv"
    buffer = io.StringIO()
    csv.writer(buffer).writerows([["text", "label"], ["w " * 100_000, "1"]])
    path.write_text(buffer.getvalue())
    assert len(texts_of(path)[0]) == 200_000


def test_damaged_files_are_errors_not_short_files(tmp_path):
    packed = gzip.compress(b"text,label\n" + b"".join(b"row %d,1\n" % i for i in range(5000)))
    (tmp_path / "a.csv.gz").write_bytes(packed[:-5000])
    with pytest.raises(DataError, match="damaged compressed file"):
        rows_of(tmp_path / "a.csv.gz")
    (tmp_path / "b.csv.gz").write_bytes(b"text,label\na,b\n")
    with pytest.raises(DataError, match="no gzip file, although its name says so"):
        rows_of(tmp_path / "b.csv.gz")
    pq.write_table(pa.table({"text": [str(i) for i in range(5000)]}), tmp_path / "c.parquet")
    content = bytearray((tmp_path / "c.parquet").read_bytes())
    content[4:400] = b"\xff" * 396
    (tmp_path / "c.parquet").write_bytes(content)
    with pytest.raises(DataError, match="not a whole Parquet file"):
        rows_of(tmp_path / "c.parquet", needed=("text",))


def test_a_column_that_stands_twice_is_an_error(tmp_path):
    (tmp_path / "a.csv").write_text("text,label,text\na,b,c\n")
    with pytest.raises(DataError, match="2 columns 'text'"):
        rows_of(tmp_path / "a.csv", needed=("text",))


@pytest.mark.parametrize(
    "wrong",
    [
        {"pattern": "("},
        {"label_pattern": "["},
        {"keep_all": True},
        {"delimiter": "\n"},
        {"delimiter": '"'},
    ],
)
def test_sources_that_cannot_work_are_refused_by_the_spec(wrong):
    with pytest.raises(ValueError, match="Received"):
        Source.model_validate({"uri": "a.csv", **wrong})
    with pytest.raises(ValueError, match="own columns"):
        Source.model_validate({"uri": "a.csv", "columns": {"extra": ["label"]}})
