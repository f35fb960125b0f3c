"""`bertworks submit`: what goes to the server, and that doing it again changes nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_kfp import FakeKfp, Refusal
from hypothesis import given
from hypothesis import strategies as st
from town import DIALOGUE

from bertworks.errors import EnvironmentFault
from bertworks.spec import file as spec_file
from pipelines.cluster.kfp import submit
from pipelines.cluster.kfp.connection import connect
from pipelines.cluster.kfp.facts import Facts
from pipelines.cluster.kfp.faults import Answer, Unreachable

REPOSITORY = Path(__file__).parents[2]
SPEC = str(REPOSITORY / "examples/sentiment.yaml")
Bertworks = Callable[..., Any]
COMPILE = submit.compiled  # before it remembers


@pytest.fixture(scope="module")
def made() -> submit.Compiled:
    return submit.compiled(spec_file.load(SPEC), "agent")


def test_a_run_of_a_new_agent(kfp: FakeKfp, bertworks: Bertworks) -> None:
    ended = bertworks("submit", SPEC)
    assert ended.code == 0, ended.err
    (run,) = kfp.runs.values()
    (pipeline,) = kfp.pipelines.values()
    (version,) = kfp.versions.values()
    assert (pipeline["name"], pipeline["display_name"]) == ("sentiment", "sentiment")
    assert re.fullmatch(r"sentiment-[0-9a-f]{12}", version["name"])
    assert run["pipeline_version_reference"] == {
        "pipeline_id": pipeline["pipeline_id"],
        "pipeline_version_id": version["pipeline_version_id"],
    }
    assert run["service_account"] == "bertworks-pipeline"
    assert re.fullmatch(
        r"sentiment \d{4}-\d\d-\d\d \d\d:\d\d:\d\d [0-9a-f]{7}", run["display_name"]
    )
    assert kfp.experiments[run["experiment_id"]]["display_name"] == "sentiment"
    assert f"{kfp.url}/#/runs/details/{run['run_id']}" in ended.out
    assert kfp.refused == []


def test_what_it_was_made_of_is_in_the_descriptions(kfp: FakeKfp, bertworks: Bertworks) -> None:
    bertworks("submit", SPEC, "--retrain")
    (run,), (version,) = kfp.runs.values(), kfp.versions.values()
    facts = Facts.from_text(run["description"])
    assert facts == Facts.from_text(version["description"]) and len(run["description"]) <= 255
    assert (facts.agent, facts.kind, facts.code) == ("sentiment", "retrain", "0.1.0")
    assert len(facts.spec) == len(facts.data) == 16
    # The same labels are on the pods.
    executors = version["pipeline_spec"]["platform_spec"]["platforms"]["kubernetes"]
    (labels,) = {
        json.dumps(
            {k: v for k, v in one["podMetadata"]["labels"].items() if k.startswith("bertworks/")}
        )
        for one in executors["deploymentSpec"]["executors"].values()
    }
    assert json.loads(labels) == {
        "bertworks/agent": "sentiment",
        "bertworks/spec-hash": facts.spec,
        "bertworks/data-fingerprint": facts.data,
        "bertworks/code-version": facts.code,
    }


def test_again_uploads_nothing_and_starts_another_run(kfp: FakeKfp, bertworks: Bertworks) -> None:
    assert "(uploaded)" in bertworks("submit", SPEC).out
    assert "(was there already)" in bertworks("submit", SPEC).out
    assert len(kfp.versions) == len(kfp.pipelines) == 1 and len(kfp.runs) == 2
    assert len(kfp.calls("upload_pipeline_version")) == 1


def test_other_settings_are_another_version(kfp: FakeKfp, bertworks: Bertworks) -> None:
    bertworks("submit", SPEC)
    bertworks("submit", SPEC, "--set", "finetune.epochs=2")
    bertworks("submit", SPEC, "--retrain")
    names = sorted(pipeline["name"] for pipeline in kfp.pipelines.values())
    assert names == ["sentiment", "sentiment-retrain"]
    assert len(kfp.versions) == 3
    specs = {Facts.from_text(run["description"]).spec for run in kfp.runs.values()}
    assert len(specs) == 2


def test_without_cache_the_run_carries_its_own_pipeline(kfp: FakeKfp, bertworks: Bertworks) -> None:
    assert bertworks("submit", SPEC, "--no-cache").code == 0
    (run,) = kfp.runs.values()
    assert "pipeline_version_reference" not in run
    spec = run["pipeline_spec"]["pipeline_spec"]
    tasks = spec["root"]["dag"]["tasks"].values()
    assert tasks and all(task["cachingOptions"] == {"enableCache": False} for task in tasks)
    assert "kubernetes" in run["pipeline_spec"]["platform_spec"]["platforms"]


def test_the_retraining_without_cache_reaches_the_boxes_in_boxes() -> None:
    made = submit.compiled(spec_file.load(SPEC), "retrain")
    spec = submit.without_cache(made.text)["pipeline_spec"]
    dags = [spec["root"]["dag"], *(c["dag"] for c in spec["components"].values() if "dag" in c)]
    tasks = [task for dag in dags for task in dag["tasks"].values()]
    assert len(dags) > 1 and not any(t["cachingOptions"]["enableCache"] for t in tasks)


def test_dry_run_sends_nothing(kfp: FakeKfp, bertworks: Bertworks) -> None:
    ended = bertworks("submit", SPEC, "--dry-run")
    assert ended.code == 0 and "nothing was sent" in ended.out
    assert "ingest, validate, transform" in ended.out
    assert kfp.requests == []


def test_settings_without_effect_are_named(kfp: FakeKfp, bertworks: Bertworks) -> None:
    ended = bertworks("submit", SPEC, "--set", "resources.steps.pretrain.gpu=1")
    assert ended.code == 0 and "note: resources.steps.pretrain has no effect" in ended.err


def test_files_of_this_machine_are_refused_before_anything_is_sent(
    kfp: FakeKfp, bertworks: Bertworks, tmp_path: Path
) -> None:
    (tmp_path / "rows.csv").write_text("text,label\na,x\nb,y\n")
    spec = tmp_path / "spec.yaml"
    spec.write_text(yaml.safe_dump({"name": "mine", "data": {"sources": [{"uri": "rows.csv"}]}}))
    ended = bertworks("submit", str(spec))
    assert ended.code == 2 and "rows.csv" in ended.err and "pods do not see" in ended.err
    assert kfp.requests == []


def test_experiment_by_name_and_archived(kfp: FakeKfp, bertworks: Bertworks) -> None:
    assert bertworks("submit", SPEC, "--experiment", "Default").code == 0
    assert len(kfp.experiments) == 1
    next(iter(kfp.experiments.values()))["storage_state"] = "ARCHIVED"
    ended = bertworks("submit", SPEC, "--experiment", "Default")
    assert ended.code == 7 and "archived" in ended.err and len(kfp.runs) == 1


def test_multi_user_names_the_namespace_everywhere(bertworks: Bertworks) -> None:
    with FakeKfp(multi_user=True) as server:
        ended = bertworks("submit", SPEC, "--host", server.url, "--namespace", "team")
        assert ended.code == 0, ended.err
        (pipeline,), (experiment,) = server.pipelines.values(), server.experiments.values()
        assert pipeline["namespace"] == experiment["namespace"] == "team"
        assert "(was there already)" in bertworks(
            "submit", SPEC, "--host", server.url, "-n", "team"
        ).out  # fmt: skip
        bertworks("submit", SPEC, "--host", server.url, "-n", "others")
        assert len(server.pipelines) == 2 and server.refused == []


def test_many_at_once_make_one_version(kfp: FakeKfp, made: submit.Compiled) -> None:
    gate = threading.Barrier(6)

    def upload(_: int) -> submit.Uploaded:
        connection = connect()
        gate.wait()
        return submit.upload_compiled(connection, made)

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(upload, range(6)))
    assert len({(one.pipeline_id, one.version_id) for one in results}) == 1
    assert len(kfp.pipelines) == len(kfp.versions) == 1
    assert [one.new for one in results].count(True) == 1


@pytest.mark.parametrize(
    "fault",
    [{"status": 503}, {"drop": True}, {"drop": True, "after": True}, {"status": 500, "times": 2}],
)
@pytest.mark.parametrize("path", ["/pipelines", "upload_version", "/experiments"])
def test_hiccups_while_uploading(
    path: str, fault: dict[str, Any], kfp: FakeKfp, made: submit.Compiled
) -> None:
    """Also when the answer is lost after the work was done."""
    connection = connect()
    kfp.fault("POST", path, **fault)
    uploaded = submit.upload_compiled(connection, made)
    submit.start(
        connection, uploaded, made, service_account="bertworks-pipeline", experiment_name="topics"
    )
    assert len(kfp.pipelines) == len(kfp.versions) == len(kfp.runs) == 1
    assert len(kfp.experiments) == 2 and kfp.refused == []


def test_a_lost_answer_does_not_start_two_runs(kfp: FakeKfp, made: submit.Compiled) -> None:
    connection = connect()
    uploaded = submit.upload_compiled(connection, made)
    options = {"service_account": "bertworks-pipeline", "experiment_name": "topics"}
    kfp.fault("POST", "/runs", drop=True, after=True)
    run_id = submit.start(connection, uploaded, made, **options)
    assert list(kfp.runs) == [run_id]
    kfp.fault("POST", "/runs", drop=True)
    with pytest.raises(Unreachable):
        submit.start(connection, uploaded, made, **options)
    assert list(kfp.runs) == [run_id]


def test_a_server_that_refuses_is_quoted(kfp: FakeKfp, made: submit.Compiled) -> None:
    connection = connect()
    broken = submit.Compiled(made.name, made.version_name, "root: {}\n", made.facts)
    with pytest.raises(Answer, match="400.*upload_version.*no tasks"):
        submit.upload_compiled(connection, broken)
    kfp.fault("POST", "/pipelines", status=500, times=9)
    other = submit.Compiled("other", "other-1", made.text, made.facts)
    with pytest.raises(EnvironmentFault, match="pipeline other could not be made.*500"):
        submit.upload_compiled(connection, other)


def test_a_service_account_that_kfp_does_not_allow(
    kfp: FakeKfp, made: submit.Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KFP 2.18 asks for it; a right that the caller lacks, an account as well, is another thing."""
    connection = connect()
    uploaded = submit.upload_compiled(connection, made)
    for said, advice in (
        ("service account bertworks-pipeline is not allowed", "ALLOWEDSERVICEACCOUNTS"),
        ("User 'system:serviceaccount:team:ci' is not authorized", "kubeflow-pipelines-edit"),
    ):

        def refuse(request: Any, said: str = said) -> Any:
            raise Refusal(403, said)

        monkeypatch.setattr(kfp, "run_service_create_run", refuse)
        with pytest.raises(Answer, match="403") as refused:
            submit.start(
                connection, uploaded, made, service_account="mine", experiment_name="sentiment"
            )
        assert advice in refused.value.fix


def test_the_same_spec_has_the_same_version_name(made: submit.Compiled) -> None:
    assert COMPILE(spec_file.load(SPEC), "agent") == made
    assert len(f"{'x' * 53}-retrain-{'0' * 12}") <= 127


def test_as_a_program(kfp: FakeKfp, tmp_path: Path) -> None:
    """The whole command in a process of its own; Ctrl-C while it waits leaves the run alone."""
    environment = {**os.environ, "KFP_HOST": kfp.url, "HOME": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "submit", SPEC, "--wait"],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    while not kfp.runs and process.poll() is None:
        time.sleep(0.05)
    run_id = next(iter(kfp.runs))
    kfp.play(run_id, {"ingest": "RUNNING"}, state="RUNNING")
    assert any("ingest: running" in line for line in process.stdout)
    process.send_signal(2)
    err = process.communicate(timeout=300)[1]
    assert process.returncode == 130, err
    assert f"bertworks runs watch {run_id}" in err and "runs cancel" in err
    assert "Traceback" not in err
    assert kfp.runs[run_id]["state"] == "RUNNING" and not kfp.calls("run_service_terminate_run")


@given(st.builds(Facts, *[st.text(max_size=30)] * 5), st.text(max_size=30))
def test_facts_survive_the_description(facts: Facts, before: str) -> None:
    assert Facts.from_text(facts.as_text()) == facts
    assert Facts.from_text(before + "\n" + facts.as_text() + "\n") == facts


@given(st.text())
def test_other_descriptions_have_no_facts(text: str) -> None:
    assert isinstance(Facts.from_text(text), Facts)


def test_a_dialogue_is_retrained(kfp: FakeKfp, bertworks: Bertworks, tmp_path: Path) -> None:
    (tmp_path / "town.yaml").write_text(DIALOGUE, "utf-8")
    ended = bertworks("submit", str(tmp_path / "town.yaml"), "--retrain")
    assert ended.code == 0, ended.err
    (pipeline,), (version,) = kfp.pipelines.values(), kfp.versions.values()
    assert pipeline["name"] == "town-retrain"
    facts = Facts.from_text(version["description"])
    assert (facts.agent, facts.kind) == ("town", "retrain")
    assert "finds nothing new" not in ended.err
    exact = "dialogue.knowledge.uri=pypi://town==1.0/restaurants.csv"
    ended = bertworks("submit", str(tmp_path / "town.yaml"), "--retrain", "--set", exact)
    assert ended.code == 0 and "note: each file and source of this dialogue has" in ended.err
    assert kfp.refused == []
