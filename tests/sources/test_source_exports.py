"""Rows as annotation tools and data frames write them: what annotators left out, columns, pairs."""

from __future__ import annotations

import json
import re

import pytest

from bertworks.errors import DataError


def told(done) -> str:
    return "\n".join(notice.text for notice in done.result.notices)


def answered(answers: list[str], count: int = 60, **more) -> str:
    rows = [
        {"text": f"text {n}", "label": "ab"[n % 2], "answer": answers[n % len(answers)], **more}
        for n in range(count)
    ]
    return "\n".join(map(json.dumps, rows))


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_rows_that_annotators_did_not_accept_are_left_out_and_told(tmp_path, ingest, ending):
    answers = ["accept", "accept", "reject", "ignore"]
    text = answered(answers)
    if ending == "csv":
        rows = [json.loads(line).values() for line in text.splitlines()]
        text = "text,label,answer\n" + "\n".join(",".join(row) for row in rows)
    (tmp_path / f"a.{ending}").write_text(text)
    done = ingest([{"uri": f"a.{ending}"}])
    assert done.info["read"] == 30 and done.info["rejected"] == 0
    assert "30 rows were left out, as their annotators did not accept them: " in told(done)
    assert "'reject'" in told(done) and "where: {answer: [accept" in told(done)
    kept = ingest([{"uri": f"a.{ending}", "where": {"answer": ["accept", "reject"]}}], out="kept")
    assert kept.info["read"] == 45 and "annotators" not in told(kept)


def test_an_answer_that_is_the_label_is_no_verdict(tmp_path, ingest):
    (tmp_path / "a.jsonl").write_text(answered(["accept", "reject"]))
    done = ingest([{"uri": "a.jsonl", "columns": {"label": "answer"}}])
    assert done.info["labels"] == ["accept", "reject"] and done.info["read"] == 60


def test_spans_that_were_not_accepted_do_not_stop_the_run(tmp_path, ingest):
    (tmp_path / "a.jsonl").write_text(
        "\n".join(
            json.dumps({"text": f"a {n}", "spans": [], "answer": "accept" if n % 2 else "reject"})
            for n in range(60)
        )
    )
    done = ingest([{"uri": "a.jsonl"}], task={"type": "tagging"})
    assert done.info["read"] == 30 and "30 rows were left out" in told(done)


def test_a_file_of_which_nothing_was_accepted_says_so(tmp_path, ingest):
    (tmp_path / "a.jsonl").write_text(answered(["reject"]))
    with pytest.raises(DataError, match="accepted none of its 60 rows") as raised:
        ingest([{"uri": "a.jsonl"}])
    assert "where: {answer: [accept" in raised.value.fix


def label_studio(n: int, done: bool) -> dict:
    result = [{"type": "choices", "value": {"choices": ["ab"[n % 2]]}}]
    return {
        "id": n,
        "data": {"text": f"text {n}"},
        "annotations": [{"was_cancelled": not done, "result": result}],
    }


def test_tasks_that_were_not_annotated_are_left_out_and_told(tmp_path, ingest):
    rows = [label_studio(n, done=n % 5 > 0) for n in range(60)]
    rows.append({"id": 60, "data": {"text": "open"}, "annotations": []})
    (tmp_path / "a.json").write_text(json.dumps(rows))
    done = ingest([{"uri": "a.json"}])
    assert done.info["read"] == 48 and done.info["labels"] == ["a", "b"]
    assert "13 tasks of Label Studio were left out" in told(done)


def choice(label: str, **more) -> dict:
    result = [{"type": "choices", "value": {"choices": [label]}}] if label else []
    return {"result": result, **more}


def task_of(n: int, *annotations: dict) -> dict:
    return {"id": n, "data": {"text": f"text {n}"}, "annotations": list(annotations)}


@pytest.mark.parametrize(("how", "left"), [("drop", 50), ("majority", 60)])
def test_each_annotation_of_a_task_is_a_row(tmp_path, ingest, how, left):
    rows = [task_of(n, *[choice("ab"[n % 2])] * (3 if n < 30 else 1)) for n in range(60)]
    for row in rows[:10]:
        row["annotations"][0] = choice("ba"[row["id"] % 2])
    (tmp_path / "a.json").write_text(json.dumps(rows))
    done = ingest([{"uri": "a.json"}], conflicting_labels=how)
    assert done.info["read"] == 120 and done.info["rejected"] == 0
    found = {row["text"]: row["label"] for row in done.rows()}
    assert found == {f"text {n}": "ab"[n % 2] for n in range(60 - left, 60)}
    assert "30 tasks of Label Studio have several annotations" in told(done)
    assert "90 rows in all (first: " in told(done) and "a.json row 1" in told(done)


def test_annotations_that_were_cancelled_or_are_empty_are_no_rows(tmp_path, ingest):
    others = [choice("b", was_cancelled=True), choice("")]
    rows = [task_of(n, others[n % 2], choice("ab"[n // 2 % 2])) for n in range(60)]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    done = ingest([{"uri": "a.json"}])
    assert {row["text"]: row["label"] for row in done.rows()} == {
        f"text {n}": "ab"[n // 2 % 2] for n in range(60)
    }
    assert done.info["read"] == 60 and "have several annotations" not in told(done)
    assert "30 annotations of Label Studio are empty beside others" in told(done)


@pytest.mark.parametrize("agree", [True, False])
def test_spans_of_several_annotators_are_a_row_each(tmp_path, ingest, agree):
    spans = [{"start": 0, "end": 4, "labels": [kind]} for kind in ("A", "A" if agree else "B")]
    rows = [
        task_of(n, *[{"result": [{"type": "labels", "value": one}]} for one in spans[: 1 + n % 2]])
        for n in range(120)
    ]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    done = ingest([{"uri": "a.json"}], task={"type": "tagging"})
    assert "60 tasks of Label Studio have several annotations" in told(done)
    assert done.info["read"] == 180 and len(done.rows()) == (120 if agree else 60)


def test_annotators_of_prodigy_who_do_not_agree_are_conflicting_labels(tmp_path, ingest):
    rows = [
        {"text": f"text {n}", "_input_hash": n, "_annotator_id": f"s-{who}", "answer": answer,
         "accept": ["ab"[(n + (who == "y" and n < 10)) % 2]]}
        for n in range(60) for who, answer in (("x", "accept"), ("y", "accept"), ("z", "ignore"))
    ]  # fmt: skip
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = ingest([{"uri": "a.jsonl"}])
    assert {row["text"] for row in done.rows()} == {f"text {n}" for n in range(10, 60)}
    assert done.summary == {"conflicting labels": 20} and "60 rows were left out" in told(done)


@pytest.mark.parametrize(
    "label",
    [
        lambda n: {"label": ["ab"[n % 2]]},
        lambda n: {"cats": {"a": 1 - n % 2, "b": n % 2}},
        lambda n: {"cats": {"a": not n % 2, "b": bool(n % 2)}},
        lambda n: {"options": [{"id": "a"}, {"id": "b"}], "accept": ["ab"[n % 2]]},
        lambda n: {"label": {"choices": ["ab"[n % 2]]}},
        lambda n: {"label": json.dumps({"choices": ["ab"[n % 2]]})},
    ],
    ids=["doccano", "spacy", "spacy-bool", "prodigy", "label-studio", "label-studio-text"],
)
@pytest.mark.parametrize("multi", [False, True])
def test_labels_of_annotation_tools_are_read(tmp_path, ingest, label, multi):
    rows = [{"text": f"text {n}", **label(n)} for n in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = ingest([{"uri": "a.jsonl"}], task={"multi_label": multi})
    assert done.info["labels"] == ["a", "b"] and len(done.rows()) == 60


def test_several_marks_where_one_label_is_expected_say_what_to_set(tmp_path, ingest):
    rows = [{"text": f"text {n}", "cats": {"a": 1, "b": 1}} for n in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match="marks 2 labels where one is expected") as raised:
        ingest([{"uri": "a.jsonl"}])
    assert "task.multi_label: true" in raised.value.fix


@pytest.mark.parametrize("type_", ["classification", "regression"])
@pytest.mark.parametrize("listed", [False, True])
def test_an_object_as_a_label_is_named_with_its_keys(tmp_path, ingest, type_, listed):
    if listed and type_ == "regression":
        pytest.skip("a list is no number anyway")
    label = {"name": "good", "score": 0.9}
    rows = [{"text": f"t {n}", "label": [label] if listed else label} for n in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match="object with the keys 'name', 'score'") as raised:
        ingest([{"uri": "a.jsonl"}], task={"type": type_})
    assert "jq -c '.label = .label.name' FILE" in raised.value.fix


TEXTS = [f'text {n} of "many"' for n in range(60)]
LABELS = ["ab"[n % 2] for n in range(60)]
TABLES = {
    "list": {"text": TEXTS, "label": LABELS},
    "pandas": {
        "text": {str(n): text for n, text in enumerate(TEXTS)},
        "label": {str(n): label for n, label in enumerate(LABELS)},
    },
    "split": {
        "columns": ["text", "label"],
        "index": list(range(60)),
        "data": [list(row) for row in zip(TEXTS, LABELS, strict=True)],
    },
    "index": {
        str(n): {"text": text, "label": label}
        for n, (text, label) in enumerate(zip(TEXTS, LABELS, strict=True))
    },
    "table": {
        "schema": {"fields": []},
        "data": [{"text": t, "label": label} for t, label in zip(TEXTS, LABELS, strict=True)],
    },
}


@pytest.mark.parametrize("form", TABLES)
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("limit", [100, 1_000_000])
def test_one_object_of_columns_is_read_as_rows(tmp_path, ingest, form, indent, limit):
    (tmp_path / "a.json").write_text(json.dumps(TABLES[form], indent=indent))
    done = ingest([{"uri": "a.json"}], max_row_bytes=limit)
    assert {(row["text"], row["label"]) for row in done.rows()} == set(
        zip(TEXTS, LABELS, strict=True)
    )
    assert "one JSON object that holds all rows" in told(done)


def test_columns_of_words_and_tags_are_told_from_a_row_of_them(tmp_path, ingest):
    task = {"type": "tagging"}
    rows = [{"tokens": ["Kyiv", str(n)], "tags": ["B-LOC", "O"]} for n in range(60)]
    (tmp_path / "a.json").write_text(json.dumps(rows[0]))
    (tmp_path / "b.json").write_text("\n".join(map(json.dumps, rows)))
    done = ingest([{"uri": "a.json"}, {"uri": "b.json"}], task=task)
    assert done.info["read"] == 61 and "of columns" not in told(done)
    columns = {name: [row[name] for row in rows] for name in ("tokens", "tags")}
    (tmp_path / "c.json").write_text(json.dumps(columns))
    done = ingest([{"uri": "c.json"}], task=task, out="columns")
    assert done.info["read"] == 60 and "that holds all rows" in told(done)


def test_columns_of_different_lengths_are_no_rows(tmp_path, ingest):
    (tmp_path / "a.json").write_text(json.dumps({"text": TEXTS, "label": LABELS[1:]}))
    with pytest.raises(DataError, match="not text"):
        ingest([{"uri": "a.json"}])


@pytest.mark.parametrize("ending", ["lines", "array", "indented"])
def test_pairs_of_text_and_annotations_are_read(tmp_path, ingest, ending):
    pairs = [[f"ACME met {n}", {"entities": [[0, 4, "ORG"]]}] for n in range(60)]
    (tmp_path / "a.json").write_text(
        "\n".join(map(json.dumps, pairs))
        if ending == "lines"
        else json.dumps(pairs, indent=1 if ending == "indented" else None)
    )
    done = ingest([{"uri": "a.json"}], task={"type": "tagging"})
    assert done.info["labels"] == ["B-ORG", "O"] and len(done.rows()) == 60


def test_pairs_with_cats_are_read(tmp_path, ingest):
    pairs = [[f"text {n}", {"cats": {"a": n % 2 == 0, "b": n % 2 == 1}}] for n in range(60)]
    (tmp_path / "a.json").write_text(json.dumps(pairs))
    source = {"uri": "a.json", "columns": {"text": "body", "label": "class"}}
    done = ingest([source])
    assert done.info["labels"] == ["a", "b"]
    assert "stand as an object of 0 and 1" in told(done)


@pytest.mark.parametrize(
    "span",
    [
        {"start": 0, "end": 4, "type": "ORG"},
        {"start": 0, "end": 4, "entity_group": "ORG", "score": 0.9},
        {"start": "0", "end": "4", "label": "ORG"},
    ],
)
def test_spans_with_other_names_for_their_type_are_read(tmp_path, ingest, span):
    rows = [{"text": f"ACME met {n}", "entities": [span]} for n in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert ingest([{"uri": "a.jsonl"}], task={"type": "tagging"}).info["labels"] == ["B-ORG", "O"]


@pytest.mark.parametrize(
    ("name", "content", "fix"),
    [
        ("a.csv.zst", b"\x28\xb5\x2f\xfd" + bytes(40), "zstd -d"),
        ("a.csv.Z", b"\x1f\x9d" + bytes(40), "uncompress"),
        ("a.csv", b"text^label\nx^y\n", 'delimiter: "^"'),
    ],
)
def test_other_packings_and_delimiters_say_what_to_do(tmp_path, ingest, name, content, fix):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as raised:
        ingest([{"uri": name}])
    assert fix in raised.value.fix


def test_a_comma_behind_each_object_is_left_out_and_told(tmp_path, ingest):
    rows = [json.dumps({"text": f"text {n}", "label": "ab"[n % 2]}) for n in range(60)]
    (tmp_path / "a.jsonl").write_text(",\n".join(rows))
    done = ingest([{"uri": "a.jsonl"}])
    assert done.info["read"] == 60 and done.info["rejected"] == 0
    assert "59 lines have a comma behind their object" in told(done)


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize("form", ["array", "lines"])
def test_lists_are_rows_by_their_names(tmp_path, ingest, form, header):
    rows = [["text", "label"]] * header + [[f"text {n}", "ab"[n % 2]] for n in range(60)]
    text = json.dumps(rows) if form == "array" else "\n".join(map(json.dumps, rows))
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(DataError, match="a list of 2 values, no object") as raised:
        ingest([{"uri": "a.json"}])
    assert "names: [text, label]" in raised.value.fix
    done = ingest([{"uri": "a.json", "names": ["text", "label"]}], out="named")
    assert done.info["read"] == 60 and done.info["labels"] == ["a", "b"]
    with pytest.raises(DataError, match="3 values expected, 2 found"):
        ingest([{"uri": "a.json", "names": ["text", "label", "more"]}], out="other")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{'text': 'a', 'label': 'b'}", "json.dumps"),
        ('{"text": "a"} {"text": "b"}', "jq -c . FILE"),
    ],
)
def test_what_is_nearly_json_is_named_with_what_helps(tmp_path, ingest, line, says):
    (tmp_path / "a.jsonl").write_text(f"{line}\n" * 9)
    with pytest.raises(DataError, match="not JSON") as raised:
        ingest([{"uri": "a.jsonl"}])
    assert says in raised.value.fix


RASA_YAML = """\
version: "3.1"
nlu:
- intent: book
  examples: |
{book}
- synonym: berlin
  examples: |
    - Berlin
- intent: greet
  examples: |
{greet}
"""
MARKS = ["(city)", "(city:berlin)", '{"entity": "city", "role": "to"}', '[{"entity": "city"}]']


def rasa_yaml(count: int = 30) -> str:
    book = [f"    - go to [New York]{MARKS[n % 4]} on day {n}" for n in range(count)]
    greet = [f"    - hello number {n}" for n in range(count)]
    return RASA_YAML.format(book="\n".join(book), greet="\n".join(greet))


def rasa_json(count: int = 30) -> str:
    place = {"start": 6, "end": 14, "value": "ny", "entity": "city"}
    rows = [
        row
        for n in range(count)
        for row in (
            {"text": f"go to New York on day {n}", "intent": "book", "entities": [place]},
            {"text": f"hello number {n}", "intent": "greet"},
        )
    ]
    return json.dumps({"rasa_nlu_data": {"common_examples": rows, "regex_features": []}}, indent=1)


@pytest.mark.parametrize(("name", "make_text"), [("a.yml", rasa_yaml), ("a.json", rasa_json)])
def test_rasas_training_data_is_read(tmp_path, ingest, name, make_text):
    (tmp_path / name).write_text(make_text())
    done = ingest([{"uri": name}])
    assert done.info["labels"] == ["book", "greet"] and done.info["rejected"] == 0
    texts = {row["text"]: row["label"] for row in done.rows()}
    assert len(texts) == 60 and texts["go to New York on day 1"] == "book"
    assert "1 files are Rasa's training data" in told(done)
    tags = ingest([{"uri": name}], task={"type": "tagging"}, out="tags")
    assert tags.info["labels"] == ["B-city", "I-city", "O"] and tags.info["read"] == 60
    tagged = {" ".join(row["tokens"]): row["tags"] for row in tags.rows()}
    assert tagged["go to New York on day 2"] == ["O", "O", "B-city", "I-city", "O", "O", "O"]


def test_a_line_of_rasas_that_is_no_example_is_refused(tmp_path, ingest):
    (tmp_path / "a.yml").write_text(rasa_yaml().replace("    - hello number 7\n", "    hello?\n"))
    done = ingest([{"uri": "a.yml"}], max_rejected=0.1)
    (refused,) = done.rejected
    assert refused["rule"] == "an example that does not begin with a dash"
    lines = (tmp_path / "a.yml").read_text().splitlines()
    assert lines[refused["line"] - 1] == "    hello?"


@pytest.mark.parametrize("text", ["a: 1\n", "- 1\n", "nlu: 3\n", "a: [\n"])
def test_other_yaml_is_named(tmp_path, ingest, text):
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(DataError, match="YAML"):
        ingest([{"uri": "a.yaml"}])


def test_spans_that_cut_words_are_told(tmp_path, ingest):
    """Offsets in UTF-16 units are one too far behind an emoji; some tools count the last character."""
    for name, text, span in (("a", "\N{GRINNING FACE} in Rome", (6, 10)), ("b", "in Rome", (3, 6))):
        rows = [
            {"text": f"{text} {n}", "spans": [{"start": span[0], "end": span[1], "label": "LOC"}]}
            for n in range(60)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        task = {"type": "tagging"}
        done = ingest([{"uri": f"{name}.jsonl"}], task=task, out=name, validation=0.2, test=0.2)
        (warned,) = [one for one in done.result.notices if one.level == "warning"]
        assert warned.count == 60 and "begin or end inside a word" in warned.text
        assert "'R'" in warned.text or "'Rom'" in warned.text
        assert "the end exclusive" in warned.text


def test_a_word_a_row_is_told(tmp_path, ingest):
    rows = "".join(f"{n},in,O\n{n},Rome{n},B-LOC\n" for n in range(60))
    (tmp_path / "a.csv").write_text("sentence,word,tag\n" + rows)
    source = {"uri": "a.csv", "columns": {"tokens": "word", "tags": "tag"}}
    done = ingest([source], task={"type": "tagging"})
    assert "120 rows hold a single word as their sentence" in told(done)
    assert "list that was written as text" not in told(done)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({f"id{n}": {"body": f"t {n}", "label": "a"} for n in range(9)}, "jq -c '.[]' FILE"),
        ({f"a text {n}": "ab"[n % 2] for n in range(60)}, "{text: .key, label: .value}"),
        ({"a": ["t 1", "t 2"], "b": ["t 3"]}, "{text: ., label: $label}"),
        ({"version": 1, "data": {"rows": [{"text": "a"}]}}, "jq '.data.rows' a.json"),
    ],
)
def test_one_object_of_other_forms_is_named_with_what_makes_rows(tmp_path, ingest, content, says):
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match="no column 'text'") as raised:
        ingest([{"uri": "a.json"}])
    assert says in raised.value.fix


def test_lists_in_every_row_are_not_taken_for_the_rows(tmp_path, ingest):
    rows = [{"text": f"in Rome {n}", "spans": [{"from": 3, "to": 7}]} for n in range(60)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(DataError, match="no column 'tokens'") as raised:
        ingest([{"uri": "a.jsonl"}], task={"type": "tagging"})
    assert "jq" not in raised.value.fix


def test_fasttexts_lines_are_named_and_read_as_advised(tmp_path, ingest):
    lines = "".join(f"__label__{'ab'[n % 2]} text number {n}\n" for n in range(60))
    (tmp_path / "a.txt").write_text(lines)
    with pytest.raises(DataError, match="no column 'label'") as raised:
        ingest([{"uri": "a.txt"}])
    pattern = re.findall(r"pattern: '(.*)'", raised.value.fix)[0]
    done = ingest([{"uri": "a.txt", "pattern": pattern}], out="read")
    assert done.info["labels"] == ["a", "b"] and done.info["read"] == 60


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_file_without_a_header_is_named_and_read_as_advised(tmp_path, ingest, ending):
    gap = {"csv": ",", "tsv": "\t"}[ending]
    rows = "".join(f"{'spam' if n % 2 else 'ham'}{gap}text number {n}\n" for n in range(60))
    (tmp_path / f"a.{ending}").write_text(rows)
    with pytest.raises(DataError, match="no column 'text'") as raised:
        ingest([{"uri": f"a.{ending}"}])
    assert "`header: false`" in raised.value.fix and "its 2 columns" in raised.value.fix
    source = {"uri": f"a.{ending}", "header": False, "names": ["label", "text"]}
    assert ingest([source], out="read").info["read"] == 60


def test_comments_before_a_header_are_named(tmp_path, ingest, make):
    (tmp_path / "a.csv").write_text("# made by hand\n" + make.reviews(60))
    with pytest.raises(DataError, match="no column 'text'") as raised:
        ingest([{"uri": "a.csv"}])
    assert "grep -v '^#' FILE" in raised.value.fix
