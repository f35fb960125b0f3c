"""The pipeline of one box that answers a file on a cluster, and the step in it."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from bertworks.batch.job import Job, answer_file
from bertworks.errors import ArtifactError, SpecError
from bertworks.spec import file as spec_file
from bertworks.storage.artifacts import open_artifact
from components.launch import run_step
from pipelines.batch import Asked, batch_dag
from pipelines.cli.main import app
from tests.batch.test_job import made

SPEC = """
name: support
task: {type: classification}
data: {sources: [{uri: rows.csv}]}
resources:
  steps: {predict: {cpu: "3", memory: 5Gi}}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    file = tmp_path / "agent.yaml"
    file.write_text(SPEC)
    return file


def test_one_box_with_its_resources_is_submitted(spec: Path) -> None:
    paths = ["--file", "/bertworks/rows.csv", "-o", "/bertworks/out.parquet"]
    command = ["predict", "--on", "cluster", "--spec", str(spec), *paths, "--dry-run"]
    done = CliRunner().invoke(app, [*command, "--agent", "support/3", "--beam=--runner=X"])
    assert done.exit_code == 0, done.output
    assert "pipeline support-predict" in done.output and "steps: predict" in done.output

    from pipelines.cluster.kfp.submit import compiled_dag

    asked = Asked("/bertworks/rows.csv", "/bertworks/out.parquet", 3, beam=["--runner=X"])
    pipeline, platform = yaml.safe_load_all(
        compiled_dag(batch_dag(spec_file.load(spec, []), asked)).text
    )
    (task,) = pipeline["root"]["dag"]["tasks"].values()
    section = json.loads(task["inputs"]["parameters"]["section"]["runtimeValue"]["constant"])
    assert section["settings"]["version"] == 3 and section["settings"]["beam"] == ["--runner=X"]
    assert section["settings"]["store"] == "/bertworks/models"
    assert not task.get("cachingOptions")
    (executor,) = pipeline["deploymentSpec"]["executors"].values()
    assert executor["container"]["resources"]["resourceCpuLimit"] == "3"
    assert "pvcMount" in json.dumps(platform)


def test_files_that_pods_do_not_see_are_refused(spec: Path) -> None:
    loaded = spec_file.load(spec, [])
    for asked in (Asked("rows.csv", "/bertworks/o.csv"), Asked("/bertworks/a.csv", "/tmp/o.csv"),
                  Asked("/bertworks/../etc/a.csv", "/bertworks/o.csv")):  # fmt: skip
        with pytest.raises(SpecError, match="below /bertworks"):
            batch_dag(loaded, asked)
    done = CliRunner().invoke(app, ["predict", "--on", "cluster"])
    assert isinstance(done.exception, SpecError)


@pytest.mark.parametrize("beam", [None, []])
def test_the_step_answers_as_the_command_does(tmp_path, bundle, agent, monkeypatch, beam) -> None:
    from bertworks.runtime.agent import Agent
    from components.predict import step

    class Kept:
        def __init__(self, uri: str) -> None:
            assert uri == "store"

        def champion(self, name: str) -> None:
            return None

        def show(self, name: str, number: int):
            return type("Version", (), {"state": "passed", "number": number})

        def fetch(self, name: str, number: int):
            return open_artifact(bundle, "bundle")

    monkeypatch.setattr(step, "Store", Kept)
    file, here, there = made(tmp_path), tmp_path / "here.csv", tmp_path / "there.csv"
    with file.open("a") as stream:
        stream.write("7,a,b,c,d\n")
    settings = {"name": "a", "store": "store", "file": str(file), "out": str(there), "version": 2}
    if beam is not None:
        settings["beam"] = beam
    result = run_step("predict", json.dumps({"settings": settings}), {}, {})
    answer_file(Agent.load(bundle), Job(bundle, file, here))
    assert there.read_bytes() == here.read_bytes()
    assert result.metrics == {"rows": 42, "answers": 41, "rejected": 1, "version": 2}
    assert "1 of 42 rows could not be read" in result.notices[0].text
    with pytest.raises(ArtifactError, match="no champion"):
        run_step("predict", json.dumps({"settings": {**settings, "version": None}}), {}, {})
