"""The real DAG, compiled for a cluster, each step in a container of the pipeline image.

What DockerRunner says is not believed: it takes a container that ended before its log was read for a
success. The artifacts are what counts.
"""

import json
from pathlib import Path

import pytest
import yaml
from tiny_agent import SPEC, made_up_rows

from bertworks.storage.artifacts import open_artifact
from bertworks.storage.store import Store

pytestmark = pytest.mark.docker

STEPS = {
    "ingest", "validate", "transform", "finetune", "evaluate", "prune", "quantize", "evaluate-2",
    "gate", "register",
}  # fmt: skip


def test_the_run_says_success(dag) -> None:
    assert dag.returncode == 0, dag.output[-4000:]


def promised(pipeline: Path) -> dict[str, set[str]]:
    """Task to the artifacts that the compiled pipeline says it writes."""
    spec = next(yaml.safe_load_all(pipeline.read_text("utf-8")))
    return {
        task: {
            name
            for name, output in spec["components"][about["componentRef"]["name"]][
                "outputDefinitions"
            ]["artifacts"].items()
            if output["artifactType"]["schemaTitle"] == "system.Artifact"
        }
        for task, about in spec["root"]["dag"]["tasks"].items()
    }


def test_every_artifact_that_the_pipeline_promises_is_whole(dag) -> None:
    tasks = promised(dag.root.parent / "pipeline.yaml")
    assert tasks.keys() >= STEPS
    for task, names in tasks.items():
        assert names, f"{task} promises nothing"
        for name in names:
            assert open_artifact(dag.artifact(task, name)).producer


def test_the_user_interface_gets_numbers_and_pages(dag) -> None:
    scores = json.loads(dag.artifact("evaluate", "scores").read_text("utf-8"))
    assert 0.7 <= scores["metrics"]["accuracy"] <= 1
    assert "<" in dag.artifact("validate", "view").read_text("utf-8")


def test_the_volume_holds_the_champion_that_was_made(dag) -> None:
    bundle = open_artifact(dag.artifact("quantize", "bundle"), "bundle")
    kept = json.loads(
        (dag.artifact("register", "registered") / "registered.json").read_text("utf-8")
    )
    champion = Store(str(dag.volume / "models")).champion("tiny")
    assert champion is not None and champion.number == kept["version"] == 1
    files = list((dag.volume / "models").glob("tiny/**/model.onnx"))
    assert [file.read_bytes() for file in files] == [(bundle / "model.onnx").read_bytes()]


def test_a_failing_step_is_seen_as_failing(run_in_containers) -> None:
    ran = run_in_containers(SPEC, [("the same text", "one label")] * 3)
    assert ran.returncode != 0
    assert "FAILURE" in ran.output
    assert "step ingest failed" in ran.output and "fix:" in ran.output
    assert not list(ran.root.glob("*/ingest/*/manifest.json"))
    assert not list(ran.root.glob("*/finetune"))
    assert not list(ran.volume.glob("models/**/agent.json"))


def test_a_refused_bundle_ends_the_run_and_is_not_promoted(run_in_containers) -> None:
    strict = SPEC.replace("minimum: 0.7", "minimum: 1.0").replace("epochs: 3", "epochs: 1")
    strict = strict.replace("  prune: {", "  prune: {enabled: false, ").replace("0.003", "0.00001")
    ran = run_in_containers(strict, made_up_rows(200))
    assert ran.returncode != 0
    assert "step gate failed" in ran.output or "step register failed" in ran.output
    assert open_artifact(next(ran.root.glob("*/quantize/bundle")), "bundle")
    store = Store(str(ran.volume / "models"))
    assert "tiny" not in store.names() or store.champion("tiny") is None
