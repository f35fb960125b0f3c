"""A learning that is killed and started again ends with the same bytes as one that was not disturbed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bertworks.dialogue import building, bundle, learner
from bertworks.dialogue.policies.graph import Graph
from bertworks.spec.dialogue import DialogueSpec
from bertworks.spec.file import load_as
from bertworks.storage.checkpoints import LATEST, Checkpoints
from components.prepare_dialogue import step as prepare
from tests.dialogue.helpers import FILE
from tests.dialogue.test_learning import PYTHON, ROOT, SPEC


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    (tmp_path / "town.yaml").write_text(SPEC)
    return tmp_path / "town.yaml"


@pytest.fixture
def python() -> str:
    if not PYTHON.exists():
        pytest.skip(f"{PYTHON} is not there: make .venv-dialogue/.done")
    return str(PYTHON)


def started(command: list[str], checkpoints: object = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("BERTWORKS_CHECKPOINTS", None)
    if checkpoints is not None:
        environment["BERTWORKS_CHECKPOINTS"] = str(checkpoints)
    return subprocess.Popen(
        command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        encoding="utf-8",
    )  # fmt: skip


def finished(process: subprocess.Popen[str]) -> str:
    said = process.communicate()[0]
    assert process.returncode == 0, said[-2000:]
    return said


def standing(checkpoints: Path) -> dict[str, Any]:
    """What the last checkpoint says; nothing where there is none."""
    for latest in checkpoints.glob(f"*/{LATEST}"):
        found = Checkpoints(latest.parent).load()
        return dict(found[0]) if found is not None else {}
    return {}


def killed(
    process: subprocess.Popen[str], checkpoints: Path, when: Callable[[dict[str, Any]], bool]
) -> None:
    """Kills a process by SIGKILL, soon after its checkpoint says what is waited for."""
    while not when(standing(checkpoints)):
        assert process.poll() is None, process.communicate()[0][-2000:]
        time.sleep(0.01)
    time.sleep(random.uniform(0.0, 0.3))
    process.kill()
    process.communicate()


def learns(found: dict[str, Any]) -> bool:
    return (found.get("steps") or 0) > 0


@pytest.mark.slow
def test_a_killed_learning_ends_as_an_undisturbed_one(
    spec: Path, tmp_path: Path, python: str
) -> None:
    """Killed while it imitates, and while it learns with simulated users."""
    kept, whole, cut = tmp_path / "kept", tmp_path / "whole.onnx", tmp_path / "cut.onnx"
    script = str(Path(__file__).with_name("resumed.py"))
    command = [python, script, str(spec)]
    undisturbed = started([*command, str(whole)])
    killed(started([*command, str(cut)], kept), kept, lambda found: found.get("epochs", 0) > 0)
    killed(started([*command, str(cut)], kept), kept, learns)
    assert not cut.exists()
    assert "goes on from a checkpoint, after " in finished(started([*command, str(cut)], kept))
    finished(undisturbed)
    assert whole.read_bytes() == cut.read_bytes()
    domain = building.domain_of(load_as(DialogueSpec, spec).dialogue)
    facts = Graph(cut, domain).facts
    assert facts["kept"] > 0 and len(facts["checks"]) > 2  # and not the start alone


STEP = """
import sys
from pathlib import Path
from components.learn_policy import step
step.run(step.Section(), dialogue=Path(sys.argv[1]), learned=Path(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("place", ["", "local://"])
def test_a_killed_step_goes_on_and_leaves_nothing_behind(
    spec: Path, tmp_path: Path, python: str, place: str
) -> None:
    """The step itself, whose end is that of the process that learns for it; in a bucket, too."""
    said = load_as(DialogueSpec, spec, ["dialogue.learn.steps=8192"]).dialogue
    prepare.run(
        prepare.Section(name="town", dialogue=said.model_dump_json(), spec_folder=str(tmp_path)),
        dialogue=tmp_path / "dialogue",
    )
    kept = tmp_path / "kept"
    assert learner.learner()[-1] == python
    command = [sys.executable, "-c", STEP, str(tmp_path / "dialogue"), str(tmp_path / "learned")]
    first = started(command, f"{place}{kept}")
    while not list(kept.glob("*/latest.json" if place else f"*/{LATEST}")):
        assert first.poll() is None, first.communicate()[0][-2000:]
        time.sleep(0.01)
    first.kill()
    first.communicate()
    assert not (tmp_path / "learned").exists()
    output = finished(started(command, f"{place}{kept}"))
    assert "goes on from a checkpoint, after " in output and "imitated its start" in output
    assert not list(kept.iterdir())
    assert bundle.open_dialogue(tmp_path / "learned").talk.learned
