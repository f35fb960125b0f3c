"""Labels, tags and scores of whole files: what is merged, refused and told."""

from __future__ import annotations

import json
import math
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertworks.errors import DataError, SpecError
from bertworks.spec import AgentSpec, Source


def told(done) -> str:
    return "\n".join(notice.text for notice in done.result.notices)


def csv_of(labels: list[str], count: int = 60, column: str = "label") -> str:
    rows = [f"text number {n},{labels[n % len(labels)]}" for n in range(count)]
    return f"text,{column}\n" + "\n".join(rows)


def jsonl_of(labels: list, count: int = 60) -> str:
    rows = [{"text": f"text number {n}", "label": labels[n % len(labels)]} for n in range(count)]
    return "\n".join(map(json.dumps, rows))


@pytest.mark.parametrize(
    ("written", "labels"),
    [
        (["café", "cafe\u0301", "bar"], ["bar", "café"]),
        (["ｓｐａｍ", "spam", "\u200bspam", "spam ", "ham"], ["ham", "spam"]),
        (["0", "0.0", "1", "1.0"], ["0", "1"]),
        (["True", "true", "FALSE"], ["false", "true"]),
    ],
)
def test_labels_that_differ_in_typing_only_are_one_and_it_is_told(
    tmp_path, ingest, written, labels
):
    (tmp_path / "a.csv").write_text(csv_of(written))
    done = ingest([{"uri": "a.csv"}])
    assert done.info["labels"] == labels
    assert "written in another way than they are read" in told(done)
    changed = json.loads((tmp_path / "out/rejected/changed.json").read_text())
    assert changed["label_spelling"]["count"] >= 15 and changed["label_spelling"]["first"][0]["row"]


def test_formats_agree_on_labels(tmp_path, ingest):
    texts = [[f"text {kind} {n}" for n in range(30)] for kind in range(3)]
    (tmp_path / "a.csv").write_text(
        "text,label\n" + "\n".join(f"{t},{n % 2}.0" for n, t in enumerate(texts[0]))
    )
    rows = [json.dumps({"text": t, "label": n % 2}) for n, t in enumerate(texts[1])]
    (tmp_path / "b.jsonl").write_text("\n".join(rows))
    table = pa.table({"text": texts[2], "label": [float(n % 2) for n in range(30)]})
    pq.write_table(table, tmp_path / "c.parquet")
    sources = [{"uri": name} for name in ("a.csv", "b.jsonl", "c.parquet")]
    assert ingest(sources).info["labels"] == ["0", "1"]
    mapped = [{**source, "label_map": {"0": "neg", 1.0: "pos"}} for source in sources]
    assert ingest(mapped, out="mapped").info["labels"] == ["neg", "pos"]


@pytest.mark.parametrize("multi", [False, True])
def test_nan_and_null_are_no_labels(tmp_path, ingest, multi):
    values = [["x"], ["y"], math.nan, None, [math.nan]] if multi else ["x", "y", math.nan, None]
    (tmp_path / "a.jsonl").write_text(jsonl_of(values))
    done = ingest([{"uri": "a.jsonl"}], task={"multi_label": multi}, max_rejected=0.7)
    assert done.info["labels"] == ["x", "y"]
    assert set(done.summary) == {"no label"}
    assert "no label" in told(done)


def test_label_map_keeps_labels_apart_that_are_read_as_one(tmp_path, ingest):
    (tmp_path / "a.csv").write_text(csv_of(["0", "0.0", "True", "true"]))
    mapping = {"0": "int", "0.0": "float", "True": "yes"}
    done = ingest([{"uri": "a.csv", "label_map": mapping}])
    assert done.info["labels"] == ["float", "int", "yes"]


@pytest.mark.parametrize(
    ("written", "mapping", "others", "apart"),
    [
        (["0.0", "0", "0", "1"], {"0.0": "zero"}, {"0": 30}, {"0": "0"}),
        (["True", "true", "TRUE", "no"], {"True": "yes"}, {"true": 15, "TRUE": 15},
         {"true": "true", "TRUE": "TRUE"}),
        (["a  b", "a b", "c"], {"a b": "x"}, {"a  b": 20}, {"a  b": "a_b"}),
    ],
)  # fmt: skip
def test_a_key_of_label_map_tells_the_spellings_that_it_took_besides_its_own(
    tmp_path, ingest, written, mapping, others, apart
):
    (tmp_path / "a.csv").write_text(csv_of(written))
    done = ingest([{"uri": "a.csv", "label_map": mapping}])
    (key, new), said = next(iter(mapping.items())), told(done)
    assert len(done.info["labels"]) == 2 and new in done.info["labels"]
    for spelling, count in others.items():
        assert f"{key!r} renamed {spelling!r} ({count})" in said
    assert " as " not in said.partition("renamed")[0]  # nothing else is said to be read so
    assert "name each of them in `label_map`" in said
    done = ingest([{"uri": "a.csv", "label_map": {**mapping, **apart}}], out="apart")
    assert {new, *apart.values()} < {*done.info["labels"]}
    assert "renamed" not in told(done)


def test_tags_and_types_of_spans_tell_the_spellings_that_a_key_took(tmp_path, ingest):
    rows = [
        {"tokens": ["Ada", f"{number}"], "tags": [("B-a  b", "B-a b")[number % 2], "O"]}
        for number in range(40)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = {"uri": "a.jsonl", "label_map": {"B-a b": "B-PER"}}
    done = ingest([source], task={"type": "tagging"})
    assert "'B-a b' renamed 'B-a  b' (20)" in told(done)


def test_the_text_nan_stays_a_label_and_is_told(tmp_path, ingest):
    (tmp_path / "a.csv").write_text(csv_of(["NA", "nan", "x"]))
    done = ingest([{"uri": "a.csv"}])
    assert done.info["labels"] == ["NA", "nan", "x"]
    assert "'NA' (20), 'nan' (20) is a label like any other" in told(done)


@pytest.mark.parametrize("written", ["['a', 'b']", "['a' 'b']", '["a","b"]', "{a,b}", "a|b"])
def test_several_labels_in_a_cell(tmp_path, ingest, written):
    quoted = '"' + written.replace('"', '""') + '"'
    (tmp_path / "a.csv").write_text(csv_of([quoted, "['c']", "[]"]))
    done = ingest([{"uri": "a.csv"}], task={"multi_label": True})
    assert done.info["labels"] == ["a", "b", "c"]
    assert {tuple(row["labels"]) for row in done.rows()} == {("a", "b"), ("c",), ()}


def test_a_list_where_one_label_is_expected(tmp_path, ingest):
    (tmp_path / "a.jsonl").write_text(jsonl_of([["x"], "['y']", "z"]))
    assert ingest([{"uri": "a.jsonl"}]).info["labels"] == ["x", "y", "z"]
    (tmp_path / "a.jsonl").write_text(jsonl_of([["x", "y"], "['x', 'y']"]))
    with pytest.raises(DataError, match="several labels where one is expected") as raised:
        ingest([{"uri": "a.jsonl"}], out="two")
    assert "task.multi_label: true" in raised.value.fix


WRITTEN_VECTORS = ("[0 1 0]", "[0. 1. 0.]", "0,1,0", "0, 1, 0", "0 1 0", "0|1|0", "0;1;0")


@pytest.mark.parametrize(
    "vector", [[0, 0, 1], [1.0, 0.0, 1.0], [False, True, False], *WRITTEN_VECTORS]
)
def test_vectors_of_flags_need_names(tmp_path, ingest, vector):
    (tmp_path / "a.jsonl").write_text(jsonl_of([vector]))
    with pytest.raises(DataError, match="vector of 0 and 1 without names") as raised:
        ingest([{"uri": "a.jsonl"}], task={"multi_label": True})
    assert "label_names" in raised.value.fix
    source = {"uri": "a.jsonl", "label_names": ["a", "b", "c"]}
    done = ingest([source], task={"multi_label": True}, out="named")
    values = [0, 1, 0] if isinstance(vector, str) else vector
    assert done.info["labels"] == [name for name, flag in zip("abc", values, strict=True) if flag]


def test_lists_of_numbers_are_labels(tmp_path, ingest):
    (tmp_path / "a.jsonl").write_text(jsonl_of([[0, 1], [1], [0], [2, 1]]))
    done = ingest([{"uri": "a.jsonl"}], task={"multi_label": True})
    assert done.info["labels"] == ["0", "1", "2"]
    source = {"uri": "a.jsonl", "label_names": ["a", "b", "c"]}
    assert ingest([source], task={"multi_label": True}, out="n").info["labels"] == ["a", "b", "c"]


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_columns_of_flags_are_labels_when_they_are_named(tmp_path, ingest, ending):
    texts = [f"text {n}" for n in range(60)]
    toxic, insult = [n % 2 for n in range(60)], [n // 2 % 2 for n in range(60)]
    if ending == "csv":
        rows = [f"{t},{a},{b}.0" for t, a, b in zip(texts, toxic, insult, strict=True)]
        (tmp_path / "a.csv").write_text("text,toxic,insult\n" + "\n".join(rows))
    else:
        pq.write_table(
            pa.table({"text": texts, "toxic": toxic, "insult": insult}), tmp_path / "a.parquet"
        )
    uri, task = f"a.{ending}", {"multi_label": True}
    with pytest.raises(DataError, match="no column 'label'") as raised:
        ingest([{"uri": uri}], task=task)
    assert "columns: {one_hot: [toxic, insult]}" in raised.value.fix
    done = ingest(
        [{"uri": uri, "columns": {"one_hot": ["toxic", "insult"]}}], task=task, out="fine"
    )
    assert {tuple(row["labels"]) for row in done.rows()} == {
        (),
        ("toxic",),
        ("insult",),
        ("insult", "toxic"),
    }


@pytest.mark.parametrize("mark", [";", ", ", "/", " + "])
def test_another_separator_of_labels_is_told_and_taken(tmp_path, ingest, mark):
    cells = ["a", f"b{mark}c", f"a{mark}b", f"a{mark}b{mark}c"]
    rows = [{"text": f"t {n}", "label": cells[n % 4]} for n in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    task = {"multi_label": True}
    done = ingest([{"uri": "a.jsonl"}], task=task)
    (told,) = [one for one in done.result.notices if "several in one" in one.text]
    assert told.level == "warning" and told.count == 45 and repr(f"a{mark}b") in told.text
    setting = re.findall(r"data.label_separator: (\".*?\")", told.text)[0]
    mended = ingest([{"uri": "a.jsonl"}], task=task, out="b", label_separator=json.loads(setting))
    assert mended.info["labels"] == ["a", "b", "c"]
    assert not [one for one in mended.result.notices if "several in one" in one.text]


def test_empty_cells_and_broken_ones_of_several_labels_are_told(tmp_path, ingest):
    cells = ["a", "", '"a\nb"', "b"]
    rows = "".join(f"t {n},{cells[n % 4]}\n" for n in range(60))
    (tmp_path / "a.csv").write_text("text,label\n" + rows)
    done = ingest([{"uri": "a.csv"}], task={"multi_label": True})
    told = "\n".join(one.text for one in done.result.notices)
    assert "15 cells are empty; their rows were read as having none of the labels" in told
    assert "15 cells have line breaks or tabs" in told
    setting = json.loads(re.findall(r'data.label_separator: (".*?") or', told)[0])
    mended = ingest(
        [{"uri": "a.csv"}], task={"multi_label": True}, out="b", label_separator=setting
    )
    assert mended.info["labels"] == ["a", "b"]


def test_flags_and_wrapped_rows_in_json_say_what_to_do(tmp_path, ingest):
    rows = [{"text": f"t {n}", "toxic": n % 2, "insult": 0} for n in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match="no column 'label'") as raised:
        ingest([{"uri": "a.jsonl"}], task={"multi_label": True})
    assert "one_hot: [toxic, insult]" in raised.value.fix
    (tmp_path / "a.json").write_text(json.dumps({"version": 1, "data": rows}, indent=1))
    with pytest.raises(DataError, match="no column 'text'") as raised:
        ingest([{"uri": "a.json"}])
    assert "jq '.data' a.json" in raised.value.fix
    (tmp_path / "b.json").write_text(
        json.dumps({"meta": {}, "all of it": {"rows": rows}}, indent=1)
    )
    with pytest.raises(DataError, match="no column 'text'") as raised:
        ingest([{"uri": "b.json"}])
    assert "jq '.\"all of it\".rows' b.json" in raised.value.fix


def test_one_hot_needs_multi_label():
    sources = [{"uri": "a.csv", "columns": {"one_hot": ["a", "b"]}}]
    with pytest.raises(ValueError, match="needs task.multi_label: true"):
        AgentSpec.model_validate({"name": "a", "data": {"sources": sources}})


def test_keys_of_label_map_that_match_nothing_are_told(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(make.reviews(60))
    done = ingest([{"uri": "a.csv", "label_map": {"good": "fine", "Bad": "poor"}}])
    assert "no row of a.csv has the label 'Bad'" in told(done)
    assert "'good'" not in told(done)


def test_labels_that_differ_in_case_are_told(tmp_path, ingest):
    (tmp_path / "a.csv").write_text(csv_of(["Spam", "spam", "SPAM", "ham"]))
    done = ingest([{"uri": "a.csv"}])
    assert "3 labels are nearly the same: 'SPAM' (15), 'Spam' (15), 'spam' (15)" in told(done)


def test_numbers_that_are_written_in_several_ways_are_one_or_told(tmp_path, ingest):
    (tmp_path / "a.csv").write_text(csv_of(["1", "1.0", "1.00", "1.", "2.5", "2.50", "01"]))
    done = ingest([{"uri": "a.csv"}])
    assert done.info["labels"] == ["01", "1", "2.5", "2.50"]
    assert "2 labels are nearly the same: '01' (8), '1' (36)" in told(done)
    assert "2 labels are nearly the same: '2.5' (8), '2.50' (8)" in told(done)
    (tmp_path / "b.csv").write_text(csv_of(["12345678901234567890", "12345678901234567891"]))
    assert "nearly the same" not in told(ingest([{"uri": "b.csv"}], out="long"))


@pytest.mark.parametrize(("how", "scores"), [("mean", [2.0]), ("median", [1.0]), ("drop", [])])
def test_texts_that_were_rated_several_times(tmp_path, ingest, how, scores):
    rows = [f"text {n},{n}" for n in range(60)] + ["rated,1", "rated,1", "rated,4"]
    (tmp_path / "a.csv").write_text("text,label\n" + "\n".join(rows))
    done = ingest([{"uri": "a.csv"}], task={"type": "regression"}, repeated_scores=how)
    assert [row["score"] for row in done.rows() if row["text"] == "rated"] == scores
    assert "repeated_scores" in told(done) and "3 of 63 rows" in told(done)
    assert (
        done.info["read"]
        == 63
        == 60 + len(scores) + done.info["duplicates"] + done.info["conflicts"]
    )


def test_when_no_row_agrees_the_setting_is_named(tmp_path, ingest):
    (tmp_path / "a.csv").write_text("text,label\n" + "a,1\na,2\nb,3\nb,4\n" * 10)
    task = {"type": "regression"}
    with pytest.raises(DataError, match="only 0 distinct rows") as raised:
        ingest([{"uri": "a.csv"}], task=task, repeated_scores="drop")
    assert "data.repeated_scores: mean" in raised.value.fix


def test_the_same_score_twice_is_a_plain_duplicate(tmp_path, ingest):
    rows = [f"text {n},{n}" for n in range(60)] + ["text 1,1.0"]
    (tmp_path / "a.csv").write_text("text,label\n" + "\n".join(rows))
    done = ingest([{"uri": "a.csv"}], task={"type": "regression"})
    assert done.info["duplicates"] == 1 and done.info["settled"] == 0


def test_conflicting_labels_may_be_settled_by_the_majority(tmp_path, ingest, make):
    more = "twice,good\ntwice,good\ntwice,bad\ntie,good\ntie,bad\n"
    (tmp_path / "a.csv").write_text(make.reviews(60) + more)
    done = ingest([{"uri": "a.csv"}], conflicting_labels="majority")
    found = {row["text"]: row["label"] for row in done.rows()}
    assert found["twice"] == "good" and "tie" not in found
    assert done.info["settled"] == 3 and done.info["conflicts"] == 2
    assert "1 texts stand with different labels" in told(done)


@pytest.mark.parametrize("written", ["1_0", "1,5", "1,000"])
def test_numbers_that_could_mislead_are_refused(tmp_path, ingest, written):
    (tmp_path / "a.csv").write_text(
        "text,label\n" + "".join(f'text {n},"{written}"\n' for n in range(9))
    )
    with pytest.raises(DataError, match="label is not a number") as raised:
        ingest([{"uri": "a.csv"}], task={"type": "regression"})
    assert ("decimal: ','" in raised.value.fix) == ("," in written)


def test_texts_that_show_nothing_are_empty(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text(
        make.reviews(100) + "\u200b,good\n\ufeff\u200d,bad\n\ufe0f,bad\n"
    )
    done = ingest([{"uri": "a.csv"}], max_rejected=0.1)
    assert done.summary == {"column 'text' is empty": 3}


def test_words_that_show_nothing_go_with_their_tags(tmp_path, ingest):
    row = {
        "tokens": ["In", "\u200b", "\ufe0f", "New", "York"],
        "tags": ["O", "B-LOC", "I-LOC", "I-LOC", "I-LOC"],
    }
    rows = [{**row, "tokens": [str(n), *row["tokens"][1:]]} for n in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = ingest([{"uri": "a.jsonl"}], task={"type": "tagging"})
    assert all(row["tokens"][1:] == ["New", "York"] for row in done.rows())
    assert all(row["tags"] == ["O", "B-LOC", "I-LOC"] for row in done.rows())
    assert "120 words show nothing" in told(done)


def test_tags_are_tidied(tmp_path, ingest):
    rows = [
        {"tokens": [f"w{n}", "x"], "tags": ["B-caf\u00e9" if n % 2 else "B-cafe\u0301\u200b", " O"]}
        for n in range(60)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = ingest([{"uri": "a.jsonl"}], task={"type": "tagging"})
    assert done.info["labels"] == ["B-café", "O"]


def tags_parquet(path, metadata: dict | None) -> None:
    table = pa.table(
        {"tokens": [[f"w{n}", "x"] for n in range(60)], "tags": [[n % 3, 0] for n in range(60)]}
    )
    if metadata:
        table = table.replace_schema_metadata({"huggingface": json.dumps(metadata)})
    pq.write_table(table, path)


@pytest.mark.parametrize("kind", ["Sequence", "List", "list"])
def test_tags_that_are_numbers_take_their_names_from_the_metadata(tmp_path, ingest, kind):
    names = {"names": ["O", "B-PER", "I-PER"], "_type": "ClassLabel"}
    feature = [names] if kind == "list" else {"feature": names, "_type": kind}
    tags_parquet(tmp_path / "a.parquet", {"info": {"features": {"tags": feature}}})
    done = ingest([{"uri": "a.parquet"}], task={"type": "tagging"})
    assert done.info["labels"] == ["B-PER", "O"]
    assert "name their labels in their metadata" in told(done)


def test_tags_that_are_numbers_without_names_say_how_to_name_them(tmp_path, ingest):
    tags_parquet(tmp_path / "a.parquet", None)
    with pytest.raises(DataError, match="tags are numbers without names") as raised:
        ingest([{"uri": "a.parquet"}], task={"type": "tagging"})
    assert "label_names" in raised.value.fix
    source = {"uri": "a.parquet", "label_names": ["O", "B-PER", "B-LOC"]}
    done = ingest([source], task={"type": "tagging"}, out="named")
    assert done.info["labels"] == ["B-LOC", "B-PER", "O"]


def test_class_names_of_the_metadata_give_way_to_a_label_map(tmp_path, ingest):
    table = pa.table({"text": [f"t {n}" for n in range(60)], "label": [n % 2 for n in range(60)]})
    info = {"info": {"features": {"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}}}
    pq.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps(info)}), tmp_path / "a.parquet"
    )
    assert ingest([{"uri": "a.parquet"}]).info["labels"] == ["neg", "pos"]
    mapped = {"uri": "a.parquet", "label_map": {"0": "bad", "1": "good"}}
    assert ingest([mapped], out="mapped").info["labels"] == ["bad", "good"]


@pytest.mark.parametrize("written", [("['a', 'b']", "['O', 'B-X']"), ("a b", "O B-X")])
def test_words_and_tags_that_were_written_as_text(tmp_path, ingest, written):
    rows = [f'"{written[0].replace("a", f"a{n}")}","{written[1]}"' for n in range(60)]
    (tmp_path / "a.csv").write_text("tokens,tags\n" + "\n".join(rows))
    done = ingest([{"uri": "a.csv"}], task={"type": "tagging"})
    assert {tuple(row["tags"]) for row in done.rows()} == {("O", "B-X")}
    assert "written as text" in told(done)


def test_a_slow_pattern_is_bounded_and_named(tmp_path, ingest, make, monkeypatch):
    from bertworks.data.labels import patterns

    monkeypatch.setattr(patterns, "SECONDS", 0.02)
    slow = "(?:a|aa)+$"
    (tmp_path / "a.csv").write_text(make.reviews(60) + "one more," + "a" * 60 + "b\n")
    done = ingest([{"uri": "a.csv", "label_pattern": f"good|bad|{slow}"}], max_rejected=0.1)
    assert done.summary == {"label_pattern takes more than 0.02 s": 1}
    (tmp_path / "a.txt").write_text(("a" * 60 + "b\n") * 5)
    source = {"uri": "a.txt", "pattern": f"(?P<text>{slow})", "constants": {"label": "x"}}
    with pytest.raises(DataError, match=r"pattern .* takes more than .* on a single"):
        ingest([source], out="slow")


def test_specs_take_numbers_as_labels():
    source = Source.model_validate(
        {"uri": "a.csv", "where": {"a": [1.0, True]}, "label_map": {2.0: "x"}}
    )
    assert source.where == {"a": ["1", "true"]} and source.label_map == {"2": "x"}
    assert SpecError.exit_code == 2
