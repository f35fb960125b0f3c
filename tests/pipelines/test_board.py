"""`bertworks board`: training curves as TensorBoard reads them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from bertworks.contracts.runs import RUN, RunRecord
from pipelines.cli import main as cli
from pipelines.cli.board import TENSORBOARD
from pipelines.local.board import EVENTS, write_events
from pipelines.site import REPOSITORY
from tests.helpers.trained_run import trained_run

Called = Callable[..., tuple[int, str, str]]


@pytest.fixture
def record(tmp_path: Path) -> RunRecord:
    return trained_run(tmp_path)


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
    assert code == 7 and "make board" in err
    pinned = (REPOSITORY / "requirements/board.in").read_text("utf-8")
    assert f"pip install tensorboard=={TENSORBOARD}" in err and f"=={TENSORBOARD}\n" in pinned
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


@pytest.mark.slow
def test_the_page_shows_the_curves_and_the_trials(record: RunRecord, tmp_path: Path) -> None:
    """TensorBoard itself, started by the command, asked as its page asks."""
    write_events(record)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "pipelines.cli", "board", "--port", str(port)]
    with open(tmp_path / "log", "wb") as log:
        board = subprocess.Popen(
            [*command, "--root", str(tmp_path / "root")], cwd=REPOSITORY, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    data = f"http://127.0.0.1:{port}/data"
    wanted = {
        f"{record.id}/board/{name}"
        for name in ("finetune/train", "finetune/validation", "finetune/validation averaged",
                     "tune/trial 0", "tune/trial 1")
    }  # fmt: skip
    try:
        while set(asked(f"{data}/runs") or ()) != wanted:  # it loads while it serves
            assert board.poll() is None, (tmp_path / "log").read_text("utf-8")
            time.sleep(0.2)
        tags = asked(f"{data}/plugin/scalars/tags")
        assert set(tags) == wanted and set(tags[f"{record.id}/board/tune/trial 1"]) == {
            "best accuracy so far"
        }
        named = {"run": f"{record.id}/board/finetune/train", "tag": "loss"}
        points = asked(f"{data}/plugin/scalars/scalars", **named)
        assert [(step, value) for _, step, value in points] == [(10, 0.75), (20, 0.5)]
        assert "<title>TensorBoard</title>" in requests.get(data[:-5], timeout=60).text
    finally:
        os.killpg(board.pid, signal.SIGTERM)
        board.wait()


def asked(url: str, **parameters: str) -> Any:
    """What the page's data API answers; None where nobody does yet."""
    try:
        return requests.get(url, params=parameters, timeout=60).json()
    except requests.ConnectionError:
        return None
