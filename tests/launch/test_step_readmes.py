"""The Python that each step's README shows is true of that step, and of every step there is."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from components.contract import StepSection

REPOSITORY = Path(__file__).parents[2]
STEPS = sorted(file.parent.name for file in REPOSITORY.glob("components/*/step.py"))
CHEAP = {"notify"}  # needs nothing that another step makes


def blocks(step: str) -> list[str]:
    text = (REPOSITORY / "components" / step / "README.md").read_text("utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)


@pytest.mark.parametrize("step", STEPS)
def test_what_a_readme_shows_fits_the_step(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each example is run, up to the step's own work."""
    module = importlib.import_module(f"components.{step}.step")
    section, signature, calls = module.Section, inspect.signature(module.run), []
    known = {field.alias or name for name, field in section.model_fields.items()}

    def made(**given: Any) -> StepSection:
        assert {*given} <= known  # what is not known would be left out without a word
        return section(**given)

    def called(*positional: Any, **paths: Any) -> None:
        bound = signature.bind(*positional, **paths).arguments
        assert isinstance(bound.pop("section"), section)
        # What takes any number of artifacts has them by name.
        given = [
            one
            for value in bound.values()
            for one in (value.values() if isinstance(value, dict) else [value])
        ]
        assert all(isinstance(path, Path) for path in given), bound
        calls.append(step)

    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(module, "Section", made)
    monkeypatch.setattr(module, "run", called)
    for block in blocks(step):
        exec(compile(block, f"components/{step}/README.md", "exec"), {})
    assert calls


@pytest.mark.parametrize("step", sorted(CHEAP))
def test_an_example_that_needs_no_other_step_runs_as_it_stands(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks(step):
        exec(compile(block, f"components/{step}/README.md", "exec"), {})
    assert (tmp_path / "outcome/outcome.json").is_file()
