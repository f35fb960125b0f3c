"""The Python that tests share runs a command as a fresh one does: streams, signals, environment, end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_agent import REPOSITORY

SAYS = """
import os, sys
print(os.getpid(), os.environ["GIVEN"], os.getcwd(), *sys.argv[1:], sys.stdin.read())
print("tensorflow" in sys.modules, __name__, sys.executable, file=sys.stderr)
os.write(int(sys.argv[1]), b"passed on")
sys.exit(int(sys.argv[2]))
"""
WAITS = """
import subprocess, sys, threading
other = subprocess.Popen(["sleep", "1000"])
print(other.pid, flush=True)
threading.Event().wait()
"""


@pytest.fixture(autouse=True)
def is_there(warm_python: str) -> None:
    if warm_python == sys.executable:
        pytest.skip("the folder for temporary files has too long a path for a socket")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return tmp_path / "program.py"


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY), **more}


@pytest.mark.parametrize(
    "folder", ["", "elsewhere"], ids=["warm", "with-modules-of-another-folder"]
)
def test_a_program_has_what_it_was_given(
    warm_python: str, program: Path, tmp_path: Path, folder: str
) -> None:
    program.write_text(SAYS, "utf-8")
    here, there = os.pipe()
    (tmp_path / "cwd").mkdir()
    command = [warm_python, program, str(there), "7"]
    given = environment(GIVEN="of the test")
    if folder:
        given["PYTHONPATH"] = str(tmp_path / folder)
    done = subprocess.run(
        command, input="typed", capture_output=True, text=True, pass_fds=[there],
        cwd=tmp_path / "cwd", env=given,
    )  # fmt: skip
    os.close(there)
    with open(here, "rb") as passed:
        assert passed.read() == b"passed on"
    assert done.returncode == 7, done.stderr
    number, *rest = done.stdout.split()
    assert rest == ["of", "the", "test", str(tmp_path / "cwd"), str(there), "7", "typed"]
    assert int(number) != os.getpid()
    if folder:
        assert done.stderr.split() == ["False", "__main__", sys.executable]
    else:
        assert done.stderr.split() == ["True", "__main__", warm_python]


def test_a_module_of_the_project_is_run_and_its_failure_told(
    warm_python: str, tmp_path: Path
) -> None:
    command = [warm_python, "-m", "pipelines.cli", "run", "none.yaml"]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True)
    assert done.returncode == 2 and "none.yaml" in done.stderr and "fix:" in done.stderr


@pytest.mark.parametrize("text", ["raise ValueError('broken')", "import sys; sys.exit('broken')"])
def test_an_error_ends_it_with_one(warm_python: str, program: Path, text: str) -> None:
    program.write_text(text, "utf-8")
    done = subprocess.run(
        [warm_python, program], env=environment(), stderr=subprocess.PIPE, text=True
    )
    assert done.returncode == 1 and done.stderr.strip().endswith("broken")


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_it_ends_as_what_stands_for_it_is_ended(
    warm_python: str, program: Path, how: signal.Signals
) -> None:
    program.write_text(WAITS, "utf-8")
    command = subprocess.Popen([warm_python, program], stdout=subprocess.PIPE, env=environment())
    assert command.stdout is not None
    other = int(command.stdout.readline())
    command.send_signal(how)
    assert command.wait(300) == -how
    if how == signal.SIGKILL:  # with all that it started
        assert command.stdout.read() == b""
    else:
        os.kill(other, signal.SIGKILL)
    command.stdout.close()
