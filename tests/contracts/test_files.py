"""Files of a type: what is written is read, older ones are migrated, others refused with what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bertworks.contracts import describe
from bertworks.contracts.agent import AGENT, AgentRecord
from bertworks.contracts.bundle import TIMINGS, Times
from bertworks.contracts.confidence import Calibration
from bertworks.contracts.decision import DECISION, Decision
from bertworks.contracts.examples import CHANGED, CORPUS, EXAMPLES
from bertworks.contracts.files import File, to_json
from bertworks.contracts.history import HISTORY
from bertworks.contracts.latency import LATENCY
from bertworks.contracts.metrics import CONFUSION, ERRORS, FLOOR, METRICS, REPORT
from bertworks.contracts.registered import REGISTERED
from bertworks.contracts.retraining import COMPARISON, OUTCOME
from bertworks.contracts.runs import RUN
from bertworks.contracts.statistics import CHECKS, PROFILE
from bertworks.contracts.tokens import TOKENS
from bertworks.contracts.versions import CHAMPION, RECORD
from bertworks.errors import ArtifactError
from bertworks.evaluation.confidence.fitting import NEVER
from bertworks.spec import Confidence, Task

REPOSITORY = Path(__file__).parents[2]
KEPT: list[tuple[str, File[Any]]] = [
    ("**/finetune/model", HISTORY), ("**/finetune/model", AGENT), ("**/prune/pruned", HISTORY),
    ("**/prune/pruned", AGENT), ("**/bundle", TIMINGS), ("**/bundle", AGENT),
    ("**/ingest/examples", EXAMPLES), ("**/ingest/corpus", CORPUS), ("**/rejected", CHANGED),
    ("**/tokens", TOKENS), ("**/statistics", PROFILE), ("**/outcome", OUTCOME),
    ("**/comparison", COMPARISON), ("**/decision", DECISION), ("**/registered", REGISTERED),
    ("models/tiny", CHAMPION), ("models/tiny/versions/*", RECORD),
]  # fmt: skip


def same(file: Path, kind: File[Any]) -> None:
    """What is read of a file and written again is the same."""
    before = json.loads(file.read_text("utf-8"))
    if kind is RECORD:  # a refused bundle's tells nothing of how it was made
        before["facts"] = {"challenged": None, "recipe": None, **before["facts"]}
    if isinstance(before, dict) and "task" in before:  # it could not read what was said before
        before["task"] = {"context": False, **before["task"]}
    assert to_json(kind.read(file.parent)) == before, file


@pytest.mark.parametrize(("place", "kind"), KEPT)
def test_what_version_0_1_wrote_is_written_alike(
    unpacked: Path, place: str, kind: File[Any]
) -> None:
    folders = [one for one in unpacked.glob(place) if (one / kind.name).is_file()]
    assert folders
    for folder in folders:
        same(folder / kind.name, kind)


@pytest.mark.parametrize("kind", [METRICS, FLOOR, CONFUSION, REPORT, ERRORS, LATENCY, CHECKS])
def test_measurements_of_version_0_1_are_written_alike(unpacked: Path, kind: File[Any]) -> None:
    files = list(unpacked.glob(f"**/metrics/{kind.name}")) or list(unpacked.glob(f"**/{kind.name}"))
    assert files
    for file in files:
        same(file, kind)


def test_a_run_of_version_0_1_is_read(unpacked: Path) -> None:
    for file in unpacked.glob("runs/*/run.json"):
        run = RUN.read(file.parent)
        assert run.state == "succeeded" and len(run.steps) > 8
        assert any(step.told() for step in run.steps)


def test_older_forms_are_migrated() -> None:
    old = DECISION.of({"passed": True, "metric": "f1", "rules": [], "reasons": []}, "decision.json")
    assert old == Decision(True, "f1", [], []) and old.outcome == "promoted"
    refused = {"passed": False, "metric": "f1", "rules": [], "reasons": ["too slow"]}
    assert DECISION.of(refused, "decision.json").outcome == "refused"
    record = {"digest": "d", "state": "passed", "metrics": [], "decision": refused, "format": 1}
    assert RECORD.of(record, "record.json").decision.outcome == "refused"
    plain = {"task": {"type": "tagging"}, "max_length": 16}
    agent = AGENT.of({**plain, "candidates": [{"name": "x", "p95_ms": 2.0}]}, "agent.json")
    assert agent.candidates and agent.candidates[0].times == Times(p95_ms=2.0)
    assert agent.task.long_text == "cut" and agent.task.max_length == 16 and agent.clean is None
    assert agent.calibration is None and agent.temperature == 1.0 and agent.format == 1
    speed = LATENCY.of({"p50_ms": 1.0, "p95_ms": 2.0}, "latency.json")
    assert speed.quiet_p95_ms == 2.0 and not speed.load.busy


def test_how_sure_an_agent_is_is_read_as_it_was_written() -> None:
    asked = Confidence.model_validate({"abstain": {"precision": 0.9}, "conformal": 0.8})
    known = Calibration(200, 0.71, asked, confident_from=NEVER, set_from=0.125)
    record = AgentRecord(Task(), 16, ["a", "b"], calibration=known)
    again = AGENT.of(to_json(record), "agent.json")
    assert again.calibration == known and again.temperature == 0.71 and again.format == 2
    with pytest.raises(
        ArtifactError, match="its format is 3, this version of bertworks reads 1 to 2"
    ):
        AGENT.of({**to_json(record), "format": 3}, "agent.json")
    wrong = to_json(record)
    wrong["calibration"]["temperature"] = "warm"
    with pytest.raises(ArtifactError, match=r"calibration\.temperature"):
        AGENT.of(wrong, "agent.json")


@pytest.mark.parametrize("version", [2, 0, "1", True, None])
def test_a_later_version_is_refused_with_what_to_do(version: object) -> None:
    with pytest.raises(ArtifactError, match=r"place/outcome\.json cannot be read: its format is"):
        OUTCOME.of({"format": version, "text": "x"}, "place/outcome.json")
    with pytest.raises(ArtifactError) as caught:
        RUN.of({"format": 9}, "run.json")
    assert "Use the version of bertworks that wrote it" in caught.value.fix


@pytest.mark.parametrize(
    ("kind", "value", "told"),
    [
        (METRICS, [{"name": "f1", "value": "0.5"}], "0.value: Input should be a valid number"),
        (METRICS, [{"name": "f1"}], "0.value is missing"),
        (METRICS, {"name": "f1"}, "Received: {'name': 'f1'}"),
        (
            CONFUSION,
            {"labels": ["a"], "matrix": [["x"]]},
            "matrix.0.0: Input should be a valid int",
        ),
        (DECISION, {"passed": 1, "metric": "f1", "rules": [], "reasons": []}, "passed: Input"),
        (DECISION, [], "Input should be an object"),
        (OUTCOME, {"text": "a: b", "run": "r", "time": "t", "outcome": "odd"}, "outcome: Input"),
    ],
)
def test_what_does_not_fit_names_file_field_rule_and_value(
    kind: File[Any], value: object, told: str
) -> None:
    with pytest.raises(ArtifactError, match=f"some/{kind.name} cannot be read") as caught:
        kind.of(value, f"some/{kind.name}")
    assert told in caught.value.message and caught.value.fix


def test_a_file_that_is_not_there_or_no_json_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"decision\.json cannot be read: No such file"):
        DECISION.read(tmp_path)
    (tmp_path / "decision.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"decision\.json cannot be read: Expecting"):
        DECISION.read(tmp_path)


def test_the_page_of_artifacts_is_what_the_types_say() -> None:
    prose = (REPOSITORY / "docs/artifacts.md.in").read_text("utf-8")
    kept = (REPOSITORY / "docs/artifacts.md").read_text("utf-8")
    assert describe.page(prose) == kept, "run: make docs"
    with pytest.raises(KeyError, match=r"metrics\.FLOOR"):
        describe.page(prose.replace("{{metrics.FLOOR}}", ""))


def test_types_load_no_library() -> None:
    """What checks files is loaded with the first file."""
    code = (
        "import sys\nfrom bertworks.contracts import bundle, decision, metrics, retraining, versions\n"
        "print({'pydantic', 'numpy', 'tensorflow'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
