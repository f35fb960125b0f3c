"""What steps drop, cut or warn of: shown as they end and again at the end of the run, cached or not."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from bertworks import notices, progress
from bertworks.notices import Notice
from bertworks.pages.report import page as report
from pipelines.local.child import CacheHits
from pipelines.local.display import LiveTable, ProgressLines, figures, grouped, wrapped
from pipelines.local.events import StepEvent
from pipelines.local.record import Run, Step

DROPPED = Notice(
    "130 of 200 rows were dropped: data.max_rejected", "warning", 130, "rejected.jsonl"
)
MERGED = Notice("3 rows repeat others and were merged", "note", 3)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run of two steps, the first of which has two notices."""
    steps = {name: Step(name) for name in ("ingest", "gate")}
    (tmp_path / "rejected").mkdir()
    (tmp_path / "rejected/rejected.jsonl").touch()
    return Run(folder=tmp_path, name="tiny", spec={}, spec_file="spec.yaml", steps=steps)


def event(run: Run, state: str, **facts: Any) -> StepEvent:
    outputs = {"rejected": str(run.folder / "rejected")}
    made = StepEvent("ingest", state, 3.0, outputs=outputs, **facts)
    run.apply(made)
    return made


@pytest.mark.parametrize("state", ["succeeded", "cached", "failed"])
def test_a_steps_notices_are_shown_at_its_end_and_at_the_runs_end(run, capsys, state) -> None:
    shown = ProgressLines()
    told = [MERGED, DROPPED]
    shown.update(run, [event(run, state, notices=told, metrics={"train_rows": 15_000, "a": 0.5})])
    run.steps["gate"].state = run.state = "failed"
    run.save()
    shown.stop(run)
    lines = capsys.readouterr().out.splitlines()
    file = run.folder / "rejected/rejected.jsonl"
    warning = f"warning: {DROPPED.text} [see {file}]"
    assert "train_rows 15,000, a 0.5" in lines[0] and state in lines[0]
    assert lines[1:3] == [f"ingest: {warning}", f"ingest: note: {MERGED.text}"]
    assert lines[3:7] == [
        "1 warning, 1 note:", "  ingest", f"    {warning}", f"    note: {MERGED.text}"
    ]  # fmt: skip
    kept = json.loads((run.folder / "run.json").read_text("utf-8"))
    assert kept["steps"][0]["notices"] == [one.to_json() for one in told]


def test_a_terminal_shows_them_above_and_below_the_table(run, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    table = LiveTable()
    table.start(run)
    table.update(run, [event(run, "succeeded", notices=[DROPPED])])
    table.stop(run)
    out = capsys.readouterr().out
    assert out.count("130 of 200 rows were dropped") == 2
    assert "1 warning" in out
    assert all(len(line) <= 60 for line in out.splitlines() if str(run.folder) not in line)


def test_what_the_cache_gives_is_told_with_numbers_and_notices(tmp_path, monkeypatch) -> None:
    """The entry that KFP keeps names the Metrics artifact's file, which has all that the step said."""
    said = {"metrics": {"rows": 7}, "notices": [DROPPED.to_json()], "seconds": 4.5}
    (tmp_path / "scores").write_text(json.dumps(said))
    entry = {
        "examples": {"schema_title": "system.Artifact", "uri": "/e"},
        "scores": {"schema_title": "system.Metrics", "uri": str(tmp_path / "scores")},
        "view": {"schema_title": "system.HTML", "uri": "/v"},
        "n": 3,
    }
    (tmp_path / "ab12.json").write_text(json.dumps(entry))
    events = tmp_path / "events.jsonl"
    monkeypatch.setenv(progress.EVENTS, str(events))
    hit = "Task ingest cache hit (key=ab12)"
    for text in (None, "[1]", "{"):
        if text:
            (tmp_path / "scores").write_text(text)
        CacheHits(tmp_path, {}).emit(logging.LogRecord("", 20, "", 1, hit, None, None))
    first, *older = map(json.loads, events.read_text().splitlines())
    assert first["state"] == "cached" and first["outputs"] == {"examples": "/e"}
    assert first["notices"] == [DROPPED.to_json()] and first["metrics"] == {"rows": 7}
    assert first["made_in_seconds"] == 4.5
    assert [one["outputs"] for one in older] == [{"examples": "/e"}] * 2
    assert not any("notices" in one for one in older)


def test_many_notices_are_cut_and_the_rest_is_named() -> None:
    many = [Notice(f"{number} rows", "note") for number in range(30)]
    lines = grouped([("ingest", many), ("gate", [])], "report.html")
    assert lines[0] == "30 notes:" and lines[-1] == "    and 18 more: report.html"
    assert grouped([("gate", [])], "report.html") == []


def test_numbers_are_as_people_read_them() -> None:
    metrics = {"train_rows": 15_000, "corpus": 1_234_567.0, "loss": 0.00012, "f1": 1.0}
    assert figures(metrics) == "train_rows 15,000, corpus 1,234,567, loss 0.00012, f1 1"


def test_a_notice_is_one_line_whatever_it_quotes() -> None:
    notice = Notice("label 'a\nstep gate succeeded in 1 s: x=1\x1b[2J\u202e' is rare", "warning")
    line = notice.line()
    assert "\n" not in line and "\x1b" not in line and "\u202e" not in line
    log = notices.to_log("ingest", [notice])
    assert len(log.splitlines()) == 1
    assert notices.from_log("gate", log) == []


def test_lines_break_between_words_and_paths_stay_whole() -> None:
    path = "/a-very/long-folder/" + "x" * 60
    lines = wrapped(
        f"    note: twelve words that do not fit at all in one line [see {path}]", 40, 6
    )
    assert f"{path}]" in lines[-1] and all(line.startswith("      ") for line in lines[1:])
    assert lines[0].startswith("    note: twelve")


def test_they_stand_in_the_report(run, tmp_path) -> None:
    event(run, "succeeded", notices=[MERGED, DROPPED])
    report.build(run.record(), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "1 warning, 1 note" in page
    assert page.index(DROPPED.text) < page.index(MERGED.text)
    run.steps["ingest"].notices = []
    report.build(run.record(), tmp_path / "report.html")
    assert "What the steps tell" not in (tmp_path / "report.html").read_text(encoding="utf-8")
