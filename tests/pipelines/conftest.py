"""The command line in a process of its own, and one run of the tiny agent for all tests."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_agent import PATIENCE, REPOSITORY, SPEC, made_up_rows, write_rows

sys.path.insert(0, str(Path(__file__).parent.parent / "helpers"))


@pytest.fixture(scope="session")
def bertworks(warm_python: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command line in a process of its own."""

    def call(
        *arguments: str, cwd: Path, environment: dict[str, str] | None = None, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [warm_python, "-m", "pipelines.cli", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(environment or {})},
            input=text,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    return call


@pytest.fixture(scope="session")
def tiny_run(
    tmp_path_factory: pytest.TempPathFactory, bertworks: Callable[..., subprocess.CompletedProcess]
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The whole DAG, run once for all tests of the session: its folder and its outcome."""
    folder = tmp_path_factory.mktemp("tiny")
    write_rows(folder / "rows.csv", made_up_rows(400))
    # 0.10 MB in float32, 0.05 in int8: without the limit the clock chooses, each time anew.
    spec = SPEC.replace("beat_floor: false}", "beat_floor: false, max_size_mb: 0.08}")
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    return folder, bertworks("run", "spec.yaml", cwd=folder)
