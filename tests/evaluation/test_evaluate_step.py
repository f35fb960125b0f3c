"""The evaluate step on tiny agents of every task: the contract of the metrics artifact."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertworks.errors import ArtifactError, SpecError
from bertworks.evaluation.predictions import load
from bertworks.pages.evaluation import page
from bertworks.storage import artifacts
from bertworks.storage.artifacts import Artifact, open_artifact
from tests.helpers.steps import evaluate as run

TASKS: dict[str, dict[str, Any]] = {
    "classes": {},
    "pairs": {"pair": True},
    "many": {"multi_label": True},
    "numbers": {"type": "regression"},
    "tags": {"type": "tagging"},
}
MAIN = {"tags": "entity_f1", "numbers": "pearson"}
few_rows = pytest.mark.usefixtures("few_rows_timed")


def evaluate(given: Any, target: Path, kind: str = "model", **settings: Any) -> dict[str, Any]:
    return run(
        given.section(**settings),
        agent=getattr(given, kind),
        examples=given.examples,
        tokens=given.tokens,
        metrics=target,
    )


@few_rows
@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_scored(name: str, tiny: Callable[..., Any], tmp_path: Path) -> None:
    given = tiny(**TASKS[name])
    result = evaluate(given, tmp_path / "metrics")
    found = open_artifact(tmp_path / "metrics", "metrics")
    assert found.metadata["metric"] == MAIN.get(name, "accuracy")
    assert found.metadata["value"] == result.metrics[found.metadata["metric"]]
    assert set(found.parents) == {"agent", "examples", "tokens"}
    entries = found.json("metrics.json")
    assert all(set(one) == {"name", "value", "low", "high", "slice", "rows"} for one in entries)
    assert all(one["rows"] == 24 for one in entries)
    floor = {one["name"] for one in found.json("floor.json")}
    assert floor <= set(result.metrics) and floor
    confusion = found.json("confusion.json")
    assert (confusion is None) == (name in ("many", "numbers"))
    answers = load(found / "predictions.parquet", given.task, found.metadata["labels"])
    assert answers.ids == sorted(answers.ids) and len(answers) == 24
    for error in found.json("errors.json"):
        assert set(error) - {"spans"} == {"id", "text", "truth", "prediction", "score"}
        assert error["truth"] != error["prediction"]
    html = (found / result.html).read_text()
    assert "<script" not in html and "http" not in html.replace("http://www.w3.org", "")


def test_a_bundle_scores_as_its_model_and_is_timed(
    tiny: Callable[..., Any], tmp_path: Path
) -> None:
    given = tiny()
    first = evaluate(given, tmp_path / "a", "model")
    second = evaluate(given, tmp_path / "b", "bundle")
    assert first.metrics == pytest.approx(second.metrics)
    latency = json.loads((tmp_path / "b/latency.json").read_text())
    named = {"p50_ms", "p95_ms", "quiet_p95_ms", "load", "rows_per_second", "size_mb", "threads"}
    assert set(latency) == named
    assert 0 < latency["p50_ms"] <= latency["p95_ms"]
    files = [file for file in given.bundle.iterdir() if file.name != "manifest.json"]
    size = sum(file.stat().st_size for file in files)
    assert latency["size_mb"] == pytest.approx(size / 1e6, abs=1e-3)


@few_rows
def test_same_inputs_same_bytes(tiny: Callable[..., Any], tmp_path: Path) -> None:
    given = tiny()
    evaluate(given, tmp_path / "a")
    evaluate(given, tmp_path / "b")
    timed = {"latency.json", "view.html", "manifest.json"}
    files = {file.name for file in (tmp_path / "a").iterdir()} - timed
    assert len(files) == 7
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    assert open_artifact(tmp_path / "a").digest == open_artifact(tmp_path / "b").digest


@few_rows
def test_predictions_are_the_agents_own(tiny: Callable[..., Any], tmp_path: Path) -> None:
    from bertworks.runtime.agent import Agent

    given = tiny(type="tagging")
    evaluate(given, tmp_path / "metrics", "bundle")
    answers = load(tmp_path / "metrics/predictions.parquet", given.task, [])
    import pyarrow.parquet as pq

    rows = pq.read_table(given.examples / "test/part-00000.parquet").to_pydict()
    assert any("\u200b" in words for words in rows["tokens"])
    served = Agent.load(given.bundle).predict(rows["tokens"])
    assert answers.prediction == [one["tags"] for one in served]


def test_an_agent_of_another_vocabulary_is_refused(
    tiny: Callable[..., Any], tmp_path: Path
) -> None:
    given = tiny()
    other = tmp_path / "other"
    with artifacts.write(other, kind="bundle", producer="test") as folder:
        for file in given.bundle.iterdir():
            if file.name != "manifest.json":
                (folder / file.name).write_bytes(file.read_bytes())
        text = (folder / "tokenizer.json").read_text()
        (folder / "tokenizer.json").write_text(text.replace('"plot"', '"tolp"'))
    with pytest.raises(ArtifactError, match="tokenizer"):
        run(
            given.section(), agent=other, examples=given.examples, tokens=given.tokens,
            metrics=tmp_path / "metrics",
        )  # fmt: skip
    assert not (tmp_path / "metrics").exists()


def test_what_is_neither_model_nor_bundle_is_refused(
    tiny: Callable[..., Any], tmp_path: Path
) -> None:
    given = tiny()
    with pytest.raises(ArtifactError, match="only a model or a bundle"):
        evaluate(given, tmp_path / "metrics", "examples")


@few_rows
def test_an_unknown_slice_column_is_named(tiny: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="'price'"):
        evaluate(tiny(), tmp_path / "metrics", slices=["price"])


@few_rows
def test_text_in_the_page_is_escaped(tiny: Callable[..., Any], tmp_path: Path) -> None:
    evaluate(tiny(), tmp_path / "metrics")
    found = open_artifact(tmp_path / "metrics")
    evil = "<script>alert(1)</script>"
    error = {"id": "1", "text": evil, "truth": evil, "prediction": [evil], "score": 1.0}
    artifacts.write_json(found / "errors.json", [error])
    html = page(evil, Artifact(found.path, "metrics", "", "", {}, {}))
    assert "<script" not in html
    assert "&lt;script&gt;" in html


@few_rows
def test_slices_agree_with_the_rows_in_them(tiny: Callable[..., Any], tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    given = tiny()
    evaluate(given, tmp_path / "metrics", slices=["length", "source", "label"], floor=False)
    found = open_artifact(tmp_path / "metrics")
    assert found.json("floor.json") == []
    rows = pq.read_table(given.examples / "test/part-00000.parquet").to_pydict()
    answers = load(found / "predictions.parquet", given.task, ["down", "up"])
    right = np.asarray(answers.truth) == np.asarray(answers.prediction)
    parts = {(one["slice"], one["name"]): one for one in found.json("metrics.json") if one["slice"]}
    for source in "xy":
        inside = np.array(rows["source"]) == source
        one = parts[f"source={source}", "accuracy"]
        assert one["rows"] == inside.sum()
        assert one["value"] == pytest.approx(right[inside].mean())
    for label in ("down", "up"):
        inside = np.array(rows["label"]) == label
        assert parts[f"label={label}", "accuracy"]["value"] == pytest.approx(right[inside].mean())
    lengths = [one for (part, name), one in parts.items() if part.startswith("length=")]
    assert sum(one["rows"] for one in lengths if one["name"] == "accuracy") == 24
    assert "length=" not in (found / "view.html").read_text()  # a table a column instead


def test_rows_are_read_as_they_were_cleaned(tiny: Callable[..., Any]) -> None:
    """An agent's clean-up is done once: what ingest left of an escaped tag stays."""
    from bertworks.evaluation.gating.champion import champion_predictions
    from bertworks.runtime.agent import Agent
    from bertworks.runtime.loading import cleaned_by, predict
    from bertworks.spec import Clean

    given = tiny()
    loaded = Agent.load(given.bundle)
    agent = Agent(
        replace(loaded.info, clean=Clean(html=True)),
        loaded._tokenizer,
        loaded._runner._engine,
    )
    examples = artifacts.open_artifact(given.examples)
    assert cleaned_by(agent, examples) == agent.clean  # not recorded: as the agent does it
    rows = {"id": ["1"], "text": ["good <b> fine"], "truth": [0]}
    rows["input_ids"] = agent.encode(rows["text"], cleaned=agent.clean).ids
    assert len(predict(agent, rows, agent.clean)) == 1
    with pytest.raises(ArtifactError, match="tokenizer gives"):
        predict(agent, rows)
    labels = ["down", "up"]
    bundle = artifacts.open_artifact(given.bundle)
    assert len(champion_predictions(bundle, examples, given.task, labels)) == 24
