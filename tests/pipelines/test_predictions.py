"""What `bertworks predict` reads and writes, with an agent that only measures its texts."""

import csv
import json
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertworks.errors import DataError
from bertworks.serving import runtime
from pipelines import predictions


class Stub:
    """Stands for an agent: labels every row with its length."""

    def __init__(self, type_: str = "classification", pair: bool = False) -> None:
        self.task = types.SimpleNamespace(type=type_, pair=pair)

    def predict(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        return [{"label": "Straße", "parts": ["ü"] * len(row)} for row in rows]


def rows_of(file: Path, *, pair: bool = False, words: bool = False) -> list[Any]:
    return list(predictions._rows([], file, pair=pair, words=words))


def written(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.txt", "good\r\nbad\n"),
        ("ROWS.CSV", "id,text\n1,good\n2,bad\n"),
        ("rows.csv", "review\ngood\nbad\n"),
        ("rows.tsv", "id\ttext\n1\tgood\n2\tbad\n"),
        ("rows.jsonl", '{"text": "good"}\n\n{"text": "bad"}\n'),
        ("rows.json", '"good"\n{"review": "bad"}\n'),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte-order-mark"])
def test_every_format_gives_its_texts(tmp_path: Path, name: str, content: str, mark: str) -> None:
    assert rows_of(written(tmp_path, name, mark + content)) == ["good", "bad"]


def test_parquet_gives_texts_pairs_and_words(tmp_path: Path) -> None:
    file = tmp_path / "rows.parquet"
    columns = {"text": ["x", None], "text_a": ["a", "b"], "text_b": ["c", "d"]}
    pq.write_table(pa.table({**columns, "tokens": [["p"], ["q", "r"]]}), file)
    assert rows_of(file) == ["x", ""]
    assert rows_of(file, pair=True) == [("a", "c"), ("b", "d")]
    assert rows_of(file, words=True) == [["p"], ["q", "r"]]
    with pytest.raises(DataError, match="not a whole Parquet file"):
        rows_of(written(tmp_path, "bad.parquet", "PAR1"))


@pytest.mark.parametrize(
    ("name", "content", "texts"),
    [
        ("rows.tsv", 'text\tx\n"5 "\t1\n"5 inch\t1\nb\t2\n"7 inch\t4\n',
         ["5 ", '"5 inch', "b", '"7 inch']),
        ("rows.csv", 'text,x\n"a, b",1\n"two\nlines",2\n', ["a, b", "two\nlines"]),
        ("rows.csv", 'text,x\n"say \\"hi\\"",1\n', ['say "hi"']),
        ("rows.csv", "sep=;\ntext;x\na;1\n", ["a"]),
        ("rows.txt", "a\rb\r", ["a", "b"]),
        ("rows.json", '[\n {"text": "a"},\n {"text": "b"}\n]', ["a", "b"]),
        ("rows.json", '["a", "b"]', ["a", "b"]),
    ],
)  # fmt: skip
def test_every_row_is_read(tmp_path: Path, name: str, content: str, texts: list[str]) -> None:
    assert rows_of(written(tmp_path, name, content)) == texts


def test_what_was_guessed_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows_of(written(tmp_path, "rows.tsv", 'text\tx\n"5 inch\t1\nrow two\t2\n"7 inch\t4\n'))
    assert "2 rows hold a quote that is not closed" in capsys.readouterr().err


@pytest.mark.parametrize("odd", ["\u2028", "\x0c", "\x85", "\x1e"])
def test_only_newlines_end_a_line(tmp_path: Path, odd: str) -> None:
    text = f"one{odd}text"
    assert rows_of(written(tmp_path, "rows.txt", text + "\nb\n")) == [text, "b"]
    if odd != "\x0c" and odd != "\x1e":  # JSON allows no bare control characters
        line = json.dumps({"text": text}, ensure_ascii=False)
        assert rows_of(written(tmp_path, "rows.jsonl", line + "\n")) == [text]


def test_a_long_csv_cell_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = csv.field_size_limit(131_072)
    try:
        assert rows_of(written(tmp_path, "rows.csv", f"text\n{'x' * 200_000}\n")) == ["x" * 200_000]
    finally:
        csv.field_size_limit(before)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.csv", "id,txt\n1,a\n", "no column 'text'. Its columns: 'id', 'txt'"),
        ("rows.csv", "text\nwell, yes\n", "line 2: 1 columns expected, 2 found"),
        ("rows.csv", "id;text\n1;a\n", "its delimiter seems to be ';'"),
        ("rows.csv", 'text\n"a\nb\n', "a quote that opens here is never closed"),
        ("rows.csv", b"text\ncaf\xe9\n", "is not UTF-8"),
        ("rows.csv", "text\na\n".encode("utf-16"), "UTF-16"),
        ("rows.csv", b"\x1f\x8b" + bytes(20), "is a gzip file"),
        ("rows.csv", "text,text\na,b\n", "2 columns 'text'"),
        ("rows.txt", b"caf\xe9\n", "is not UTF-8"),
        ("rows.jsonl", "[1,\n", "rows.jsonl:1: not JSON"),
        ("rows.jsonl", '{"tokens": ["a"]}\n', "column 'tokens' is not text"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError) as raised:
        rows_of(written(tmp_path, name, content))
    assert said in str(raised.value)
    assert raised.value.fix


@pytest.mark.parametrize(
    ("texts", "file", "out", "said"),
    [
        (["a"], "rows.txt", None, "both given"),
        ([], "none.txt", None, "is not there"),
        ([], ".", None, "is a folder"),
        ([], "rows.docx", None, ".txt .csv .tsv .jsonl .json .parquet"),
        ([], "rows.txt", "nodir/out.csv", "there is no folder"),
        ([], "rows.txt", "out.xml", "jsonl or csv"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_agent_is_loaded(
    tmp_path: Path, texts: list[str], file: str, out: str | None, said: str
) -> None:
    written(tmp_path, "rows.txt", "a\n")
    written(tmp_path, "rows.docx", "a\n")
    into = tmp_path / out if out else None
    with pytest.raises(DataError) as raised:
        predictions.predict_stream(tmp_path / "none", texts, tmp_path / file, into, "jsonl")
    assert said in str(raised.value)


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_written_files_are_readable_and_may_be_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(runtime.Agent, "load", lambda _: Stub("tagging"))
    out = tmp_path / f"out.{ending}"
    for name in ("rows.csv", "rows.txt", "rows.jsonl"):
        predictions.predict_stream(tmp_path, [], written(tmp_path, name, ""), out, "jsonl")
        assert out.read_text(encoding="utf-8") == ""
    full = written(tmp_path, "rows.jsonl", '{"tokens": ["ö"]}\n')
    predictions.predict_stream(tmp_path, [], full, out, "jsonl")
    assert "ö" in out.read_text(encoding="utf-8") and "Straße" in out.read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


def test_a_lone_column_is_named_when_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows_of(written(tmp_path, "rows.csv", "review\ngood\n"))
    assert "from its column 'review'" in capsys.readouterr().err


def test_a_byte_order_mark_on_stdin_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b"\xef\xbb\xbfgood\n", b"bad\n"]
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=lines, isatty=lambda: False))
    assert list(predictions._rows([], None, pair=False, words=False)) == ["good", "bad"]
