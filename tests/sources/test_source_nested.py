"""Columns inside objects, and rows inside one object."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.data.formats.nested import flattened, names_inside, reached
from bertworks.errors import DataError

ROWS = [{"meta": {"id": n, "by": {"name": f"p{n % 2}"}}, "doc": {"text": f"text number {n}"},
         "judged": {"label": "ab"[n % 2]}} for n in range(60)]  # fmt: skip
COLUMNS = {"text": "doc.text", "label": "judged.label", "extra": ["meta.by.name"]}


@pytest.mark.parametrize("ending", ["jsonl", "json", "parquet", "arrow"])
def test_columns_inside_objects_are_read_by_names_with_dots(tmp_path, ingest, ending):
    file = tmp_path / f"a.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), file)
    elif ending == "arrow":
        feather.write_feather(pa.Table.from_pylist(ROWS), file)
    else:
        file.write_text("\n".join(map(json.dumps, ROWS)) if ending == "jsonl" else json.dumps(ROWS))
    source = {"uri": file.name, "columns": COLUMNS, "where": {"meta.by.name": ["p1"]}}
    done = ingest([source], validation=0.2, test=0.2)
    rows = [row for split in ("train", "validation", "test") for row in done.rows(split)]
    assert len(rows) == 30
    assert {(row["label"], row["meta.by.name"]) for row in rows} == {("b", "p1")}
    assert {row["text"] for row in rows} == {f"text number {n}" for n in range(1, 60, 2)}


def test_a_name_that_leads_nowhere_is_refused_with_those_that_there_are(tmp_path, ingest):
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    wrong = {**COLUMNS, "label": "judged.labels"}
    with pytest.raises(DataError, match="no column 'judged.labels'") as raised:
        ingest([{"uri": "a.jsonl", "columns": wrong}])
    assert "Did you mean 'judged.label'?" in raised.value.message
    feather.write_feather(pa.Table.from_pylist(ROWS), tmp_path / "a.feather")
    for name in ("a.parquet", "a.feather"):
        with pytest.raises(DataError, match="no column 'judged.labels'"):
            ingest([{"uri": name, "columns": wrong}])


LISTED = [{"text": f"text number {n}", "label": "ab"[n % 2]} for n in range(60)]


@pytest.mark.parametrize(
    "content",
    [
        {"version": 1, "data": LISTED},
        {"about": {"of": "us"}, "all of it": {"rows": LISTED}},
        {f"r{n}": row for n, row in enumerate(LISTED)},
        {"version": 1, "data": [*LISTED, {"text": "no label"}]},
    ],
    ids=["a list", "a list further inside", "by name", "not all whole"],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_rows_inside_one_object_are_read(tmp_path, ingest, content, indent):
    (tmp_path / "a.json").write_text(json.dumps(content, indent=indent))
    done = ingest([{"uri": "a.json"}], validation=0.2, test=0.2, max_rejected=0.1)
    assert sum(done.info["rows"].values()) == 60
    assert any("one JSON object that holds all rows" in one.text for one in done.result.notices)


def test_rows_with_lists_of_objects_stay_rows(tmp_path, ingest):
    rows = [{**row, "spans": [{"text": "a", "label": "b"}]} for row in LISTED]
    for content in ("\n".join(map(json.dumps, rows)), json.dumps(rows[0])):
        (tmp_path / "a.json").write_text(content)
        sources = [{"uri": "a.json"}]
        if "\n" in content:
            assert sum(ingest(sources, validation=0.2, test=0.2).info["rows"].values()) == 60
            continue
        with pytest.raises(DataError, match="1 rows? in all"):
            ingest(sources, out="one")


JSON = st.recursive(
    st.none() | st.text(max_size=3),
    lambda inner: (
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3) | st.lists(inner, max_size=2)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "c", "a.b"]), JSON, max_size=3)


@given(values=OBJECTS)
def test_every_name_inside_leads_to_its_value(values):
    names = names_inside(values)
    row = reached(values, names)
    assert {name: row[name] for name in values} == values
    assert {*names} <= row.keys()
    assert reached(values, ["x.y", "plain"]) == values


@given(rows=st.lists(OBJECTS, min_size=1, max_size=6))
def test_flattened_rows_hold_what_is_reached(rows):
    flat = flattened(rows)
    if flat is None:
        return
    assert len(flat) == len(rows)
    for before, after in zip(rows, flat, strict=True):
        assert {name: reached(before, [name])[name] for name in after} == after


def test_objects_whose_names_are_values_stay_as_they_are():
    rows = [{"text": "a", "seen": {f"user {n}": 1}} for n in range(100)]
    assert flattened(rows) is None
