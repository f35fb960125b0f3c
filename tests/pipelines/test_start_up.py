"""Starting is quick: what is imported tells it on any machine; `make bench-start-up` times it."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


def imported(program: str) -> set[str]:
    """The modules that a fresh interpreter holds after a program."""
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nimport sys; print('modules', *sys.modules)"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_the_library_itself_imports_next_to_nothing() -> None:
    ours = imported("import bertworks") - imported("pass")
    assert len(ours) < 20, sorted(ours)


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["schedule", "--help"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    program = f"import sys; sys.argv = ['bertworks', *{words}]\n"
    found = imported(f"{program}from pipelines.cli.main import app\napp(standalone_mode=False)")
    heavy = {"tensorflow", "keras", "kfp", "pandas", "numpy", "apache_beam", "bertworks.spec"}
    assert not heavy & found
    assert len(found) < 700, "each hundred modules more are felt"
