"""Marked spans and lists of labels as programs write them: read, or refused by the rule they break."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertworks.data.inspection.inspect import inspect
from bertworks.errors import DataError
from tests.inspection.made import N, as_csv, texts


def written(file: Path, rows: list[dict[str, object]]) -> str:
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(file)


def marked(folder: Path, *spans: object, column: str = "label") -> str:
    rows = [{"text": f"John lives {text}", column: [*spans]} for text in texts(N)]
    return written(folder / "doc.jsonl", rows)


def test_types_of_several_words(tmp_path: Path) -> None:
    found = inspect([marked(tmp_path, [0, 4, "Person name"])], tmp_path)
    assert found.content["task"]["type"] == "tagging"
    assert "Person name" in found.content["description"]


@pytest.mark.parametrize(
    ("spans", "rule"),
    [
        ([[0, 4, "A"], [2, 8, "B"]], "spans overlap"),
        ([[0, 4, "A", 1]], "a span of 4 items"),
        ([[0, 4, ""]], "a span without a type"),
        ([[0, 4.5, "A"]], "an offset of a span is no whole number"),
    ],
)
def test_a_rule_that_all_spans_break(tmp_path: Path, spans: list, rule: str) -> None:
    with pytest.raises(DataError, match=f"{N} of them: {rule}"):
        inspect([marked(tmp_path, *spans)], tmp_path)


def test_null_beside_spans(tmp_path: Path) -> None:
    rows = [
        {"text": f"John lives {text}", "entities": None if n % 4 == 0 else [[0, 4, "PER"]]}
        for n, text in enumerate(texts(N))
    ]
    found = inspect([written(tmp_path / "a.jsonl", rows)], tmp_path)
    assert found.content["task"]["type"] == "tagging"
    (refused,) = [one for one in found.decisions if one.subject == "refused"]
    assert "column 'entities' is null where spans are expected" in refused.reason


def test_sets(tmp_path: Path) -> None:
    cells = ["{'a'}", "{'a', 'b'}", "set()", "frozenset({'b'})"] * (N // 4)
    file = as_csv(tmp_path / "sets.csv", ["text", "labels"], texts(len(cells)), cells)
    found = inspect([file], tmp_path)
    assert found.content["task"]["multi_label"]
    told = next(
        one for one in found.decisions if one.subject == "labels" and "rows of" in one.value
    )
    assert told.value.startswith("2 labels")


def test_vectors_of_two_places(tmp_path: Path) -> None:
    rows = [{"text": text, "labels": [n % 2, 1 - n % 2]} for n, text in enumerate(texts(N))]
    with pytest.raises(DataError, match=r"vector of 0 and 1 without names") as raised:
        inspect([written(tmp_path / "vec.jsonl", rows)], tmp_path)
    assert "label_names" in raised.value.fix and json.dumps([0, 1]) in raised.value.message
