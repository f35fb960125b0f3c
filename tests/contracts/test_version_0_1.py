"""What version 0.1 wrote is read: its store, its bundles, its artifacts and the records of its runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertworks.errors import ArtifactError, GateRefused
from bertworks.pages.report import page as report
from bertworks.retraining.champion import read_past
from bertworks.runtime.agent import Agent
from bertworks.spec import Base, Retrain, Task
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.outcomes import Outcomes
from bertworks.storage.store import Store
from components.launch import run_step
from pipelines.cli import models as models_cli
from pipelines.cli import retrain as retrain_cli
from pipelines.local.record import latest
from pipelines.local.root import Root

RUN = "20261126-123221-tiny"
TEXTS = {"the plot was lovely and number 7 had a cast": "positive",
         "the score was dreary and number 9 had a pace": "negative"}  # fmt: skip


def test_its_models_are_listed_and_shown(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models_cli.list_models(None, str(root))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["tiny/1", "refused", "accuracy"],
        ["tiny/3", "passed", "accuracy"],
        ["*", "tiny/4", "passed"],
        ["tiny/5", "refused", "accuracy"],
    ]
    assert "accuracy 1.0000" in lines[2] and " MB" in lines[2] and " ms" in lines[2]
    models_cli.show("tiny/4", None, str(root))
    shown = json.loads(capsys.readouterr().out)
    written = json.loads((root / "models/tiny/versions/4/record.json").read_text("utf-8"))
    assert {key: shown[key] for key in written} == written
    assert (shown["version"], shown["champion"]) == (4, True)


def test_its_bundles_answer_as_they_were_measured(root: Path) -> None:
    agent = Agent.load(Store(root / "models").fetch("tiny", 4).path)
    assert [answer["label"] for answer in agent.predict(list(TEXTS))] == list(TEXTS.values())


def test_its_champions_are_rolled_back_and_promoted(root: Path) -> None:
    store = Store(root / "models")
    assert store.rollback("tiny").number == 3
    with pytest.raises(ArtifactError, match="no earlier champion"):
        store.rollback("tiny")
    with pytest.raises(GateRefused, match=r"asks for 0\.6"):
        store.promote("tiny", 1)
    assert store.promote("tiny", 4).champion
    assert store.rollback("tiny").number == 3


def test_its_runs_are_shown_and_reported(root: Path, tmp_path: Path) -> None:
    run = latest(Root(root), RUN)
    report.build(run, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "cannot be shown" not in page and "Passed all gates: tiny version 4" in page
    retraining = latest(Root(root))
    report.build(retraining, tmp_path / "retraining.html")
    page = (tmp_path / "retraining.html").read_text("utf-8")
    assert "cannot be shown" not in page and "The champion stays" in page


def test_its_retrainings_are_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    retrain_cli.outcomes("tiny", None, False, str(root))
    told = capsys.readouterr().out.splitlines()
    assert ["unchanged" in told[0], "kept" in told[1], len(told)] == [True, True, 2]
    retrain_cli.outcomes("tiny", None, True, str(root))
    files = sorted((root / "models/tiny/outcomes").iterdir())
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said == [json.loads(file.read_text("utf-8")) for file in files]


def test_a_retraining_goes_on_from_its_champion(root: Path) -> None:
    sizes = {"layers": 1, "hidden_size": 32, "heads": 2, "intermediate_size": 64}
    base = Base.model_validate({"uri": "scratch", "scratch": {"vocab_size": 120, **sizes}})
    past = read_past(Store(root / "models"), "tiny", Task(max_length=24), base, Retrain(), "r")
    assert past.champion is not None and past.champion.number == 4 and not past.notes
    assert past.model is not None and past.examples is not None


def test_its_bundle_is_gated_against_its_champion(root: Path, tmp_path: Path) -> None:
    """The bundle of version 4 against version 3, by the artifacts and the section of its run."""
    store = Store(root / "models")
    store.rollback("tiny")
    gate = next(step for step in _steps(root, RUN) if step["name"] == "gate")
    section = json.loads(gate["section"])
    section["settings"]["gates"]["beat_champion"] = True
    run_step(
        "gate",
        json.dumps(section),
        {name: Path(path) for name, path in gate["inputs"].items()},
        {"decision": tmp_path / "decision"},
    )
    found = open_artifact(tmp_path / "decision").json("decision.json")
    assert found["champion"]["version"] == 3
    assert found["champion"]["difference"]["value"] == pytest.approx(33 / 56)
    assert {rule["name"]: rule["passed"] for rule in found["rules"]} == {
        "minimum": True, "max_drop": True, "max_latency_ms": True, "max_size_mb": True,
        "beat_champion": True,
    }  # fmt: skip


def test_its_outcomes_and_notes_have_one_form(root: Path) -> None:
    assert len(Outcomes(str(root / "models"), "tiny").every()) == 2


def _steps(root: Path, run: str) -> list[dict]:
    return json.loads((root / "runs" / run / "run.json").read_text("utf-8"))["steps"]
