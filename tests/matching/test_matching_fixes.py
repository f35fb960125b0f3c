"""Advice on documents, their index and the floor is taken (`tests/fixes`)."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from finding import bundle, units, with_documents
from made_versions import Versions

from bertworks.contracts.agent import AGENT
from bertworks.runtime import adding
from bertworks.runtime.agent import Agent
from bertworks.storage.artifacts import Artifact
from bertworks.tasks import for_task
from bertworks.tasks.matching.documents import Document, Documents
from bertworks.tasks.matching.index import Index
from pipelines.cli import index as command
from tests.fixes.taking import Bench, as_written, bench, change, taken

__all__ = ["bench"]

ROWS = [{"text": f"query {n}", "sku": f"p{n % 5}"} for n in range(30)]
TABLE = [{"sku": f"p{n}", "text": f"product {n}"} for n in range(5)]
NAMED = {"document_id": "sku"}
SOURCE = {"uri": "rows.jsonl", "columns": NAMED}


def rows(bench: Bench, name: str, found: list[dict[str, Any]]) -> None:
    bench.rows("\n".join(map(json.dumps, found)), name)


def matching(bench: Bench) -> Bench:
    """The spec of an agent that finds documents, whose rows name five of which a table has four."""
    rows(bench, "rows.jsonl", ROWS)
    rows(bench, "table.jsonl", TABLE[:4])
    bench.content["task"] = {"type": "matching"}
    table = {"uri": "table.jsonl", "documents": True, "columns": NAMED}
    bench.content["data"] = {"sources": [SOURCE, table], "validation": 0.2, "test": 0.2}
    return bench


def documents(bench: Bench, *changes: str) -> int:
    """How many documents ingest finds."""
    info = json.loads((bench.ingest(*changes) / "examples/info.json").read_text("utf-8"))
    count: int = info["documents"]["rows"]
    return count


def of_task(versions: Versions, fix: str) -> Path:
    """The bundle of a spec with the setting that the advice gives."""
    (setting,) = as_written(fix)
    name, _, value = setting.partition("=")
    assert name == "task.type"
    return versions.bundle(0, {"type": value}, [], damage=with_documents)


def test_documents_without_a_text_are_listed_in_another_source(bench: Bench) -> None:
    sources = matching(bench).content["data"]["sources"]
    rows(bench, "more.jsonl", TABLE[4:])
    more = {"uri": "more.jsonl", "documents": True, "columns": NAMED}

    def by(fix: str) -> tuple[str, ...]:
        assert "documents: true" in fix and "columns.document_id" in fix
        return (f"data.sources={json.dumps([*sources, more])}",)

    assert taken("bertworks/data/rows/documents.py", "Add a source with documents: true",
                 lambda *changes: documents(bench, *changes), by) == 5  # fmt: skip


def test_rows_of_documents_without_a_text_are_left_out(bench: Bench) -> None:
    matching(bench)
    known = {"sku": [one["sku"] for one in TABLE[:4]]}

    def by(fix: str) -> tuple[str, ...]:
        assert "data.sources[].where" in fix
        return (f"data.sources.0.where={json.dumps(known)}",)

    assert taken("bertworks/data/rows/documents.py", "leave the rows out with data.sources[].where",
                 lambda *changes: documents(bench, *changes), by) == 4  # fmt: skip


def test_what_belongs_together_is_a_source_and_no_task_of_an_annotation_tool(
    bench: Bench, versions: Versions
) -> None:
    from bertworks.labelling.exporting import export

    info = AGENT.read(bundle(versions))
    rows(
        bench,
        "pairs.jsonl",
        [{"text": f"query {n}", "document": f"about {n % 7}"} for n in range(40)],
    )
    bench.content["task"] = {"type": "matching"}
    bench.content["data"] = {"sources": [], "validation": 0.2, "test": 0.2}

    def attempt(*changes: str) -> int:
        """To have the agent learn what belongs together."""
        if not changes:
            export([], info, bench.folder / "out.json", "label-studio")
        return documents(bench, *changes)

    assert taken("bertworks/labelling/exporting.py", "to a source of the spec (data.sources)", attempt,
                 change("data.sources", [{"uri": "pairs.jsonl"}])) == 7  # fmt: skip


def test_documents_are_added_to_an_agent_that_finds_such(versions: Versions) -> None:
    def attempt(place: Path | None = None) -> Index:
        return adding.index_of(Agent.load(place or versions.bundle(0)), "mood")

    found = taken("bertworks/runtime/adding.py", "Give a bundle of a spec with task.type: matching.",
                  attempt, lambda fix: (of_task(versions, fix),))  # fmt: skip
    assert found.record.documents == 4


def test_an_index_is_shown_of_an_agent_that_finds_documents(
    versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    taken("pipelines/cli/index.py", "Give an agent of a spec with task.type: matching.",
          lambda place=None: command.show(str(place or versions.bundle(0))),
          lambda fix: (of_task(versions, fix),))  # fmt: skip
    assert json.loads(capsys.readouterr().out)["documents"] == 4


def built(bench: Bench, vectors: Any, queries: Any, *changes: str) -> Index:
    """The index that the spec's settings ask for, as the quantize step makes it."""
    settings = bench.spec(*changes).spec.task.matching
    assert settings is not None
    known = Documents.of(Document(str(place), "x") for place in range(len(vectors)))
    index = Index.of(known, vectors, settings.index)
    return index.searched(queries, vectors, settings.min_recall)


@pytest.mark.parametrize("kind", ["exact", "approximate"])
def test_an_approximate_index_that_does_not_find_enough(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("bertworks.tasks.matching.index.SEARCHES", (10,))
    bench.content["task"] = {
        "type": "matching", "matching": {"index": "approximate", "min_recall": 1.0}}  # fmt: skip
    vectors, queries = units(3000, 64), units(50, 64, seed=2)

    def attempt(*changes: str) -> Index:
        return built(bench, vectors, queries, *changes)

    if kind == "approximate":
        found = taken("bertworks/tasks/matching/index.py", "Lower task.matching.min_recall", attempt,
                      change("task.matching.min_recall", 0.1))  # fmt: skip
        assert 0.1 <= (found.record.recall or 0) < 1
    else:
        found = taken("bertworks/tasks/matching/index.py", "or set task.matching.index: exact.",
                      attempt, as_written)  # fmt: skip
    assert found.record.kind == kind


def test_an_index_without_what_makes_approximate_ones(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    bench.content["task"] = {"type": "matching", "matching": {"index": "approximate"}}
    found = taken("bertworks/tasks/matching/index.py", "Install faiss-cpu, or set task.matching.index",
                  lambda *changes: built(bench, units(9, 8), units(3, 8, seed=2), *changes),
                  as_written)  # fmt: skip
    assert found.nearest(units(9, 8)[:1], 1)[0].tolist() == [[0]]


def test_an_evaluation_without_what_computes_the_floor(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertworks.evaluation import data
    from bertworks.storage.artifacts import open_artifact
    from components.evaluate.step import _floor

    monkeypatch.setitem(sys.modules, "bm25s", None)
    rows(matching(bench), "table.jsonl", TABLE)
    examples: Artifact = open_artifact(bench.ingest() / "examples")
    known = Documents.of(Document(one["sku"], one["text"]) for one in TABLE)
    index = Index.of(known, units(len(TABLE), 8))
    test = data.read_split(examples, "test")

    def attempt(*changes: str) -> bool:
        spec = bench.spec(*changes).spec
        handler = for_task(spec.task, []).finding(index)  # type: ignore[attr-defined]
        made = _floor(handler, spec.evaluate, examples, {**test, "truth": test["documents"]})
        return made is not None or spec.gates.beat_floor

    assert not taken("bertworks/tasks/matching/floor.py",
                     "or set evaluate.floor: false and gates.beat_floor: false", attempt,
                     as_written)  # fmt: skip
