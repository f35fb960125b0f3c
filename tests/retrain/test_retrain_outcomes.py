"""How a retraining ended: in words, on the disk whatever happens, and at the webhook."""

from __future__ import annotations

import http.server
import json
import multiprocessing
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bertworks import failures
from bertworks.contracts.files import to_json
from bertworks.contracts.retraining import CHALLENGE, COMPARISON, OUTCOME, Ending, Outcome
from bertworks.errors import ArtifactError
from bertworks.failures import Failure
from bertworks.pages.outcome import KINDS, page
from bertworks.retraining import webhook
from bertworks.retraining.outcome import OUTCOMES, Notes, describe
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.outcomes import Outcomes
from bertworks.storage.store import Store
from tests.helpers.steps import notify


def noted(**steps: dict[str, Any]) -> Notes:
    """What the steps noted, from JSON."""
    kinds = {"compare": COMPARISON, "register": CHALLENGE}
    return Notes(**{name: kinds[name].of(value, name) for name, value in steps.items()})


WELL = {"state": "SUCCEEDED", "message": None}
OPEN = {"state": "RUNNING", "message": None}  # what KFP says where the last branch was skipped
BADLY = {"state": "FAILED", "message": "Task exit-handler-1 failed."}
UNCHANGED = {
    "changed": False, "reason": "Nothing to learn from: 3 new rows.", "new": 3, "rows": {"new": 3},
    "champion": {"version": 4, "digest": "d"}, "new_labels": [], "drift": [],
}  # fmt: skip
CHANGED = {**UNCHANGED, "changed": True, "reason": "Worth a training: 300 new rows."}
GAP = {"value": 0.02, "low": 0.01, "high": 0.03}
BETTER = {
    "outcome": "promoted", "version": 5, "metric": "accuracy", "challenger": 0.9, "reasons": [],
    "champion": {"version": 4, "digest": "d", "value": 0.88, "difference": GAP},
}  # fmt: skip
WORSE = {**BETTER, "outcome": "kept", "reasons": ["accuracy differs by +0.0010 (noise)"]}
REFUSED = {**BETTER, "outcome": "refused", "reasons": ["the bundle has 30 MB"]}
FIRST = {**BETTER, "version": 1, "champion": None}
BROKEN = Failure("validate", "2 rows have no text\n  fix: fill them", 3, "error", 0, "2026-01-01")


@pytest.mark.parametrize(
    ("status", "notes", "failed", "kind", "words"),
    [
        (WELL, {"compare": UNCHANGED}, [], "unchanged", "version 4 stays. Nothing to learn from"),
        (WELL, {"compare": CHANGED, "register": BETTER}, [], "promoted",
         "version 5 is the new champion, accuracy 0.9000 against 0.8800 of version 4"),
        (WELL, {"compare": CHANGED, "register": FIRST}, [], "promoted", "version 1 is the new champion"),
        (WELL, {"compare": {**CHANGED, "new_labels": ["refund"]}, "register": BETTER}, [], "promoted",
         "+0.0100 to +0.0300). It knows the new label refund."),
        (WELL, {"compare": {**CHANGED, "new_labels": list("abcde")}, "register": WORSE}, [], "kept",
         "The champion does not know the new labels a, b, c and 2 more."),
        (WELL, {"compare": {**CHANGED, "new_labels": ["refund"]}, "register": REFUSED}, [], "refused",
         "the bundle has 30 MB. The champion does not know the new label refund."),
        (WELL, {"compare": CHANGED, "register": WORSE}, [], "kept", "version 4 stays; the challenger's"),
        (WELL, {"compare": CHANGED, "register": REFUSED}, [], "refused", "the bundle has 30 MB"),
        (WELL, {"compare": CHANGED, "register": {**REFUSED, "version": 4}}, [], "refused",
         "version 4 stays; the challenger is the same bundle, which these gates refuse: the bundle has"),
        (BADLY, {"compare": CHANGED}, [BROKEN], "failed", "in step validate: 2 rows have no text"),
        (BADLY, {"compare": CHANGED}, [], "failed", "without a word"),
        (BADLY, {"compare": CHANGED, "register": BETTER}, [], "failed", "Version 5 had become"),
        ({"state": "CANCELED"}, {}, [], "cancelled", "was cancelled"),
        (OPEN, {"compare": UNCHANGED}, [], "unchanged", "version 4 stays. Nothing to learn from"),
        (OPEN, {"compare": CHANGED, "register": WORSE}, [], "kept", "version 4 stays; the challenger's"),
        (OPEN, {"compare": CHANGED}, [BROKEN], "failed", "in step validate: 2 rows have no text"),
        # Nothing may look good that did not say so itself.
        (OPEN, {}, [], "failed", "without a word"),
        (OPEN, {"compare": CHANGED}, [], "failed", "without a word"),
        (WELL, {}, [], "failed", "without a word"),
        (WELL, {"compare": CHANGED}, [], "failed", "without a word"),
        (WELL, {"compare": UNCHANGED}, [BROKEN], "failed", "2 rows have no text"),
        ({"state": ""}, {"compare": UNCHANGED}, [], "failed", "without a word"),
    ],
)  # fmt: skip
def test_every_ending_has_its_words(status, notes, failed, kind, words) -> None:
    found = to_json(
        describe("tiny", "run-1", "2026-01-01T00:00:00Z", status, noted(**notes), failed)
    )
    assert found["outcome"] == kind
    assert words in found["text"]
    assert found["text"].startswith("tiny: ")
    assert json.loads(json.dumps(found)) == found
    assert kind in page(OUTCOME.of(found, "outcome.json"))
    assert set(KINDS) == set(OUTCOMES)


def test_a_step_that_vanished_counts_where_kubeflow_does_not_know_the_end() -> None:
    notes = noted(compare=CHANGED, register=BETTER)
    found = to_json(describe("tiny", "run-1", "2026-01-01", OPEN, notes, [], ["deploy"]))
    assert (found["outcome"], found["step"]) == ("failed", "deploy")
    assert "Version 5 had become the champion" in found["text"]
    # A mark that could not be taken away does not make a good end bad.
    assert describe("tiny", "r", "2026", WELL, notes, [], ["deploy"]).outcome == "promoted"


@pytest.fixture(params=["disk", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "disk":
        return str(tmp_path / "store")
    return f"memory://outcomes-{uuid.uuid4().hex}"


def ended(run: str, time_: str, outcome: Ending = "unchanged", text: str = "tiny: same") -> Outcome:
    return Outcome("tiny", run, time_, outcome, text)


def test_outcomes_are_kept_in_order_and_notes_go(store: str) -> None:
    kept = Outcomes(store, "tiny")
    assert kept.every() == [] and kept.notes("b") == (None, None)
    notes = noted(compare=UNCHANGED, register=WORSE)
    assert notes.compare is not None and notes.register is not None
    kept.note("b", "compare", notes.compare)
    kept.note("b", "register", notes.register)
    assert kept.notes("b") == (notes.compare, notes.register)
    kept.add(ended("b", "2026-02-01T00:00:00Z"))
    kept.add(ended("a", "2026-03-01T00:00:00Z"))
    kept.add(ended("run/with odd:name", "2026-01-01T00:00:00Z"))
    assert [one.run for one in kept.every()] == ["run/with odd:name", "b", "a"]
    assert kept.notes("b") == (None, None)
    # A step that is tried again tells the same run's ending once more: one record.
    kept.add(ended("b", "2026-02-01T00:00:09Z", outcome="failed"))
    assert [one.outcome for one in kept.every()] == ["unchanged", "failed", "unchanged"]
    # They are no models, and other agents have their own.
    assert Store(store).names() == [] and Outcomes(store, "other").every() == []


@given(st.text(max_size=200))
@example("0..0")
def test_any_run_id_makes_a_plain_file_name(run: str) -> None:
    kept = Outcomes(f"memory://names-{uuid.uuid4().hex}", "tiny")
    try:
        place = kept.add(ended(run, "2026-01-01T00:00:00Z"))
    except ArtifactError:
        assert not any(one.isascii() and one.isalnum() for one in run)
        return
    assert "/" not in place.partition("/outcomes/")[2] and ".." not in place
    assert [one.run for one in kept.every()] == [run]


def test_a_damaged_outcome_is_passed_over(tmp_path: Path) -> None:
    kept = Outcomes(str(tmp_path), "tiny")
    kept.add(ended("a", "2026-01-01T00:00:00Z"))
    (tmp_path / "tiny/outcomes/20260102T000000Z-b.json").write_text('{"outcome": "prom')
    (tmp_path / "tiny/outcomes/.20260102T000000Z-c.json.1234.partial").write_text("{")
    assert [one.run for one in kept.every()] == ["a"]


def _keep_writing(folder: str) -> None:
    kept = Outcomes(folder, "tiny")
    for number in range(100_000):
        kept.add(ended(f"run{number}", "2026-01-01T00:00:00Z", text="x" * 20_000))


def test_a_writer_that_is_killed_leaves_only_whole_records(tmp_path: Path) -> None:
    for _ in range(3):
        writer = multiprocessing.get_context("spawn").Process(
            target=_keep_writing, args=(str(tmp_path),)
        )
        writer.start()
        deadline = time.monotonic() + 300
        while len(list(tmp_path.glob("tiny/outcomes/*.json"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
        files = list(tmp_path.glob("tiny/outcomes/*.json"))
        assert len(files) >= 3
        assert len(Outcomes(str(tmp_path), "tiny").every()) == len(files)


class Hook(http.server.BaseHTTPRequestHandler):
    """Answers with the codes in turn, the last one for ever; keeps what it was told."""

    codes: list[int]
    told: list[dict[str, Any]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.told.append(json.loads(body))
        code = self.codes.pop(0) if len(self.codes) > 1 else self.codes[0]
        self.send_response(code)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[type[Hook], str]]:
    monkeypatch.setattr(webhook, "_WAIT_SECONDS", 0.01)
    handler = type("OneHook", (Hook,), {"codes": [200], "told": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield handler, f"http://127.0.0.1:{server.server_port}/services/SECRET"
    server.shutdown()


@pytest.mark.parametrize(
    ("codes", "tries", "fault"),
    [
        ([200], 1, None),
        ([204], 1, None),
        ([503, 429, 200], 3, None),
        ([500], 3, "answered 500"),
        ([404, 200], 1, "answered 404"),
    ],
)
def test_the_webhook_is_told_and_told_again(hook, codes, tries, fault) -> None:
    handler, url = hook
    handler.codes = list(codes)
    if fault:
        with pytest.raises(webhook.WebhookFault, match=fault) as caught:
            webhook.post(url, {"text": "hällo"})
        assert "SECRET" not in str(caught.value)
    else:
        webhook.post(url, {"text": "hällo"})
    assert handler.told == [{"text": "hällo"}] * tries


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd-SECRET", "SECRET", "http://", "http://127.0.0.1:9/a b SECRET", "http://[SECRET",
     "http://127.0.0.1:9/SECRET", "http://127.0.0.1:SECRET/", "ftp://SECRET.example/"],
)  # fmt: skip
def test_a_bad_or_dead_address_is_named_without_the_address(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "_WAIT_SECONDS", 0.01)
    with pytest.raises(webhook.WebhookFault) as caught:
        webhook.post(url, {})
    assert "SECRET" not in str(caught.value) and str(caught.value)


def test_notify_keeps_and_tells_why_a_step_failed(
    hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    handler, url = hook
    monkeypatch.setenv(webhook.URL, url)
    monkeypatch.setenv(failures.ROOT, str(tmp_path / "failures"))
    monkeypatch.setenv(failures.RUN, "run-7")
    failures.record(
        "finetune", "The machine is out of memory.\n  fix: lower batch_size", 7, "error"
    )
    store = str(tmp_path / "store")
    Outcomes(store, "tiny").note("run-7", "compare", COMPARISON.of(CHANGED, "compare.json"))
    section = {"name": "tiny", "store": store, "status": BADLY}
    result = notify(section, outcome=tmp_path / "outcome")
    assert result.metrics == {"kept": 1, "told": 1}
    (kept,) = to_json(Outcomes(store, "tiny").every())
    assert kept["step"] == "finetune" and "out of memory" in kept["reason"]
    assert handler.told == [kept]
    assert open_artifact(tmp_path / "outcome", "outcome").json("outcome.json") == kept
    said = capsys.readouterr()
    assert "SECRET" not in said.out + said.err


def test_notify_names_the_step_whose_pod_vanished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(failures.ROOT, str(tmp_path / "failures"))
    monkeypatch.setenv(failures.RUN, "run-9")
    for task in ("ingest", "finetune", "notify"):
        failures.begin(task)
    failures.end("ingest")
    section = {"name": "tiny", "store": str(tmp_path / "store"), "status": BADLY}
    notify(section, outcome=tmp_path / "outcome")
    found = open_artifact(tmp_path / "outcome").json("outcome.json")
    assert (found["outcome"], found["step"]) == ("failed", "finetune")
    assert "out of memory" in found["text"]
    # A step that left its reason is named first.
    failures.record("prune", "too little to prune", 3, "error")
    notify(section, outcome=tmp_path / "again")
    assert open_artifact(tmp_path / "again").json("outcome.json")["step"] == "prune"


def test_notify_never_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The store is a file, the reasons cannot be read, nobody answers: it says so and goes on."""
    monkeypatch.setattr(webhook, "_WAIT_SECONDS", 0.01)
    (tmp_path / "store").write_text("in the way")
    monkeypatch.setenv(webhook.URL, "http://127.0.0.1:9/SECRET")
    monkeypatch.setenv(failures.ROOT, "nosuch://place")
    monkeypatch.setenv(failures.RUN, "run-8")
    section = {"name": "tiny", "store": str(tmp_path / "store"), "status": BADLY}
    result = notify(section, outcome=tmp_path / "outcome")
    assert result.metrics == {"kept": 0, "told": 0}
    assert open_artifact(tmp_path / "outcome").json("outcome.json")["outcome"] == "failed"
    said = capsys.readouterr()
    assert said.err.count("warning:") >= 3 and "SECRET" not in said.err + said.out
