"""`bertworks schedule` against a KFP that refuses wrong requests, and a scheduler with KFP's rules.

The heart: a change of a schedule is cut off after each single request; then it is called again, and at
each time of the schedule exactly one run must have been started.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from fake_kfp import FakeKfp
from fake_kubernetes import FakeKubernetes
from town import DIALOGUE
from typer.testing import CliRunner

from bertworks.errors import BertworksError, EnvironmentFault
from bertworks.spec import file as spec_file
from pipelines.cli.main import app
from pipelines.cluster.kfp.connection import Connection, connect
from pipelines.cluster.schedule import lifecycle as schedule
from pipelines.cluster.schedule import recurring
from pipelines.cluster.schedule.cron import following, from_six
from pipelines.cluster.schedule.recurring import Setting

SPEC = """\
name: mini
data: {sources: [{uri: /bertworks/data/rows.csv}]}
base: {uri: scratch}
corpus: {include_training_text: true}
schedule: {cron: "0 3 * * 1", timezone: UTC}
"""
DELETE = "/apis/v2beta1/recurringruns/"


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec whose data lies on the cluster's volume."""
    file = tmp_path / "mini.yaml"
    file.write_text(SPEC, "utf-8")
    return file


@pytest.fixture
def connection(kfp: FakeKfp) -> Iterator[Connection]:
    """To the stand-in."""
    made = connect()
    yield made
    assert not kfp.refused
    made.close()


@pytest.fixture
def setting(connection: Connection) -> Setting:
    """A schedule of a pipeline that is on the server."""
    from pipelines.cluster.kfp import submit

    pipeline = submit._make_pipeline(connection, "mini-retrain", "")
    return Setting(
        cron="0 3 * * 1",
        six="0 0 3 * * 1",
        zone="UTC",
        clock="UTC",
        pipeline_id=pipeline,
        version_id=_version(connection, pipeline, "v1"),
        experiment_id=submit.experiment(connection, "mini"),
        service_account="bertworks-pipeline",
        max_concurrency=1,
        catch_up=False,
    )


_server: dict[str, FakeKfp] = {}


@pytest.fixture(autouse=True)
def _remember(kfp: FakeKfp) -> None:
    _server["kfp"] = kfp


def _version(connection: Connection, pipeline_id: str, name: str) -> str:
    kfp = _server["kfp"]
    return str(kfp._add_version(pipeline_id, name, "", "{}")["pipeline_version_id"])


def changed(one: Setting, connection: Connection, **parts: Any) -> Setting:
    """The same with another version."""
    from dataclasses import replace

    number = len(_server["kfp"].versions) + 1
    return replace(one, version_id=_version(connection, one.pipeline_id, f"v{number}"), **parts)


def silent(_: str) -> None:
    pass


def jobs(kfp: FakeKfp) -> list[dict[str, Any]]:
    return list(kfp.recurring_runs.values())


def active(kfp: FakeKfp) -> list[dict[str, Any]]:
    return [job for job in jobs(kfp) if job["mode"] == "ENABLE"]


# ---- created, unchanged, changed ---------------------------------------------------------------------


def test_created_then_left_alone_then_replaced(
    kfp: FakeKfp, connection: Connection, setting: Setting
) -> None:
    first = schedule.apply(connection, "mini-retrain", setting, silent)
    assert (first.change, first.active) == ("created", True)
    [job] = jobs(kfp)
    assert job["display_name"] == f"mini-retrain-{setting.hash}"
    assert job["trigger"]["cron_schedule"]["cron"] == "0 0 3 * * 1"
    assert job["no_catchup"] is True
    assert job["service_account"] == "bertworks-pipeline"
    assert job["pipeline_version_reference"]["pipeline_version_id"] == setting.version_id

    before = len(kfp.requests)
    assert schedule.apply(connection, "mini-retrain", setting, silent).change == "unchanged"
    assert [request.method for request in kfp.requests[before:]] == ["GET"]

    newer = changed(setting, connection)
    done = schedule.apply(connection, "mini-retrain", newer, silent)
    assert done.change == "updated"
    [job] = jobs(kfp)
    assert job["mode"] == "ENABLE"
    assert job["pipeline_version_reference"]["pipeline_version_id"] == newer.version_id
    writes = [r for r in kfp.requests[before:] if r.method != "GET"]
    assert [r.call.split("service_")[1] for r in writes] == [
        "create_recurring_run",
        "disable_recurring_run",
        "enable_recurring_run",
        "delete_recurring_run",
    ]
    # Without this KFP ends the runs that the old one has started.
    assert writes[-1].query == {"propagation_policy": "ORPHAN"}


def test_other_peoples_recurring_runs_are_left_alone(
    kfp: FakeKfp, connection: Connection, setting: Setting
) -> None:
    made = connection.client.create_recurring_run(
        experiment_id=setting.experiment_id,
        job_name=f"mini-retrain-{setting.hash}",
        description="by hand",
        cron_expression="0 0 5 * * *",
        pipeline_id=setting.pipeline_id,
        version_id=setting.version_id,
    )
    schedule.apply(connection, "mini-retrain", setting, silent)
    schedule.delete(connection, "mini-retrain")
    assert [job["recurring_run_id"] for job in jobs(kfp)] == [made.recurring_run_id]


def test_what_was_asked_for_counts_not_what_is_reported_later(
    kfp: FakeKfp, connection: Connection, setting: Setting
) -> None:
    """KFP reports `status` only when the cluster has told it, seconds after the change."""
    schedule.apply(connection, "mini-retrain", setting, silent)
    jobs(kfp)[0]["status"] = "STATUS_UNSPECIFIED"
    assert schedule.apply(connection, "mini-retrain", setting, silent).active
    schedule.pause(connection, "mini")
    jobs(kfp)[0]["status"] = "ENABLED"
    assert not schedule.apply(connection, "mini-retrain", setting, silent).active


def test_more_schedules_than_a_page(
    kfp: FakeKfp, connection: Connection, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recurring, "PAGE", 2)
    for number in range(5):
        schedule.apply(connection, f"agent-{number}", setting, silent)
    assert [one.name for one in recurring.find(connection)] == [f"agent-{n}" for n in range(5)]


# ---- pause, resume, delete ---------------------------------------------------------------------------


def test_pause_resume_delete(kfp: FakeKfp, connection: Connection, setting: Setting) -> None:
    schedule.apply(connection, "mini-retrain", setting, silent)
    assert schedule.pause(connection, "mini").change == "paused"
    assert not active(kfp)
    assert schedule.pause(connection, "mini").change == "unchanged"
    # A paused schedule stays paused, also when it is brought up to date.
    assert not schedule.apply(connection, "mini-retrain", setting, silent).active
    newer = changed(setting, connection)
    done = schedule.apply(connection, "mini-retrain", newer, silent)
    assert (done.change, done.active, len(jobs(kfp)), active(kfp)) == ("updated", False, 1, [])
    assert schedule.apply(connection, "mini-retrain", newer, silent).change == "unchanged"

    assert schedule.resume(connection, "mini").change == "resumed"
    [job] = active(kfp)
    assert job["pipeline_version_reference"]["pipeline_version_id"] == newer.version_id
    assert schedule.resume(connection, "mini").change == "unchanged"
    # What was resumed is what the spec says: nothing to do.
    assert schedule.apply(connection, "mini-retrain", newer, silent).change == "unchanged"
    assert schedule.delete(connection, "mini").change == "deleted"
    assert not jobs(kfp)
    with pytest.raises(BertworksError, match="no schedule 'mini'"):
        schedule.delete(connection, "mini")


def test_resume_makes_a_new_one_lest_a_missed_run_starts_at_once(
    kfp: FakeKfp, connection: Connection, setting: Setting
) -> None:
    """KFP starts the latest missed run of a recurring run that is switched on again."""
    first = schedule.apply(connection, "mini-retrain", setting, silent)
    schedule.pause(connection, "mini")
    assert schedule.resume(connection, "mini").recurring_run_id != first.recurring_run_id


def test_resume_with_catch_up_keeps_it_so_that_missed_runs_start(
    kfp: FakeKfp, connection: Connection, setting: Setting
) -> None:
    wanted = changed(setting, connection, catch_up=True)
    first = schedule.apply(connection, "mini-retrain", wanted, silent)
    schedule.pause(connection, "mini")
    assert schedule.resume(connection, "mini").recurring_run_id == first.recurring_run_id
    assert jobs(kfp)[0]["no_catchup"] is False


# ---- exactly one run at each time, whatever happens -----------------------------------------------


class Killed(BaseException):
    """The process ended here."""


class World:
    """KFP's scheduler on a clock of its own, by the rules of scheduledworkflow/util/cron_schedule.go.

    A recurring run starts a run when it is on and a time has come since its last run (or since it was
    made); with no_catchup only the latest of several. It looks twice a minute.
    """

    def __init__(self, kfp: FakeKfp, start: datetime) -> None:
        self.kfp, self.now = kfp, start
        self.last: dict[str, datetime] = {}
        self.started: list[tuple[datetime, str]] = []
        make = kfp.recurring_run_service_create_recurring_run

        def create(request: Any) -> Any:
            job = make(request)
            self.last[job["recurring_run_id"]] = self.now
            return job

        kfp.recurring_run_service_create_recurring_run = create  # type: ignore[method-assign]

    def pass_time(self, seconds: float) -> None:
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            step = (
                timedelta(seconds=30) if end - self.now < timedelta(hours=2) else timedelta(hours=1)
            )
            self.now = min(end, self.now + step)
            self.look()

    def look(self) -> None:
        for key, job in self.kfp.recurring_runs.items():
            made = self.last[key]
            cron = from_six(job["trigger"]["cron_schedule"]["cron"])
            assert cron is not None
            due = list(takewhile(lambda time: time <= self.now, following(cron, made, UTC)))
            if due and job["mode"] == "ENABLE":
                self.started.append(
                    (due[-1], job["pipeline_version_reference"]["pipeline_version_id"])
                )
                self.last[key] = due[-1]


@pytest.fixture
def world(kfp: FakeKfp, monkeypatch: pytest.MonkeyPatch) -> World:
    """The schedule module's clock is the scheduler's."""
    made = World(kfp, datetime(2026, 11, 23, 2, 0, tzinfo=UTC))

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return made.now

    monkeypatch.setattr(schedule, "datetime", Clock)
    monkeypatch.setattr(schedule.time, "sleep", made.pass_time)
    return made


def cut_off_after(kfp: FakeKfp, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is killed right after its `count`th request that changes something."""
    from pipelines.cluster.kfp.transport import Rest

    real = Rest.request
    left = [count]

    def request(self: Rest, method: str, url: str, **options: Any) -> Any:
        answer = real(self, method, url, **options)
        if method != "GET":
            left[0] -= 1
            if left[0] == 0:
                raise Killed
        return answer

    monkeypatch.setattr(Rest, "request", request)


Action = Callable[[Connection, Setting], Any]


@pytest.mark.parametrize("request_number", range(1, 5))
@pytest.mark.parametrize("minute", [0, 58.5, 59.9, 60.2, 61.5])
def test_cut_off_after_any_request_the_next_call_leaves_one_and_no_run_is_double(
    kfp: FakeKfp,
    connection: Connection,
    setting: Setting,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    request_number: int,
    minute: float,
) -> None:
    """Begun an hour before 03:00, just before it, and just after it."""
    schedule.apply(connection, "mini-retrain", setting, silent)
    world.look()
    newer = changed(setting, connection)
    world.pass_time(minute * 60)
    with monkeypatch.context() as patch:
        cut_off_after(kfp, request_number, patch)
        with pytest.raises(Killed):
            schedule.apply(connection, "mini-retrain", newer, silent)
    world.look()
    assert len(active(kfp)) <= 1
    world.pass_time(20)
    schedule.apply(connection, "mini-retrain", newer, silent)

    [job] = jobs(kfp)
    assert job["mode"] == "ENABLE"
    assert job["pipeline_version_reference"]["pipeline_version_id"] == newer.version_id
    assert schedule.apply(connection, "mini-retrain", newer, silent).change == "unchanged"
    world.pass_time(15 * 86400)
    times = [moment for moment, _ in world.started]
    assert times == [datetime(2026, 11, day, 3, tzinfo=UTC) for day in (23, 30)] + [
        datetime(2026, 12, 7, 3, tzinfo=UTC)
    ]
    assert {version for _, version in world.started[1:]} == {newer.version_id}


def test_undisturbed_it_is_as_if_nothing_happened(
    kfp: FakeKfp, connection: Connection, setting: Setting, world: World
) -> None:
    """Each minute around a run's time: the run starts once, from the old version or the new one."""
    for seconds in range(-149, 150, 13):
        for job in list(kfp.recurring_runs):
            kfp.recurring_runs.pop(job)
        world.started.clear()
        world.now = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
        schedule.apply(connection, "mini-retrain", setting, silent)
        world.look()
        world.pass_time(3600 + seconds)
        schedule.apply(connection, "mini-retrain", changed(setting, connection), silent)
        world.pass_time(3600)
        assert [moment for moment, _ in world.started] == [datetime(2026, 11, 23, 3, tzinfo=UTC)], (
            seconds
        )


def test_a_run_missed_between_two_halves_of_a_change_is_reported_not_started(
    kfp: FakeKfp,
    connection: Connection,
    setting: Setting,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedule.apply(connection, "mini-retrain", setting, silent)
    newer = changed(setting, connection)
    with monkeypatch.context() as patch:
        cut_off_after(kfp, 2, patch)  # the new one is made, the old one is off
        with pytest.raises(Killed):
            schedule.apply(connection, "mini-retrain", newer, silent)
    assert not active(kfp)
    for job in jobs(kfp):
        job["created_at"] = "2026-11-23T02:00:00Z"
    world.look()
    world.pass_time(2 * 3600)
    done = schedule.apply(connection, "mini-retrain", newer, silent)
    assert done.missed == (datetime(2026, 11, 23, 3, tzinfo=UTC),)
    world.pass_time(600)
    assert not world.started
    assert len(jobs(kfp)) == len(active(kfp)) == 1


@pytest.mark.parametrize("request_number", range(1, 3))
@pytest.mark.parametrize("action", ["update", "resume"])
def test_a_paused_schedule_cut_off_converges_too(
    kfp: FakeKfp,
    connection: Connection,
    setting: Setting,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    request_number: int,
    action: str,
) -> None:
    schedule.apply(connection, "mini-retrain", setting, silent)
    schedule.pause(connection, "mini")
    newer = changed(setting, connection)

    def act() -> Any:
        if action == "update":
            return schedule.apply(connection, "mini-retrain", newer, silent)
        return schedule.resume(connection, "mini")

    with monkeypatch.context() as patch:
        cut_off_after(kfp, request_number, patch)
        with pytest.raises(Killed):
            act()
    world.pass_time(5)
    act()
    assert len(jobs(kfp)) == 1
    assert len(active(kfp)) == (action == "resume")
    wanted = newer if action == "update" else setting
    assert jobs(kfp)[0]["pipeline_version_reference"]["pipeline_version_id"] == wanted.version_id


def test_two_that_are_on_become_one(kfp: FakeKfp, connection: Connection, setting: Setting) -> None:
    """Made at the same moment from two places."""
    for _ in range(2):
        recurring.create(connection, "mini-retrain", setting, enabled=True)
    assert schedule.apply(connection, "mini-retrain", setting, silent).change == "cleaned up"
    assert len(jobs(kfp)) == len(active(kfp)) == 1


@pytest.mark.parametrize("there_already", [False, True])
def test_called_from_two_places_at_once_one_is_left(
    kfp: FakeKfp, connection: Connection, setting: Setting, there_already: bool
) -> None:
    if there_already:
        schedule.apply(connection, "mini-retrain", setting, silent)
    newer = changed(setting, connection)
    problems: list[BaseException] = []
    together = threading.Barrier(3)

    def call() -> None:
        together.wait()
        try:
            schedule.apply(connect(), "mini-retrain", newer, silent)
        except EnvironmentFault as error:
            problems.append(error)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(problems) < 3
    schedule.apply(connection, "mini-retrain", newer, silent)
    [job] = jobs(kfp)
    assert job["mode"] == "ENABLE"
    assert job["pipeline_version_reference"]["pipeline_version_id"] == newer.version_id


@pytest.mark.parametrize("call", [":disable", ":enable"])
def test_refused_in_the_middle_the_old_one_goes_on(
    kfp: FakeKfp, connection: Connection, setting: Setting, world: World, call: str
) -> None:
    first = schedule.apply(connection, "mini-retrain", setting, silent)
    kfp.fault("POST", call, status=403)
    with pytest.raises(EnvironmentFault):
        schedule.apply(connection, "mini-retrain", changed(setting, connection), silent)
    assert [job["recurring_run_id"] for job in jobs(kfp)] == [first.recurring_run_id]
    assert len(active(kfp)) == 1


def test_an_answer_that_is_lost_is_no_double(
    kfp: FakeKfp, connection: Connection, setting: Setting, world: World
) -> None:
    schedule.apply(connection, "mini-retrain", setting, silent)
    newer = changed(setting, connection)
    kfp.fault("POST", "/recurringruns", drop=True, after=True)
    with pytest.raises(EnvironmentFault):
        schedule.apply(connection, "mini-retrain", newer, silent)
    assert len(active(kfp)) == 1
    schedule.apply(connection, "mini-retrain", newer, silent)
    assert len(jobs(kfp)) == len(active(kfp)) == 1


def test_ctrl_c_waits_for_the_switch(
    kfp: FakeKfp, connection: Connection, setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule.apply(connection, "mini-retrain", setting, silent)
    newer = changed(setting, connection)
    real = recurring.switch

    def switch(connection_: Connection, key: str, *, on: bool) -> None:
        real(connection_, key, on=on)
        if not on:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(recurring, "switch", switch)
    # Whenever a time of the schedule is near, the wait comes before the switch: none is near on now.
    with pytest.raises(KeyboardInterrupt):
        schedule._replace(
            connection, "mini-retrain", newer, recurring.find(connection, "mini-retrain"), silent
        )
    [job] = active(kfp)
    assert job["pipeline_version_reference"]["pipeline_version_id"] == newer.version_id
    assert threading.current_thread() is threading.main_thread()


def test_a_schedule_that_never_rests_is_not_waited_for() -> None:
    now = datetime(2026, 11, 23, 2, 59, 50, tzinfo=UTC)
    assert schedule.wait_for_quiet([("0 * * * * *", "UTC")], now) == timedelta()
    # 03:00 is near: until a minute past it.
    assert schedule.wait_for_quiet([("0 0 3 * * 1", "UTC")], now) == timedelta(seconds=71)
    assert schedule.wait_for_quiet([("0 0 4 * * 1", "UTC")], now) == timedelta()
    # 03:00 and 03:01: until a minute past the second.
    both = [("0 0 3 * * 1", "UTC"), ("0 1 3 * * 1", "UTC")]
    assert schedule.wait_for_quiet(both, now) == timedelta(seconds=131)


# ---- the command line --------------------------------------------------------------------------------


def run(*words: str, code: int = 0) -> str:
    """The command's output; an error is raised as main() would print it."""
    done = CliRunner().invoke(app, ["schedule", *words], catch_exceptions=True)
    if isinstance(done.exception, BertworksError):
        raise done.exception
    assert done.exit_code == code, (done.output, done.exception)
    return done.output


def test_the_issues_own_words(kfp: FakeKfp, spec: Path) -> None:
    said = run(str(spec), "--cron", "30 4 * * 1")
    assert "mini-retrain: created" in said
    assert "seconds first: 0 30 4 * * 1" in said
    assert said.count("next: Mon") == 3
    assert "(pinned)" in said
    assert "UTC is assumed" in said
    assert not kfp.refused
    assert "mini-retrain: unchanged" in run(str(spec), "--cron", "30 4 * * 1")
    listed = run("list")
    assert "30 4 * * 1" in listed
    assert "active" in listed
    assert "paused" in run("pause", "mini")
    assert "paused" in run(str(spec), "--cron", "30 4 * * 1")
    assert "runs again" in run("resume", "mini")
    assert "deleted" in run("delete", "mini-retrain", "--yes")
    assert "no schedules" in run("list")


def test_options_may_come_first_and_set_may_be_written(kfp: FakeKfp, spec: Path) -> None:
    assert "created" in run("--cron", "0 5 * * *", str(spec))
    assert "unchanged" in run("set", str(spec), "--cron", "0 5 * * *")
    # The spec's own schedule where --cron is left out.
    assert "0 0 3 * * 1" in run(str(spec))


def test_json_for_machines(kfp: FakeKfp, spec: Path) -> None:
    made = json.loads(run(str(spec), "--json", "--pipeline", "agent"))
    assert made["name"] == "mini"
    assert made["kfp_cron"] == "0 0 3 * * 1"
    key = made["recurring_run_id"]
    run_id = kfp.fire(key)
    kfp.play(run_id, {"ingest": "SUCCEEDED"}, state="SUCCEEDED")
    [row] = json.loads(run("list", "--json"))
    assert row["cron"] == "0 3 * * 1"
    assert row["state"] == "active"
    assert row["last_run_id"] == run_id
    assert row["last_run_state"] == "SUCCEEDED"
    assert row["version"].startswith("mini-")
    assert datetime.fromisoformat(row["next"]).hour == 3
    assert json.loads(run("show", "mini", "--json"))["name"] == "mini"
    # The run of a former version counts as the last one, too.
    json.loads(run(str(spec), "--json", "--pipeline", "agent", "--set", "finetune.epochs=7"))
    [row] = json.loads(run("list", "--json"))
    assert row["last_run_id"] == run_id


def test_dry_run_asks_nothing(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KFP_HOST", "http://127.0.0.1:9")
    said = run(str(spec), "--dry-run", "--cron", "0 12 * * *", "--timezone", "Asia/Tokyo")
    assert "0 0 3 * * *" in said
    assert said.count("next:") == 3
    assert "12:00 Asia/Tokyo = " in said


def test_summer_time_is_refused_or_said(kfp: FakeKfp, spec: Path) -> None:
    berlin = [str(spec), "--timezone", "Europe/Berlin"]
    with pytest.raises(EnvironmentFault, match="reads UTC"):
        run(*berlin)
    assert not kfp.recurring_runs
    assert not kfp.pipelines  # refused before anything was uploaded
    assert "warning: from" in run(*berlin, "--allow-dst-shift")
    assert "Europe/Berlin" in run("list")


def test_the_clusters_own_zone_is_asked(
    kfp: FakeKfp, spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FakeKubernetes() as cluster:
        cluster.add(*scheduler_in("Europe/Berlin"))
        cluster.use(monkeypatch, tmp_path)
        said = run(str(spec), "--timezone", "Europe/Berlin")
        assert "0 0 3 * * 1 (on the scheduler's clock, Europe/Berlin)" in said
        assert "assumed" not in said


def scheduler_in(zone: str) -> list[dict[str, Any]]:
    """KFP's scheduler as its manifests install it."""
    container = {
        "name": "ml-pipeline-scheduledworkflow",
        "image": "ghcr.io/kubeflow/kfp-scheduled-workflow-controller:2.17.0",
        "env": [
            {
                "name": "CRON_SCHEDULE_TIMEZONE",
                "valueFrom": {
                    "configMapKeyRef": {
                        "name": "pipeline-install-config",
                        "key": "cronScheduleTimezone",
                    }
                },
            }
        ],
    }
    labels = {"app": "ml-pipeline-scheduledworkflow"}
    return [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "pipeline-install-config", "namespace": "kubeflow"},
            "data": {"cronScheduleTimezone": zone},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "ml-pipeline-scheduledworkflow", "namespace": "kubeflow"},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
    ]


def test_mistakes_are_answered(kfp: FakeKfp, spec: Path) -> None:
    with pytest.raises(BertworksError, match="five fields"):
        run(str(spec), "--cron", "0 3 * *")
    with pytest.raises(BertworksError, match="no time zone"):
        run(str(spec), "--timezone", "Mars/Olympus")
    with pytest.raises(BertworksError, match="retrain or agent"):
        run(str(spec), "--pipeline", "tfx")
    spec.write_text(SPEC.replace('cron: "0 3 * * 1", ', ""), "utf-8")
    with pytest.raises(BertworksError, match="no schedule.cron"):
        run(str(spec))
    assert "Did you mean 'list'" in run("lits", code=2)
    with pytest.raises(BertworksError, match="cannot be read"):
        run("nowhere.yaml")
    with pytest.raises(BertworksError, match="no schedule 'other'"):
        run("pause", "other")
    assert not kfp.recurring_runs


def test_multi_user(monkeypatch: pytest.MonkeyPatch, spec: Path) -> None:
    with FakeKfp(multi_user=True) as kfp:
        monkeypatch.setenv("KFP_HOST", kfp.url)
        monkeypatch.setenv("KFP_NAMESPACE", "team")
        assert "created" in run(str(spec))
        assert "mini-retrain" in run("list")
        assert not kfp.refused
        lists = kfp.calls("recurring_run_service_list_recurring_runs")
        assert {request.query.get("namespace") for request in lists} == {"team"}


def test_the_spec_sets_concurrency_and_catch_up(kfp: FakeKfp, spec: Path) -> None:
    run(str(spec), "--set", "schedule.max_concurrency=3", "--set", "schedule.catch_up=true")
    [job] = jobs(kfp)
    assert (job["max_concurrency"], job["no_catchup"]) == ("3", False)
    assert job["service_account"] == spec_file.load(spec).spec.resources.service_account
    assert len(job["description"]) <= 255


def test_a_dialogue_is_scheduled(kfp: FakeKfp, spec: Path) -> None:
    spec.write_text(DIALOGUE, "utf-8")
    said = run(str(spec))
    assert "town-retrain: created" in said and "finds nothing new" not in said
    [job] = jobs(kfp)
    assert job["max_concurrency"] == "2"
    # Where nothing can become new, that is said.
    exact = "dialogue.knowledge.uri=pypi://town==1.0/restaurants.csv"
    assert "note: each file and source of this dialogue has a sha256" in run(
        str(spec), "--set", exact
    )
    assert "finds nothing new" not in run(str(spec), "--set", exact, "--pipeline", "agent")
    assert not kfp.refused
