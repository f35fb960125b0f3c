"""A step runs the same in the process that waited for it and in one of its own."""

import importlib.util
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.launch import RUNNER
from pipelines.boxes import TABLE
from pipelines.local.spare import Spares
from pipelines.local.spare_client import ADDRESS, EXECUTOR

COMPONENT = """
import os

def works():
    print("pid", os.getpid(), os.environ["GIVEN"])

def raises():
    raise ValueError("broken")

def ends():
    os._exit(3)
"""


@pytest.fixture
def spares(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spares]:
    monkeypatch.setenv(ADDRESS, "")
    monkeypatch.setenv(RUNNER, str(os.getpid()))
    monkeypatch.setenv("GIVEN", "before the spare")
    made = Spares({"one": [], "two": []})
    monkeypatch.setenv("GIVEN", "by KFP")
    yield made
    made.close()


def starts(spares: Spares, task: str) -> None:
    message = f"Executing task \033[96m'{task}'\033[0m"
    spares.filter(logging.LogRecord("root", logging.INFO, "", 0, message, (), None))


def command(spares: Spares, folder: Path, function: str) -> subprocess.CompletedProcess[str]:
    module = folder / "component.py"
    module.write_text(COMPONENT, encoding="utf-8")
    given = json.dumps({"inputs": {}, "outputs": {"outputFile": str(folder / "out.json")}})
    with spares.in_place_of_python():
        python = sys.executable
    options = f"--component_module_path {module} --executor_input '{given}'"
    return subprocess.run(
        ["sh", "-c", f"{python} -m {EXECUTOR} {options} --function_to_execute {function}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "_KFP_RUNTIME": "true"},
    )


def test_a_step_runs_in_the_spare_with_its_own_environment_and_output(
    spares: Spares, tmp_path: Path
) -> None:
    waiting = spares._ready[1]
    starts(spares, "one")
    done = command(spares, tmp_path, "works")
    assert done.returncode == 0, done.stdout
    assert f"pid {waiting.pid} by KFP" in done.stdout
    assert waiting.wait(10) == 0
    assert spares._ready[1].pid != waiting.pid


@pytest.mark.parametrize(("function", "said"), [("raises", "ValueError: broken"), ("ends", "")])
def test_failures_are_failures(spares: Spares, tmp_path: Path, function: str, said: str) -> None:
    starts(spares, "one")
    done = command(spares, tmp_path, function)
    assert done.returncode == 1
    assert said in done.stdout


def test_a_step_whose_spare_died_runs_in_a_process_of_its_own(
    spares: Spares, tmp_path: Path
) -> None:
    waiting = spares._ready[1]
    starts(spares, "one")
    waiting.kill()
    waiting.wait()
    done = command(spares, tmp_path, "works")
    assert done.returncode == 0, done.stdout
    assert "by KFP" in done.stdout
    assert f"pid {waiting.pid} " not in done.stdout


def test_no_process_is_left(spares: Spares, tmp_path: Path) -> None:
    starts(spares, "one")
    starts(spares, "two")
    assert spares._ready is None
    left = Spares({"one": []})
    left.close()
    assert left._ready[1].poll() is not None


def test_a_step_that_ended_is_no_zombie(spares: Spares, tmp_path: Path) -> None:
    """Whoever waits for its pid finds that it was waited for."""
    pid = spares._ready[1].pid
    starts(spares, "one")
    assert command(spares, tmp_path, "works").returncode == 0
    deadline = time.monotonic() + 300
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, Path(f"/proc/{pid}/status").read_text()
        time.sleep(0.05)


def test_a_spare_ends_with_its_runner() -> None:
    code = (
        "import os\nos.environ['BERTWORKS_RUNNER_PID'] = str(os.getpid())\n"
        "from pipelines.local.spare import Spares\n"
        "print(Spares({'one': []})._ready[1].pid, flush=True)\nos._exit(0)"
    )
    made = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True
    )
    status = Path(f"/proc/{made.stdout.strip()}/status")
    deadline = time.monotonic() + 300
    while status.exists() and "State:\tZ" not in status.read_text():
        assert time.monotonic() < deadline, "the spare outlived its runner"
        time.sleep(0.05)


def test_what_is_imported_ahead_exists() -> None:
    for box in TABLE:
        for module in box.imports:
            assert importlib.util.find_spec(module), module
