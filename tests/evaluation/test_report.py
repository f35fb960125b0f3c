"""The report: whole, partial and failed runs; nothing in it runs or loads."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gate_rules import gate_section

from bertworks.contracts.runs import RUN, RunStep
from bertworks.contracts.tuned import SEARCH_TIMES, TUNED, Chosen, SearchTimes, Trial, Tuned
from bertworks.pages.report import page as report
from bertworks.pages.report.dag import draw, section
from bertworks.progress import duration
from bertworks.storage import artifacts
from pipelines.graph import Graph
from tests.evaluation.conftest import evaluate_both
from tests.helpers import browser
from tests.helpers.steps import gate, register

STEPS = ["ingest", "validate", "transform", "finetune", "evaluate", "prune", "quantize",
         "evaluate-bundle", "gate", "register"]  # fmt: skip
pytestmark = pytest.mark.usefixtures("few_rows_timed")
EVIL = "<script>alert(1)</script><img src=http://x.invalid/a>"


def steps(**states: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "state": states.get(name, "succeeded"), "seconds": 1.5, "cached": False,
         "message": ""}
        for name in STEPS
    ]  # fmt: skip


@pytest.fixture
def run(evaluated: Any, tmp_path: Path) -> dict[str, Any]:
    """A finished run of a tiny agent."""
    return finished(evaluated, tmp_path)


def finished(given: Any, folder: Path) -> dict[str, Any]:
    section = gate_section(folder / "store", given.task, max_drop=1.0)
    gate(
        section, bundle=given.bundle, bundle_metrics=folder / "bundle_metrics",
        model_metrics=folder / "model_metrics", examples=given.examples,
        decision=folder / "decision",
    )  # fmt: skip
    register(
        section, bundle=given.bundle, decision=folder / "decision",
        metrics=folder / "bundle_metrics", model=given.model, examples=given.examples,
        registered=folder / "registered",
    )  # fmt: skip
    with artifacts.write(folder / "statistics", kind="statistics", producer="test") as inside:
        check = {"name": "too_long", "severity": "warning", "passed": False, "message": EVIL,
                 "rows": [], "value": 0.5, "limit": 0.05}  # fmt: skip
        artifacts.write_json(inside / "checks.json", [check])
    with artifacts.write(folder / "tuned", kind="tuned", producer="test") as inside:
        trials = [
            Trial(0, Chosen(epochs=2, dropout=0.1), [0.5, 0.75], 0.75, "complete"),
            Trial(1, Chosen(epochs=3, dropout=0.2), [0.25], 0.25, "halved"),
        ]
        shares = {"dropout": 1.0}
        found = Tuned("accuracy", 0, trials[0].settings, 0.8, [0, 1], trials, shares, "trials")
        TUNED.write(inside, found)
        SEARCH_TIMES.write(inside, SearchTimes(75.0, [50.0, 25.0]))
    names = (
        "model_metrics", "bundle_metrics", "decision", "registered", "statistics", "tuned",
    )  # fmt: skip
    return {
        "name": "tiny",
        "spec": {"description": "d", "task": given.task.model_dump(), "gates": section["gates"]},
        "started": 1_800_000_000.0,
        "seconds": 75.0,
        "steps": steps(),
        "artifacts": {
            "examples": str(given.examples), "tokens": str(given.tokens),
            "model": str(given.model), "bundle": str(given.bundle),
            **{name: str(folder / name) for name in names},
        },
    }  # fmt: skip


def built(run: dict[str, Any], folder: Path) -> str:
    report.build(run, folder / "report.html")
    return (folder / "report.html").read_text(encoding="utf-8")


BROKEN = """[...document.querySelectorAll("td, th, h1, h2, h3, p, li, summary")].flatMap((one) => {
  const found = [], range = document.createRange();
  for (const node of one.childNodes) {
    if (node.nodeType !== Node.TEXT_NODE || !one.checkVisibility()) continue;
    for (const word of node.data.matchAll(/[A-Za-z]{2,24}/g)) {
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (lines.size > 1) found.push(word[0]);
    }
  }
  return found;
})"""
"""Words of letters that do not stand on one line."""


@pytest.mark.slow
@pytest.mark.skipif(
    browser.executable() is None, reason="needs chromium (apt-get install chromium)"
)
@pytest.mark.parametrize("width", [360, 420, 1280])
def test_a_narrow_window_breaks_no_word_and_hides_nothing(
    run: dict[str, Any], tmp_path: Path, width: int
) -> None:
    built(run, tmp_path)
    with browser.tab() as tab:
        tab.look(width, dark=False)
        tab.open((tmp_path / "report.html").as_uri())
        tab.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        assert tab.run("document.documentElement.scrollWidth") <= width
        assert tab.run(BROKEN) == []


def assert_inert(page: str) -> None:
    """No script, no event handler, nothing loaded from elsewhere."""
    assert not re.search(r"<(script|img|link|iframe)|\son\w+=|javascript:|url\((?!#)", page)
    assert not re.search(r'(src|href)="', page)


def test_a_whole_run_has_every_part(run: dict[str, Any], tmp_path: Path) -> None:
    page = built(run, tmp_path)
    assert "Passed all gates: tiny version 1" in page
    assert "took 1 min 15 s" in page and "2027-01-15" in page
    assert "cannot be shown" not in page
    for title in report.PARTS:
        # No dialogue, evaluated without slices, its bundle made before there was a calibration.
        unmeasured = ("Slices", "What the steps tell", "How sure", "Policy")
        assert title in unmeasured or f"<h2>{title}</h2>" in page or not title
    assert page.count('class="box succeeded"') == len(STEPS)
    assert "onnxruntime-fp32" in page and "chosen" in page
    assert "Trial 0 won: accuracy 0.7500 on validation." in page and "halved" in page
    assert "The mean of the weights of trials 0, 1 is better, and is the model: 0.8000." in page
    assert "&lt;script&gt;" in page
    assert_inert(page)


@pytest.mark.parametrize(
    "task", [{"type": "tagging"}, {"type": "regression"}, {"multi_label": True}, {"pair": True}]
)
def test_every_task_has_a_report(
    task: dict[str, Any], tiny: Callable[..., Any], tmp_path: Path
) -> None:
    given = tiny(**task)
    evaluate_both(given, tmp_path)
    page = built(finished(given, tmp_path), tmp_path)
    assert "cannot be shown" not in page
    assert "<h2>Sample predictions</h2>" in page


def test_any_artifact_may_be_missing(run: dict[str, Any], tmp_path: Path) -> None:
    for missing in run["artifacts"]:
        rest = {name: path for name, path in run["artifacts"].items() if name != missing}
        page = built({**run, "artifacts": rest}, tmp_path)
        assert "cannot be shown" not in page, missing
        assert "<h2>The run</h2>" in page


def test_a_failure_comes_first(run: dict[str, Any], tmp_path: Path) -> None:
    done = {name: run["artifacts"][name] for name in ("examples", "tokens", "model")}
    failed = steps(evaluate="failed", prune="waiting", quantize="waiting")
    failed[4]["message"] = f"{EVIL}\n  fix: mend it"
    page = built({**run, "steps": failed, "artifacts": done}, tmp_path)
    assert "Failed in evaluate" in page and "fix: mend it" in page
    assert page.index("Failed in evaluate") < page.index("<h2>")
    assert "Passed" not in page
    assert_inert(page)


@pytest.mark.parametrize("state", ["failed", "interrupted", "running"])
def test_a_run_that_did_not_succeed_never_looks_passed(
    run: dict[str, Any], tmp_path: Path, state: str
) -> None:
    """Though every step ended well and the gate said yes."""
    page = built({**run, "state": state, "message": "model.onnx is damaged"}, tmp_path)
    assert "Passed" not in page.split("<h2>")[0]
    assert "model.onnx is damaged" in page


def test_a_refusal_comes_first(run: dict[str, Any], tmp_path: Path) -> None:
    """The gate failed, so its decision is known only from the step's outputs."""
    decision = {"passed": False, "metric": "accuracy", "reasons": ["too slow"], "rules": []}
    with artifacts.write(tmp_path / "no", kind="decision", producer="gate") as folder:
        artifacts.write_json(folder / "decision.json", decision)
    kept = {name: path for name, path in run["artifacts"].items() if name != "decision"}
    del kept["registered"]
    refused = steps(gate="failed", register="waiting")
    refused[8]["outputs"] = {"decision": str(tmp_path / "no")}
    page = built({**run, "steps": refused, "artifacts": kept}, tmp_path)
    assert "Refused by the gates" in page and "too slow" in page


def test_a_run_that_never_began_still_has_a_report(tmp_path: Path) -> None:
    assert "Not finished" in built({"name": "tiny"}, tmp_path)
    nowhere = {"name": "tiny", "artifacts": {"model": str(tmp_path / "nowhere")}, "steps": []}
    assert "Not finished" in built(nowhere, tmp_path)


def test_a_damaged_part_leaves_the_others(run: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "bundle_metrics" / "metrics.json"
    size = file.stat().st_size
    file.write_text("{" + " " * (size - 1))  # as long as the manifest says
    page = built(run, tmp_path)
    assert "This part cannot be shown" in page
    assert "<h2>Data</h2>" in page and "Passed" not in page.split("<h2>")[1]


def test_hostile_names_are_escaped(run: dict[str, Any], tmp_path: Path) -> None:
    hostile = {**run, "name": EVIL, "spec": {**run["spec"], "description": EVIL}}
    hostile["steps"][0]["name"] = EVIL
    assert_inert(built(hostile, tmp_path))


def test_the_gate_stands_under_evaluate_with_and_without_pretraining() -> None:
    for names in (STEPS, [*STEPS[:3], "pretrain", *STEPS[3:]], [n for n in STEPS if n != "prune"]):
        placed = Graph.named(names).drawn()
        steps = [RunStep(one, "succeeded", seconds=1.0, **placed[one]._asdict()) for one in names]
        drawn = str(draw(steps))
        boxes = re.findall(r"<title>([\w-]+):.*?<rect[^>]* x=\"(\d+)\" y=\"(\d+)\"", drawn)
        places = {name: (int(x), int(y)) for name, x, y in boxes}
        assert len(set(places.values())) == len(names)
        assert places["gate"][0] == places["evaluate"][0]
        # A line for each step but the first, and the one from evaluate to the gate.
        assert drawn.count('class="edge"') == len(names)


def test_what_was_not_the_steps_work_is_told() -> None:
    steps = [{"name": "ingest", "state": "succeeded", "seconds": 9, "work_seconds": 8}]
    said = str(section(RUN.of({"steps": steps, "seconds": 10.5}, "run.json"), {}))
    assert "At work: 8.0 s; starting steps and running them: 2.5 s." in said
    older = [{**steps[0], "work_seconds": 0}]
    before = str(section(RUN.of({"steps": older, "seconds": 10.5}, "run.json"), {}))
    assert "At work" not in before


def test_durations_are_readable() -> None:
    assert [duration(value) for value in (0.04, 59.94, 61, 3725)] == [
        "0.0 s", "59.9 s", "1 min 01 s", "1 h 02 min",
    ]  # fmt: skip
