"""`bertworks auto`: the minutes are spent by what was measured, and one command makes an agent."""

from __future__ import annotations

import math
import os
import random
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_agent import REPOSITORY, made_up_rows, write_rows
from typer.testing import CliRunner

from bertworks.compression.pruning.prune import ASKED, CUTTING, DISTILLED
from bertworks.contracts.runs import RunRecord, RunStep
from bertworks.contracts.tuned import SEARCH_TIMES, TUNED, Chosen, SearchTimes, Trial, Tuned
from bertworks.data.inspection.content import Composed
from bertworks.data.inspection.saving import save, was_written_by
from bertworks.errors import SpecError
from bertworks.spec import file as spec_file
from bertworks.storage.store import Store
from pipelines.box import Box
from pipelines.cli import auto
from pipelines.cli.main import app
from pipelines.local.pacing import ENDING, SURE, Pace
from pipelines.local.record import newest_first
from pipelines.local.root import Root

RUNNER = CliRunner()
TINY = [
    "base={uri: scratch, scratch: {vocab_size: 200, layers: 2, hidden_size: 32, heads: 2, "
    "intermediate_size: 64}}",
    "base.sha256=null", "finetune.learning_rate=0.003", "finetune.batch_size=16",
    "evaluate.bootstrap=50",
    "gates={max_drop: 0.4, beat_floor: false}", "compress.prune.importance_rows=64",
    "compress.prune.speedup=1.3", "compress.quantize={candidates: [onnxruntime-fp32, onnxruntime-int8], "
    "max_drop: 0.3, measure_rows: 32, calibration_rows: 32}",
]  # fmt: skip


def record(folder: Path, epoch: float, behind: float, ended: str = "minutes") -> RunRecord:
    """A run whose search had two trials of three and two epochs."""
    folder.mkdir(exist_ok=True)
    trials = [
        Trial(0, Chosen(epochs=3), [0.5, 0.6, 0.7], 0.7, "complete"),
        Trial(1, Chosen(epochs=2), [0.5, 0.6], 0.6, "halved"),
    ]
    won = Tuned(
        metric="accuracy", best=0, settings=Chosen(), value=0.7, averaged=[0], trials=trials,
        importance={}, ended=ended,
    )  # fmt: skip
    TUNED.write(folder, won)
    SEARCH_TIMES.write(folder, SearchTimes(5 * epoch, [3 * epoch, 2 * epoch]))
    steps = [RunStep("tune", outputs={"tuned": str(folder)}), RunStep("quantize", seconds=behind)]
    return RunRecord(steps=steps)


def test_pruning_is_begun_where_one_epoch_of_distillation_fits(tmp_path: Path) -> None:
    done = record(tmp_path / "tuned", epoch=30, behind=60)
    assert auto.seconds_of_pruning(done) == 60 + CUTTING + (ASKED + DISTILLED) * 30
    # On a machine that is three times as slow, what is not distillation takes three times as long.
    others = [RunStep("validate", seconds=18), RunStep("transform", seconds=21)]
    slow = replace(done, steps=[*done.steps, *others])
    assert auto.seconds_of_pruning(slow) == 60 + 3 * CUTTING + (ASKED + DISTILLED) * 30
    assert auto.seconds_of_pruning(RunRecord()) == math.inf


def test_no_pruning_is_promised_that_the_spec_does_not_ask_for() -> None:
    assert "what is left is for pruning" in auto.spent(pruned=True)
    assert "pruning" not in auto.spent(pruned=False)


def test_time_that_was_missed_or_left_over_is_told(tmp_path: Path) -> None:
    def said(took: float, ended: str = "minutes") -> str:
        return "; ".join(auto.time_taken(took, 4, record(tmp_path / "tuned", 1, 1, ended)))

    assert said(3.99) == "took 4.0 of 4 minutes"
    assert said(4.9) == "took 4.9 minutes: 0.9 (23%) more than the 4 of --minutes"
    assert "ended early: 2 trials, and more of them would not have helped" in said(2.0, "converged")
    assert "ended early: the steps behind the search took less" in said(2.0)


class Clock:
    """Seconds that the test counts."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


BOXES = [
    Box(name="read", section=dict, seconds=2.0),
    Box(name="search", section=dict, seconds=5.0, varies=True),
    Box(name="judge", section=dict, seconds=4.0),
    Box(name="keep", section=dict, seconds=1.0),
]


def test_a_step_is_told_what_is_left_beside_those_behind_it() -> None:
    clock = Clock()
    pace = Pace(BOXES, 1060.0, clock, at_first=lambda: 2.0)
    # Before any has ended the load tells how slow the machine is.
    assert pace.begins("read") == pytest.approx(1060 - SURE * 2 * (10 + ENDING))
    clock.now += 6.0
    assert pace.behind == pytest.approx(SURE * 2 * (10 + ENDING))
    # A step took three times as long as on a quiet machine: so will those behind the search.
    assert pace.begins("search") == pytest.approx(1060 - SURE * 3 * (5 + ENDING))
    clock.now += 30.0
    assert pace.begins("judge") == pytest.approx(1060 - SURE * 3 * (1 + ENDING))
    clock.now += 4.0
    # What the search took tells nothing; what the judge took does.
    assert pace.begins("keep") == pytest.approx(1060 - SURE * 10 / 6 * ENDING)
    assert pace.slowness == pytest.approx(10 / 6)


@pytest.mark.parametrize(("left", "kept"), [(400.0, 100.0), (101.0, 25.25), (90.0, 90.0)])
def test_what_a_search_leaves_is_for_the_smaller_agent_most_of_all(
    left: float, kept: float
) -> None:
    """Or for the steps behind the search, where it is too little to prune with."""
    for again in (True, False):
        clock = Clock()
        boxes = [replace(box, name="tune" if box.varies else box.name) for box in BOXES]
        pace = Pace(boxes, 2000.0, clock, at_first=lambda: 1.0, again=again)
        pace.begins("read")
        clock.now += 2.0
        told = pace.begins("tune")
        assert told == pytest.approx(
            2000 - SURE * (5 + ENDING)
        )  # all of it is the search's to know
        clock.now = 2000.0 - left
        own = kept if again else left
        assert pace.begins("judge") == pytest.approx(clock.now + own - SURE * (1 + ENDING))


@settings(max_examples=30)
@given(slow=st.floats(1, 5), minutes=st.floats(2, 40))
def test_a_run_whose_search_ends_when_it_is_told_keeps_its_minutes(
    slow: float, minutes: float
) -> None:
    """Whatever the machine's speed: 90 to 100 % of the minutes, where the search takes what is left."""
    clock = Clock()
    end = clock.now + 60 * minutes
    pace = Pace(BOXES, end, clock, at_first=lambda: 1.0)
    for box in BOXES:
        until = pace.begins(box.name)
        clock.now = max(clock.now, until) if box.varies else clock.now + box.seconds * slow
    clock.now += slow * ENDING
    assert end - 0.1 * 60 * minutes <= clock.now <= end + 1e-6


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


def test_a_seed_is_the_specs_and_another_seed_is_another_spec(rows: str) -> None:
    """Without a run: the spec that the command writes, and what it says of it."""
    found, spec = auto._spec([rows], 5, None, None, seed=7)
    loaded = spec_file.load(spec).spec
    assert (loaded.seed, loaded.finetune.seed, loaded.tune.seed) == (7, 7, 7)
    assert [(one.value, one.reason) for one in found.decisions if one.subject == "seed"] == [
        ("7", "of all that draws at random: --seed")
    ]
    assert "--minutes 5 --seed 7`" in spec.read_text()
    assert auto._spec([rows], 5, None, None, seed=7)[1] == spec
    with pytest.raises(SpecError, match="is there already"):
        auto._spec([rows], 5, None, None)
    refused = RUNNER.invoke(app, ["auto", rows, "--seed", "-1"])
    assert refused.exit_code == 2 and "seed" in refused.output


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


@pytest.mark.slow
def test_one_command_makes_an_agent_and_again_takes_it_from_the_cache(
    tmp_path: Path, bertworks: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    write_rows(tmp_path / "remarks.csv", made_up_rows(400))
    options = [*(f"--set={one}" for one in TINY), "--set=tune.trials=2"]
    command = ["auto", "remarks.csv", "--minutes", "19", *options]
    done = bertworks(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    spec = yaml.safe_load((tmp_path / "remarks.yaml").read_text())
    assert spec["minutes"] == 19 and spec["tune"] == {"minutes": "auto"}
    assert spec["task"]["type"] == "classification"
    for said in ("as much distillation as fits", "talk to it:", "of 19 minutes", "(tune.trials)"):
        assert said in done.stdout
    store = Store(str(tmp_path / ".bertworks/models"))
    assert [one.state for one in store.list("remarks")] == ["passed", "passed"]
    again = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", *command], cwd=tmp_path, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert len(store.list("remarks")) == 2


@pytest.mark.slow
def test_on_rows_without_a_rule_the_search_fills_its_minutes_and_the_steps_behind_it_fit(
    tmp_path: Path, bertworks: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """The machine may be busy with other things at any time: the clock is told of, not judged here."""
    labels = random.Random(3)
    rows = [(text, labels.choice(["a", "b"])) for text, _ in made_up_rows(400)]
    write_rows(tmp_path / "remarks.csv", rows)
    command = ["auto", "remarks.csv", "--minutes", "3", *(f"--set={one}" for one in TINY)]
    done = bertworks(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = next(newest_first(Root(tmp_path / ".bertworks")))
    tuned = run.step("tune")
    assert tuned is not None
    found = TUNED.read(Path(tuned.outputs["tuned"]))
    assert found.ended in ("minutes", "converged") and found.value >= found.trials[found.best].value
    assert "of 3 minutes" in done.stdout or "of --minutes" in done.stdout
