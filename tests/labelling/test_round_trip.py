"""From kept rows to labelled ones: every format of every task comes back as it was labelled."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertworks.data.formats.csv_formulas import is_formula
from bertworks.errors import DataError
from bertworks.labelling.choosing import choose, judge
from bertworks.labelling.exporting import export, interface
from bertworks.labelling.importing import import_labels
from bertworks.labelling.pool import Candidate, key_of, note_asked, read_pool
from bertworks.runtime.agent import Agent
from bertworks.serving.observation.files import SampleFiles

TEXTS = [
    "good film", "a bad story , so bad", "the very good plot", "so so", "films a b", "b b b",
    "Straße, \"quoted\" = 1", "电影 很好",
]  # fmt: skip


def candidates(task: str) -> list[Candidate]:
    found = []
    for text in TEXTS:
        texts: dict[str, Any] = {"text": text}
        if task == "pair":
            texts = {"text_a": text, "text_b": text[::-1]}
        elif task == "tagging" and text != TEXTS[0]:
            texts = {"tokens": text.split()}
        found.append(Candidate(texts, key_of(texts)))
    return found


def labels_for(task: str, count: int) -> list[Any]:
    """What an annotator says of each row."""
    kinds: dict[str, list[Any]] = {
        "classification": ["bad", "good", "so so"],
        "pair": ["no", "yes"],
        "multi": [["plot"], ["film", "story"], ["story"]],
        "regression": [1.5, -2.0, 0.25],
    }
    return [kinds[task][place % len(kinds[task])] for place in range(count)]


def annotate(task: str, format_: str, file: Path, said: list[Any]) -> Path:
    """Fills a file as an annotation tool exports it."""
    done = file.with_name(f"done-{file.name}")
    if format_ == "csv":
        with file.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        with done.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            for row, label in zip(rows, said, strict=True):
                label = "|".join(label) if isinstance(label, list) else label
                writer.writerow({**row, "label": label})
        return done
    if format_ == "doccano":
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        for row, label in zip(rows, said, strict=True):
            row["label"] = label if isinstance(label, list) or task == "regression" else [label]
        done.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return done
    tasks = json.loads(file.read_text())
    for one, label in zip(tasks, said, strict=True):
        if task == "tagging":
            spans = [
                {"type": "labels", "value": {"start": s, "end": e, "labels": [kind]}}
                for s, e, kind in label
            ]
            one["annotations"] = [{"result": spans}]
        elif task == "regression":
            one["annotations"] = [{"result": [{"type": "number", "value": {"number": label}}]}]
        else:
            choices = label if isinstance(label, list) else [label]
            result = [{"type": "choices", "value": {"choices": choices}}]
            one["annotations"] = [{"result": result}]
        del one["predictions"]
    done.write_text(json.dumps(tasks))
    return done


@pytest.mark.parametrize("format_", ["csv", "label-studio", "doccano"])
@pytest.mark.parametrize("task", ["classification", "multi", "pair", "regression"])
def test_what_was_labelled_comes_back(tmp_path, agents, task: str, format_: str) -> None:
    agent, rows = agents[task], candidates(task)
    judge(rows, agent)
    ending = {"csv": "csv", "label-studio": "json", "doccano": "jsonl"}[format_]
    (file, *_) = export(rows, agent.info, tmp_path / f"rows.{ending}", format_)
    said = labels_for(task, len(rows))
    out = tmp_path / "labelled.jsonl"
    done = import_labels([annotate(task, format_, file, said)], agent.info, out)
    assert (done.rows, done.conflicts, done.refused, done.new_labels) == (len(rows), 0, [], {})
    found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    for row, line, label in zip(rows, found, said, strict=True):
        assert {name: line[name] for name in row.texts} == row.texts
        assert sorted(line["label"]) == sorted(label) if task == "multi" else line["label"] == label


HOSTILE = ["=1+1", "'=1+1", "''=1", "'plain", "-5", "+cmd|' /C calc'!A0", "@SUM(A1)", "  =1", "＝1"]


def test_texts_that_spreadsheets_would_run_are_marked_and_come_back(tmp_path, agents) -> None:
    agent = agents["classification"]
    rows = [Candidate({"text": text}, key_of({"text": text})) for text in HOSTILE]
    judge(rows, agent)
    (file,) = export(rows, agent.info, tmp_path / "rows.csv", "csv")
    with file.open(encoding="utf-8", newline="") as stream:
        shown = [row["text"] for row in csv.DictReader(stream)]
    assert not any(is_formula(text) for text in shown)
    assert [text for text in shown if text in HOSTILE] == ["'=1+1", "'plain", "-5"]
    out = tmp_path / "labelled.jsonl"
    import_labels([annotate("classification", "csv", file, ["good"] * len(rows))], agent.info, out)
    found = [json.loads(line)["text"] for line in out.read_text(encoding="utf-8").splitlines()]
    assert found == [text.strip() for text in HOSTILE]
    own = tmp_path / "own.csv"  # of somebody else, whose apostrophe is their own
    own.write_text("text,label\n'=1+1,good\n")
    import_labels([own], agent.info, tmp_path / "own.jsonl")
    assert json.loads((tmp_path / "own.jsonl").read_text())["text"] == "'=1+1"


def test_no_labelling_interface_is_written_over(tmp_path, agents) -> None:
    (tmp_path / "rows.xml").write_text("mine")
    with pytest.raises(DataError, match="rows.xml is there already"):
        export([], agents["classification"].info, tmp_path / "rows.json", "label-studio")
    assert (tmp_path / "rows.xml").read_text() == "mine" and not (tmp_path / "rows.json").exists()


@pytest.mark.parametrize("format_", ["label-studio", "doccano"])
def test_spans_come_back_as_tags(tmp_path, agents, format_: str) -> None:
    agent, rows = agents["tagging"], candidates("tagging")
    judge(rows, agent)
    file, *_ = export(rows, agent.info, tmp_path / "rows.json", format_)
    said = []
    for row in rows:
        text = row.shown["text"]
        end = text.find(" ") if " " in text else len(text)
        said.append([[0, end, "PER"]] if len(said) % 2 else [])
    out = tmp_path / "labelled.jsonl"
    done = import_labels([annotate("tagging", format_, file, said)], agent.info, out)
    assert (done.rows, done.refused) == (len(rows), [])
    for row, line, spans in zip(rows, out.read_text().splitlines(), said, strict=True):
        found = json.loads(line)
        assert "".join(found["tokens"]) == row.shown["text"].replace(" ", "")
        assert [tag for tag in found["tags"] if tag != "O"][: len(spans)] == ["B-PER"] * len(spans)
        assert set(found["tags"]) <= {"O", "B-PER", "I-PER"}


def test_predicted_spans_stand_where_the_agent_found_them(tmp_path, agents) -> None:
    agent, rows = agents["tagging"], candidates("tagging")
    judge(rows, agent)
    file, view = export(rows, agent.info, tmp_path / "rows.json", "label-studio", "of today")
    for one, task in zip(rows, json.loads(file.read_text()), strict=True):
        assert task["predictions"][0]["model_version"] == "of today"
        for result in task["predictions"][0]["result"]:
            value = result["value"]
            assert one.shown["text"][value["start"] : value["end"]] == value["text"]
    assert '<Label value="PER"/>' in view.read_text() and view.suffix == ".xml"
    assert 'choice="multiple"' in interface(agents["multi"].info)
    with pytest.raises(DataError, match="no place for spans"):
        export(rows, agent.info, tmp_path / "rows.csv", "csv")
    with pytest.raises(DataError, match="there already"):
        export(rows, agent.info, file, "doccano")


def test_annotators_who_do_not_agree_are_told(tmp_path, agents) -> None:
    info = agents["classification"].info

    def task(text: str, *labels: str | None) -> dict[str, Any]:
        done = [
            {"was_cancelled": True}
            if label is None
            else {"result": [{"type": "choices", "value": {"choices": [label]}}]}
            for label in labels
        ]
        return {"data": {"text": text}, "annotations": done}

    file = tmp_path / "done.json"
    tasks = [task("a", "good", "good"), task("b", "good", "bad"), task("c", None, "so so"),
             task("d", None), task("e"), task("f", "odd")]  # fmt: skip
    file.write_text(json.dumps(tasks))
    more = tmp_path / "more.csv"
    more.write_text("text,label\na,bad\ng,\n")
    out = tmp_path / "labelled.jsonl"
    done = import_labels([file, more], info, out)
    assert (done.rows, done.conflicts, done.repeated, done.unlabelled) == (2, 2, 0, 3)
    assert done.new_labels == {"odd": 1}
    assert [json.loads(line)["text"] for line in out.read_text().splitlines()] == ["c", "f"]
    apart = (tmp_path / "labelled.conflicts.jsonl").read_text().splitlines()
    assert [(json.loads(one)["text"], json.loads(one)["label"]) for one in apart] == [
        ("a", "good"), ("a", "good"), ("a", "bad"), ("b", "good"), ("b", "bad"),
    ]  # fmt: skip
    with pytest.raises(DataError, match="there already"):
        import_labels([file], info, out)
    (tmp_path / "none.csv").write_text("text,label\na,\n")
    with pytest.raises(DataError, match="No row of .* is labelled"):
        import_labels([tmp_path / "none.csv"], info, tmp_path / "other.jsonl")
    (tmp_path / "broken.json").write_text("[{")
    with pytest.raises(DataError, match="broken.json, line 1: not JSON"):
        import_labels([tmp_path / "broken.json"], info, tmp_path / "other.jsonl")


def test_tables_are_read_as_ingest_reads_them(tmp_path, agents) -> None:
    """Stray quotes, cells too many and bytes of another encoding cost their own rows, and are told."""
    info, out = agents["classification"].info, tmp_path / "labelled.jsonl"
    file = tmp_path / "done.csv"
    file.write_bytes(
        b'text,label\n"so" he said,good\nan inch " of it,bad\nc,good,more\ncaf\xe9,bad\nd,good\n'
        + b"caf\xc3\xa9,good\n" * 3
    )
    done = import_labels([file], info, out)
    texts = [json.loads(line)["text"] for line in out.read_text().splitlines()]
    assert texts == ['"so" he said', 'an inch " of it', "d", "café"]
    assert [(one["file"], one["line"], one["rule"]) for one in done.refused] == [
        (str(file), 4, "2 columns expected, 3 found"),
        (str(file), 5, "bytes that are not in the encoding"),
    ]
    kept = (tmp_path / "labelled.rejected.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in kept] == done.refused
    file.write_text("content,tag\na,good\n")
    with pytest.raises(DataError, match=r"Columns that were found: 'content', 'tag'"):
        import_labels([file], info, tmp_path / "x.jsonl")
    workbook = file.rename(tmp_path / "done.xlsx")
    with pytest.raises(DataError, match="done.xlsx is no .csv"):
        import_labels([workbook], info, tmp_path / "another.jsonl")


def test_doubtful_rows_come_first_and_near_copies_later(agents) -> None:
    rows = [Candidate({"text": f"where is my parcel number {i}"}, f"{i:02}") for i in range(20)]
    rows += [Candidate({"text": text}, text) for text in ("refund please", "der Preis ist zu hoch")]
    for one in rows:
        one.doubt = 0.5
    sure = Candidate({"text": "something else entirely"}, "sure", doubt=0.01)
    chosen = choose([*rows, sure], 4)
    texts = {one.texts["text"] for one in chosen[:3]}
    assert {"refund please", "der Preis ist zu hoch"} < texts
    assert sure not in chosen[:4]
    rows[7].doubt = 0.6
    assert choose(rows, 3)[0] is rows[7]
    assert len(choose(rows, 99)) == len(rows) == len({id(one) for one in choose(rows, 99)})
    assert choose([], 3) == []


def test_judging_takes_the_agents_own_sureness(agents: dict[str, Agent]) -> None:
    for task, agent in agents.items():
        rows = candidates(task)
        judge(rows, agent)
        doubts = [one.doubt for one in rows]
        sure = agent.handler.sureness([one.answer for one in rows])
        assert doubts == pytest.approx(np.where(np.isnan(sure), 1.0, 1 - sure).tolist())


def test_each_text_is_asked_about_once(tmp_path) -> None:
    with pytest.raises(DataError, match="no rows that a server has kept"):
        read_pool(tmp_path)
    files = SampleFiles(tmp_path, "rows", 1e9, 1e9)
    for text in ("a", "b", "a"):
        files.add({"request": "r", "text": text, "predicted": "good"})
    with pytest.raises(DataError, match="1 files that are still open"):
        read_pool(tmp_path)
    files.close()
    found, before = read_pool(tmp_path)
    assert {one.texts["text"]: one.times for one in found} == {"a": 2, "b": 1} and not before
    note_asked(tmp_path, found[:1])
    left, before = read_pool(tmp_path)
    assert (len(left), before) == (1, 1)
    assert len(read_pool(tmp_path, again=True)[0]) == 2


@pytest.mark.parametrize(
    ("mark", "encoding"), [(";", "utf-8-sig"), ("\t", "utf-8"), (";", "cp1252")]
)
def test_a_table_that_a_spreadsheet_has_saved_is_read(
    tmp_path, agents, mark: str, encoding: str
) -> None:
    file = tmp_path / "done.csv"
    rows = [
        ["text", "label"],
        *([f"über Größe, {n}", "good" if n % 2 else "bad"] for n in range(30)),
    ]
    with file.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream, delimiter=mark).writerows(rows)
    done = import_labels([file], agents["classification"].info, tmp_path / "out.jsonl")
    assert (done.rows, done.refused) == (30, [])
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[0])["text"] == rows[1][0]


def test_what_is_refused_is_named_by_the_file_that_the_user_has(tmp_path, agents) -> None:
    info, tasks = agents["classification"].info, []
    for n, chosen in enumerate([["good"], None, ["good", "bad"], [], ["1.0"]]):
        result = [{"type": "choices", "value": {"choices": chosen}}] if chosen else []
        done = [] if chosen is None else [{"result": result}]
        tasks.append({"data": {"text": f"text {n}"}, "annotations": done})
    file = tmp_path / "done.json"
    file.write_text("[\n" + ",\n".join(map(json.dumps, tasks)) + "\n]")
    found = import_labels([file], info, tmp_path / "out.jsonl")
    assert (found.rows, found.unlabelled) == (2, 2)  # nobody has chosen anything, submitted or not
    (refused,) = found.refused
    assert (refused["row"], refused["line"]) == (3, 4) and refused["file"] == str(file)
    places = [found.guessed.text(kind) for kind in found.guessed.counts]
    assert any(f"{file} row 5 (line 6)" in one for one in places), places
    assert not any("rows.jsonl" in one for one in places)
