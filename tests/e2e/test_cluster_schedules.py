"""Schedules and retraining on a cluster."""

import json

from cluster_user import STEPS, run_id

from pipelines.dag import pipeline_name


def _recurring(user, agent: str) -> list:
    """The recurring runs of KFP that belong to an agent's schedule, asked of KFP itself."""
    kfp = user.connection.client
    experiment = kfp.get_experiment(experiment_name=agent, namespace=user.connection.scope)
    found = kfp.list_recurring_runs(experiment_id=experiment.experiment_id, page_size=100)
    return found.recurring_runs or []


def _row(user, name: str) -> dict | None:
    return next((row for row in user.json("schedule", "list") if row["name"] == name), None)


def test_schedule_is_created_changed_paused_resumed_and_deleted(user) -> None:
    spec, agent = user.spec("schedule"), user.agent("schedule")
    name = pipeline_name(agent, "retrain")
    made = json.loads(user.bertworks("schedule", spec, "--cron", "0 3 * * 1", "--json").stdout)
    assert made["change"] == "created" and made["kfp_cron"] == "0 0 3 * * 1"
    (one,) = _recurring(user, agent)
    assert one.trigger.cron_schedule.cron == "0 0 3 * * 1"
    # Not `status`: that follows only when the cluster has reported it.
    assert str(one.mode).upper() == "ENABLE"
    assert one.service_account == "bertworks-pipeline"

    # The same again changes nothing.
    again = json.loads(user.bertworks("schedule", spec, "--cron", "0 3 * * 1", "--json").stdout)
    assert again["change"] == "unchanged"
    assert [r.recurring_run_id for r in _recurring(user, agent)] == [one.recurring_run_id]

    # Another time takes its place: never none, never two.
    user.bertworks("schedule", spec, "--cron", "30 4 * * 2", seconds=300)
    (other,) = _recurring(user, agent)
    assert other.trigger.cron_schedule.cron == "0 30 4 * * 2"
    assert other.recurring_run_id != one.recurring_run_id
    assert _row(user, name)["state"] == "active"

    user.bertworks("schedule", "pause", name)
    assert _row(user, name)["state"] == "paused"
    assert {str(r.mode).upper() for r in _recurring(user, agent)} == {"DISABLE"}

    user.bertworks("schedule", "resume", name)
    assert _row(user, name)["state"] == "active"
    (running,) = _recurring(user, agent)
    assert running.trigger.cron_schedule.cron == "0 30 4 * * 2"

    user.bertworks("schedule", "delete", name, "--yes")
    assert _row(user, name) is None and not _recurring(user, agent)


def test_retraining_with_nothing_new_ends_green_without_training(user, first_run) -> None:
    done = user.bertworks("submit", user.spec("main"), "--retrain", "--wait", seconds=STEPS)
    run = run_id(done.stdout + done.stderr)
    shown = user.json("runs", "show", run)
    states = {step["name"]: step["state"] for step in shown["steps"]}
    assert shown["state"] == "succeeded"
    assert states["compare"] == "succeeded" and states["notify"] == "succeeded"
    assert states["finetune"] == "skipped", states
    assert not user.pods(run, "finetune")
