"""Rows of which no agent can be made are refused before anything is fetched or begun."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from web_site import Site

from bertworks.data.rows import enough
from bertworks.data.rows.enough import check_enough
from bertworks.errors import DataError
from bertworks.spec import AgentSpec
from bertworks.spec.file import load
from bertworks.storage.store import Store
from pipelines import sections
from pipelines.dag import Dag
from pipelines.planned import dag_here
from pipelines.site import Laptop
from tests.fixes.taking import as_written, taken
from tests.helpers.retrain_rows import keep_version


def spec_of(folder: Path, rows, task="classification", sources=None, **sections) -> AgentSpec:
    """A spec whose rows.jsonl has these rows."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    kind = task if isinstance(task, dict) else {"type": task}
    data = {"sources": sources or [{"uri": "rows.jsonl"}], **sections.pop("data", {})}
    return AgentSpec.model_validate({"name": "a", "task": kind, "data": data, **sections})


def rows_of(count, labels="xy"):
    return [{"text": f"number {n}", "label": labels[n % len(labels)]} for n in range(count)]


WORDS = [{"tokens": [f"w{n}", "b"], "tags": ["O", "O"]} for n in range(30)]
CASES = {
    "one row": (rows_of(1), {}, r"validation split has no rows: 1 row in all", "20 in all the least"),
    "no share for test": (rows_of(60), {"data": {"test": 0.0}}, "test split has no rows", "data.test"),
    "one label": (
        rows_of(60, "x"), {}, r"60 rows have too few labels .*: 1 \('x'\), of at least 2",
        "columns.label",
    ),
    "one score": (
        [{"text": f"number {n}", "label": 3} for n in range(60)], {"task": "regression"},
        r"too few different scores .*: 1 \('3.0'\)", "rows of others",
    ),
    "no entity": (
        WORDS, {"task": "tagging"}, "too few types of entity .*: 0, of at least 1", "rows of others",
    ),
    "one set of labels": (
        rows_of(60, "x"), {"task": {"type": "classification", "multi_label": True}},
        r"labels that some rows have and others not .*: 0 \('x'\)", "rows of others",
    ),
    "fewer rows than folds": (
        rows_of(20), {"tune": {"trials": 2, "folds": 20}, "data": {"validation": 0.2, "test": 0.2}},
        r"1\d training rows cannot be dealt into 20 folds", "tune.folds: 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_too_little_is_refused_with_what_would_do(tmp_path, case):
    rows, sections, said, fix = CASES[case]
    with pytest.raises(DataError, match=said) as raised:
        check_enough(spec_of(tmp_path, rows, **sections), tmp_path)
    assert fix in raised.value.fix


def test_enough_is_read_no_further(tmp_path, monkeypatch):
    spec = spec_of(tmp_path, rows_of(5000))
    counted = []
    add = enough._Seen.add
    monkeypatch.setattr(enough._Seen, "add", lambda self, row: (counted.append(1), add(self, row)))
    check_enough(spec, tmp_path)
    assert len(counted) < 200


def test_official_files_are_their_splits(tmp_path):
    sources = [{"uri": "rows.jsonl"}, *({"uri": f"{split}.jsonl", "split": split}
               for split in ("validation", "test"))]  # fmt: skip
    for split in ("validation", "test"):
        (tmp_path / f"{split}.jsonl").write_text(json.dumps({"text": split, "label": "y"}) + "\n")
    shares = {"data": {"validation": 0.0, "test": 0.0}}
    check_enough(spec_of(tmp_path, rows_of(1, "x"), sources=sources, **shares), tmp_path)
    # The only training row stands in the official test file, too, where it has to stay unseen.
    rows = [{"text": "test", "label": "x"}]
    with pytest.raises(DataError, match="train split has no rows: 2 rows in all"):
        check_enough(spec_of(tmp_path, rows, sources=sources, **shares), tmp_path)


@pytest.mark.parametrize(
    ("rows", "sections"),
    [
        (rows_of(60, "x"), {"validate": {"checks": {"single_class": "warning"}}}),
        ([{"text": "same", "label": "x"}] * 40, {}),  # ingest counts the duplicates
        ([{"text": "", "label": "x"}] * 40, {}),  # ingest keeps what it refuses
        ([{"txt": "a", "label": "x"}] * 40, {}),
        (rows_of(60, "x"), {"sources": [{"uri": "https://example.com/rows.jsonl"}]}),
        (rows_of(60, "x"), {"sources": [{"uri": "elsewhere.jsonl"}]}),
    ],
    ids=["allowed", "duplicates", "refused rows", "no column", "elsewhere", "missing"],
)
def test_what_others_decide_is_left_to_them(tmp_path, rows, sections):
    check_enough(spec_of(tmp_path, rows, **sections), tmp_path)


def test_large_files_are_left_to_the_steps(tmp_path, monkeypatch):
    spec = spec_of(tmp_path, rows_of(60, "x"))
    monkeypatch.setattr(enough, "MOST_ROWS", 30)
    check_enough(spec, tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr(enough, "MOST_BYTES", 100)
    check_enough(spec, tmp_path)


def test_fewer_folds_are_taken_as_advised(tmp_path):
    shares = {"data": {"validation": 0.2, "test": 0.2}}

    def attempt(*settings: str) -> None:
        folds = int(settings[0].partition("=")[2]) if settings else 20
        spec = spec_of(tmp_path, rows_of(20), tune={"trials": 2, "folds": folds}, **shares)
        check_enough(spec, tmp_path)

    taken("bertworks/data/rows/enough.py", "Set tune.folds: ", attempt, as_written)


def test_another_column_is_taken_as_advised(tmp_path):
    rows = [{**row, "label": "x", "kind": "ab"[n % 2]} for n, row in enumerate(rows_of(60))]

    def attempt(column: str = "label") -> None:
        sources = [{"uri": "rows.jsonl", "columns": {"label": column}}]
        check_enough(spec_of(tmp_path, rows, sources=sources), tmp_path)

    taken(
        "bertworks/data/rows/enough.py", "(data.sources[].columns.label)", attempt,
        lambda fix: ("kind",),
    )  # fmt: skip


def test_rows_from_elsewhere_are_refused_as_soon_as_they_are_read(tmp_path, ingest):
    """By the same rule and words as rows at hand, before what stands behind them is fetched."""
    lines = "".join(json.dumps(row) + "\n" for row in rows_of(60, "x"))
    with Site() as site:
        site.put("/rows.jsonl", lines.encode())
        sources = [
            {"uri": f"{site.url}/rows.jsonl"},
            {"uri": f"{site.url}/gone.jsonl", "out_of_scope": True},
        ]
        spec = spec_of(tmp_path, [], sources=sources[:1])
        needs = sections.ingest(Dag(spec, Laptop("store"), "agent"))
        needs = {name: needs[name] for name in ("tells_apart", "folds") if name in needs}
        assert needs == {"tells_apart": True}
        with pytest.raises(DataError, match=CASES["one label"][2]) as raised:
            ingest(sources, needs=needs)
    assert "columns.label" in raised.value.fix
    assert not (tmp_path / "out" / "examples").exists()


def test_rows_from_elsewhere_may_be_of_one_label_where_the_spec_says_so(tmp_path, ingest):
    allowed = {"validate": {"checks": {"single_class": "warning"}}}
    section = sections.ingest(Dag(spec_of(tmp_path, [], **allowed), Laptop("store"), "agent"))
    assert "tells_apart" not in section and "folds" not in section
    spec_of(tmp_path, rows_of(60, "x"))
    ingest([{"uri": "rows.jsonl"}])


def test_fewer_rows_from_elsewhere_than_folds(tmp_path, ingest):
    search = {"tune": {"trials": 2, "folds": 20}}
    spec = spec_of(tmp_path, rows_of(20), **search)
    section = sections.ingest(Dag(spec, Laptop("store"), "agent"))
    assert section["folds"] == 20
    with pytest.raises(DataError, match=r"1\d training rows cannot be dealt into 20 folds"):
        ingest(
            [{"uri": "rows.jsonl"}], validation=0.2, test=0.2,
            needs={"tells_apart": True, "folds": 20},
        )  # fmt: skip


def planned(folder, kind, count, labels):
    (folder / "rows.jsonl").write_text(
        "".join(json.dumps(r) + "\n" for r in rows_of(count, labels))
    )
    (folder / "a.yaml").write_text("name: tiny\ndata: {sources: [{uri: rows.jsonl}]}\n")
    return dag_here(load(folder / "a.yaml"), kind, str(folder / "models"), lambda *of: "none")


@pytest.mark.parametrize("kind", ["agent", "retrain"])
def test_rows_at_hand_are_refused_before_a_retraining_too(tmp_path, kind):
    with pytest.raises(DataError, match="validation split has no rows: 1 row in all"):
        planned(tmp_path, kind, 1, "x")
    with pytest.raises(DataError, match=CASES["one label"][2]):
        planned(tmp_path, kind, 60, "x")
    planned(tmp_path, kind, 60, "xy")


def test_a_champion_brings_the_labels_that_new_rows_lack(tmp_path):
    store = Store(str(tmp_path / "models"))
    keep_version(store, tmp_path / "kept", 1, {})
    assert "tells_apart" not in sections.ingest(planned(tmp_path, "retrain", 60, "x"))
    with pytest.raises(DataError, match="validation split has no rows: 1 row in all"):
        planned(tmp_path, "retrain", 1, "x")
