"""Gate and register in a retraining: better by more than the noise, or an ordinary no."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bertworks import failures
from bertworks.contracts.decision import Decision
from bertworks.contracts.examples import EXAMPLES
from bertworks.contracts.files import to_json
from bertworks.contracts.latency import Load, Speed
from bertworks.contracts.metrics import Metric
from bertworks.contracts.versions import Made
from bertworks.evaluation.bootstrap import Difference
from bertworks.evaluation.gating.champion import champion_predictions
from bertworks.evaluation.gating.gates import Measured, decide
from bertworks.runtime.loading import load_agent
from bertworks.spec import Clean, Gates, Task
from bertworks.storage import artifacts
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.challengers import Challengers
from bertworks.storage.outcomes import Outcomes
from bertworks.storage.store import Store
from tests.evaluation.conftest import Tiny, build, evaluate_both
from tests.helpers.steps import evaluate, gate, register

ALLOWED = Decision(True, "accuracy", [], [])
OFF: dict[str, Any] = {"max_drop": None, "beat_floor": False}
pytestmark = pytest.mark.usefixtures("few_rows_timed")


@pytest.mark.parametrize(
    ("gap", "metric", "passed"),
    [
        (Difference(0.02, 0.001, 0.04, 0.99), "accuracy", True),
        (Difference(0.02, -0.001, 0.04, 0.97), "accuracy", False),
        (Difference(0.02, 0.0, 0.04, 0.98), "accuracy", False),
        (Difference(0.02, None, None, None), "accuracy", False),
        (Difference(-0.02, -0.04, -0.001, 0.01), "mae", True),
        (Difference(-0.02, -0.04, 0.001, 0.03), "mae", False),
        (None, "accuracy", True),
    ],
)
def test_better_by_more_than_the_noise(gap: Any, metric: str, passed: bool) -> None:
    scores, time = [Metric(metric, 0.9)], Speed(1.0, 1.0, 1.0, Load(1.0, 1.0, 1.0, 1.0))
    measured = Measured(scores, scores, [], time, gap)
    found = decide(Gates(**OFF), metric, measured, challenge=True)
    (rule,) = found.rules
    assert rule.name == "beat_noise" and found.passed is rule.passed is passed


@pytest.fixture
def given(tmp_path: Path) -> Tiny:
    return build(tmp_path, Task(max_length=16))


def section(folder: Path, **gates: Any) -> dict[str, Any]:
    rules = Gates(**{**OFF, **gates}).model_dump(mode="json")
    task = Task(max_length=16).model_dump(mode="json")
    own = {"name": "tiny", "store": str(folder / "store"), "retrain": True, "recipe": "r"}
    return {**own, "task": task, "metric": "accuracy", "gates": rules}


def judge(given: Tiny, folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Evaluates, judges and registers; what register gives."""
    evaluate_both(given, folder)
    gate(
        settings, bundle=given.bundle, bundle_metrics=folder / "bundle_metrics",
        model_metrics=folder / "model_metrics", examples=given.examples,
        decision=folder / "decision",
    )  # fmt: skip
    return register_(given, folder, settings)


def register_(given: Tiny, folder: Path, settings: dict[str, Any]) -> dict[str, Any]:
    register(
        settings, bundle=given.bundle, decision=folder / "decision", model=given.model,
        metrics=folder / "bundle_metrics", examples=given.examples,
        registered=folder / "registered",
    )  # fmt: skip
    return open_artifact(folder / "registered").json("registered.json")


def change_bundle(given: Tiny, change: Callable[[dict[str, Any]], None], target: Path) -> Any:
    """A copy of the bundle with another agent.json."""
    from bertworks.storage import artifacts

    with artifacts.write(target, kind="bundle", producer="test") as folder:
        for file in given.bundle.iterdir():
            if file.name != "manifest.json":
                (folder / file.name).write_bytes(file.read_bytes())
        info = json.loads((folder / "agent.json").read_text())
        change(info)
        (folder / "agent.json").write_text(json.dumps(info))
    return open_artifact(target, "bundle")


def champion(given: Tiny, folder: Path, change: Callable[[dict[str, Any]], None]) -> Store:
    """A store whose champion is this bundle with another agent.json."""
    from tests.helpers.retrain_rows import small_artifact

    bundle = change_bundle(given, change, folder / "champion")
    metrics = small_artifact(
        folder / "champion_metrics", "metrics", {"metrics.json": []}, parents={"agent": bundle}
    )
    store = Store(folder / "store")
    store.add(bundle, "tiny", ALLOWED, metrics)
    store.promote("tiny", 1)
    return store


def turned(info: dict[str, Any]) -> None:
    """The champion mixes its labels up, so it is wrong where the challenger is right."""
    info["labels"].reverse()


def test_the_first_version_is_promoted(given: Tiny, tmp_path: Path) -> None:
    kept = judge(given, tmp_path, section(tmp_path))
    assert (kept["version"], kept["outcome"]) == (1, "promoted")


def test_as_good_as_the_champion_is_not_better(
    given: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(failures.RUN, "run-1")
    store = champion(given, tmp_path, lambda info: info.update(note="twin"))
    kept = judge(given, tmp_path, section(tmp_path))
    assert (kept["version"], kept["outcome"]) == (2, "kept")
    version = store.show("tiny", 2)
    assert version.state == "refused" and not version.champion
    assert version.has("examples") and not version.has("model")
    assert version.made == Made(challenged=store.show("tiny", 1).digest, recipe="r")
    _, note = to_json(Outcomes(str(tmp_path / "store"), "tiny").notes("run-1"))
    assert note["outcome"] == "kept" and note["champion"]["difference"]["value"] == 0
    assert "not better by more than the noise" in note["reasons"][0]
    assert "the champion stays" in (tmp_path / "decision/view.html").read_text()


def test_a_better_one_is_promoted_and_a_broken_gate_refuses_it(given: Tiny, tmp_path: Path) -> None:
    given = always_right(given, tmp_path / "rows")
    store = champion(given, tmp_path, turned)
    refused = judge(given, tmp_path, section(tmp_path, max_size_mb=0.0001))
    assert refused["outcome"] == "refused"
    found = store.champion("tiny")
    assert found is not None and found.number == 1
    better = judge(given, tmp_path, section(tmp_path))
    assert better["outcome"] == "promoted"
    found = store.champion("tiny")
    assert found is not None and found.number == better["version"] and found.has("model")
    decision = json.loads((tmp_path / "decision/decision.json").read_text())
    assert decision["champion"]["version"] == 1
    assert decision["challenger"] - decision["champion"]["value"] == pytest.approx(1.0)


def always_right(given: Tiny, path: Path) -> Tiny:
    """The same agent, with test rows whose labels are what it answers."""
    from bertworks.storage import artifacts

    told = champion_predictions(
        open_artifact(given.bundle), open_artifact(given.examples), given.task, ["down", "up"]
    )
    answers = {one: told.named(told.prediction, row) for row, one in enumerate(told.ids)}
    with artifacts.write(path, kind="examples", producer="test") as folder:
        for file in (one for one in given.examples.rglob("*") if one.is_file()):
            copy = folder / file.relative_to(given.examples)
            copy.parent.mkdir(exist_ok=True)
            if copy.parent.name != "test":
                copy.write_bytes(file.read_bytes())
                continue
            rows = pq.read_table(file).to_pylist()
            rows = [{**one, "label": answers[one["id"]]} for one in rows]
            pq.write_table(pa.Table.from_pylist(rows), copy)
        (folder / "manifest.json").unlink()
    return replace(given, examples=path)


def test_a_champion_that_was_replaced_meanwhile_is_not_overrun(given: Tiny, tmp_path: Path) -> None:
    given = always_right(given, tmp_path / "rows")
    store = champion(given, tmp_path, turned)
    judge_only = section(tmp_path)
    evaluate_both(given, tmp_path)
    gate(
        judge_only, bundle=given.bundle, bundle_metrics=tmp_path / "bundle_metrics",
        model_metrics=tmp_path / "model_metrics", examples=given.examples,
        decision=tmp_path / "decision",
    )  # fmt: skip
    other = change_bundle(given, lambda info: info.update(note="by hand"), tmp_path / "by_hand")
    metrics = open_artifact(tmp_path / "champion_metrics")
    store.add(other, "tiny", ALLOWED, metrics)
    store.promote("tiny", 2)
    kept = register_(given, tmp_path, judge_only)
    assert kept["outcome"] == "kept"
    found = store.champion("tiny")
    assert found is not None and found.number == 2


def test_one_that_is_better_is_tried_first_where_the_spec_asks(given: Tiny, tmp_path: Path) -> None:
    given = always_right(given, tmp_path / "rows")
    store = champion(given, tmp_path, turned)
    kept = judge(given, tmp_path, {**section(tmp_path), "trial": True})
    assert (kept["version"], kept["outcome"]) == (2, "kept")
    found = store.champion("tiny")
    assert found is not None and found.number == 1
    tried = Challengers(store.uri, "tiny").present()
    assert tried is not None and tried.version == 2


def test_the_first_one_is_the_champion_without_a_trial(given: Tiny, tmp_path: Path) -> None:
    kept = judge(given, tmp_path, {**section(tmp_path), "trial": True})
    assert (kept["version"], kept["outcome"]) == (1, "promoted")


def test_a_challenger_that_is_the_champion_is_refused_without_harm(
    given: Tiny, tmp_path: Path
) -> None:
    kept = judge(given, tmp_path, section(tmp_path))
    assert kept["outcome"] == "promoted"
    store = Store(tmp_path / "store")
    before = store.champion("tiny")
    again = judge(given, tmp_path, section(tmp_path, max_size_mb=0.0001))
    assert (again["version"], again["outcome"]) == (1, "refused")
    assert store.champion("tiny") == before


def test_a_champion_of_another_task_is_replaced_without_a_comparison(
    given: Tiny, tmp_path: Path
) -> None:
    task = Task(type="regression", max_length=16).model_dump(mode="json")
    store = champion(given, tmp_path, lambda info: info.update(task=task))
    kept = judge(given, tmp_path, section(tmp_path))
    assert (kept["version"], kept["outcome"]) == (2, "promoted")
    found = store.champion("tiny")
    assert found is not None and found.number == 2
    decision = json.loads((tmp_path / "decision/decision.json").read_text())
    assert decision["champion"]["version"] == 1 and decision["champion"]["difference"] is None


def test_a_champion_cleans_rows_in_its_own_way_too(given: Tiny, tmp_path: Path) -> None:
    """As it would when asked; rows that were cleaned in its way already stay as they are."""
    clean = {"html": True, "unicode": "NFKC", "whitespace": True}

    def cleaning(info: dict[str, Any]) -> None:
        info["clean"] = clean

    own = change_bundle(given, cleaning, tmp_path / "cleaning")
    rows = tmp_path / "rows"
    with artifacts.write(rows, kind="examples", producer="test") as folder:
        for file in (one for one in given.examples.rglob("*.parquet")):
            copy = folder / file.relative_to(given.examples)
            copy.parent.mkdir(exist_ok=True)
            table = [
                {**one, "text": f"<b>{one['text']}</b> &amp; ｖｅｒｙ"}
                for one in pq.read_table(file).to_pylist()
            ]
            pq.write_table(pa.Table.from_pylist(table), copy)
        info = json.loads((given.examples / EXAMPLES.name).read_text())
        (folder / EXAMPLES.name).write_text(json.dumps({**info, "clean": Clean().model_dump()}))
    table = pq.read_table(sorted((rows / "test").glob("*.parquet"))).to_pylist()
    agent = load_agent(own)
    wanted = [one["label"] for one in agent.predict([one["text"] for one in table])]
    plain = load_agent(open_artifact(given.bundle))
    assert agent.encode([table[0]["text"]]).ids != plain.encode([table[0]["text"]]).ids
    found = champion_predictions(own, open_artifact(rows), given.task, ["down", "up"])
    assert [found.named(found.prediction, row) for row in range(len(found))] == wanted


def test_a_champion_with_fewer_labels_never_gives_the_new_ones(given: Tiny, tmp_path: Path) -> None:
    labels = ["down", "other", "up"]
    found = champion_predictions(
        open_artifact(given.bundle), open_artifact(given.examples), given.task, labels
    )
    own = champion_predictions(
        open_artifact(given.bundle), open_artifact(given.examples), given.task, ["down", "up"]
    )
    assert found.labels == labels and not (found.prediction == 1).any()
    names = [found.named(found.prediction, row) for row in range(len(found))]
    assert names == [own.named(own.prediction, row) for row in range(len(own))]
    assert np.allclose(found.probabilities[:, [0, 2]], own.probabilities)
    # A label that only the champion knows is a wrong answer, not an error.
    fewer = champion_predictions(
        open_artifact(given.bundle), open_artifact(given.examples), given.task, ["up", "down", "z"]
    )
    assert [fewer.named(fewer.prediction, row) for row in range(len(fewer))] == names


@pytest.mark.parametrize(
    "task",
    [Task(type="tagging", max_length=16), Task(type="regression", max_length=16),
     Task(multi_label=True, max_length=16), Task(pair=True, max_length=16)],
    ids=["tagging", "regression", "multi-label", "pair"],
)  # fmt: skip
def test_a_champion_of_each_task_answers_as_evaluate_says(task: Task, tmp_path: Path) -> None:
    from bertworks.evaluation import predictions

    given = build(tmp_path, task)
    evaluate(
        given.section(), agent=given.bundle, examples=given.examples, tokens=given.tokens,
        metrics=tmp_path / "metrics",
    )  # fmt: skip
    labels = json.loads((given.bundle / "agent.json").read_text())["labels"]
    more = sorted([*labels, "B-NEW"]) if labels else []
    told = predictions.load(tmp_path / "metrics/predictions.parquet", task, labels)
    found = champion_predictions(
        open_artifact(given.bundle), open_artifact(given.examples), task, more
    )
    assert found.ids == told.ids
    for row in range(len(told)):
        ours, theirs = found.named(found.prediction, row), told.named(told.prediction, row)
        assert ours == (pytest.approx(theirs) if task.type == "regression" else theirs)
        assert found.named(found.truth, row) == told.named(told.truth, row)
