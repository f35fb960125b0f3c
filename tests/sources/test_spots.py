"""Rows that are refused are named by their number and by the line where they begin."""

from __future__ import annotations

import doctest
import json
from pathlib import Path

import pytest

from bertworks.batch.journal import Journal, State
from bertworks.batch.rows import BadRow
from bertworks.batch.texts import Form, read_all
from bertworks.contracts.agent import AGENT
from bertworks.data.rows import spots
from bertworks.data.rows.spots import Spot
from bertworks.errors import DataError
from bertworks.labelling.importing import import_labels
from tests.helpers.tiny_model import bundle_of, make_model

# The third row begins in line 7, and lacks its label.
CSV = 'text,label\n"two\nlines",good\n"three\nof\nthem",bad\n"no\nlabel",\n' + "".join(
    f"number {n},{'good' if n % 2 else 'bad'}\n" for n in range(60)
)


def test_examples():
    assert doctest.testmod(spots).failed == 0


def test_ingest_names_the_row_and_the_line(tmp_path, ingest):
    (tmp_path / "a.csv").write_text(CSV)
    with pytest.raises(DataError, match=r"first .*a\.csv row 3 \(line 7\)"):
        ingest([{"uri": "a.csv"}], max_rejected=0.0, out="strict")
    done = ingest([{"uri": "a.csv"}], max_rejected=0.1, validation=0.2, test=0.2)
    (refused,) = done.rejected
    assert (refused["file"], refused["row"], refused["line"]) == (str(tmp_path / "a.csv"), 3, 7)
    notices = " | ".join(one.text for one in done.result.notices)
    changed = json.loads((tmp_path / "out/rejected/changed.json").read_text())
    first = changed["many_lines"]["first"][0]
    assert (first["row"], first["line"]) == (None, 2) and "a.csv line 2: " in notices


def test_predict_names_the_row_and_the_line(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text('text,label\n"two\nlines",x\nwell, yes, no\n' + '"three\nmore",x\na,b,c\n')
    bad = [one for one in read_all([], file, Form()) if isinstance(one, BadRow)]
    assert [one.spot for one in bad] == [Spot(str(file), 2, 4), Spot(str(file), 4, 7)]
    assert f"{file} row 4 (line 7): 2 columns expected, 3 found" in bad[1].error.message
    (tmp_path / "work").mkdir()
    kept = Journal(tmp_path / "work", State("job"))
    kept.reject(4, bad[1])
    entry = json.loads(kept.rejects.read_text())
    assert (entry["row"], entry["line"]) == (4, 7)


@pytest.mark.parametrize(
    ("name", "content", "shown"),
    [
        ("a.jsonl", '{"text": "x"}\n\n\n{"text"\n', "a.jsonl row 2 (line 4): not JSON"),
        ("a.json", '[{"text":\n"x"},\n7]', "a.json row 2 (line 3): not a JSON object"),
        ("a.jsonl", '{"text": "x"}\n{"text": 7}\n', "a.jsonl row 2: column 'text' is not text"),
        ("a.csv", 'text\n"a\nb"\n\udcff\n', "a.csv row 2 (line 4) is not UTF-8"),
    ],
)
def test_predict_names_rows_of_other_files_likewise(tmp_path, name, content, shown):
    (tmp_path / name).write_text(content, errors="surrogateescape")
    (bad,) = (one for one in read_all([], tmp_path / name, Form()) if isinstance(one, BadRow))
    assert shown in bad.error.message


def test_label_import_names_the_row_and_the_line(tmp_path):
    model = make_model(tmp_path / "model", {"type": "classification"}, ["bad", "good"])
    info = AGENT.read(bundle_of(model, tmp_path / "bundle"))
    file = tmp_path / "a.csv"
    file.write_text('text,label\n"two\nlines",good\n"  ",bad\na,good,b\n"four\nmore",bad\n')
    done = import_labels([file], info, tmp_path / "out.jsonl")
    assert [(one["row"], one["line"]) for one in done.refused] == [(3, 5), (2, 4)]
    kept = (tmp_path / "out.rejected.jsonl").read_text().splitlines()
    assert [json.loads(line)["line"] for line in kept] == [5, 4]
    assert Path(done.refused[0]["file"]) == file
