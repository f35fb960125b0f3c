"""Run records: read from events, newest first, damaged ones passed over."""

import json
from pathlib import Path

import pytest

from bertworks.errors import BertworksError
from bertworks.notices import Notice
from pipelines.local.events import StageEvent, StepEvent, read_event
from pipelines.local.record import Run, Step, latest
from pipelines.local.root import find_root


def make(root: Path, name: str) -> Run:
    folder = root / "runs" / name
    folder.mkdir(parents=True)
    steps = {each: Step(each) for each in ("ingest", "finetune")}
    run = Run(folder=folder, name="tiny", spec={}, spec_file="spec.yaml", steps=steps)
    run.save()
    return run


def test_events_become_states_and_artifacts(tmp_path: Path) -> None:
    run = make(tmp_path, "1")
    places = {"inputs": {"tokens": "/t"}, "outputs": {"model": "/m"}}
    run.apply(StepEvent("finetune", "started", 10.0, section="{}", **places))
    assert run.steps["finetune"].state == "running"
    assert run.artifacts() == {}
    run.apply(StepEvent("finetune", "succeeded", 12.5, work_seconds=1.5))
    assert run.steps["finetune"].seconds == 2.5
    assert run.record().steps[1].work_seconds == 1.5
    assert run.artifacts() == {"model": "/m"}
    run.apply(StepEvent("unknown", "failed", 1.0))


def test_lines_become_events() -> None:
    stage = {"event": "stage", "step": "a", "stage": "reading", "state": "done", "done": 3,
             "total": None, "unit": "rows", "note": "", "rate": 1.5, "seconds": 2.0}  # fmt: skip
    assert read_event(json.dumps(stage)) == StageEvent(
        "a", "reading", "done", 3, None, "rows", "", 1.5
    )
    ended = {"event": "step", "step": "a", "state": "failed", "time": 1.0, "pid": 7, "exit_code": 5,
             "notices": [{"text": "odd", "level": "warning"}]}  # fmt: skip
    event = StepEvent("a", "failed", 1.0, exit_code=5, notices=[Notice("odd", "warning")])
    assert read_event(json.dumps(ended)) == event
    for torn in (b'{"event": "st', b"[1]", b'{"event": "another"}', b"{}", b"\xff"):
        assert read_event(torn) is None


def test_a_damaged_record_is_passed_over(tmp_path: Path, capsys) -> None:
    make(tmp_path, "1")
    make(tmp_path, "2")
    (tmp_path / "runs/2/run.json").write_text("{")
    assert latest(find_root(str(tmp_path))).id == "1"
    assert "cannot be read" in capsys.readouterr().err


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BertworksError, match="no run 'x'"):
        latest(find_root(str(tmp_path)), "x")
    assert list(tmp_path.iterdir()) == []
