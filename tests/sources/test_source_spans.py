"""Texts with marked spans: types of several words, and the rule that a row breaks."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bertworks.errors import DataError

TAGGING = {"type": "tagging"}
TEXT = "John{} lives in Rome"


def write(folder, rows) -> None:
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))


def doccano(*spans, count: int = 60) -> list[dict]:
    return [
        {"id": n, "text": TEXT.format(n % 10) + f" {n}", "label": [*spans]} for n in range(count)
    ]


def label_studio(kind: str, count: int = 60) -> list[dict]:
    region = {"type": "labels", "value": {"start": 0, "end": 5, "labels": [kind]}}
    return [
        {
            "id": n,
            "data": {"text": TEXT.format(n % 10) + f" {n}"},
            "annotations": [{"result": [region]}],
        }
        for n in range(count)
    ]


@pytest.mark.parametrize(
    "rows",
    [doccano([0, 5, "Person  name"]), label_studio("Person name")],
    ids=["doccano", "studio"],
)
def test_types_may_be_of_several_words(tmp_path, ingest, rows):
    write(tmp_path, rows)
    done = ingest([{"uri": "a.jsonl"}], task=TAGGING)
    assert done.info["labels"] == ["B-Person name", "O"] and done.info["rejected"] == 0
    renamed = {"uri": "a.jsonl", "label_map": {"Person name": "PER"}}
    assert ingest([renamed], task=TAGGING, out="map").info["labels"] == ["B-PER", "O"]
    as_tags = {"uri": "a.jsonl", "label_map": {"B-Person name": "B-PER"}}
    assert ingest([as_tags], task=TAGGING, out="tags").info["labels"] == ["B-PER", "O"]


def test_tags_in_a_list_may_be_of_several_words(tmp_path, ingest):
    tags = ["B-Person name", "I-Person name", "O"]
    write(tmp_path, [{"tokens": ["Ann", "Lee", str(n)], "tags": tags} for n in range(60)])
    assert ingest([{"uri": "a.jsonl"}], task=TAGGING).info["labels"] == sorted(tags)


@pytest.mark.parametrize("kind", [1, "1"])
def test_types_that_are_numbers_are_read_and_take_names(tmp_path, ingest, kind):
    write(tmp_path, doccano([0.0, 5.0, kind]))
    assert ingest([{"uri": "a.jsonl"}], task=TAGGING).info["labels"] == ["B-1", "O"]
    named = {"uri": "a.jsonl", "label_names": ["LOC", "PER"]}
    assert ingest([named], task=TAGGING, out="named").info["labels"] == ["B-PER", "O"]
    few = {"uri": "a.jsonl", "label_names": ["LOC"]}
    with pytest.raises(DataError, match="none of the 1 label_names"):
        ingest([few], task=TAGGING, out="few")


BROKEN = {
    "overlap": ([[0, 5, "A"], [2, 8, "B"]], "spans overlap", "John"),
    "four": ([[0, 5, "A", "x"]], "a span of 4 items", '[0, 5, "A", "x"]'),
    "two": ([[0, 5]], "a span of 2 items", "[0, 5]"),
    "empty": ([[0, 5, ""]], "a span without a type", '[0, 5, ""]'),
    "null": ([{"start": 0, "end": 5, "label": None}], "a span without a type", '"label": null'),
    "half": ([[0, 5.5, "A"]], "an offset of a span is no whole number", "5.5"),
    "flag": ([[0, 5, True]], "the type of a span is no text", "[0, 5, true]"),
    "types": ([{"start": 0, "end": 5, "labels": ["A", "B"]}], "a span of several types", '"B"'),
    "mixed": ([[0, 5, "A"], None], "an item among spans is no span", "null"),
    "outside": ([[0, 500, "A"]], "a span is not inside the text", "[0, 500] of 'John"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("share", [1, 2])
def test_a_rule_that_spans_break_is_told_whether_all_rows_break_it_or_half(
    tmp_path, ingest, name, share
):
    spans, rule, value = BROKEN[name]
    rows = doccano(*spans)
    rows[1::2] = doccano([0, 5, "A"])[1::2] if share == 2 else rows[1::2]
    write(tmp_path, rows)
    with pytest.raises(DataError, match=f"{60 // share} of 60 rows .* were rejected") as raised:
        ingest([{"uri": "a.jsonl"}], task=TAGGING)
    assert rule in raised.value.message and "no column" not in raised.value.message
    kept = re.findall(r"The rejected rows are in (\S+\.jsonl)", raised.value.message)[0]
    first = json.loads(Path(kept).read_text().splitlines()[0])
    assert rule in first["rule"] and value in first["value"] and first["row"] == 1


@pytest.mark.parametrize("column", ["label", "entities", "spans"])
def test_null_where_spans_are_expected_is_told_and_mended(tmp_path, ingest, column):
    rows = [{"text": f"John lives {n}", column: None} for n in range(60)]
    write(tmp_path, rows)
    with pytest.raises(DataError, match="60 of 60 rows") as raised:
        ingest([{"uri": "a.jsonl"}], task=TAGGING)
    message, fix = raised.value.message, raised.value.fix
    assert f"column '{column}' is null where spans are expected" in message and "'null'" in message
    assert re.search(rf"""jq -c '\.\["{column}"\] //= \[\]' FILE""", fix)
    # What that command does:
    write(tmp_path, [{**row, column: row[column] or []} for row in rows])
    assert ingest([{"uri": "a.jsonl"}], task=TAGGING, out="fine").info["labels"] == ["O"]


def test_spans_of_no_text_name_the_text(tmp_path, ingest):
    write(tmp_path, [{**row, "text": None} for row in doccano([0, 5, "A"])])
    with pytest.raises(DataError, match="column 'text' is not text"):
        ingest([{"uri": "a.jsonl"}], task=TAGGING)
    write(
        tmp_path, [{"sentence": row["text"], "label": row["label"]} for row in doccano([0, 5, "A"])]
    )
    with pytest.raises(DataError, match=r"no column 'text'. Its columns: 'sentence', 'label'"):
        ingest([{"uri": "a.jsonl"}], task=TAGGING, out="other")


def test_a_column_that_all_rows_lack_is_told_beside_a_few_that_break_another_rule(tmp_path, ingest):
    rows = [{"text": f"text {n}" if n > 3 else " ", "mood": "good"} for n in range(60)]
    write(tmp_path, rows)
    with pytest.raises(DataError, match="has no column 'label'"):
        ingest([{"uri": "a.jsonl"}])
    rows = [{"text": " " if n > 3 else f"text {n}", "mood": "good"} for n in range(60)]
    write(tmp_path, rows)
    with pytest.raises(DataError, match=r"column 'text' is empty \(56"):
        ingest([{"uri": "a.jsonl"}], out="empty")


@pytest.mark.parametrize(
    ("cell", "multi"), [(["a", None], True), (["a", " "], True), ([None], False)]
)
def test_a_list_is_shown_whole_where_an_item_is_no_label(tmp_path, ingest, cell, multi):
    rows = [
        {"text": f"text {n}", "label": cell if n % 2 else ["ab"[n % 4 // 2]]} for n in range(80)
    ]
    write(tmp_path, rows)
    done = ingest([{"uri": "a.jsonl"}], task={"multi_label": multi}, max_rejected=0.6)
    assert done.summary == {"no label": 40}
    assert {row["value"] for row in done.rejected} == {json.dumps(cell)}
