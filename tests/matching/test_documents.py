"""Documents on their way through ingest: brought by rows, listed in a table, named, missing."""

import json

import pytest

from bertworks.evaluation.data import read_split
from bertworks.spec import AgentSpec, Task
from bertworks.storage.artifacts import open_artifact
from tests.helpers.steps import ingest


def write(folder, name, rows):
    (folder / name).write_text("\n".join(map(json.dumps, rows)), "utf-8")


def ingested(folder, *sources, **data):
    """Runs the step on such sources; the examples artifact and what was told."""
    section = {
        "task": {"type": "matching"},
        "data": {"sources": list(sources), "validation": 0.2, "test": 0.2, **data},
        "corpus": {},
        "base": {"uri": "scratch"},
        "spec_folder": str(folder),
    }
    places = {one: folder / f"out-{one}" for one in ("examples", "corpus", "rejected", "base")}
    told = ingest(section, **places)
    return open_artifact(places["examples"]), [notice.text for notice in told.notices]


def documents(examples):
    found = read_split(examples, "documents")
    return {
        one: (text, seen)
        for one, text, seen in zip(*map(found.get, ("id", "text", "seen")), strict=True)
    }


def every(examples):
    found = {}
    for split in ("train", "validation", "test"):
        rows = read_split(examples, split)
        found |= dict(zip(rows["text"], rows["documents"], strict=True))
    return found


def test_rows_bring_their_documents_and_those_of_one_text_are_put_together(tmp_path):
    rows = [{"text": f"query {n}", "document": f" document  {n // 2} "} for n in range(40)]
    write(tmp_path, "rows.jsonl", [*rows, {"text": "query 0", "document": "document 7"}, rows[5]])
    examples, told = ingested(tmp_path, {"uri": "rows.jsonl"})
    found, of = documents(examples), every(examples)
    assert {text for text, _ in found.values()} == {f"document {n}" for n in range(20)}
    both = sorted(found[one][0] for one in of["query 0"])
    assert both == ["document 0", "document 7"] and len(of["query 3"]) == 1
    info = examples.json("info.json")
    assert info["documents"]["rows"] == 20 and not info["labels"] and not info["conflicts"]
    trained = read_split(examples, "train")["documents"]
    for one, (_, seen) in found.items():
        assert seen == sum(one in row for row in trained)
    assert any("20 documents may be found" in text for text in told)
    assert any("all of their documents" in text for text in told)


def test_a_table_of_documents_gives_the_texts_that_rows_name(tmp_path):
    write(tmp_path, "rows.jsonl", [{"text": f"query {n}", "sku": n % 5} for n in range(30)])
    table = [{"sku": f"{n}", "text": f"product {n}"} for n in range(8)]
    write(tmp_path, "table.jsonl", [*table, table[0]])
    named = {"document_id": "sku"}
    listed = {"uri": "table.jsonl", "documents": True, "columns": named}
    examples, told = ingested(tmp_path, {"uri": "rows.jsonl", "columns": named}, listed)
    found = documents(examples)
    assert {one: text for one, (text, _) in found.items()} == {
        f"{n}": f"product {n}" for n in range(8)
    }
    assert [seen for _, (_, seen) in sorted(found.items())][5:] == [0, 0, 0]
    assert every(examples)["query 7"] == ["2"]
    info = examples.json("info.json")["documents"]
    assert (info["unasked"], info["duplicates"]) == (3, 1)
    assert any("3 to no row at all" in text for text in told)


def test_a_row_brings_the_text_of_a_document_that_the_table_does_not_list(tmp_path):
    rows = [{"text": f"query {n}", "sku": n % 5, "kind": f"kind {n % 5}"} for n in range(30)]
    write(tmp_path, "rows.jsonl", rows)
    write(tmp_path, "table.jsonl", [{"sku": n, "text": f"product {n}"} for n in range(4)])
    listed = {"uri": "table.jsonl", "documents": True, "columns": {"document_id": "sku"}}
    columns = {"document_id": "sku", "document": "kind"}
    examples, _ = ingested(tmp_path, {"uri": "rows.jsonl", "columns": columns}, listed)
    assert {one: text for one, (text, _) in documents(examples).items()} == {
        **{f"{n}": f"product {n}" for n in range(4)},
        "4": "kind 4",
    }


def test_documents_that_nothing_holds_the_text_of_are_named_and_the_advice_helps(tmp_path):
    from bertworks.errors import DataError

    write(tmp_path, "rows.jsonl", [{"text": f"query {n}", "sku": f"p{n % 5}"} for n in range(30)])
    write(tmp_path, "table.jsonl", [{"sku": f"p{n}", "text": f"product {n}"} for n in range(4)])
    named = {"document_id": "sku"}
    listed = {"uri": "table.jsonl", "documents": True, "columns": named}
    source = {"uri": "rows.jsonl", "columns": named}
    with pytest.raises(DataError, match=r"1 documents are named by rows.*'p4'") as refused:
        ingested(tmp_path, source, listed)
    assert "documents: true" in refused.value.fix and "where" in refused.value.fix
    known = {"sku": ["p0", "p1", "p2", "p3"]}
    examples, _ = ingested(tmp_path, {**source, "where": known}, listed)
    assert len(documents(examples)) == 4


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"task": {"type": "classification", "matching": {}}}, "goes with type: matching"),
        ({"task": {"type": "matching", "long_text": "windows"}}, "cannot be combined with type"),
        ({"task": {"type": "matching", "pair": True}}, "`pair` cannot be combined"),
        ({"task": {"type": "matching", "matching": {"negatives": -1}}}, "negatives"),
        ({"documents": True, "split": "test"}, "leave both out"),
        ({"columns": {"text": "x", "document": "x"}}, "must be columns that differ"),
    ],
)
def test_what_does_not_go_together_is_refused(wrong, message):
    source = {"uri": "a.jsonl", **{k: v for k, v in wrong.items() if k != "task"}}
    spec = {
        "name": "a",
        "task": wrong.get("task", {"type": "matching"}),
        "data": {"sources": [{"uri": "b.jsonl"}, source]},
    }
    with pytest.raises(ValueError, match=message):
        AgentSpec.model_validate(spec)


def test_documents_are_no_rows_of_other_tasks_and_settings_of_others_are_not_written():
    spec = {"name": "a", "data": {"sources": [{"uri": "b"}, {"uri": "a", "documents": True}]}}
    with pytest.raises(ValueError, match="goes with task.type: matching"):
        AgentSpec.model_validate(spec)
    assert "matching" not in Task().model_dump()
    kept = Task.model_validate({"type": "matching", "matching": {"top": 3}}).model_dump()
    assert Task.model_validate(kept).matching.top == 3


def test_the_tfx_dag_says_that_it_hands_on_no_documents():
    from bertworks.errors import SpecError
    from pipelines.tfx.agent import refuse_others

    spec = {"name": "a", "task": {"type": "matching"}, "data": {"sources": [{"uri": "b"}]}}
    with pytest.raises(SpecError, match="finds no documents") as refused:
        refuse_others(AgentSpec.model_validate(spec))
    assert "bertworks run" in refused.value.fix


def test_a_retraining_finds_all_of_todays_documents_and_those_of_older_rows(tmp_path):
    from bertworks.retraining.merge import write_rows
    from bertworks.retraining.plan import make_plan
    from bertworks.retraining.rows import read_keys

    named, task = {"document_id": "sku"}, Task.model_validate({"type": "matching"})
    made = []
    for run, (rows, products) in enumerate([(range(30), range(6)), (range(20, 60), range(1, 9))]):
        folder = tmp_path / str(run)
        folder.mkdir()
        # What row 0 asks for is asked for no more, nor listed; row 24's product 4 is listed anew.
        write(folder, "rows.jsonl", [{"text": f"query {n}", "sku": 1 + n % 4} for n in rows])
        table = [{"sku": n, "text": f"product {n} of run {run}"} for n in products]
        write(folder, "table.jsonl", table)
        listed = {"uri": "table.jsonl", "documents": True, "columns": named}
        made.append(ingested(folder, {"uri": "rows.jsonl", "columns": named}, listed)[0])
    keys = [read_keys(one, task) for one in made]
    plan = make_plan(keys[1], keys[0], rehearsal=None, seed="s", min_label_rows=1)
    out = [tmp_path / "examples", tmp_path / "history"]
    for folder in out:
        folder.mkdir()
    write_rows(task, made, plan, *out)
    for folder in out:
        found = documents(folder)
        # Product 0, which no row asks for, is in the older table alone.
        assert {one: text for one, (text, _) in found.items()} == {
            f"{n}": f"product {n} of run 1" for n in range(1, 9)
        }
        trained = read_split(folder, "train")["documents"]
        assert found["1"][1] == sum("1" in row for row in trained) > 0 == found["8"][1]
    told = json.loads((out[0] / "info.json").read_text())["documents"]
    assert told["rows"] == 8 and told["unasked"] == 4
