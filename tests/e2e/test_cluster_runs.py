"""Runs on a cluster: submit, cache, failures, cancel, GPUs, a pod that is killed half-way."""

import re
import time

from cluster_user import STEPS, progress_in, run_id, until

TASKS = [
    "ingest", "validate", "transform", "finetune", "evaluate", "quantize", "evaluate-bundle", "gate",
    "register",
]  # fmt: skip
LONG = {"finetune": {"epochs": 200, "patience": 200, "checkpoint_steps": 20}}


def test_doctor_finds_nothing_that_stops_a_run(user) -> None:
    done = user.bertworks("doctor", user.spec("main"), code=None)
    assert done.returncode == 0, done.stdout + done.stderr
    assert user.connection.namespace in done.stdout


def test_submitted_run_succeeds_and_is_shown(user, first_run) -> None:
    shown = user.json("runs", "show", first_run)
    assert shown["state"] == "succeeded"
    assert sorted(step["name"] for step in shown["steps"]) == sorted(TASKS)
    assert {step["state"] for step in shown["steps"]} == {"succeeded"}
    listed = user.json("runs", "list", user.agent("main"))
    assert first_run in [run["id"] for run in listed]


def test_log_of_a_step_is_printed(user, first_run) -> None:
    assert "fine-tuning" in user.bertworks("runs", "logs", first_run, "finetune").stdout


def test_pods_are_labelled_and_run_as_the_spec_says(user, first_run) -> None:
    (pod,) = user.pods(first_run, "finetune")
    assert pod.metadata.labels["app.kubernetes.io/name"] == "bertworks"
    assert pod.metadata.labels["app.kubernetes.io/instance"] == user.agent("main")
    assert pod.spec.service_account_name == "bertworks-pipeline"
    claims = [volume.persistent_volume_claim for volume in pod.spec.volumes]
    assert "bertworks" in [claim.claim_name for claim in claims if claim]
    (main,) = [container for container in pod.spec.containers if container.name == "main"]
    asked = user.resources["resources"]["steps"]["finetune"]
    assert main.resources.limits["memory"] == asked["memory"]


def test_the_same_again_is_taken_from_the_cache(user, first_run) -> None:
    began = time.monotonic()
    done = user.bertworks("submit", user.spec("main"), "--wait", seconds=STEPS)
    again = run_id(done.stdout + done.stderr)
    assert again != first_run
    assert "was there already" in done.stdout
    steps = {step["name"]: step["state"] for step in user.json("runs", "show", again)["steps"]}
    # Registering acts on the store, which others change: it always runs.
    assert steps.pop("register") == "succeeded"
    assert set(steps.values()) == {"cached"}, steps
    assert not user.pods(again, "finetune")
    assert time.monotonic() - began < STEPS / 2


def test_gate_that_refuses_says_why_first(user) -> None:
    """An agent of its own: the store keeps the newest judgement of a bundle, also of a champion."""
    spec = user.spec("gate", gates={"minimum": 0.999})
    done = user.bertworks("submit", spec, "--wait", code=6, seconds=STEPS)
    said = done.stderr[done.stderr.index("error: ") :]
    assert said.startswith("error: gate: ") and "0.999" in said
    run = run_id(done.stdout + done.stderr)
    reason = user.bertworks("runs", "show", run).stdout.partition("\n\n")[0]
    assert reason.startswith("failed: gate: ") and "0.999" in reason
    # A gate's no is not chance: it is not tried again.
    assert len(user.pods(run, "gate")) == 1


def test_failing_step_says_why_first_and_is_not_retried(user) -> None:
    """An archive with another hash than the pinned one: found by the step, inside the pod."""
    import yaml
    from cluster_user import TINY, merged

    content = merged(yaml.safe_load(TINY.read_text()), {})
    source = {**content["data"]["sources"][0], "sha256": "0" * 64}
    spec = user.spec(
        "fails",
        data={"sources": [source]},
        resources={"steps": {"ingest": {"retries": 3, "backoff_seconds": 1}}},
    )
    done = user.bertworks("submit", spec, "--wait", code=8, seconds=STEPS)
    run = run_id(done.stdout + done.stderr)
    reason = user.bertworks("runs", "show", run).stdout.partition("\n\n")[0]
    assert reason.startswith("failed: ingest: ") and "sha256" in reason
    assert "sha256" in user.bertworks("runs", "logs", run).stdout
    states = {step["name"]: step["state"] for step in user.json("runs", "show", run)["steps"]}
    assert states["ingest"] == "failed" and states["finetune"] != "succeeded"
    # Whatever the controller's policy, the reason is not hidden behind further tries.
    logs = [user.log(pod) for pod in user.pods(run, "ingest")]
    assert sum("sha256" in log and "ends at once" not in log for log in logs) == 1


def test_cancelled_run_ends_with_its_pods(user) -> None:
    run = user.start(user.spec("cancel", **LONG))
    user.running(run, "finetune")
    user.bertworks("runs", "cancel", run)
    until(lambda: user.json("runs", "show", run)["state"] in ("canceled", "failed"), 300, "its end")
    until(
        lambda: not [p for p in user.pods(run, "finetune") if p.status.phase == "Running"],
        180,
        "its pods to end",
    )
    user.bertworks("runs", "watch", run, code=None)


def test_gpu_step_is_placed_on_a_node_with_one(user) -> None:
    nodes = {node.metadata.name: node.status.allocatable for node in user.core.list_node().items}
    with_gpu = {name for name, has in nodes.items() if int(has.get("nvidia.com/gpu", 0)) > 0}
    assert with_gpu, "no node offers nvidia.com/gpu: on kind, k8s/kind/fake-gpu.sh makes one do so"
    spec = user.spec("gpu", resources={"steps": {"finetune": {"gpu": 1}}})
    done = user.bertworks("submit", spec, "--wait", seconds=STEPS)
    (pod,) = user.pods(run_id(done.stdout + done.stderr), "finetune")
    (main,) = [container for container in pod.spec.containers if container.name == "main"]
    assert main.resources.limits["nvidia.com/gpu"] == "1"
    assert pod.spec.node_name in with_gpu
    assert "nvidia.com/gpu" in [toleration.key for toleration in pod.spec.tolerations]


def test_step_whose_pod_is_killed_goes_on_from_its_checkpoint(user) -> None:
    spec = user.spec(
        "killed",
        **LONG,
        resources={"steps": {"finetune": {"retries": 3, "backoff_seconds": 2}}},
    )
    run = user.start(spec)
    first = user.running(run, "finetune")
    until(
        lambda: max(progress_in(user.log(first), "fine-tuning"), default=0) >= 100,
        300,
        "100 steps of training",
        pause=1,
    )
    user.core.delete_namespaced_pod(first.metadata.name, user.connection.namespace)

    def another():
        pods = [p for p in user.pods(run, "finetune") if p.metadata.name != first.metadata.name]
        return pods[-1] if pods and progress_in(user.log(pods[-1]), "fine-tuning") else None

    second = until(another, 300, "another pod that trains")
    counts = progress_in(user.log(second), "fine-tuning")
    assert counts[0] >= 80, "it began anew instead of going on from the last checkpoint"
    assert user.wait(run) == "SUCCEEDED"
    steps = {step["name"]: step for step in user.json("runs", "show", run)["steps"]}
    assert steps["finetune"]["state"] == "succeeded"
    assert steps["finetune"]["attempts"] == 2


def test_submit_prints_a_link_and_the_next_command(user, first_run) -> None:
    """What a person sees after `submit` without --wait."""
    done = user.bertworks("submit", user.spec("main"))
    run = run_id(done.stdout)
    assert re.search(rf"bertworks runs watch {run}", done.stdout)
    user.bertworks("runs", "watch", run, seconds=STEPS)
