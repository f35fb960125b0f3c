"""Bad input: one clear error that says what to do, and nothing half-written."""

from __future__ import annotations

import importlib.util
import json
import sys
import zipfile

import pytest

from bertworks.errors import BertworksError, DataError, EnvironmentFault, SourceError


@pytest.fixture(autouse=True)
def nothing_half_written(tmp_path):
    """Whatever goes wrong, no output and no temporary folder is left."""
    yield
    left = (
        [file.name for file in (tmp_path / "out").glob("*")] if (tmp_path / "out").exists() else []
    )
    assert set(left) <= {"examples.rejected.jsonl"}


def stops(ingest, error: type[BertworksError], pattern: str, *args, **kwargs) -> BertworksError:
    with pytest.raises(error, match=pattern) as caught:
        ingest(*args, **kwargs)
    assert caught.value.fix
    assert caught.value.exit_code
    return caught.value


def test_missing_file(ingest):
    stops(ingest, SourceError, "There is no file .*nowhere.csv", [{"uri": "nowhere.csv"}])


@pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="s3fs is installed")
def test_a_missing_driver_is_named_with_the_command_that_installs_it(ingest):
    error = stops(ingest, SourceError, "not installed", [{"uri": "s3://bucket/rows.csv"}])
    assert error.fix.endswith(f"{sys.executable} -m pip install s3fs")


def test_glob_without_match(ingest):
    stops(ingest, SourceError, r"No file matches .*data-\*.csv", [{"uri": "data-*.csv"}])


@pytest.mark.parametrize("between", ["?", "#", ":", "/", "!", "#/"])
def test_a_file_in_an_archive_that_is_named_otherwise(tmp_path, ingest, between: str):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        rows = "".join(f"text {n},{n % 2}\n" for n in range(40))
        archive.writestr("in/rows.csv", "text,label\n" + rows)
    error = stops(ingest, SourceError, "No file|no file", [{"uri": f"a.zip{between}in/rows.csv"}])
    assert error.fix == "A file in a.zip is written a.zip!/in/rows.csv."
    ingest([{"uri": error.fix.split()[-1].rstrip(".")}], out="again")


def test_names_in_an_archive_say_nothing_to_a_terminal(tmp_path, ingest):
    name = "a\x1b]0;title\x07\r\u202e.csv"
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, "text,label\n")
    with pytest.raises(DataError, match="has no rows") as raised:
        ingest([{"uri": "a.zip!/*.csv"}])
    said = str(raised.value)
    assert "a\\u001b]0;title\\u0007\\u000d\\u202e.csv" in said
    assert all(character.isprintable() or character == "\n" for character in said)


def test_a_folder_is_not_a_file(tmp_path, ingest):
    (tmp_path / "data").mkdir()
    stops(ingest, SourceError, "is a folder", [{"uri": "data"}])


@pytest.mark.parametrize(("content", "says"), [("", "is empty"), ("text,label\n", "has no rows")])
def test_empty_file(tmp_path, ingest, content, says):
    (tmp_path / "a.csv").write_text(content)
    stops(ingest, DataError, says, [{"uri": "a.csv"}])


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_wrong_column(tmp_path, ingest, make, ending):
    content = make.reviews(10)
    if ending == "jsonl":
        content = '{"text": "a", "label": "b"}\n' * 3
    (tmp_path / f"a.{ending}").write_text(content)
    source = {"uri": f"a.{ending}", "columns": {"label": "labels"}}
    stops(ingest, DataError, "no column 'labels'.*'text', 'label'.*mean 'label'", [source])


def test_wrong_column_in_where(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(10))
    source = {"uri": "a.csv", "where": {"lable": ["good"]}}
    stops(ingest, DataError, "no column 'lable'", [source])


def test_a_filter_that_lets_nothing_through(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(10))
    source = {"uri": "a.csv", "where": {"label": ["Good"]}}
    stops(ingest, DataError, "none of its 10 rows passes `where`", [source])


def test_only_duplicates(tmp_path, ingest):
    (tmp_path / "a.csv").write_text("text,label\n" + "same,x\n" * 50)
    stops(ingest, DataError, "only 1 distinct row .*49 are duplicates", [{"uri": "a.csv"}])


def test_only_conflicts(tmp_path, ingest):
    (tmp_path / "a.csv").write_text("text,label\n" + "same,x\nsame,y\n" * 5)
    stops(ingest, DataError, "only 0 distinct rows .*10 carry", [{"uri": "a.csv"}])


def test_a_split_without_rows(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(50))
    stops(ingest, DataError, "The test split has no rows", [{"uri": "a.csv"}], test=0.0)
    pinned = [{"uri": "a.csv", "split": "train"}]
    stops(ingest, DataError, "The validation split has no rows", pinned)


def test_too_many_rejected_rows_are_kept_to_be_looked_at(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(50) + "one\ntwo\n" + ",empty\n")
    error = stops(ingest, DataError, r"3 of 53 rows .*\(5.7%\).* = 1.0%", [{"uri": "a.csv"}])
    first = f"2 columns expected, 1 found (2, first {tmp_path / 'a.csv'} row 51 (line 52): 'one')"
    assert first in error.message
    assert "column 'text' is empty (1, first " in error.message
    kept = tmp_path / "out/examples.rejected.jsonl"
    assert str(kept) in error.message
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [(row["row"], row["line"]) for row in rows] == [(51, 52), (52, 53), (53, 54)]


def test_bytes_that_are_not_utf8_cost_only_their_row(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_bytes(make.reviews(100).encode() + b"caf\xe9,good\nbon,good\n")
    done = ingest([{"uri": "a.csv"}], out="fine", max_rejected=0.02)
    assert done.info["rejected"] == 1
    assert (done.rejected[0]["row"], done.rejected[0]["line"]) == (101, 102)
    assert done.rejected[0]["rule"] == "bytes that are not in the encoding"
    assert done.rejected[0]["value"] == r"caf\xe9"
    assert "bon" in {row["text"] for row in done.rows()}
    stops(ingest, DataError, r"not in the encoding \(1, first .*a.csv row 101 \(line 102\): 'caf\\xe9'",
          [{"uri": "a.csv"}], max_rejected=0)  # fmt: skip


@pytest.mark.parametrize("half", [r"\ud83d", r"\udce9", r"\udc80"])
@pytest.mark.parametrize("form", ["%s", "[%s\n]"])
def test_halves_of_characters_in_json_are_no_bytes(tmp_path, ingest, half, form):
    rows = [f'{{"text": "review {n}", "label": "{"ab"[n % 2]}"}}' for n in range(60)]
    rows.append(f'{{"text": "cut {half}", "label": "a"}}')
    (tmp_path / "a.jsonl").write_text(form % (",\n" if "[" in form else "\n").join(rows))
    done = ingest([{"uri": "a.jsonl"}], out="fine", max_rejected=0.02)
    assert [one["rule"] for one in done.rejected] == [
        "an escape of half a character (a lone surrogate)"
    ]
    assert ascii(done.rejected[0]["value"]) == f"'cut {half}'"
    error = stops(ingest, DataError, "half a character", [{"uri": "a.jsonl"}], max_rejected=0)
    assert half in error.message and "cut it between characters" in error.fix


@pytest.mark.parametrize("form", ["%s", "[%s\n]"])
def test_bytes_in_json_that_are_not_utf8_are_told_as_such(tmp_path, ingest, form):
    rows = [f'{{"text": "review {n}", "label": "{"ab"[n % 2]}"}}' for n in range(60)]
    rows.append('{"text": "café", "label": "a"}')
    joined = form % (",\n" if "[" in form else "\n").join(rows)
    (tmp_path / "a.jsonl").write_bytes(joined.encode("cp1252"))
    done = ingest([{"uri": "a.jsonl"}], out="fine", max_rejected=0.02)
    assert [one["rule"] for one in done.rejected] == ["bytes that are not in the encoding"]
    assert done.rejected[0]["value"] == r"caf\xe9"


def test_a_ten_megabyte_row(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(100) + "x" * 10_000_000 + ",good\nlast,good\n")
    done = ingest([{"uri": "a.csv"}], out="fine", max_rejected=0.02)
    assert [(item["row"], item["rule"], len(item["value"])) for item in done.rejected] == [
        (101, "longer than max_row_bytes", 200)
    ]
    assert "last" in {row["text"] for row in done.rows()}


def test_a_conll_file_with_a_broken_line(tmp_path, ingest):
    good = "".join(f"word{number} O\nRome B-LOC\n\n" for number in range(100))
    (tmp_path / "a.conll").write_text(good + "one O\ntwo\n\nthree B-LOC\n")
    task = {"type": "tagging"}
    done = ingest([{"uri": "a.conll"}], task=task, out="fine")
    assert (done.rejected[0]["row"], done.rejected[0]["line"]) == (101, 302)
    assert done.rejected[0]["value"] == "two"
    assert done.info["read"] == 102
    stops(ingest, DataError, "broken conll line", [{"uri": "a.conll"}], task=task, max_rejected=0)


def test_scores_that_are_no_numbers(tmp_path, ingest):
    (tmp_path / "a.csv").write_text("text,label\na,1\nb,high\n")
    task = {"type": "regression"}
    stops(ingest, DataError, "label is not a number", [{"uri": "a.csv"}], task=task)


def test_a_pinned_file_that_was_changed(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(10))
    error = stops(
        ingest, SourceError, "expected sha256 0{64}", [{"uri": "a.csv", "sha256": "0" * 64}]
    )
    assert "a.csv" in error.message


def test_archives_that_are_none_or_lack_the_member(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(10))
    stops(ingest, SourceError, "neither a zip nor a tar", [{"uri": "a.csv!/b.csv"}])
    (tmp_path / "a.tgz").write_bytes(make.tar({"data/b.csv": b"x", "data/c.txt": b"x"}))
    error = stops(ingest, SourceError, "holds no file 'b.cvs'", [{"uri": "a.tgz!/b.cvs"}])
    assert "data/b.csv" in error.fix


def test_a_truncated_archive(tmp_path, ingest, make):
    content = make.tar({"b.csv": make.reviews(20_000).encode()})
    (tmp_path / "a.tgz").write_bytes(content[: len(content) // 2])
    stops(ingest, SourceError, "damaged", [{"uri": "a.tgz!/b.csv"}])


def test_member_names_are_never_paths(tmp_path, ingest, make):
    name = "../../escaped.csv"
    (tmp_path / "a.tgz").write_bytes(make.tar({name: make.reviews(60).encode(), "b": b""}))
    done = ingest([{"uri": f"a.tgz!/{name}"}], out="fine")
    assert sum(done.info["rows"].values()) == 60
    assert not list(tmp_path.parent.glob("escaped.csv"))
    assert not list(tmp_path.rglob("escaped.csv"))


def test_an_output_folder_that_cannot_be_written(tmp_path, ingest, make, monkeypatch):
    import errno
    from pathlib import Path

    (tmp_path / "a.csv").write_text(make.reviews(60))
    real = Path.open

    def full(self, mode="r", *args, **kwargs):
        if mode == "a" and "out" in self.parts:
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return real(self, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    stops(ingest, EnvironmentFault, "No space left", [{"uri": "a.csv"}])


def test_remote_places_that_cannot_be_read(ingest):
    stops(ingest, SourceError, "cannot be read", [{"uri": "nosuch://bucket/a.csv"}])
    stops(ingest, SourceError, "There is no file memory://", [{"uri": "memory://none/a.csv"}])
    error = stops(
        ingest,
        SourceError,
        "cannot be read",
        [{"uri": "http://me:secret@127.0.0.1:9/a.csv?key=k1"}],
    )
    assert "secret" not in str(error)
    assert "k1" not in str(error)


@pytest.mark.parametrize(("good", "said"), [(0, "of the 0"), (1, "of the 1"), (9, "of the 9")])
def test_refusals_are_told_where_hardly_a_row_is_left_whatever_the_limit(
    tmp_path, ingest, good, said
):
    rows = "".join(f"text {n},a\n" for n in range(good)) + "text,a,more\n" * 60
    (tmp_path / "a.csv").write_text("text,label\n" + rows)
    with pytest.raises(DataError, match=f"60 of {60 + good} rows .* were rejected") as raised:
        ingest([{"uri": "a.csv"}], max_rejected=1.0, validation=0.01, test=0.01)
    message = raised.value.message
    assert said in message and "2 columns expected, 3 found" in message
    assert f"a.csv row {good + 1} (line {good + 2}): " in message and "duplicates" not in message
    assert "mend the data" in raised.value.fix


def test_a_split_without_rows_tells_how_many_were_rejected(tmp_path, ingest):
    rows = "".join(f"text {n},a\n" for n in range(9)) + "text,a,more\n" * 3
    (tmp_path / "a.csv").write_text("text,label\n" + rows)
    with pytest.raises(DataError, match="9 rows in all beside 3 that were rejected"):
        ingest([{"uri": "a.csv"}], max_rejected=1.0, validation=0.01, test=0.01)


def test_few_refusals_do_not_hide_that_rows_repeat(tmp_path, ingest):
    (tmp_path / "a.csv").write_text("text,label\n" + "same,a\n" * 60 + "same,a,more\n" * 3)
    with pytest.raises(DataError, match="59 are duplicates, .* labels, 3 were rejected"):
        ingest([{"uri": "a.csv"}], max_rejected=1.0)
