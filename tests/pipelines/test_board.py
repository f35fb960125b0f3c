"""`bertworks board`: training curves as TensorBoard reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bertworks.contracts.history import Point, Timings
from bertworks.contracts.runs import RUN, RunRecord, RunStep
from bertworks.contracts.tuned import SEARCH_TIMES, TUNED, Chosen, SearchTimes, Trial, Tuned
from bertworks.storage.history import write_history
from pipelines.cli import main as cli
from pipelines.local.board import EVENTS, write_events

Called = Callable[..., tuple[int, str, str]]
POINTS = [
    Point(10, 0.5, "train", "loss", 0.75),
    Point(20, 1.0, "train", "loss", 0.5),
    Point(20, 1.0, "validation", "accuracy", 0.875),
    Point(20, 1.0, "validation, averaged", "accuracy", 0.9375),
]


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    """A run that has searched and fine-tuned, and whose distillation's artifact is gone."""
    model, tuned = tmp_path / "made/model", tmp_path / "made/tuned"
    model.mkdir(parents=True)
    tuned.mkdir()
    write_history(model, POINTS, Timings(seconds=8.0))
    trials = [
        Trial(0, Chosen(), [0.5, 0.75], 0.75, "complete"),
        Trial(1, Chosen(learning_rate=0.1), [0.25], 0.25, "halved"),
    ]
    TUNED.write(tuned, Tuned("accuracy", 0, Chosen(), 0.75, [0], trials, {}, "trials"))
    SEARCH_TIMES.write(tuned, SearchTimes(6.0, [4.0, 2.0]))
    steps = [
        RunStep("tune", "succeeded", outputs={"tuned": str(tuned)}),
        RunStep("finetune", "cached", outputs={"model": str(model)}),
        RunStep("prune", "succeeded", outputs={"pruned": str(tmp_path / "gone")}),
    ]
    folder = tmp_path / "root/runs/20261126-190922-tiny"
    folder.mkdir(parents=True)
    found = RunRecord(
        id=folder.name, name="tiny", kind="agent", started=1000.0, state="succeeded", steps=steps,
        folder=folder,
    )  # fmt: skip
    RUN.write(folder, found)
    return found


def read(file: Path) -> list[tuple[str, int, float, float]]:
    """(tag, step, value, when) of each event, by TensorFlow's own reader."""
    import tensorflow as tf

    return [
        (value.tag, event.step, value.simple_value, event.wall_time)
        for event in tf.compat.v1.train.summary_iterator(str(file))
        for value in event.summary.value
    ]


def test_the_history_becomes_curves(record: RunRecord) -> None:
    folder = write_events(record)
    assert folder == record.folder / "board"
    files = {str(file.parent.relative_to(folder)): file for file in folder.rglob(EVENTS)}
    assert set(files) == {
        "finetune/train", "finetune/validation", "finetune/validation averaged", "tune/trial 0",
        "tune/trial 1",
    }  # fmt: skip
    assert read(files["finetune/train"]) == [
        ("loss", 10, 0.75, 1004.0),
        ("loss", 20, 0.5, 1008.0),
    ]
    assert read(files["finetune/validation averaged"]) == [("accuracy", 20, 0.9375, 1008.0)]
    assert read(files["tune/trial 0"]) == [
        ("best accuracy so far", 1, 0.5, 1002.0),
        ("best accuracy so far", 2, 0.75, 1004.0),
    ]
    before = {name: file.read_bytes() for name, file in files.items()}
    write_events(record)
    assert {name: file.read_bytes() for name, file in files.items()} == before


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Called:
    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["bertworks", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), *capfd.readouterr()

    return call


def test_tensorboard_is_opened_on_loopback(
    record: RunRecord, called: Called, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "bin/tensorboard"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "opened $@"\n', encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    root = ("--root", str(tmp_path / "root"))
    code, out, err = called("board", *root)
    assert code == 0, err
    runs = record.folder.parent
    assert f"opened --logdir {runs} --host 127.0.0.1 --port 6006" in out
    code, out, _ = called("board", "latest", "--port", "0", "--host", "::", *root)
    assert f"opened --logdir {record.folder / 'board'} --host :: --port 0" in out


def test_without_tensorboard_the_curves_are_there_all_the_same(
    record: RunRecord, called: Called, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = called("board", "20261126", "--root", str(tmp_path / "root"))
    assert code == 7 and "pip install tensorboard" in err
    assert list((record.folder / "board").rglob(EVENTS))


def test_a_run_without_training_has_no_curves(called: Called, tmp_path: Path) -> None:
    folder = tmp_path / "root/runs/20261126-190922-tiny"
    folder.mkdir(parents=True)
    RUN.write(folder, RunRecord(id=folder.name, name="tiny", kind="agent", state="failed"))
    root = ("--root", str(tmp_path / "root"))
    code, _, err = called("board", "latest", *root)
    assert code == 1 and "has no training curves" in err
    code, _, err = called("board", *root)
    assert code == 1 and "yet" in err
