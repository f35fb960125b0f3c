"""Run records: read from events, newest first, damaged ones passed over."""

from pathlib import Path

import pytest

from bertworks.errors import BertworksError
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
    started = {"event": "step", "step": "finetune", "state": "started", "time": 10.0}
    run.apply({**started, "inputs": {"tokens": "/t"}, "outputs": {"model": "/m"}, "section": "{}"})
    assert run.steps["finetune"].state == "running"
    assert run.artifacts() == {}
    ended = {"event": "step", "step": "finetune", "state": "succeeded", "time": 12.5}
    run.apply({**ended, "seconds": 2.4, "work_seconds": 1.5})
    assert run.steps["finetune"].seconds == 2.5
    assert run.as_json()["steps"][1]["work_seconds"] == 1.5
    assert run.artifacts() == {"model": "/m"}
    run.apply({"event": "step", "step": "unknown", "state": "failed", "time": 1.0})


def test_a_damaged_record_is_passed_over(tmp_path: Path, capsys) -> None:
    make(tmp_path, "1")
    make(tmp_path, "2")
    (tmp_path / "runs/2/run.json").write_text("{")
    assert latest(find_root(str(tmp_path)))["id"] == "1"
    assert "cannot be read" in capsys.readouterr().err


def test_a_run_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BertworksError, match="no run 'x'"):
        latest(find_root(str(tmp_path)), "x")
    assert list(tmp_path.iterdir()) == []
