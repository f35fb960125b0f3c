"""kill -9 of any process at any moment, then the same command: the result is the undisturbed one."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_agent import PATIENCE, REPOSITORY, SPEC, made_up_rows, write_rows

pytestmark = pytest.mark.slow


def start(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "run", "spec.yaml"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def family(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += family(int(child))
    return found


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def all_end(processes: list[int]) -> bool:
    """Waits until they have, and no longer than a whole run takes."""
    deadline = time.monotonic() + PATIENCE
    while any(map(alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not any(map(alive, processes))


def finetuned(folder: Path) -> bytes:
    newest = sorted((folder / ".bertworks/runs").iterdir())[-1]
    record = json.loads((newest / "run.json").read_text("utf-8"))
    return (Path(record["artifacts"]["model"]) / "model.safetensors").read_bytes()


def prepare(folder: Path) -> None:
    write_rows(folder / "rows.csv", made_up_rows(400))
    (folder / "spec.yaml").write_text(SPEC, encoding="utf-8")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("undisturbed")
    prepare(folder)
    done = start(folder)
    said, _ = done.communicate(timeout=PATIENCE)
    assert done.returncode == 0, said
    return finetuned(folder)


@pytest.mark.parametrize("victim", ["command", "runner", "step"])
def test_killed_again_and_again(tmp_path: Path, undisturbed: bytes, victim: str) -> None:
    prepare(tmp_path)
    chance = random.Random(victim)
    for _ in range(4):
        command = start(tmp_path)
        deadline = time.monotonic() + chance.uniform(3, 35)
        while time.monotonic() < deadline and command.poll() is None:
            time.sleep(0.1)
        if command.poll() is not None:
            break
        processes = family(command.pid)
        target = {"command": 0, "runner": 1, "step": -1}[victim]
        os.kill(processes[min(target, len(processes) - 1)], signal.SIGKILL)
        said, _ = command.communicate(timeout=PATIENCE)
        assert command.returncode != 0, said
        assert all_end(processes), "a step outlived its runner"
    last = start(tmp_path)
    said, _ = last.communicate(timeout=PATIENCE)
    assert last.returncode == 0, said
    assert finetuned(tmp_path) == undisturbed


def test_killed_in_the_middle_of_training(tmp_path: Path, undisturbed: bytes) -> None:
    prepare(tmp_path)
    command = start(tmp_path)
    checkpoints = tmp_path / ".bertworks/checkpoints"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not any(
        file.is_file() and ".partial" not in str(file) for file in checkpoints.rglob("*")
    ):
        time.sleep(0.02)
    os.kill(family(command.pid)[-1], signal.SIGKILL)
    said, _ = command.communicate(timeout=PATIENCE)
    assert command.returncode != 0, said
    assert "goes on from the last checkpoint" in said
    last = start(tmp_path)
    said, _ = last.communicate(timeout=PATIENCE)
    assert last.returncode == 0, said
    assert finetuned(tmp_path) == undisturbed


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["interrupt", "terminate"])
def test_an_interrupt_ends_everything_and_says_how_to_go_on(tmp_path: Path, how: int) -> None:
    prepare(tmp_path)
    command = start(tmp_path)
    while len(family(command.pid)) < 3:
        time.sleep(0.1)
    processes = family(command.pid)
    command.send_signal(how)
    said, _ = command.communicate(timeout=PATIENCE)
    assert command.returncode != 0
    assert "The same command goes on from here" in said
    (record,) = (tmp_path / ".bertworks/runs").glob("*/run.json")
    assert json.loads(record.read_text("utf-8"))["state"] == "interrupted"
    assert all_end(processes)
