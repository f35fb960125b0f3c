"""`bertworks auto`: the minutes are spent by what was measured, and one command makes an agent."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tiny_agent import REPOSITORY, made_up_rows, write_rows
from typer.testing import CliRunner

from bertworks.contracts.runs import RunRecord, RunStep
from bertworks.contracts.tuned import SEARCH_TIMES, TUNED, Chosen, SearchTimes, Trial, Tuned
from bertworks.data.inspection.content import Composed
from bertworks.data.inspection.saving import save, was_written_by
from bertworks.errors import SpecError
from bertworks.storage.store import Store
from pipelines.cli import auto
from pipelines.cli.main import app

RUNNER = CliRunner()
TINY = [
    "base={uri: scratch, scratch: {vocab_size: 200, layers: 2, hidden_size: 32, heads: 2, "
    "intermediate_size: 64}}",
    "base.sha256=null", "finetune.learning_rate=0.003", "finetune.batch_size=16",
    "evaluate.bootstrap=50",
    "gates={max_drop: 0.4, beat_floor: false}", "compress.prune.importance_rows=64",
    "compress.prune.speedup=1.3", "compress.quantize={candidates: [onnxruntime-fp32, onnxruntime-int8], "
    "max_drop: 0.3, measure_rows: 32, calibration_rows: 32}", "tune.trials=2",
]  # fmt: skip


def record(folder: Path, epoch: float, behind: float) -> RunRecord:
    """A run whose search had two trials of three and two epochs."""
    folder.mkdir(exist_ok=True)
    trials = [
        Trial(0, Chosen(epochs=3), [0.5, 0.6, 0.7], 0.7, "complete"),
        Trial(1, Chosen(epochs=2), [0.5, 0.6], 0.6, "halved"),
    ]
    won = Tuned(
        metric="accuracy", best=0, settings=Chosen(), value=0.7, averaged=[0], trials=trials,
        importance={}, ended="minutes",
    )  # fmt: skip
    TUNED.write(folder, won)
    SEARCH_TIMES.write(folder, SearchTimes(5 * epoch, [3 * epoch, 2 * epoch]))
    steps = [RunStep("tune", outputs={"tuned": str(folder)}), RunStep("quantize", seconds=behind)]
    return RunRecord(steps=steps)


def test_what_is_left_is_spent_on_distillation(tmp_path: Path) -> None:
    done = record(tmp_path / "tuned", epoch=30, behind=60)
    assert auto.distillation_epochs(done, 0) == 0
    assert auto.distillation_epochs(done, 100) == 0
    room = auto.CUTTING_SECONDS + 60 + 3 * auto.DISTILLED * 30
    assert auto.distillation_epochs(done, room / auto.SURE + 1) == 3
    assert auto.distillation_epochs(RunRecord(), 10_000) == 0


def test_most_of_the_time_is_for_the_search() -> None:
    assert auto.search_minutes(20) == 11
    assert auto.search_minutes(0.1) == auto.LEAST_SEARCH


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "remarks.csv", made_up_rows(400))
    return "remarks.csv"


def test_another_ones_spec_is_not_overwritten(rows: str) -> None:
    Path("remarks.yaml").write_text("name: mine")
    done = RUNNER.invoke(app, ["auto", rows, "--minutes", "5"])
    assert isinstance(done.exception, SpecError)
    assert Path("remarks.yaml").read_text() == "name: mine"


LONG = "/home/maria/feedback/2026/exports/incoming/" + "reviews-without-duplicates-" * 4 + ".csv"
FILES = [[LONG], ["some rows.csv", LONG], [f"reviews-{number}.csv" for number in range(90)]]


@pytest.mark.parametrize("files", FILES, ids=["a long path", "blanks", "many files"])
def test_a_command_of_any_length_knows_its_own_spec(files: list[str], tmp_path: Path) -> None:
    command, *others = (f"bertworks auto {shlex.join(files)} --minutes {n}" for n in (5, 50, 6))
    found = Composed({"name": "remarks", "data": {"sources": [{"uri": "rows.csv"}]}}, [], 9, True)
    save(found, spec := tmp_path / "remarks.yaml", command)
    assert was_written_by(command, spec)
    spec.write_text(spec.read_text() + "finetune: {epochs: 2}\n")
    assert was_written_by(command, spec)
    assert not any(was_written_by(other, spec) for other in others)
    assert not was_written_by(command, tmp_path / "none.yaml")


def test_time_that_was_missed_is_told() -> None:
    assert auto.time_taken(3.99, 4) == "took 4.0 of 4 minutes"
    assert auto.time_taken(4.9, 4) == "took 4.9 minutes: 0.9 (23%) more than the 4 of --minutes"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_one_command_makes_an_agent_and_again_takes_it_from_the_cache(
    tmp_path: Path, bertworks: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    write_rows(tmp_path / "remarks.csv", made_up_rows(400))
    command = ["auto", "remarks.csv", "--minutes", "20", *(f"--set={one}" for one in TINY)]
    done = bertworks(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    spec = yaml.safe_load((tmp_path / "remarks.yaml").read_text())
    assert spec["tune"] == {"minutes": 11.0} and spec["task"]["type"] == "classification"
    for said in ("epochs of distillation", "talk to it:", "of 20 minutes", "classification"):
        assert said in done.stdout
    store = Store(str(tmp_path / ".bertworks/models"))
    assert [one.state for one in store.list("remarks")] == ["passed", "passed"]
    again = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *command], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert len(store.list("remarks")) == 2
