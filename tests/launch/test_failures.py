"""Reasons of failures: kept, found by the next attempt, forgotten when a person tries again."""

import json

import fsspec
import pytest

from bertworks import failures

ROOTS = ["folder", "memory://agents/failures"]


@pytest.fixture(params=ROOTS)
def root(request, tmp_path, monkeypatch):
    place = str(tmp_path / "failures") if request.param == "folder" else request.param
    fsspec.filesystem("memory").store.clear()
    monkeypatch.setenv("BERTWORKS_FAILURES", place)
    monkeypatch.setenv("KFP_RUN_ID", "run-1")
    monkeypatch.delenv("BERTWORKS_NODE", raising=False)
    return place


def on_attempt(monkeypatch, node):
    monkeypatch.setenv("BERTWORKS_NODE", node)


@pytest.mark.parametrize(
    ("node", "attempt"),
    [
        ("", 0),
        ("tiny-abc.root.finetune.executor", 0),
        ("tiny-abc.root.finetune.executor(0)", 0),
        ("tiny-abc.root.finetune.executor(2)", 2),
        # The policy of KFP's own manifests also repeats the groups that hold a pod.
        ("tiny-abc(0).root(0).finetune(1).executor(0)", 1),
        ("tiny-abc(0).root(0).finetune(0).executor(0)", 0),
    ],
)
def test_attempt(monkeypatch, node, attempt):
    on_attempt(monkeypatch, node)
    assert failures.attempt() == attempt


def test_a_retry_finds_the_reason(root, monkeypatch):
    on_attempt(monkeypatch, "x.executor(0)")
    failures.record("finetune", "Zeile 3: kaputt „ß“\n  fix: mend it", 3, "error")
    on_attempt(monkeypatch, "x.executor(1)")
    found = failures.before("finetune")
    assert (found.message, found.exit_code, found.kind, found.attempt) == (
        "Zeile 3: kaputt „ß“\n  fix: mend it", 3, "error", 0,
    )  # fmt: skip
    assert failures.before("evaluate") is None


@pytest.mark.parametrize(
    ("failed", "now", "controllers"),
    [
        ("r.executor(0)", "r.executor(1)", True),
        ("r.executor(1)", "r.executor(2)", True),
        ("r(0).executor(2)", "r(1).executor(0)", True),  # the group is repeated
        ("r.executor(0)", "r.executor(0)", False),
        ("r.executor(2)", "r.executor(0)", False),
        ("r(1).executor(0)", "r(1).executor(0)", False),  # the groups are kept
        ("r(1).executor(0)", "r(0).executor(0)", False),
        ("", "", False),
    ],
)
def test_the_controllers_retry_is_told_from_a_persons(root, monkeypatch, failed, now, controllers):
    on_attempt(monkeypatch, failed)
    failures.record("finetune", "broken", 1, "fault")
    on_attempt(monkeypatch, now)
    assert (failures.before("finetune") is not None) == controllers
    # A person's retry forgets the reason; the attempt that follows it, when preempted, runs too.
    on_attempt(monkeypatch, "r(1).executor(3)")
    assert (failures.before("finetune") is not None) == controllers


def test_somebody_elses_work_does_not_stop_a_retry(root, monkeypatch):
    on_attempt(monkeypatch, "x.executor(0)")
    failures.record("finetune", "Another process is training the same run.", 7, "busy")
    on_attempt(monkeypatch, "x.executor(1)")
    assert failures.before("finetune") is None


def test_another_run_has_its_own(root, monkeypatch):
    failures.record("finetune", "broken", 1, "fault")
    monkeypatch.setenv("KFP_RUN_ID", "run-2")
    on_attempt(monkeypatch, "x.executor(1)")
    assert failures.before("finetune") is None
    assert failures.read(root, "run-2") == []


def test_reasons_of_a_run_in_the_order_of_time(root, monkeypatch):
    for minute, task in ((2, "gate"), (1, "evaluate-bundle")):
        failures.record(task, f"reason of {task}", 6, "gate")
        place = failures._Place(root, "run-1")
        value = {**vars(place.read(task)), "time": f"2026-01-01T00:0{minute}:00+00:00"}
        place.write(task, json.dumps(value).encode())
    assert [one.task for one in failures.read(root, "run-1")] == ["evaluate-bundle", "gate"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"task": "x"}', b"\xff"])
def test_a_file_that_is_none_of_ours_is_passed_over(root, monkeypatch, content):
    failures._Place(root, "run-1").write("finetune", content)
    on_attempt(monkeypatch, "x.executor(1)")
