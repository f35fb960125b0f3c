"""The TFX command in a process of its own, and one run of the tiny agent for all tests here."""

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from tiny_agent import PATIENCE, REPOSITORY, SPEC, made_up_rows, write_rows

sys.path.insert(0, str(Path(__file__).parent))

from tfx_runs import Done, Run

NO_TFX = "tfx is not installed: its wheels need glibc 2.39 or newer (make tfx-test runs these)"


@pytest.fixture(scope="session")
def tfx_agent() -> Callable[..., Done]:
    """Runs `python -m pipelines.tfx.agent` in a process of its own; skips where there is no tfx."""
    if not find_spec("tfx"):
        pytest.skip(NO_TFX)

    def call(folder: Path, *arguments: str, spec: str = "spec.yaml") -> Done:
        return subprocess.run(
            [sys.executable, "-m", "pipelines.tfx.agent", spec, "--root", "root", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    return call


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, tfx_agent: Callable[..., Done]) -> Run:
    """The whole DAG, run once."""
    folder = tmp_path_factory.mktemp("tfx")
    write_rows(folder / "rows.csv", made_up_rows(400))
    # An int8 graph's answers depend, in their last digits, on which rows share a batch.
    spec = SPEC.replace("[onnxruntime-fp32, onnxruntime-int8]", "[onnxruntime-fp32]")
    assert spec != SPEC
    (folder / "spec.yaml").write_text(spec, encoding="utf-8")
    done = tfx_agent(folder)
    assert done.returncode == 0, done.stderr[-4000:]
    return Run(folder, done)
