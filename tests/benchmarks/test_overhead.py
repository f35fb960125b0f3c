"""What counts as a run's overhead: all but the steps' work, and the imports in it."""

import json
from pathlib import Path

import pytest

from benchmarks import overhead
from bertworks.contracts.runs import RunRecord, RunStep

LOG = """\
import time: self [us] | cumulative | imported package
import time:    400000 |     400000 |   pydantic
import time:    100000 |     500000 | components.finetune.step
import time:    200000 |     200000 |   tensorflow.python
import time:   1300000 |    1500000 | tensorflow
a step's own words
"""


@pytest.fixture
def done(tmp_path: Path) -> RunRecord:
    events = [
        {"event": "step", "step": "ingest", "state": "started", "time": 101.0},
        {"event": "stage", "step": "ingest", "state": "running", "time": 102.0},
        {"event": "step", "step": "ingest", "state": "succeeded", "time": 105.0},
        {"event": "step", "step": "finetune", "state": "started", "time": 107.5},
        {"event": "step", "step": "finetune", "state": "succeeded", "time": 118.0},
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(one) + "\n" for one in events))
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/finetune.log").write_text(LOG)
    steps = [
        RunStep("finetune", "succeeded", work_seconds=10.0),
        RunStep("ingest", "succeeded", work_seconds=3.5),
    ]
    return RunRecord(id="one", folder=tmp_path, started=100.0, steps=steps)


def test_imports_are_read_from_the_steps_logs(done: RunRecord) -> None:
    assert overhead.imports_of(done.folder / "logs") == {"finetune": 1.5}


def test_where_a_runs_time_went(done: RunRecord) -> None:
    lines = overhead.table(done, 20.0, {"finetune": 1.5})
    assert lines[2:] == [
        "| ingest | 1.00 | 3.50 | 0.00 |",
        "| finetune | 2.50 | 8.50 | 1.50 |",
        "| all: 20.0 s | outside: 40.0 % | 12.0 | |",
    ]


def test_a_run_without_the_numbers_is_refused(done: RunRecord) -> None:
    done.steps[0] = RunStep("finetune", "succeeded")
    with pytest.raises(SystemExit, match="run it again"):
        overhead.table(done, 20.0, {})
