"""`track.mlflow`: a real server gets a run; one that is not there fails none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from bertworks.spec import Track
from bertworks.storage.artifacts import open_artifact
from bertworks.tracking import client
from bertworks.tracking.client import PARENT, Metric, Server, TrackingFault
from bertworks.tracking.report import tell
from components import tracked
from tests.helpers.trained_run import trained_run
from tests.helpers.web_site import Answer, Site

sys.path.insert(0, str(Path(__file__).parents[1] / "pipelines"))
from tiny_agent import PATIENCE, SPEC, made_up_rows, write_rows


class Asked:
    """What a server has, by MLflow's own API."""

    def __init__(self, uri: str) -> None:
        self.uri = uri

    def get(self, call: str, **asked: Any) -> dict[str, Any]:
        answer = requests.get(f"{self.uri}/api/2.0/mlflow/{call}", params=asked, timeout=60)
        answer.raise_for_status()
        return dict(answer.json())

    def runs(self, experiment: str) -> dict[str, dict[str, Any]]:
        """Name to what the server has of each run, its tags, params and newest metrics as mappings."""
        found = self.get("experiments/get-by-name", experiment_name=experiment)
        place = found["experiment"]["experiment_id"]
        answer = requests.post(
            f"{self.uri}/api/2.0/mlflow/runs/search", json={"experiment_ids": [place]}, timeout=60
        )
        return {
            run["info"]["run_name"]: {
                **run["info"],
                **{
                    kind: {one["key"]: one["value"] for one in run["data"].get(kind, [])}
                    for kind in ("tags", "params", "metrics")
                },
            }
            for run in answer.json().get("runs", [])
        }

    def history(self, run: str, metric: str) -> list[tuple[int, float]]:
        answer = self.get("metrics/get-history", run_id=run, metric_key=metric)
        return [(one["step"], one["value"]) for one in answer["metrics"]]

    def file(self, run: str, name: str) -> str:
        asked = {"run_uuid": run, "path": name}
        answer = requests.get(f"{self.uri}/get-artifact", params=asked, timeout=60)
        answer.raise_for_status()
        return answer.content.decode("utf-8")


def test_a_server_that_is_not_there_is_told_of_once(
    tmp_path: Path, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter2")
    told = tell(trained_run(tmp_path), Track(mlflow=nobody), tmp_path / "none.html")
    assert told.level == "warning" and nobody in told.text and "hunter2" not in told.text
    assert "was not reached" in told.text and f"curl {nobody}/health" in told.text


@pytest.mark.parametrize("answer", [(200, {}, b"{}"), (200, {}, b"<html>"), (500, {}, b"[]")])
def test_what_is_no_mlflow_server_fails_no_run(tmp_path: Path, answer: Answer) -> None:
    with Site(answer) as site:
        told = tell(trained_run(tmp_path), Track(mlflow=site.url), tmp_path / "none.html")
    assert told.level == "warning" and "MLflow was not told of this run" in told.text


def test_a_server_that_refuses_is_told_with_what_to_set(tmp_path: Path) -> None:
    with Site((401, {}, b"")) as site:
        told = tell(trained_run(tmp_path), Track(mlflow=site.url), tmp_path / "none.html")
        assert "Authorization" not in site.asked[0][1]
    assert told.level == "warning" and "MLFLOW_TRACKING_TOKEN" in told.text


@pytest.mark.parametrize(
    ("environment", "sent"),
    [
        ({"MLFLOW_TRACKING_TOKEN": "abc"}, "Bearer abc"),
        ({"MLFLOW_TRACKING_USERNAME": "a", "MLFLOW_TRACKING_PASSWORD": "b"}, "Basic YTpi"),
        ({"MLFLOW_TRACKING_AUTH": "kubernetes"}, "Bearer of-the-pod"),
    ],
)
def test_what_the_environment_has_is_shown_to_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], sent: str
) -> None:
    monkeypatch.setattr(client, "SERVICE_ACCOUNT", tmp_path)
    (tmp_path / "token").write_text("of-the-pod\n", encoding="utf-8")
    (tmp_path / "namespace").write_text("team-a", encoding="utf-8")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login x password y\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    with Site((404, {}, b"{}")) as site, pytest.raises(TrackingFault):
        Server(site.url, environment).experiment("x")
    headers = site.asked[0][1]
    assert headers["Authorization"] == sent
    workspace = "team-a" if "MLFLOW_TRACKING_AUTH" in environment else None
    assert headers.get("X-MLFLOW-WORKSPACE") == workspace


def test_a_step_of_a_pod_goes_on_without_a_server(
    tmp_path: Path, nobody: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("BERTWORKS_EVENTS", raising=False)
    tracked.tell("gate", "{}", {}, {}, tmp_path, 0.0)
    assert capsys.readouterr().err == ""  # no server is named
    monkeypatch.setenv(tracked.SERVER, nobody)
    tracked.tell("gate", "{}", {}, {}, tmp_path, 0.0)
    assert "MLflow was not told of this step" in capsys.readouterr().err
    monkeypatch.setenv("BERTWORKS_EVENTS", str(tmp_path / "events"))  # on a laptop
    tracked.tell("gate", "{}", {}, {}, tmp_path, 0.0)
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_a_run_stands_there_with_curves_trials_and_report(tmp_path: Path, mlflow: str) -> None:
    report = tmp_path / "report.html"
    report.write_text("<h1>tiny: größer</h1>", encoding="utf-8")
    record = trained_run(tmp_path)
    steps = [replace(one, metrics={"rows": 3.0, "broken": float("nan")}) for one in record.steps]
    spec = {"task": {"type": "classification"}, "name": "tiny", "description": "x" * 9000}
    record = replace(record, steps=steps, spec=spec, seconds=60.0)
    told = tell(record, Track(mlflow=mlflow, experiment="Curves & trials"), report)
    assert told.level == "note", told.text
    asked = Asked(mlflow)
    runs = asked.runs("Curves & trials")
    assert set(runs) == {record.id, "trial 0", "trial 1"}
    run = runs[record.id]
    assert run["status"] == "FINISHED" and (run["start_time"], run["end_time"]) == (10**6, 1060000)
    assert run["params"]["task.type"] == "classification"
    assert run["metrics"]["tune.rows"] == 3.0 and "tune.broken" not in run["metrics"]
    assert asked.history(run["run_id"], "finetune.train.loss") == [(10, 0.75), (20, 0.5)]
    assert run["metrics"]["finetune.validation averaged.accuracy"] == 0.9375
    assert run["tags"]["bertworks.run"] == record.id and run["run_id"] in told.text
    assert asked.file(run["run_id"], "report.html") == report.read_text("utf-8")
    trial = runs["trial 0"]
    assert trial["tags"][PARENT] == run["run_id"] and trial["tags"]["bertworks.ended"] == "complete"
    assert asked.history(trial["run_id"], "best accuracy so far") == [(1, 0.5), (2, 0.75)]
    assert runs["trial 1"]["params"] == {"learning_rate": "0.1"}


@pytest.mark.slow
def test_many_values_are_sent_in_several_requests(mlflow: str) -> None:
    server = Server(mlflow)
    run = server.begin(server.experiment("many"), "many", 0.0, {})
    metrics = [Metric("loss", float(step), step, 1.0) for step in range(2500)]
    params = {f"name {number}": "x" * 7000 for number in range(150)}
    server.log(run.id, metrics=iter(metrics), params=params)
    asked = Asked(mlflow)
    assert len(asked.history(run.id, "loss")) == 2500
    assert len(asked.runs("many")["many"]["params"]) == 150
    assert server.run(run.id) == run
    with pytest.raises(TrackingFault, match="404"):
        server.run("no-such-run")


@pytest.mark.slow
def test_steps_of_pods_are_nested_in_one_run_of_the_pipeline(
    tmp_path: Path, mlflow: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in {
        tracked.SERVER: mlflow, tracked.EXPERIMENT: "pods", tracked.NAME: "tiny",
        "KFP_RUN_ID": "8b1c",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("BERTWORKS_EVENTS", raising=False)
    monkeypatch.setattr(tracked, "_bundle", lambda outputs: {"bertworks.bundle": "sha256:1"})
    trained_run(tmp_path)
    page = tmp_path / "view.html"
    page.write_text("<p>pruned</p>", encoding="utf-8")
    section = '{"settings": {"tune": {"minutes": 5}}, "code": "c"}'
    outputs = {"tuned": tmp_path / "made/tuned"}
    tracked.tell("tune", section, {"trials": 2.0}, outputs, page, 1000.0)
    tracked.tell("finetune", section, {}, {"model": tmp_path / "made/model"}, page, 1010.0)
    tracked.tell_failure("gate", "accuracy is 0.1\n  fix: train longer")
    assert capsys.readouterr().err == ""
    asked = Asked(mlflow)
    runs = asked.runs("pods")
    assert set(runs) == {"tiny 8b1c", "tune", "finetune", "trial 0", "trial 1"}
    whole, tune = runs["tiny 8b1c"], runs["tune"]
    assert whole["status"] == "FAILED" and "gate failed" in whole["tags"]["bertworks.state"]
    assert tune["tags"][PARENT] == runs["finetune"]["tags"][PARENT] == whole["run_id"]
    assert runs["trial 0"]["tags"][PARENT] == tune["run_id"] and tune["status"] == "FINISHED"
    assert tune["params"] == {"tune.minutes": "5"} and tune["metrics"]["trials"] == 2.0
    assert asked.file(runs["finetune"]["run_id"], "finetune.html") == "<p>pruned</p>"


@pytest.mark.slow
def test_the_run_that_kubeflow_hands_over_gets_what_kubeflow_does_not_know(
    tmp_path: Path, mlflow: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Server(mlflow)
    given = server.begin(server.experiment("kubeflow"), "tune", 1000.0, {})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow)
    monkeypatch.setenv("MLFLOW_RUN_ID", given.id)
    monkeypatch.delenv("BERTWORKS_EVENTS", raising=False)
    monkeypatch.setattr(tracked, "_bundle", lambda outputs: {})
    trained_run(tmp_path)
    page = tmp_path / "view.html"
    page.write_text("<p>page</p>", encoding="utf-8")
    outputs = {"tuned": tmp_path / "made/tuned", "model": tmp_path / "made/model"}
    tracked.tell("tune", "{}", {"trials": 2.0}, outputs, page, 1000.0)
    tracked.tell_failure("gate", "refused")
    assert capsys.readouterr().err == ""
    asked = Asked(mlflow)
    runs = asked.runs("kubeflow")
    assert set(runs) == {"tune", "trial 0", "trial 1"}
    assert runs["tune"]["status"] == "RUNNING"  # Kubeflow ends it, and tells the scalars
    assert "trials" not in runs["tune"]["metrics"]
    assert asked.history(given.id, "tune.train.loss") == [(10, 0.75), (20, 0.5)]


@pytest.mark.slow
def test_a_run_from_the_command_line_is_tracked(tmp_path: Path, mlflow: str) -> None:
    write_rows(tmp_path / "rows.csv", made_up_rows(400))
    (tmp_path / "spec.yaml").write_text(SPEC, encoding="utf-8")
    command = [sys.executable, "-m", "pipelines.cli", "run", "spec.yaml", "--set", "tune.trials=2"]
    done = subprocess.run(
        [*command, "--set", f"track.mlflow={mlflow}", "--root", str(tmp_path / "root")],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"MLflow: {mlflow}" in done.stderr
    asked = Asked(mlflow)
    name = next(tmp_path.glob("root/runs/*")).name
    runs = asked.runs(name.partition("-")[2].partition("-")[2])
    run = runs[name]
    assert {"trial 0", "trial 1"} <= set(runs) and run["status"] == "FINISHED"
    record = json.loads((tmp_path / "root/runs" / name / "run.json").read_text("utf-8"))
    assert run["tags"]["bertworks.bundle"] == open_artifact(record["artifacts"]["bundle"]).digest
    assert run["metrics"]["evaluate-bundle.accuracy"] > 0
    assert "<html" in asked.file(run["run_id"], "report.html")
