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


def test_a_first_attempt_forgets_it(root, monkeypatch):
    failures.record("finetune", "broken", 1, "fault")
    on_attempt(monkeypatch, "x.executor(0)")
    assert failures.before("finetune") is None
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
    assert failures.before("finetune") is None
    assert failures.read(root, "run-1") == []


def test_without_a_run_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("BERTWORKS_FAILURES", str(tmp_path / "failures"))
    monkeypatch.delenv("KFP_RUN_ID", raising=False)
    failures.record("finetune", "broken", 1, "fault")
    assert failures.before("finetune") is None
    assert not (tmp_path / "failures").exists()


def test_a_place_that_cannot_be_written_hides_nothing(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KFP_RUN_ID", "run-1")
    for place in (str(tmp_path / "file"), "nosuch://bucket/x"):
        monkeypatch.setenv("BERTWORKS_FAILURES", place)
        failures.record("finetune", "broken", 1, "fault")
        assert failures.before("finetune") is None
        assert place in capsys.readouterr().err
