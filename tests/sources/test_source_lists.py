"""Lists, sets, tuples and vectors in label cells: the same verdict in any order and any spelling."""

from __future__ import annotations

import json
import re

import pytest

from bertworks.data.labels.label_names import label_notices
from bertworks.data.rows.values import list_in
from bertworks.errors import DataError

SEVERAL = {"multi_label": True}


def told(done) -> str:
    return "\n".join(notice.text for notice in done.result.notices)


def write(folder, labels: list, count: int = 0) -> None:
    made = [labels[n % len(labels)] for n in range(count or len(labels))]
    rows = [{"text": f"text number {n}", "label": label} for n, label in enumerate(made)]
    (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))


PAIRS = [[0, 1], [1, 0]]


@pytest.mark.parametrize("form", [list, lambda pair: f"{pair[0]} {pair[1]}", str])
@pytest.mark.parametrize(
    "cells",
    [PAIRS * 40, PAIRS * 20 + [[0, 0]] * 20, [[1, 1]] * 20 + PAIRS * 20],
    ids=["never twice", "twice at the end", "twice at first"],
)
def test_vectors_of_two_places_need_names_in_any_order(tmp_path, ingest, cells, form):
    write(tmp_path, [form(cell) for cell in cells])
    with pytest.raises(DataError, match="vector of 0 and 1 without names") as raised:
        ingest([{"uri": "a.jsonl"}], task=SEVERAL, max_rejected=1.0)
    assert re.search(r"a\.jsonl row (1|21): '\[.*0.*1.*\]'", raised.value.message)
    assert "label_names" in raised.value.fix
    named = {"uri": "a.jsonl", "label_names": ["joy", "anger"]}
    done = ingest([named], task=SEVERAL, out="named")
    assert done.info["labels"] == ["anger", "joy"] and done.info["read"] == len(cells)


@pytest.mark.parametrize("turned", [False, True])
def test_lists_of_labels_that_are_0_and_1_are_read_in_any_order(tmp_path, ingest, turned):
    cells = [*PAIRS * 20, *[[0], [1], [2, 1]] * 20, [0, 0], []]
    write(tmp_path, cells[::-1] if turned else cells)
    done = ingest([{"uri": "a.jsonl"}], task=SEVERAL, max_rejected=0.1)
    assert done.info["labels"] == ["0", "1", "2"] and done.info["rejected"] == 1
    assert done.summary == {"labels are a vector of 0 and 1 without names": 1}
    assert "40 cells list 0 and 1; they were read as the labels 0 and 1" in told(done)
    named = {"uri": "a.jsonl", "label_names": ["a", "b", "c"]}
    fine = ingest([named], task=SEVERAL, out="named", max_rejected=0.1)
    assert fine.info["labels"] == ["a", "b", "c"] and "cells list 0 and 1" not in told(fine)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("set()", []),
        ("frozenset()", []),
        ("()", []),
        ("{'a', 'b'}", ["a", "b"]),
        ("frozenset({'a'})", ["a"]),
        ("('a',)", ["a"]),
        ("(0, 1)", ["0", "1"]),
        ("(0,)", ["0"]),
        ("dict_keys(['a', 'b'])", ["a", "b"]),
        ("deque(['a'], maxlen=3)", ["a"]),
        ("array(['a', 'b'], dtype='<U1')", ["a", "b"]),
        ("['a' 'b']", ["a", "b"]),
        ("(2019)", None),
        ("(see 'a')", None),
        ("('a' or b)", None),
        ("('Hello', she said)", None),
        ("set(a)", None),
        ("{'a': 1}", None),
    ],
)
def test_lists_sets_and_tuples_in_text(text, items):
    assert list_in(text) == items


def test_sets_and_tuples_of_labels_are_read(tmp_path, ingest):
    cells = ["{'a'}", "{'a', 'b'}", "set()", "frozenset({'a'})", "('b',)", "[]", "()"]
    write(tmp_path, cells, 70)
    done = ingest([{"uri": "a.jsonl"}], task=SEVERAL)
    assert done.info["labels"] == ["a", "b"] and done.info["rejected"] == 0
    assert {tuple(row["labels"]) for row in done.rows()} == {("a",), ("a", "b"), (), ("b",)}


@pytest.mark.parametrize(
    "cell", ["('pos',)", "{'pos'}", "frozenset({'pos'})", '["pos"]', "( 'pos', )"]
)
def test_one_label_in_a_set_or_tuple_is_read_and_told(tmp_path, ingest, cell):
    write(tmp_path, ["pos", "neg", cell], 60)
    done = ingest([{"uri": "a.jsonl"}])
    assert done.info["labels"] == ["neg", "pos"]
    assert "20 cells hold a list that was written as text" in told(done)


@pytest.mark.parametrize("cell", ["[0]", "(0,)", "{0}", "[0.]", "array([0])"])
def test_one_number_in_brackets_is_the_number(tmp_path, ingest, cell):
    write(tmp_path, ["0", "1", cell], 60)
    done = ingest([{"uri": "a.jsonl"}])
    assert done.info["labels"] == ["0", "1"] and "multi_label" not in told(done)
    kept = {"uri": "a.jsonl", "label_map": {cell: "other"}}
    assert ingest([kept], out="kept").info["labels"] == ["0", "1", "other"]


@pytest.mark.parametrize("cell", ["set()", "[]", "frozenset()", "()"])
def test_an_empty_set_is_no_label(tmp_path, ingest, cell):
    write(tmp_path, ["pos", "neg", cell], 60)
    done = ingest([{"uri": "a.jsonl"}], max_rejected=0.5)
    assert done.info["labels"] == ["neg", "pos"] and done.summary == {"no label": 20}


@pytest.mark.parametrize("cell", ["{'a', 'b'}", "('a', 'b')", "frozenset({'a', 'b'})"])
def test_several_in_a_set_where_one_is_expected_are_refused(tmp_path, ingest, cell):
    write(tmp_path, [cell], 60)
    with pytest.raises(DataError, match="several labels where one is expected"):
        ingest([{"uri": "a.jsonl"}])
    assert ingest([{"uri": "a.jsonl"}], task=SEVERAL, out="b").info["labels"] == ["a", "b"]


def test_labels_with_brackets_of_their_own_are_labels(tmp_path, ingest):
    labels = ["(0, 10)", "(laughs)", "[PAD]", "{name}", "{}"]
    write(tmp_path, labels, 60)
    assert ingest([{"uri": "a.jsonl"}]).info["labels"] == labels


def test_advice_on_labels_that_look_like_lists_fits_them(tmp_path, ingest):
    assert "label_map" in label_notices({"[a]": 1, "[b]": 1}, False, "|")[0].text
    assert "multi_label: true" in label_notices({"[a, b]": 1, "[b]": 1}, False, "|")[0].text
    write(tmp_path, ["[a]", "[b]"], 60)
    mended = {"uri": "a.jsonl", "label_map": {"[a]": "a", "[b]": "b"}}
    done = ingest([mended])
    assert done.info["labels"] == ["a", "b"] and "look like lists" not in told(done)
