"""`bertworks runs ...` and watching: states, reasons, logs, exit codes."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_kfp import FakeKfp, node_id
from fake_pods import FakePods
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from bertworks import failures
from bertworks.spec import file as spec_file
from pipelines.cluster.kfp import submit
from pipelines.cluster.kfp.connection import connect
from pipelines.cluster.kfp.facts import documents
from pipelines.cluster.runs import watch
from pipelines.cluster.runs.declared import declared_steps
from pipelines.cluster.runs.pod_names import node_hash
from pipelines.cluster.runs.reasons import parse
from pipelines.cluster.runs.records import source_of
from pipelines.cluster.runs.steps import steps_of

REPOSITORY = Path(__file__).parents[2]
SPEC = REPOSITORY / "examples/sentiment.yaml"
Bertworks = Callable[..., Any]
DONE = dict.fromkeys(["ingest", "validate", "transform"], "SUCCEEDED")
REFUSED = (
    "I1122 launcher started\n"
    "loading\n"
    "step gate failed: accuracy 0.71 is below gates.minimum 0.85\n"
    "  fix: Train longer, or lower the gate.\n"
    "F1122 main.go:65] failed to execute component: exit status 6\n"
    "time=2026-11-22 level=info msg=sub-process exited\n"
    "Error: exit status 1\n"
)


@pytest.fixture(scope="module")
def made() -> submit.Compiled:
    return submit.compiled(spec_file.load(SPEC), "agent")


@pytest.fixture
def start(kfp: FakeKfp, made: submit.Compiled) -> Callable[..., str]:
    """Starts a run; returns its id."""

    def run(**options: Any) -> str:
        connection = connect()
        uploaded = submit.upload_compiled(connection, made)
        settings = {"service_account": "bertworks-pipeline", "experiment_name": "sentiment"}
        return submit.start(connection, uploaded, made, **{**settings, **options})

    return run


def later(kfp: FakeKfp, what: Callable[[], None]) -> None:
    """Does something when a run has been looked at a few times more."""
    calls = len(kfp.calls("run_service_get_run"))

    def wait() -> None:
        while len(kfp.calls("run_service_get_run")) < calls + 5:
            time.sleep(0.01)
        what()

    threading.Thread(target=wait, daemon=True).start()


def fail_at_the_gate(kfp: FakeKfp, run_id: str, counted: bool = False) -> None:
    steps = {
        **DONE, "finetune": "SUCCEEDED", "evaluate": "SUCCEEDED", "prune": "SUCCEEDED",
        "quantize": "SUCCEEDED", "evaluate-2": "SUCCEEDED", "gate": "FAILED",
    }  # fmt: skip
    kfp.play(run_id, steps, state="FAILED", attempts={"finetune": 2}, counted=counted)


def test_list_shows_the_newest_first_and_what_they_were_made_of(
    kfp: FakeKfp, start: Callable[..., str], bertworks: Bertworks
) -> None:
    first, second = start(), start(experiment_name="elsewhere")
    kfp.set_state(first, "SUCCEEDED")
    rows = json.loads(bertworks("runs", "list", "--json").out)
    assert [row["id"] for row in rows] == [second, first]
    assert rows[1]["state"] == "succeeded" and rows[1]["agent"] == "sentiment"
    assert len(rows[1]["spec"]) == len(rows[1]["data"]) == 16 and rows[1]["code"] == "0.1.0"
    shown = bertworks("runs", "list").out
    assert first[:8] in shown and rows[1]["spec"][:8] in shown
    assert [r["id"] for r in json.loads(bertworks("runs", "list", "--state", "Succeeded",
            "--json").out)] == [first]  # fmt: skip
    assert len(json.loads(bertworks("runs", "list", "--limit", "1", "--json").out)) == 1
    wrong = bertworks("runs", "list", "--state", "done")
    assert wrong.code == 1 and "running" in wrong.err
    assert kfp.refused == []


def test_list_of_one_agent_finds_those_of_the_scheduler_too(
    kfp: FakeKfp, start: Callable[..., str], bertworks: Bertworks, tmp_path: Path
) -> None:
    own = start(cache=False)
    other = kfp.runs[start()]
    job = connect().client.create_recurring_run(
        experiment_id=other["experiment_id"],
        job_name="sentiment-weekly",
        cron_expression="0 0 3 * * 1",
        pipeline_id=other["pipeline_version_reference"]["pipeline_id"],
        version_id=other["pipeline_version_reference"]["pipeline_version_id"],
    )
    fired = kfp.fire(job.recurring_run_id)
    other["pipeline_version_reference"] = {"pipeline_id": "p", "pipeline_version_id": "v"}
    other["description"] = "somebody else's"
    wanted = {own, fired}
    for name in ("sentiment", str(SPEC)):
        rows = json.loads(bertworks("runs", "list", name, "--json").out)
        assert {row["id"] for row in rows} == wanted
        # What the scheduler starts says nothing of itself: its version does.
        assert {row["spec"] for row in rows} == {rows[0]["spec"]} != {""}
        assert all(row["data"] and row["code"] == "0.1.0" for row in rows)
    assert "no runs of nobody" in bertworks("runs", "list", "nobody").out
    shown = bertworks("runs", "show", fired).out
    assert "agent sentiment" in shown and f"schedule {job.recurring_run_id}" in shown
    missing = bertworks("runs", "list", str(tmp_path / "none.yaml"))
    assert missing.code == 2 and "cannot be read" in missing.err


def test_pages_are_followed(kfp: FakeKfp, start: Callable[..., str], bertworks: Bertworks) -> None:
    template = kfp.runs[start()]
    for number in range(250):
        run_id = f"{number:08d}-0000-4000-8000-000000000000"
        kfp.runs[run_id] = {**template, "run_id": run_id, "created_at": "2026-01-01T00:00:00Z"}
    rows = json.loads(bertworks("runs", "list", "--limit", "500", "--json").out)
    assert len(rows) == 251 and len({row["id"] for row in rows}) == 251
    assert bertworks("runs", "show", "00000249").code == 0
    assert kfp.refused == []


def test_runs_by_prefix_and_latest(
    kfp: FakeKfp, start: Callable[..., str], bertworks: Bertworks
) -> None:
    assert "no runs in kubeflow" in bertworks("runs", "show").err
    first = start()
    second = start()
    for wanted, run_id in ((first, first), (first[:8].upper(), first), ("latest", second)):
        assert json.loads(bertworks("runs", "show", wanted, "--json").out)["id"] == run_id
    kfp.runs["abcd0000-x"] = {**kfp.runs[first], "run_id": "abcd0000-x"}
    kfp.runs["abcd0001-x"] = {**kfp.runs[first], "run_id": "abcd0001-x"}
    ambiguous = bertworks("runs", "show", "abcd")
    assert ambiguous.code == 1 and "abcd0000-x" in ambiguous.err and "fits 2 runs" in ambiguous.err
    assert bertworks("runs", "show", "zzz").code == 1


def test_show_begins_with_the_failing_steps_message(
    kfp: FakeKfp, pods: FakePods, start: Callable[..., str], bertworks: Bertworks
) -> None:
    run_id = start()
    fail_at_the_gate(kfp, run_id)
    pods.add_step(run_id, "gate", {"phase": "Failed"}, "an earlier attempt\n")
    pods.add_step(run_id, "gate", {"phase": "Failed"}, REFUSED)
    ended = bertworks("runs", "show", run_id)
    assert ended.code == 0
    first, second = ended.out.splitlines()[:2]
    assert first == "failed: gate: accuracy 0.71 is below gates.minimum 0.85"
    assert second == "  fix: Train longer, or lower the gate."
    assert f"{kfp.url}/#/runs/details/{run_id}" in ended.out
    record = json.loads(bertworks("runs", "show", run_id, "--json").out)
    assert record["failure"] == {
        "step": "gate",
        "message": "accuracy 0.71 is below gates.minimum 0.85\n"
        "  fix: Train longer, or lower the gate.",
        "exit_code": 6,
        "gate": True,
    }
    states = {step["name"]: (step["state"], step["attempts"]) for step in record["steps"]}
    assert states["ingest"] == ("succeeded", 1) and states["finetune"] == ("succeeded", 3)
    assert states["evaluate-bundle"] == ("succeeded", 1)
    assert states["gate"] == ("failed", 1) and states["register"] == ("skipped", 0)
    assert [step["name"] for step in record["steps"]][:3] == ["ingest", "validate", "transform"]
    assert next(s for s in record["steps"] if s["name"] == "ingest")["seconds"] == 40


def test_without_a_kubeconfig_the_ui_is_asked(
    kfp: FakeKfp, start: Callable[..., str], bertworks: Bertworks
) -> None:
    run_id = start()
    fail_at_the_gate(kfp, run_id)
    ended = bertworks("runs", "show", run_id)
    assert "out of reach" in ended.out.splitlines()[0]
    assert f"/bertworks/failures/{run_id}/gate.json" in ended.out
    workflow = kfp.runs[run_id]["workflow"]
    name = node_id(
        f"{workflow}-metadata-0-7-system-container-impl", f"{workflow}.root.gate.executor"
    )
    kfp.logs[name] = REFUSED
    ended = bertworks("runs", "show", run_id)
    assert ended.out.startswith("failed: gate: accuracy 0.71 is below")
    assert bertworks("runs", "logs", run_id).out == REFUSED


def test_attempts_and_logs_are_found_where_the_controller_retries_groups(
    kfp: FakeKfp, start: Callable[..., str], bertworks: Bertworks
) -> None:
    """KFP's controller has a retry rule for every template, so nodes are called otherwise."""
    run_id = start()
    fail_at_the_gate(kfp, run_id, counted=True)
    record = json.loads(bertworks("runs", "show", run_id, "--json").out)
    states = {step["name"]: (step["state"], step["attempts"]) for step in record["steps"]}
    assert states["finetune"] == ("succeeded", 3) and states["quantize"] == ("succeeded", 1)
    assert states["gate"] == ("failed", 1)
    workflow = kfp.runs[run_id]["workflow"]
    name = node_id(
        f"{workflow}-metadata-0-7-system-container-impl",
        f"{workflow}(0).root(0).gate(0).executor(0)",
    )
    kfp.logs[name] = REFUSED
    assert bertworks("runs", "logs", run_id).out == REFUSED


def test_kept_reasons_are_read_where_they_can_be(
    kfp: FakeKfp, bertworks: Bertworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a bucket, or inside the cluster, the reasons that steps keep are at hand."""
    connection = connect()
    overrides = ["resources.volume.claim=null", "resources.store=memory://bucket/models"]
    made = submit.compiled(spec_file.load(SPEC, overrides), "agent")
    uploaded = submit.upload_compiled(connection, made)
    run_id = submit.start(
        connection, uploaded, made, service_account="s", experiment_name="sentiment"
    )
    kfp.play(run_id, {**DONE, "finetune": "FAILED"}, state="FAILED")
    monkeypatch.setenv(failures.ROOT, "memory://bucket/failures")
    monkeypatch.setenv(failures.RUN, run_id)
    failures.record("finetune", "loss is NaN", 3, "error")
    assert bertworks("runs", "show").out.startswith("failed: finetune: loss is NaN")


def test_a_pod_that_was_killed_is_a_reason(
    kfp: FakeKfp, pods: FakePods, start: Callable[..., str], bertworks: Bertworks
) -> None:
    run_id = start()
    kfp.play(run_id, {**DONE, "finetune": "FAILED"}, state="FAILED")
    terminated = {"exitCode": 137, "reason": "OOMKilled"}
    status = {
        "phase": "Failed",
        "containerStatuses": [
            {"name": "main", "image": "i", "imageID": "", "ready": False, "restartCount": 0,
             "state": {"terminated": terminated}}
        ],
    }  # fmt: skip
    pods.add_step(run_id, "finetune", status)
    ended = bertworks("runs", "show", run_id)
    assert ended.out.startswith("failed: finetune: the pod ran out of memory")
    assert "resources.steps" in ended.out.splitlines()[1]


def test_what_only_the_pods_know_is_shown(
    kfp: FakeKfp, pods: FakePods, start: Callable[..., str], bertworks: Bertworks
) -> None:
    run_id = start()
    kfp.play(run_id, {"ingest": "SUCCEEDED", "validate": "RUNNING"}, state="RUNNING")
    said = (
        "...\nstep ingest warning: 9 rows were rejected: data.max_rejected [see rejected.jsonl]\n"
        "step ingest succeeded in 40 s: rows=8530, rejected=0.5\n" + "I1126 launcher\n" * 104
    )
    pods.add_step(run_id, "ingest", {"phase": "Succeeded"}, said)
    pods.add_step(run_id, "validate", {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                        "message": "no node"}],
    })  # fmt: skip
    shown = bertworks("runs", "show").out
    assert "1 warning, rows 8,530, rejected 0.5" in shown and "Unschedulable: no node" in shown
    warning = "    warning: 9 rows were rejected: data.max_rejected [see rejected.jsonl]"
    assert shown.splitlines()[-3:] == ["1 warning:", "  ingest", warning]
    steps = json.loads(bertworks("runs", "show", "--json").out)["steps"]
    assert steps[0]["metrics"] == {"rows": 8530, "rejected": 0.5}
    assert steps[0]["notices"][0]["text"] == "9 rows were rejected: data.max_rejected"


def test_numbers_are_found_far_before_the_end_of_a_log(
    kfp: FakeKfp, pods: FakePods, start: Callable[..., str], bertworks: Bertworks
) -> None:
    run_id = start()
    kfp.play(run_id, {"ingest": "SUCCEEDED"}, state="SUCCEEDED")
    launcher = "I1126 launcher\n" * 1200
    pods.add_step(run_id, "ingest", {"phase": "Succeeded"},
                  f"step ingest succeeded in 4 s: rows=7, f1 (a=b)=0.5\n{launcher}")  # fmt: skip
    (step, *_) = json.loads(bertworks("runs", "show", run_id, "--json").out)["steps"]
    assert step["metrics"] == {"rows": 7, "f1 (a=b)": 0.5}


def test_numbers_of_a_pod_that_is_gone_come_from_the_archive(
    kfp: FakeKfp, start: Callable[..., str], bertworks: Bertworks
) -> None:
    """Without a kubeconfig, too; and of a retried step from its last attempt."""
    run_id = start()
    kfp.play(run_id, {"ingest": "SUCCEEDED"}, state="SUCCEEDED", attempts={"ingest": 1})
    workflow = kfp.runs[run_id]["workflow"]
    said = "step ingest note: 2 rows repeat\nstep ingest succeeded in 4 s: rows={}\n"
    for number, rows in ((0, 1), (1, 2)):
        node = f"{workflow}.root.ingest.executor({number})"
        name = node_id(f"{workflow}-metadata-0-7-system-container-impl", node)
        kfp.logs[name] = said.format(rows)
    (step, *_) = json.loads(bertworks("runs", "show", run_id, "--json").out)["steps"]
    assert step["metrics"] == {"rows": 2} and step["attempts"] == 2
    assert step["notices"][0]["text"] == "2 rows repeat"
    assert "rows=2" in bertworks("runs", "logs", run_id, "ingest").out
    del kfp.logs[name]  # the archive holds the first attempt only
    assert "rows=1" in bertworks("runs", "logs", run_id, "ingest").out


FORBIDDEN = (
    'time="2026-11-26T03:00:00Z" level=info msg="Creating"\n'
    'time="2026-11-26T03:01:35Z" level=fatal msg="workflowtaskresults.argoproj.io is forbidden: User '
    '\\"system:serviceaccount:kubeflow:poor\\" cannot create resource"\n'
)
BUCKET = (
    "I1126 03:00:00.000000 1 main.go:108] input ComponentSpec\n"
    "F1126 03:00:02.000000 1 main.go:79] KFP driver: driver.RootDAG(run) failed: the bucket nowhere "
    "does not exist\n"
    "time=2026-11-26 level=info msg=sub-process exited\nError: exit status 1\n"
)


def ended(**codes: int) -> dict[str, Any]:
    """The status of a failed pod: container to exit code."""
    statuses = [
        {"name": name, "image": "i", "imageID": "", "ready": False, "restartCount": 0,
         "state": {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed"}}}
        for name, code in codes.items()
    ]  # fmt: skip
    return {"phase": "Failed", "containerStatuses": statuses}


@pytest.mark.parametrize(
    ("status", "container", "log", "said", "fix"),
    [
        (ended(wait=1, main=0), "wait", FORBIDDEN, "workflowtaskresults.argoproj.io is forbidden",
         "service account"),
        (ended(wait=0, main=1), "main", BUCKET, "the bucket nowhere does not exist", "kfp-launcher"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("quick_watch")
def test_a_driver_that_fails_gives_its_reason(
    kfp: FakeKfp, pods: FakePods, start: Callable[..., str], bertworks: Bertworks,
    status: dict[str, Any], container: str, log: str, said: str, fix: str,
) -> None:  # fmt: skip
    """KFP has no reason for it, and no step ever began: Kubeflow's own pods have."""
    run_id = start()
    kfp.play(run_id, {}, state="RUNNING")
    for _ in range(2):
        pods.add_own(run_id, "root-driver", status, log, container)
    shown = bertworks("runs", "show", run_id).out
    assert "root-driver: failed 2 times: " in shown and said in shown
    later(kfp, lambda: kfp.play(run_id, {}, state="FAILED"))
    watched = bertworks("runs", "watch", run_id)
    assert watched.code == 8
    assert watched.out.count("root-driver: failed 2 times: ") == 1  # while it is tried again
    assert said in watched.err.splitlines()[0] and fix in watched.err
    assert f"bertworks runs logs {run_id} root-driver" in watched.err
    assert bertworks("runs", "logs", run_id, "root-driver").out == log
    other = bertworks("runs", "logs", run_id, "ingest-driver")
    assert other.code == 7 and "there is: root-driver" in other.err
    shown = bertworks("runs", "show", run_id).out
    assert shown.startswith("failed: root-driver: tried 2 times: ") and said in shown


def test_the_driver_of_a_step_and_argos_beside_it(
    kfp: FakeKfp, pods: FakePods, start: Callable[..., str], bertworks: Bertworks
) -> None:
    run_id = start()
    kfp.play(run_id, {"ingest": "SUCCEEDED", "validate": "DRIVER FAILED"}, state="FAILED")
    pods.add_own(run_id, "validate-driver", ended(wait=0, main=1), BUCKET)
    first = bertworks("runs", "show", run_id).out.splitlines()[0]
    assert first.startswith("failed: validate: Kubeflow's driver") and "bucket nowhere" in first
    # Not even made: the account is not there. Argo alone knows.
    pods.pods.clear()
    pods.add_workflow(run_id, {"validate-driver(0)": 'pods "wf" is forbidden: no such account'})
    assert "no such account" in bertworks("runs", "show", run_id).out.splitlines()[0]
    # A step that did its work, and whose end could not be reported.
    kfp.play(run_id, {"ingest": "FAILED"}, state="FAILED")
    name = pods.add_step(
        run_id, "ingest", ended(wait=1, main=0), "step ingest succeeded in 1 s: n=1"
    )
    pods.logs[f"{name}/wait"] = FORBIDDEN
    assert "forbidden" in bertworks("runs", "show", run_id).out.splitlines()[0]


def test_steps_after_a_retry_wait_and_after_a_cancel_are_cancelled(
    kfp: FakeKfp, pods: FakePods, start: Callable[..., str], bertworks: Bertworks
) -> None:
    def states() -> dict[str, str]:
        record = json.loads(bertworks("runs", "show", run_id, "--json").out)
        return {step["name"]: step["state"] for step in record["steps"]}

    run_id = start()
    failed = {**DONE, "finetune": "FAILED", "evaluate": "OMITTED", "gate": "OMITTED"}
    kfp.play(run_id, failed, state="FAILED")
    assert states()["gate"] == "skipped"
    kfp.play(run_id, {**failed, "finetune": "RUNNING"}, state="RUNNING")  # Argo keeps the omitted
    after = states()
    assert after["finetune"] == "running" and after["ingest"] == "succeeded"
    assert after["evaluate"] == after["gate"] == after["register"] == "waiting"
    kfp.play(run_id, failed, state="RUNNING")  # nor has it begun anew with the one that failed
    kfp.runs[run_id]["state_history"][-1]["update_time"] = "2999-01-01T00:00:00Z"
    assert states()["finetune"] == states()["gate"] == "waiting"
    # Cancelled: KFP may call the run, and its step, failed. Argo knows better.
    kfp.play(run_id, {**DONE, "finetune": "FAILED"}, state="FAILED")
    assert states()["finetune"] == "failed"
    pods.add_workflow(run_id, {}, shutdown="Terminate")
    assert states()["finetune"] == "cancelled"
    assert not bertworks("runs", "show", run_id).out.startswith("failed")


def test_logs_of_steps(
    kfp: FakeKfp, pods: FakePods, start: Callable[..., str], bertworks: Bertworks
) -> None:
    run_id = start()
    assert "No step of this run has run yet" in bertworks("runs", "logs").err
    kfp.play(run_id, {"ingest": "CACHED", "validate": "SUCCEEDED", "transform": "RUNNING"},
             state="RUNNING")  # fmt: skip
    pods.add_step(run_id, "validate", {"phase": "Succeeded"}, "checked\nno end of line")
    pods.add_step(run_id, "transform", {"phase": "Running"}, "tokens ✓\n")
    assert bertworks("runs", "logs").out == "tokens ✓\n"
    assert bertworks("runs", "logs", run_id, "validate").out == "checked\nno end of line\n"
    assert bertworks("runs", "logs", run_id, "--follow").out == "tokens ✓\n"
    assert "came from the cache" in bertworks("runs", "logs", run_id, "ingest").err
    wrong = bertworks("runs", "logs", run_id, "trian")
    assert wrong.code == 1 and "evaluate-bundle" in wrong.err
    pods.pods.clear()
    gone = bertworks("runs", "logs", run_id, "validate")
    assert gone.code == 7 and "its pod is gone" in gone.err and "object store" in gone.err
    pods.refuse = 403
    assert "403" in bertworks("runs", "logs", run_id, "validate").err


def test_cancel_and_retry(kfp: FakeKfp, start: Callable[..., str], bertworks: Bertworks) -> None:
    run_id = start()
    early = bertworks("runs", "retry", run_id)
    assert early.code == 1 and "only failed and cancelled" in early.err
    assert bertworks("runs", "cancel", run_id[:10]).code == 0
    assert bertworks("runs", "cancel", run_id).code == 0
    assert json.loads(bertworks("runs", "show", "--json").out)["state"] == "canceled"
    assert bertworks("runs", "retry", run_id).code == 0
    assert kfp.runs[run_id]["state"] == "RUNNING"
    kfp.set_state(run_id, "SUCCEEDED")
    late = bertworks("runs", "cancel", run_id)
    assert late.code == 1 and "succeeded already" in late.err
    kfp.set_state(run_id, "FAILED")
    kfp.fault("POST", ":retry", status=500)
    gone = bertworks("runs", "retry", run_id)
    assert gone.code == 7 and "bertworks submit" in gone.err


@pytest.mark.usefixtures("quick_watch")
def test_watch_ends_with_the_runs_outcome(
    kfp: FakeKfp, pods: FakePods, start: Callable[..., str], bertworks: Bertworks
) -> None:
    run_id = start()
    kfp.play(run_id, {**DONE, "finetune": "RUNNING"}, state="RUNNING")

    said = "step validate note: 2 rows repeat\nstep validate succeeded in 1 s: rows=2\n"
    pods.add_step(run_id, "validate", {"phase": "Succeeded"}, said)
    later(kfp, lambda: kfp.play(run_id, {**DONE, "finetune": "SUCCEEDED"}, state="SUCCEEDED"))
    ended = bertworks("runs", "watch", run_id)
    assert ended.out.count("validate: note: 2 rows repeat") == 1  # as the step ends
    assert ended.out.splitlines()[-4:-1] == ["1 note:", "  validate", "    note: 2 rows repeat"]
    assert ended.code == 0, ended.err
    assert "finetune: running" in ended.out and "finetune: succeeded 40.0 s" in ended.out
    assert ended.out.splitlines()[-1].startswith(f"run {run_id} succeeded in")

    kfp.play(run_id, {**DONE, "finetune": "RUNNING"}, state="RUNNING")
    pods.add_step(run_id, "gate", {"phase": "Failed"}, REFUSED)
    later(kfp, lambda: fail_at_the_gate(kfp, run_id))
    ended = bertworks("runs", "watch", run_id)
    assert ended.code == 6
    assert ended.err.splitlines()[0] == "error: gate: accuracy 0.71 is below gates.minimum 0.85"
    assert f"bertworks runs logs {run_id}" in ended.err

    pods.add_step(
        run_id,
        "finetune",
        {"phase": "Failed"},
        "step finetune failed: no GPU\nF main.go] failed to execute component: exit status 7",
    )
    kfp.play(run_id, {**DONE, "finetune": "FAILED"}, state="FAILED")
    ended = bertworks("runs", "watch", run_id)
    assert (ended.code, ended.err.splitlines()[0]) == (8, "error: finetune: no GPU")

    kfp.play(run_id, {**DONE, "finetune": "RUNNING"}, state="RUNNING")
    later(kfp, lambda: kfp.set_state(run_id, "CANCELING"))
    assert bertworks("runs", "watch", run_id).code == 9


@pytest.mark.usefixtures("quick_watch")
def test_a_cancelled_run_that_ends_as_failed_is_cancelled(
    kfp: FakeKfp, start: Callable[..., str], bertworks: Bertworks
) -> None:
    kfp.cancel_at_once = False
    run_id = start()
    kfp.play(run_id, {"ingest": "RUNNING"}, state="CANCELING")
    later(kfp, lambda: kfp.play(run_id, {"ingest": "FAILED"}, state="FAILED"))
    seen = bertworks("runs", "watch")
    assert seen.code == 9 and "failed" not in seen.out
    assert '"state": "cancelled"' in bertworks("runs", "show", "--json").out


def test_a_step_that_was_ended_from_outside(
    kfp: FakeKfp, pods: FakePods, start: Callable[..., str], bertworks: Bertworks
) -> None:
    run_id = start()
    kfp.play(run_id, {"ingest": "FAILED"}, state="FAILED")
    said = "training\nF main.go] failed to execute component: signal: terminated\n"
    pods.add_step(run_id, "ingest", {"phase": "Failed"}, said)
    assert "cancelled, or its node was taken away" in bertworks("runs", "show").out.splitlines()[0]
    kfp.runs[run_id]["state_history"] = [
        {"update_time": "2026-11-22T03:00:00Z", "state": state}
        for state in ("RUNNING", "CANCELING", "FAILED")
    ]
    shown = bertworks("runs", "show").out
    assert not shown.startswith("failed") and "canceled" in shown


@pytest.mark.usefixtures("quick_watch")
def test_watching_survives_hiccups_and_gives_up_in_the_end(
    kfp: FakeKfp, start: Callable[..., str], bertworks: Bertworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = start()
    kfp.play(run_id, {"ingest": "RUNNING"}, state="RUNNING")
    kfp.fault("GET", f"/runs/{run_id}", status=503, times=9)
    kfp.fault("GET", f"/runs/{run_id}", drop=True, times=9)

    def end() -> None:
        while len(kfp.requests) < 25:
            time.sleep(0.01)
        kfp.play(run_id, {"ingest": "SUCCEEDED"}, state="SUCCEEDED")

    threading.Thread(target=end, daemon=True).start()
    connection = connect()
    assert watch.follow(connection, run_id).state == "succeeded"
    with pytest.raises(Exception, match="404"):
        watch.follow(connection, "gone")
    monkeypatch.setattr(watch, "PATIENCE_SECONDS", 0.0)
    kfp.set_state(run_id, "RUNNING")
    kfp.fault("GET", f"/runs/{run_id}", status=503, times=99)
    with pytest.raises(Exception, match=f"503.*\n(.*\n)*.*runs watch {run_id}"):
        watch.follow(connection, run_id)


@pytest.mark.usefixtures("quick_watch")
def test_what_a_pod_waits_for_is_said(
    kfp: FakeKfp, pods: FakePods, start: Callable[..., str], bertworks: Bertworks
) -> None:
    """Without it a run is "running" for ever (kubeflow/pipelines #10634)."""
    run_id = start()
    kfp.play(run_id, {"ingest": "RUNNING", "validate": "RUNNING"}, state="RUNNING")
    pulling = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling "x:1"'}}
    pods.add_step(run_id, "ingest", {
        "phase": "Pending",
        "containerStatuses": [{"name": "main", "image": "x:1", "imageID": "", "ready": False,
                               "restartCount": 0, "state": pulling}],
    })  # fmt: skip
    pods.add_step(run_id, "validate", {
        "phase": "Pending",
        "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                        "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."}],
    })  # fmt: skip
    later(kfp, lambda: kfp.play(run_id, DONE, state="SUCCEEDED"))
    out = bertworks("runs", "watch").out
    assert 'ingest: waits: ImagePullBackOff: Back-off pulling "x:1" (is the image' in out
    assert "validate: waits: Unschedulable: 0/1 nodes" in out and "doctor" in out
    assert out.count("ImagePullBackOff") == 1


def test_the_table_in_a_terminal(kfp: FakeKfp, start: Callable[..., str]) -> None:
    run_id = start()
    kfp.play(run_id, {"ingest": "CACHED", "validate": "SUCCEEDED", "transform": "RUNNING"},
             state="RUNNING", attempts={"validate": 1})  # fmt: skip
    connection = connect()
    run = connection.client.get_run(run_id)
    steps = steps_of(run, source_of(connection, run)[0])
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    shown = watch.LiveTable(console)
    shown.show(steps, {"transform": "Unschedulable: no node"}, "KFP does not answer")
    shown.close()
    text = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("cached", "transform", "running", "Unschedulable", "does not answer", "register"):
        assert part in text


def test_steps_without_the_pipelines_spec(kfp: FakeKfp, start: Callable[..., str]) -> None:
    """The version was deleted: what Argo's nodes are called must do."""
    run_id = start()
    kfp.play(run_id, {**DONE, "evaluate-2": "FAILED"}, state="FAILED")
    kfp.versions.clear()
    connection = connect()
    run = connection.client.get_run(run_id)
    pipeline, facts = source_of(connection, run)
    assert pipeline is None and facts.agent == "sentiment"
    steps = steps_of(run, pipeline)
    assert [(step.name, step.state) for step in steps] == [
        ("ingest", "succeeded"), ("validate", "succeeded"), ("transform", "succeeded"),
        ("evaluate-2", "failed"),
    ]  # fmt: skip


def test_the_retrainings_boxes_are_flat_and_in_order() -> None:
    made = submit.compiled(spec_file.load(SPEC), "retrain")
    spec, platform = documents(made.text)
    steps = list(declared_steps({"pipeline_spec": spec, "platform_spec": platform}))
    names = [step.name for step in steps]
    assert names[:2] == ["ingest", "compare"] and names[-1] == "notify"
    assert names.index("transform") < names.index("finetune") < names.index("gate")
    assert all(step.template == "metadata-0-7-system-container-impl" for step in steps)
    assert len(next(step for step in steps if step.name == "finetune").path) > 2


def test_argos_hash() -> None:
    """Values of FNV-1a, 32 bits, from its authors' test suite."""
    assert (node_hash(""), node_hash("a"), node_hash("foobar")) == (
        0x811C9DC5, 0xE40C292C, 0xBF9CF968,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("log", "message", "gate"),
    [
        (REFUSED, "accuracy 0.71 is below gates.minimum 0.85\n  fix: Train longer, or lower the gate.",
         True),
        ("step gate failed: no disk\nfailed to execute component: exit status 7\n", "no disk", False),
        ("step gate failed: no disk\n", "no disk", True),
        ("step x failed: one\nstep x failed: two\nfailed to execute component: exit status 1\n"
         "Error: exit status 6", "two", False),
    ],
)  # fmt: skip
def test_reasons_in_logs(log: str, message: str, gate: bool) -> None:
    found = parse("gate", log)
    assert found is not None and (found.message, found.gate) == (message, gate)


@given(st.text())
def test_any_log_is_read(text: str) -> None:
    found = parse("gate", text)
    assert found is None or "failed: " in text


def test_two_runs_are_compared_by_what_their_pipelines_and_logs_say(
    kfp: FakeKfp, start: Callable[..., str], bertworks: Bertworks, pods: FakePods, tmp_path: Path
) -> None:
    connection = connect()
    other = submit.compiled(spec_file.load(SPEC, ["finetune.epochs=3"]), "agent")
    uploaded = submit.upload_compiled(connection, other)
    first = start()
    second = submit.start(
        connection, uploaded, other, service_account="x", experiment_name="sentiment"
    )
    for run_id in (first, second):
        kfp.play(run_id, {**DONE, "finetune": "SUCCEEDED"}, state="SUCCEEDED")
    found = json.loads(bertworks("runs", "compare", first, second, "--json").out)
    assert [one["key"] for one in found["settings"]] == ["finetune.epochs"]
    assert found["settings"][0]["second"] == 3 and found["metric"] == "accuracy"
    assert found["first"]["agent"] == "sentiment"
    assert "no answers row by row" in found["first"]["lacks"][0]
    assert [one["step"] for one in found["times"]][:2] == ["ingest", "validate"]
    shown = bertworks("runs", "compare", first[:8], second)
    assert "finetune.epochs" in shown.out and "no answers row by row" in shown.out
