"""What a local run makes of the boxes that are skipped, and of those that only look so."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertworks.errors import BertworksError
from pipelines.graph import Graph
from pipelines.local.events import StepEvent
from pipelines.local.record import Run, Step
from pipelines.local.run import _judge
from tests.helpers.retrain_rows import small_artifact

GRAPH = Graph.named(["ingest", "compare", "validate", "register", "notify"])


def run_with(folder: Path, changed: int) -> Run:
    """A run in which all but the branch has ended well."""
    run = Run(
        folder=folder,
        name="tiny",
        spec={},
        spec_file="",
        kind="retrain",
        steps={box.name: Step.of(box, GRAPH) for box in GRAPH.boxes},
        branches=GRAPH.branches("retrain"),
    )
    for name in ("ingest", "compare", "notify"):
        outputs = {}
        kinds = {"compare": ("comparison", "merged"), "ingest": ("examples",)}.get(name, ())
        for output in kinds:
            small_artifact(folder / name / output, output, {})
            outputs[output] = str(folder / name / output)
        run.apply(StepEvent(name, "started", 1.0, outputs=outputs))
        answer = ("unchanged", "changed")[changed] if name == "compare" else ""
        run.apply(StepEvent(name, "succeeded", 1.0, outputs=outputs, answer=answer))
    return run


def test_nothing_new_skips_the_branch(tmp_path: Path) -> None:
    run = run_with(tmp_path, changed=0)
    assert run.branches["compare"].boxes == ("validate", "register")
    assert {run.steps[name].state for name in ("validate", "register")} == {"skipped"}
    _judge(run, 0, tmp_path / "log")
    assert run.state == "succeeded"
    assert run.artifacts()["examples"] == str(tmp_path / "ingest/examples")


def test_a_branch_that_should_have_run_is_a_failure(tmp_path: Path) -> None:
    """KFP takes a condition that it cannot evaluate for false, and calls the run a success."""
    run = run_with(tmp_path, changed=1)
    (tmp_path / "log").write_text("Condition evaluation failed\n")
    with pytest.raises(BertworksError, match="Step validate failed"):
        _judge(run, 0, tmp_path / "log")
    assert run.state == "failed"
    assert run.artifacts()["examples"] == str(tmp_path / "compare/merged")
