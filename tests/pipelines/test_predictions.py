"""What `bertworks predict` reads and writes, with an agent that only measures its texts."""

import csv
import errno
import gzip
import io
import json
import os
import re
import subprocess
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import pytest

from bertworks.batch.answers import Writer
from bertworks.batch.outputs import TextOutput
from bertworks.batch.rows import BadRow
from bertworks.batch.texts import Form, Given, read, read_all
from bertworks.contracts.agent import AgentRecord
from bertworks.data.rows.spots import Spot
from bertworks.data.sources.first_bytes import PACKED
from bertworks.errors import DataError, EnvironmentFault
from bertworks.runtime import agent as runtime
from bertworks.spec import Task
from bertworks.tasks.forms import form_named
from bertworks.tasks.top import top_labels
from pipelines.cli import predictions


class Stub:
    """Stands for an agent: labels every row with its length."""

    def __init__(self, type_: str = "classification", pair: bool = False, **columns: Any) -> None:
        self.task = Task.model_validate({"type": type_, "pair": pair})
        self.info = AgentRecord(self.task, self.task.max_length, columns=columns)

    def predict(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        return [{"label": "Straße", "parts": ["ü"] * len(row)} for row in rows]


def rows_of(
    file: Path | None,
    *,
    texts: Sequence[str] = (),
    pair: bool = False,
    words: bool = False,
    **columns: Any,
) -> list[Any]:
    taken = form_named("pair" if pair else "words" if words else "text")
    return [given.row for given in read(texts, file, Form(taken, **columns))]


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
        ("rows.json", '"good"\n{"text": "bad"}\n'),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte-order-mark"])
def test_every_format_gives_its_texts(tmp_path: Path, name: str, content: str, mark: str) -> None:
    assert rows_of(written(tmp_path, name, mark + content)) == ["good", "bad"]


@pytest.mark.parametrize("ending", PACKED)
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.txt", "good\nbad\n"),
        ("rows.csv", "id,text\n1,good\n2,bad\n"),
        ("ROWS.TSV", "id\ttext\n1\tgood\n2\tbad\n"),
        ("rows.jsonl", '{"text": "good"}\n{"text": "bad"}\n'),
        ("rows.json", '[\n{"text": "good"}, {"text": "bad"}]'),
    ],
)
def test_packed_files_give_their_texts(
    tmp_path: Path, name: str, content: str, ending: str
) -> None:
    file = tmp_path / f"{name}{ending}"
    with PACKED[ending](file, "wt", encoding="utf-8") as stream:
        stream.write(content)
    predictions._check_file(file, ())
    assert rows_of(file) == ["good", "bad"]


def test_packed_files_that_are_none_or_damaged_are_named(tmp_path: Path) -> None:
    file = written(tmp_path, "rows.csv.gz", "text\ngood\n")
    with pytest.raises(DataError, match="is no gzip file"):
        rows_of(file)
    file = written(tmp_path, "rows.csv.gz", gzip.compress(b"text\ngood\n" * 9)[:-9])
    with pytest.raises(DataError, match="damaged compressed file"):
        rows_of(file)
    with pytest.raises(DataError, match="cannot be told from the ending"):
        predictions._check_file(written(tmp_path, "rows.gz", b""), ())


@pytest.mark.parametrize("name", ["rows.parquet", "rows.pq", "rows.arrow", "rows.feather"])
def test_tables_give_texts_pairs_and_words(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    columns = {"text": ["x", None], "text_a": ["a", "b"], "text_b": ["c", "d"]}
    table = pa.table({**columns, "tokens": [["p"], ["q", "r"]]})
    if name.endswith("w"):
        with ipc.new_stream(str(file), table.schema) as writer:
            writer.write_table(table)
    elif name.endswith("r"):
        feather.write_feather(table, str(file))
    else:
        pq.write_table(table, file)
    assert rows_of(file) == ["x", ""]
    assert rows_of(file, pair=True) == [("a", "c"), ("b", "d")]
    assert rows_of(file, words=True) == [["p"], ["q", "r"]]
    kind = "Arrow" if name.endswith(("w", "r")) else "Parquet"
    with pytest.raises(DataError, match=f"not a whole {kind} file"):
        rows_of(written(tmp_path, f"bad{file.suffix}", "PAR1"))


def test_a_table_with_another_ending_is_told_its_own(tmp_path: Path) -> None:
    table = pa.table({"text": ["a", "b"]})
    pq.write_table(table, tmp_path / "a.parquet")
    feather.write_feather(table, str(tmp_path / "b.arrow"))
    for own, given in (("a.parquet", "a.csv"), ("b.arrow", "b.txt"), ("b.arrow", "b.parquet")):
        file = written(tmp_path, f"named-{given}", (tmp_path / own).read_bytes())
        with pytest.raises(DataError, match="by its first bytes") as raised:
            rows_of(file)
        named = raised.value.fix.rpartition(" ")[2]
        assert named == f"{file.stem}{Path(own).suffix}"
        assert rows_of(file.rename(tmp_path / named)) == ["a", "b"]
    packed = written(tmp_path, "c.jsonl.gz", gzip.compress((tmp_path / "a.parquet").read_bytes()))
    with pytest.raises(DataError, match="is a Parquet file") as raised:
        rows_of(packed)
    assert raised.value.fix == "Unpack it first. Name it so that its ending says so: c.parquet"


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_a_text_in_a_table_that_is_not_utf8_is_an_error_of_the_file(
    tmp_path: Path, name: str
) -> None:
    text = pa.StringArray.from_buffers(
        1, pa.py_buffer(b"\0\0\0\0\4\0\0\0"), pa.py_buffer(b"caf\xe9")
    )
    if name.endswith("t"):
        pq.write_table(pa.table({"text": text}), tmp_path / name)
    else:
        feather.write_feather(pa.table({"text": text}), str(tmp_path / name))
    with pytest.raises(DataError, match=f"{name} is not a whole"):
        rows_of(tmp_path / name)


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


@pytest.mark.parametrize("last", ["a film", "a film, said he"])
def test_lines_that_a_quote_may_have_swallowed_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], last: str
) -> None:
    lines = [f"a film {n},user{n}" for n in range(100)]
    lines[3], lines[58] = f'"{lines[3]}', f'{last}",user58'
    found = rows_of(written(tmp_path, "two.csv", "\n".join(["text,author", *lines])))
    said = capsys.readouterr().err
    assert len(found) == (45 if "," in last else 100)
    assert ("warning: 1 quoted cells take 56 lines" in said) is ("," in last)
    assert ("one a line in a .txt file" in said) is ("," in last)


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
        ("rows.csv", "text\nwell, yes\n", "rows.csv row 1 (line 2): 1 columns expected, 2 found"),
        ("rows.csv", "id;text\n1;a\n", "its delimiter seems to be ';'"),
        ("rows.csv", 'text\n"a\nb\n', "a quote that opens here is never closed"),
        ("rows.csv", b"text\ncaf\xe9\n", "is not UTF-8"),
        ("rows.csv", "text\na\n".encode("utf-16"), "UTF-16"),
        ("rows.csv", b"\x1f\x8b" + bytes(20), "is a gzip file"),
        ("rows.csv", "text,text\na,b\n", "2 columns 'text'"),
        ("rows.txt", b"caf\xe9\n", "is not UTF-8"),
        ("rows.jsonl", "[1,\n", "rows.jsonl row 1: not JSON"),
        ("rows.jsonl", '{"tokens": ["a"]}\n', "column 'tokens' is not text"),
        ("rows.jsonl", '"a"\n3\n', "row 2: column 'text' is not text. Received: 3"),
        ("rows.json", '[{"text": "a"},\n{"text": [1]}]', "row 2: column 'text' is not text. Rec"),
        ("rows.jsonl", '{"n": "a"}\n{"text": "b"}\n', "row 2: no column 'n', which the first row"),
        ("rows.jsonl", '{"text": "a", "n": 1}\n{"n": "b"}\n', "row 2: no column 'text'"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, name: str, content: str | bytes, said: str) -> None:
    with pytest.raises(DataError) as raised:
        rows_of(written(tmp_path, name, content))
    assert said in str(raised.value)
    assert raised.value.fix


MIXED = {
    "rows.csv": ("text,n\n{}", "{},1\n"),
    "rows.tsv": ("text\tn\n{}", "{}\t1\n"),
    "rows.txt": ("{}", "{}\n"),
    "rows.jsonl": ("{}", '{{"text": "{}"}}\n'),
    "rows.json": ("[{}]", '{{"text": "{}"}},\n'),
}


@pytest.mark.parametrize("name", MIXED)
@pytest.mark.parametrize(
    ("text", "odd"),
    [
        ("très café", "cp1252"),
        ("привет как дела", "cp1251"),
        ("房间干净服务周到早餐丰富", "gb18030"),
    ],
)
def test_lines_of_another_encoding_cost_only_themselves_and_are_mended_as_advised(
    tmp_path: Path, name: str, text: str, odd: str
) -> None:
    whole, line = MIXED[name]
    texts = [f"{text} {n}" for n in range(6)]
    said = [line.format(one) for one in texts]
    said[-1] = said[-1].rstrip("\n,") if name == "rows.json" else said[-1]
    before, after = (part.encode() for part in whole.split("{}"))
    lines = [one.encode(odd if n in (2, 3) else "utf-8") for n, one in enumerate(said)]
    file = written(tmp_path, name, before + b"".join(lines) + after)
    found = list(read_all([], file, Form()))
    bad = [one for one in found if isinstance(one, BadRow)]
    assert [one.row for one in found if not isinstance(one, BadRow)] == texts[:2] + texts[4:]
    first = 3 + ("n" in before.decode())
    assert f"{Spot(str(file), 3, first)} is not UTF-8" in bad[0].error.message
    assert "\\x" in bad[0].error.message and "\\x" in str(bad[0].received)
    assert f"4 are UTF-8 and 2 are not, perhaps {odd}" in bad[1].error.fix
    assert f"line {first})" in bad[1].error.fix
    subprocess.run(re.findall("`(.* > [^`]*)`", bad[0].error.fix)[0], shell=True, check=True)
    assert rows_of(tmp_path / f"rows-utf8{file.suffix}") == texts


@pytest.mark.parametrize("name", MIXED)
def test_a_file_of_another_encoding_is_refused_as_a_whole_and_converted_as_advised(
    tmp_path: Path, name: str
) -> None:
    whole, line = MIXED[name]
    texts = ["plain", *(f"déjà vu à la fête {n}" for n in range(6))]
    content = whole.format("".join(map(line.format, texts)).rstrip("\n,"))
    file = written(tmp_path, name, content.encode("cp1252"))
    with pytest.raises(DataError, match="is not UTF-8, from line") as raised:
        rows_of(file)
    command = raised.value.fix.partition(": ")[2].partition(" (")[0]
    made = subprocess.run(command, shell=True, check=True, stdout=subprocess.PIPE).stdout
    file.write_bytes(made)
    assert rows_of(file) == texts


def test_a_single_line_that_is_not_utf8_costs_its_row(tmp_path: Path) -> None:
    rows = b"".join(b"plain row %d\n" % n for n in range(2000))
    file = written(tmp_path, "rows.csv", b"text\n" + rows + b"caf\xe9\n" + rows)
    found = list(read_all([], file, Form()))
    (bad,) = (one for one in found if isinstance(one, BadRow))
    assert len(found) == 4001 and bad.received == r"caf\xe9"
    assert r"rows.csv row 2001 (line 2002) is not UTF-8. Received: 'caf\xe9'" in bad.error.message
    assert "iconv -f WINDOWS-1252" in bad.error.fix


@pytest.mark.parametrize("half", [r"\udce9", r"\ud83d", r"\udfff"])
def test_half_a_character_costs_its_row_as_it_does_at_ingest_and_on_the_server(
    tmp_path: Path, half: str
) -> None:
    lines = rf'{{"text": "cut {half}"}}' + '\n{"text": "whole \\ud83d\\ude00"}\n'
    bad, good = read_all([], written(tmp_path, "rows.jsonl", lines), Form())
    assert isinstance(bad, BadRow) and "row 1 holds half a character" in bad.error.message
    assert isinstance(good, Given) and good.row == "whole 😀"
    words = rf'{{"tokens": ["cut", "{half}"]}}'
    (bad,) = read_all([], written(tmp_path, "words.jsonl", words), Form(form_named("words")))
    assert isinstance(bad, BadRow)
    with pytest.raises(DataError, match="argument 1 holds half a character"):
        list(read_all([json.loads(f'"{half}"')], None, Form()))


def test_numbers_that_json_does_not_have_are_written_as_json(tmp_path: Path) -> None:
    """NaN is how tables say that a number is missing; what no float holds stays a text."""
    record = {"text": "a", "many": float("inf"), "none": float("nan"), "list": [float("-inf"), 1.5]}
    out = io.StringIO()
    Writer("jsonl").write(out, Given("a", record), {"label": "x"})
    assert json.loads(out.getvalue(), parse_constant=pytest.fail) == {
        "text": "a", "many": "inf", "none": None, "list": ["-inf", 1.5], "label": "x",
    }  # fmt: skip


def test_a_header_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 1 is not UTF-8") as raised:
        rows_of(written(tmp_path, "rows.csv", "text,café\na,b\n".encode("cp1252")))
    assert r"caf\xe9" in raised.value.message


def test_words_that_are_not_utf8_cost_their_sentence(tmp_path: Path) -> None:
    content = b"a\nb\n\ncaf\xe9\nc\n\nd\n"
    found = list(read_all([], written(tmp_path, "rows.conll", content), Form(form_named("words"))))
    assert [isinstance(one, BadRow) for one in found] == [False, True, False]


@pytest.mark.parametrize(
    ("texts", "file", "out", "said"),
    [
        (["a"], "rows.txt", None, "both given"),
        ([], "none.txt", None, "is not there"),
        ([], ".", None, "is a folder"),
        ([], "rows.docx", None, ".txt .csv .tsv .jsonl .json .parquet .pq .arrow"),
        ([], "rows.txt", "nodir/out.csv", "there is no folder"),
        ([], "rows.txt", "out.xml", "jsonl, csv or tsv"),
        (["a"], None, "out.jsonl.gz", "Only the answers to a file are packed"),
        ([], "rows.csv", "rows.csv", "is the file that --file reads"),
        ([], "rows.csv", "link.csv", "is the file that --file reads"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_agent_is_loaded(
    tmp_path: Path, texts: list[str], file: str | None, out: str | None, said: str
) -> None:
    for name in ("rows.txt", "rows.docx", "rows.csv"):
        written(tmp_path, name, "text\na\n")
    (tmp_path / "link.csv").hardlink_to(tmp_path / "rows.csv")
    into, given = tmp_path / out if out else None, tmp_path / file if file else None
    with pytest.raises(DataError) as raised:
        predictions.predict_stream(tmp_path / "none", texts, given, into, "jsonl")
    assert said in str(raised.value)
    assert (tmp_path / "rows.csv").read_text() == "text\na\n"


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_written_files_are_readable_and_may_be_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(runtime.Agent, "load", lambda _: Stub("tagging"))
    out = tmp_path / f"out.{ending}"
    header = {"csv": "label,parts\n", "tsv": "label\tparts\n", "jsonl": ""}[ending]
    for name in ("rows.csv", "rows.txt", "rows.jsonl"):
        predictions.predict_stream(tmp_path, [], written(tmp_path, name, ""), out, "jsonl")
        assert out.read_text(encoding="utf-8") == header
    full = written(tmp_path, "rows.jsonl", '{"tokens": ["ö"]}\n')
    predictions.predict_stream(tmp_path, [], full, out, "jsonl")
    assert "ö" in out.read_text(encoding="utf-8") and "Straße" in out.read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


@pytest.mark.parametrize("error", [errno.EACCES, errno.ENOENT, errno.ENOSPC])
def test_what_cannot_be_written_is_called_as_it_was_named(tmp_path, monkeypatch, error) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(error, os.strerror(error), str(tmp_path / ".out.csv.1a2b.partial"))

    monkeypatch.setattr(TextOutput, "settle", refused)
    with pytest.raises(EnvironmentFault) as raised:
        run(monkeypatch, Scorer(), written(tmp_path, "a.txt", "x\n"), "out.csv")
    assert str(tmp_path) in str(raised.value) and raised.value.fix
    assert ".partial" not in str(raised.value) and "--root" not in str(raised.value)


def test_a_lone_column_is_named_when_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows_of(written(tmp_path, "rows.csv", "review\ngood\n"))
    assert "from its column 'review'" in capsys.readouterr().err


def test_a_byte_order_mark_on_stdin_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [b"\xef\xbb\xbfgood\n", b"bad\n"]
    monkeypatch.setattr(sys, "stdin", types.SimpleNamespace(buffer=lines, isatty=lambda: False))
    assert rows_of(None) == ["good", "bad"]


def run(
    monkeypatch: pytest.MonkeyPatch, agent: Any, file: Path, out: str = "out.jsonl", **options: Any
) -> str:
    """What `predict --file FILE -o OUT` writes."""
    monkeypatch.setattr(runtime.Agent, "load", lambda _: agent)
    target = file.parent / out
    predictions.predict_stream(file.parent, [], file, target, "jsonl", **options)
    return target.read_bytes().decode("utf-8")


class Scorer(Stub):
    """Gives every row the same scores."""

    answer: ClassVar = {
        "label": "b",
        "score": 0.5,
        "scores": {"a": 0.1, "b": 0.5, "c": 0.3, "d": 0.1},
    }

    def predict(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        return [{**self.answer, "truncated": len(row) > 5} for row in rows]


def test_other_columns_are_carried_through_and_none_is_lost(tmp_path: Path, monkeypatch) -> None:
    file = written(tmp_path, "a.csv", "id,review,label,score\n7,good,x,3\n8,bad\n")
    agent = Scorer(text=["review"])
    one, two = map(json.loads, run(monkeypatch, agent, file).splitlines())
    assert (one["id"], one["review"], one["label"]) == ("7", "good", "b")
    assert (one["input_label"], one["input_score"], one["score"]) == ("x", "3", 0.5)
    assert two["input_label"] is None
    again = run(
        monkeypatch, agent, written(tmp_path, "b.csv", run(monkeypatch, agent, file, "b.csv"))
    )
    found = json.loads(again.splitlines()[0])
    assert (found["input_label"], found["input_input_label"]) == ("x", "b")


def test_rows_of_json_may_have_columns_of_their_own(tmp_path: Path, monkeypatch) -> None:
    file = written(tmp_path, "a.jsonl", '{"text": "x", "n": 1}\n{"text": "y", "late": "l"}\n')
    rows = list(csv.DictReader(run(monkeypatch, Scorer(), file, "out.csv").splitlines()))
    assert [(row["text"], row["n"], row["late"]) for row in rows] == [
        ("x", "1", ""),
        ("y", "", "l"),
    ]


def test_the_columns_of_the_spec_are_read(tmp_path: Path, capsys) -> None:
    file = written(tmp_path, "a.csv", "id,sentence,text\n1,good,other\n")
    assert rows_of(file, columns={"text": ["review", "sentence"]}) == ["good"]
    assert "reading the texts from its column 'sentence'" in capsys.readouterr().err
    pairs = written(tmp_path, "p.csv", "q,a\nwhy,because\n")
    assert rows_of(pairs, pair=True, columns={"text_a": ["q"], "text_b": ["a"]}) == [
        ("why", "because")
    ]
    with pytest.raises(DataError, match="no column 'body' or 'text'") as raised:
        rows_of(pairs, columns={"text": ["body"]})
    assert "data.sources[].columns" in raised.value.fix


def test_a_numbers_column_of_parquet_is_no_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [3, 4]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"row 1: column 'text' is not text. Received: 3"):
        rows_of(tmp_path / "a.parquet")


def test_the_column_is_decided_once_for_a_file(tmp_path: Path, capsys) -> None:
    file = written(tmp_path, "a.jsonl", '{"n": "a"}\n{"n": "b", "text": "other"}\n')
    assert rows_of(file) == ["a", "b"]
    assert capsys.readouterr().err.count("reading the texts from its column 'n'") == 1
    words = written(tmp_path, "w.jsonl", '{"tokens": ["a"]}\n{"text": "b"}\n')
    with pytest.raises(DataError, match="row 2: no column 'tokens', which the first row has"):
        rows_of(words, words=True)
    numbers = written(tmp_path, "n.jsonl", '{"tokens": ["a"]}\n{"tokens": ["a", null]}\n')
    with pytest.raises(DataError, match="row 2: column 'tokens' is not text. Received: null"):
        rows_of(numbers, words=True)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 2 columns 'text'"):
        rows_of(written(tmp_path, "a.csv", "text,text\na,b\n"))
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(DataError, match="has 2 columns 'text'"):
        rows_of(tmp_path / "a.parquet")


@pytest.mark.parametrize("content", ["A B-X\nb O\n\nC O\n", "-DOCSTART-\n\nA\nb\n\nC\n"])
def test_conll_files_are_read_for_tagging(tmp_path: Path, content: str) -> None:
    file = written(tmp_path, "a.conll", content)
    assert rows_of(file, words=True) == [["A", "b"], ["C"]]
    with pytest.raises(DataError, match="does no tagging"):
        rows_of(file)


def test_a_json_array_and_lists_in_cells_are_read(tmp_path: Path) -> None:
    assert rows_of(written(tmp_path, "a.json", '[{"text": "x"},\n {"text": "y"}]')) == ["x", "y"]
    cells = written(tmp_path, "a.csv", 'id,tokens\n1,"[""New"", ""York""]"\n')
    assert rows_of(cells, words=True) == [["New", "York"]]


def test_words_in_a_cell_are_read_as_ingest_reads_them(tmp_path: Path) -> None:
    file = written(tmp_path, "a.csv", "tokens\n\"['good', 'film']\"\n['so' 'so']\n")
    assert rows_of(file, words=True) == [["good", "film"], ["so", "so"]]


def test_rows_without_text_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, "a.jsonl", '{"text": "good"}\n{"text": null}\n{"text": "\u200b"}\n')
    assert len(rows_of(file)) == 3
    assert f"2 of 3 rows have no text (first: {file} row 2)" in capsys.readouterr().err
    pairs = written(tmp_path, "pairs.csv", "text_a,text_b\ngood,\ngood,bad\n")
    assert len(rows_of(pairs, pair=True)) == 2
    assert f"1 of 2 rows have no text (first: {pairs} row 1 (line 2))" in capsys.readouterr().err
    assert rows_of(written(tmp_path, "words.jsonl", '{"tokens": []}\n'), words=True) == [[]]
    assert "1 of 1 rows have no text" in capsys.readouterr().err


def test_no_rows_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert rows_of(written(tmp_path, "a.txt", "")) == []
    assert "no rows were given" in capsys.readouterr().err


def test_two_arguments_are_a_pair() -> None:
    assert rows_of(None, texts=["first", "second"], pair=True) == [("first", "second")]
    assert rows_of(None, texts=["a\tb", "c\td"], pair=True) == [("a", "b"), ("c", "d")]


def test_only_the_best_scores_are_written(tmp_path: Path, monkeypatch) -> None:
    file = written(tmp_path, "a.txt", "x\n")
    found = json.loads(run(monkeypatch, Scorer(), file, top=2))
    assert list(found["scores"].items()) == [("b", 0.5), ("c", 0.3)]
    assert list(json.loads(run(monkeypatch, Scorer(), file))["scores"]) == ["b", "c", "a", "d"]
    several = {"labels": ["a", "b", "c"], "scores": Scorer.answer["scores"]}
    assert set(top_labels(several, 1)["scores"]) == {"a", "b", "c"}


@pytest.mark.parametrize("ending", ["csv", "tsv"])
@pytest.mark.parametrize(
    "cell", ["=1+1", "=HYPERLINK(1)", "+1+1", "-1+1|cmd", "@SUM(1)", "\t=1", "\r=1", " =1", "＝1"]
)
def test_what_a_spreadsheet_would_run_is_made_text(tmp_path, monkeypatch, capsys, cell, ending):
    def only(table: str) -> dict[str, str]:
        stream = io.StringIO(table, newline="")
        (row,) = csv.DictReader(stream, delimiter="\t" if ending == "tsv" else ",")
        return row

    file = written(tmp_path, "a.jsonl", json.dumps({"text": cell, "n": -1.5, "s": "-1.5"}))
    row = only(run(monkeypatch, Scorer(), file, f"out.{ending}"))
    assert row["text"] == f"'{cell}" and (row["n"], row["s"]) == ("-1.5", "-1.5")
    assert "1 cell that" in capsys.readouterr().err
    kept = run(monkeypatch, Scorer(), file, f"out.{ending}", keep_formulas=True)
    assert only(kept)["text"] == cell
    assert json.loads(run(monkeypatch, Scorer(), file))["text"] == cell  # jsonl is no spreadsheet


def test_a_formula_in_the_header_is_counted_once(tmp_path, monkeypatch, capsys) -> None:
    file = written(tmp_path, "a.csv", "=cmd,text\n1,good\n2,fine\n=3+4,so\n")
    assert run(monkeypatch, Scorer(), file, "out.csv").startswith("'=cmd,text,")
    assert "note: 2 cells that" in capsys.readouterr().err


@pytest.mark.parametrize("number", ["-1.5", "+3", "-1,234.5", "-5%", "-.5", "1e-5", "-2E+3"])
def test_numbers_stay_numbers(tmp_path, monkeypatch, number) -> None:
    file = written(tmp_path, "a.jsonl", json.dumps({"text": "x", "n": number}))
    (row,) = csv.DictReader(run(monkeypatch, Scorer(), file, "out.csv").splitlines())
    assert row["n"] == number


def test_cut_texts_are_counted_on_stderr(tmp_path, monkeypatch, capsys) -> None:
    run(monkeypatch, Scorer(), written(tmp_path, "a.txt", "short\nlonger text\n"))
    assert "1 of 2 texts are longer" in capsys.readouterr().err


def test_text_that_no_file_can_hold_is_escaped(tmp_path, monkeypatch) -> None:
    file = written(tmp_path, "a.jsonl", '{"text": "whole", "title": "a\\ud800"}\n')
    assert json.loads(run(monkeypatch, Scorer(), file))["title"] == "a\ud800"
    assert "a\\ud800" in run(monkeypatch, Scorer(), file, "out.csv")


def test_a_quote_that_is_never_closed_is_answered_with_what_predict_takes(tmp_path: Path) -> None:
    from bertworks.batch import rows as prediction_rows
    from bertworks.data.rows.tally import Tally

    file = tmp_path / "texts.csv"
    file.write_text('text\n"a warm film\nand a cold one\n', encoding="utf-8")
    with pytest.raises(DataError, match="never closed") as raised:
        list(prediction_rows.read_records(file, Tally(), words=False))
    assert "quote: ''" not in raised.value.fix and ".txt" in raised.value.fix
    as_advised = file.rename(tmp_path / "texts.txt")
    assert list(prediction_rows.file_lines(as_advised))[1:] == ['"a warm film', "and a cold one"]
