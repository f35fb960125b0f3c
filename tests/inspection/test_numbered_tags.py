"""Tags and labels that stand as numbers: named by what names them, else called by their numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertworks.data.inspection.content import Composed
from bertworks.data.inspection.inspect import inspect
from bertworks.data.inspection.published import names_beside
from bertworks.errors import DataError
from bertworks.facade.given import source_of
from tests.inspection.made import texts

NAMES = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
WORDS = [text.split() for text in texts(60)]
SPANS = [[0, 1, 2, 0, 3, *(0 for _ in one[5:])] for one in WORDS]
SINGLE = [[0, 2, 0, 4, 1, *(0 for _ in one[5:])] for one in WORDS]


def found_in(folder: Path, tags: list[list[int]], file: str = "rows.parquet") -> Composed:
    place = folder / file
    place.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"tokens": WORDS, "ner_tags": tags})
    if place.suffix == ".parquet":
        pq.write_table(table, place)
    else:
        place.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    return inspect([str(place)], folder)


def names_in(found: Composed) -> Any:
    return found.content["data"]["sources"][0].get("label_names")


@pytest.mark.parametrize("file", ["rows.parquet", "rows.jsonl"])
@pytest.mark.parametrize(
    ("tags", "named", "reason"),
    [
        (SPANS, ["O", "B-1", "I-1", "B-3", "I-3"], "is read as its inside"),
        (SINGLE, ["O", "I-1", "I-2", "I-3", "I-4"], "no file says what they mean"),
    ],
    ids=["beginning and inside", "of their own"],
)
def test_numbers_without_names_are_called_by_their_numbers(tmp_path, file, tags, named, reason):
    found = found_in(tmp_path, tags, file)
    assert names_in(found) == named
    (said,) = [one for one in found.decisions if one.subject == "tag names"]
    assert said.guessed and reason in said.reason and "`label_names`" in said.reason


INFO = {"features": {"tokens": {"feature": {"dtype": "string"}, "_type": "Sequence"},
                     "ner_tags": {"feature": {"names": NAMES, "_type": "ClassLabel"}}}}  # fmt: skip
NUMBERED = "".join(f"          '{n}': {name}\n" for n, name in enumerate(NAMES))
README = f"""---
license: mit
dataset_info:
  features:
  - name: tokens
    sequence: string
  - name: ner_tags
    sequence:
      class_label:
        names:
{NUMBERED}  splits:
  - name: train
---
# A set
"""
BESIDE = {
    "dataset_info.json": json.dumps(INFO),
    "dataset_infos.json": json.dumps({"default": INFO}),
    "README.md": README,
}


@pytest.mark.parametrize("file", ["rows.parquet", "data/train.jsonl"])
@pytest.mark.parametrize("about", BESIDE)
def test_names_that_files_beside_the_rows_give_are_used(tmp_path, about, file):
    (tmp_path / about).write_text(BESIDE[about])
    found = found_in(tmp_path, SPANS, file)
    assert names_in(found) == NAMES
    (said,) = [one for one in found.decisions if one.subject == "tag names"]
    assert not said.guessed and about in said.reason


def test_names_of_labels_are_used_too(tmp_path):
    feature = {"names": ["bad", "good"], "_type": "ClassLabel"}
    (tmp_path / "dataset_info.json").write_text(json.dumps({"features": {"label": feature}}))
    rows = [{"text": text, "label": n % 2} for n, text in enumerate(texts(60))]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = inspect([str(tmp_path / "a.jsonl")], tmp_path)
    assert names_in(found) == ["bad", "good"]
    assert any("dataset_info.json" in one.reason for one in found.decisions)


@pytest.mark.parametrize(
    "content",
    [
        "", "---\n", "---\n- [\n---\n", "---\ndataset_info: 7\n---\n", "---\n7\n---\n",
        "---\ndataset_info:\n  features:\n  - 3\n  - name: a\n    dtype: {class_label: 3}\n---\n",
        "---\ndataset_info:\n  features:\n  - name: a\n    list: {class_label: {names: {1: x}}}\n---\n",
    ],
)  # fmt: skip
def test_a_file_beside_that_says_nothing_changes_nothing(tmp_path, content):
    (tmp_path / "README.md").write_text(content)
    (tmp_path / "dataset_info.json").write_text(content or "[[{")
    assert names_beside(tmp_path / "rows.parquet") == {}


def test_sets_that_do_not_agree_name_nothing(tmp_path):
    other = {"features": {"ner_tags": {"feature": {"names": ["O", "B-X"]}}}}
    (tmp_path / "dataset_infos.json").write_text(json.dumps({"one": INFO, "two": other}))
    assert names_beside(tmp_path / "rows.parquet") == {}


def test_a_table_given_from_python_keeps_the_names_of_its_numbers(tmp_path):
    about = {b"huggingface": json.dumps({"info": INFO}).encode(), b"other": b"x"}
    table = pa.table({"tokens": WORDS, "ner_tags": SPANS}).replace_schema_metadata(about)
    kept = source_of(table, ["tokens", "ner_tags"], tmp_path)["uri"]
    assert inspect([kept], tmp_path).content["task"]["type"] == "tagging"
    assert pq.read_schema(kept).metadata == {b"huggingface": about[b"huggingface"]}


@pytest.mark.parametrize("described", [True, False])
@pytest.mark.parametrize("file", ["rows.parquet", "rows.jsonl"])
@pytest.mark.parametrize("odd", [-1, -100, None])
def test_a_tag_that_is_no_number_costs_its_row_alone(tmp_path, odd, file, described) -> None:
    if described:
        (tmp_path / "dataset_info.json").write_text(json.dumps(INFO))
    tags = [*map(list, SPANS)]
    tags[7][0] = odd
    found = found_in(tmp_path, tags, file)
    assert names_in(found) == (NAMES if described else ["O", "B-1", "I-1", "B-3", "I-3"])
    assert found.rows == 59
    (said,) = [one for one in found.decisions if one.subject == "refused"]
    assert f"{file} row 8" in said.reason


def test_a_word_that_is_missing_costs_its_row_alone(tmp_path) -> None:
    place = tmp_path / "rows.jsonl"
    rows = [{"tokens": words, "ner_tags": tags} for words, tags in zip(WORDS, SPANS, strict=True)]
    rows[7]["tokens"] = [None, *WORDS[7][1:]]
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert inspect([str(place)], tmp_path).rows == 59


def test_where_each_row_is_padded_the_rule_is_told(tmp_path) -> None:
    with pytest.raises(DataError, match="label_names and no place in them"):
        found_in(tmp_path, [[-100, *one[1:]] for one in SPANS])
