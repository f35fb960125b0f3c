"""What `pip install .` installs is what the checkout has."""

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.tiny_model import bundle_of, make_model

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("bertworks", "components", "pipelines")
OURS = re.compile(
    r"^\s*from ((?:bertworks|components|pipelines)(?:\.\w+)*) import ([\w, ]+)$", re.M
)
THREE_LINES = """
import sys
from bertworks import Agent
import bertworks, pipelines.facade
assert bertworks.__file__.startswith(sys.argv[1]), bertworks.__file__
assert pipelines.facade.__file__.startswith(sys.argv[1]), pipelines.facade.__file__
agent = {make}
print(agent.predict(["the plot was lovely and number 1 had a cast"])[0]["label"])
print(*(name for name in ("tensorflow", "kfp") if name in sys.modules))
"""


def sources() -> Iterator[str]:
    """Every file of the packages that a program may read."""
    for package in PACKAGES:
        for file in (REPOSITORY / package).rglob("*"):
            if file.is_file() and file.suffix not in (".pyc", ".md"):
                yield str(file.relative_to(REPOSITORY))


def called(code: str, installed: Path, elsewhere: Path, *arguments: str) -> list[str]:
    """What a program prints that finds the installed packages alone, started in another folder."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(installed), *arguments],
        cwd=elsewhere, env={**os.environ, "PYTHONPATH": str(installed)}, capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_what_is_offered_is_imported_when_it_is_asked_for(tmp_path: Path) -> None:
    code = """
import sys, bertworks
print(*(name for name in sys.modules if name.startswith("bertworks.")))
from bertworks import GateRefused, StepFailed
from bertworks.errors import BertworksError
print(issubclass(GateRefused, BertworksError), issubclass(StepFailed, BertworksError))
print("pydantic" in sys.modules, sorted({*bertworks.__all__} - {*dir(bertworks)}))
"""
    assert called(code, REPOSITORY, tmp_path) == ["", "True True", "False []"]


def test_every_file_is_packaged_and_an_agent_loads_from_there(tmp_path: Path) -> None:
    build = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path / "lib")]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    missing = [name for name in sources() if not (tmp_path / "lib" / name).is_file()]
    assert not missing
    manifests = (REPOSITORY / "k8s/serving").rglob("*.yaml")
    kept = tmp_path / "lib/components/deploy/serving"
    assert all((kept / one.relative_to(REPOSITORY / "k8s/serving")).is_file() for one in manifests)
    model = make_model(tmp_path / "model", {"type": "classification"}, ["bad", "good"])
    bundle = bundle_of(model, tmp_path / "bundle")
    code = THREE_LINES.format(make="Agent.load(sys.argv[2])")
    label, heavy = called(code, tmp_path / "lib", tmp_path, str(bundle))
    assert label in ("bad", "good")
    assert not heavy


WRITTEN = ("bertworks.spec.toy", "components.toy.step")
"""Modules that a test writes itself, see tests/pipelines/toy_step.py."""


def imported_in_texts() -> Iterator[tuple[str, str, str]]:
    """File, module and name of each import in code that tests and benchmarks hand to a process."""
    for file in [*REPOSITORY.glob("tests/**/*.py"), *REPOSITORY.glob("benchmarks/**/*.py")]:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                for module, names in OURS.findall(node.value):
                    if module in WRITTEN:
                        continue
                    for name in re.findall(r"(\w+)(?: as \w+)?(?:,|$)", names):
                        yield str(file.relative_to(REPOSITORY)), module, name


def test_code_in_texts_imports_what_there_is() -> None:
    """No type checker and no linter reads it, and slow tests run seldom."""
    found, missing = list(imported_in_texts()), []
    for file, module, name in found:
        place = REPOSITORY / module.replace(".", "/")
        own = (
            place.with_suffix(".py") if place.with_suffix(".py").exists() else place / "__init__.py"
        )
        inside = [place / f"{name}.py", place / name / "__init__.py"]
        known = own.exists() and re.search(rf"\b{name}\b", own.read_text("utf-8"))
        if not known and not any(one.exists() for one in inside):
            missing.append((file, module, name))
    assert len(found) > 20 and not missing


@pytest.mark.slow
def test_three_lines_from_an_installed_wheel(tmp_path: Path) -> None:
    source, installed = tmp_path / "source", tmp_path / "installed"
    source.mkdir()  # pip builds where the source is
    for name in (*PACKAGES, "k8s", "requirements", "setup.py", "pyproject.toml", "README.md"):
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copyfile
        copy(REPOSITORY / name, source / name)
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(installed), str(source)], check=True)
    shutil.rmtree(source)
    from tests.pipelines.tiny_agent import made_up_rows, write_rows

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    write_rows(elsewhere / "rows.csv", made_up_rows(300))
    made = (
        "Agent.fit('rows.csv', base={'uri': 'scratch', 'scratch': {'vocab_size': 200, 'layers': 2, "
        "'hidden_size': 32, 'heads': 2, 'intermediate_size': 64}}, epochs=12, learning_rate=0.003, "
        "batch_size=16, max_length=32, compress={'prune': {'enabled': False}, 'quantize': "
        "{'candidates': ['onnxruntime-fp32']}}, gates={'beat_floor': False})"
    )
    *_, label, _ = called(THREE_LINES.format(make=made), installed, elsewhere)
    assert label == "positive"
    assert (elsewhere / ".bertworks/models/rows/versions/1").is_dir()
