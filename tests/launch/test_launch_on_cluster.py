"""The launcher as a pod runs it: each attempt in a process of its own, which may be killed."""

import ast
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from bertworks.notices import Notice, from_log

ROOT = Path(__file__).parents[2]
SCRIPT = """
    import sys, time
    from pathlib import Path
    from types import SimpleNamespace
    from bertworks import errors
    from bertworks.notices import Notice
    from components import launch
    from components.contract import StepResult

    root = Path(sys.argv[1])

    def step(*_):
        (root / "ran").write_text("yes")
        notices = []
        {body}
        metrics = {{"rows": 1, "nothing": None, "broken": float("nan")}}
        return StepResult(metrics, notices=notices, work_seconds=0.1)

    launch.run_step = step
    shown, metadata = {{}}, {{}}
    numbers = SimpleNamespace(path=str(root / "scores"), log_metric=shown.__setitem__)
    launch.launch("evaluate-bundle", "evaluate", "{{}}", {{}}, {{}}, numbers,
                  SimpleNamespace(path=str(root / "view.html"), metadata=metadata))
    print(shown)
    (root / "metadata").write_text(repr(metadata))
"""


class Pod:
    """Attempts of one task, and what they leave on the volume."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.record = root / "failures/run-1/evaluate-bundle.json"

    def start(self, body: str = "pass", attempt: int = 0, **variables: str) -> subprocess.Popen:
        (self.root / "ran").unlink(missing_ok=True)
        environment = {
            **os.environ, "PYTHONPATH": str(ROOT), "KFP_RUN_ID": "run-1",
            "BERTWORKS_FAILURES": str(self.root / "failures"),
            "BERTWORKS_NODE": f"tiny.root.evaluate.executor({attempt})", **variables,
        }  # fmt: skip
        command = [sys.executable, "-c", textwrap.dedent(SCRIPT).format(body=body), self.root]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, body: str = "pass", attempt: int = 0, **variables: str):
        process = self.start(body, attempt, **variables)
        out, error = process.communicate(timeout=300)
        return process.returncode, out, error

    @property
    def ran(self) -> bool:
        return (self.root / "ran").exists()

    def reason(self) -> dict:
        return json.loads(self.record.read_text("utf-8"))


@pytest.fixture
def pod(tmp_path):
    return Pod(tmp_path)


ERROR = 'raise errors.DataError("rows.csv: row 7 is empty.", "Mend it.")'


def test_an_error_leaves_its_reason_and_a_blind_retry_ends_at_once(pod):
    code, _, said = pod.run(ERROR)
    assert code == 3 and "row 7 is empty" in said
    reason = pod.reason()
    assert reason["message"] == "rows.csv: row 7 is empty.\n  fix: Mend it."
    assert (reason["kind"], reason["exit_code"], reason["attempt"]) == ("error", 3, 0)
    for attempt in (1, 2):
        code, _, said = pod.run(ERROR, attempt)
        assert code == 3 and not pod.ran
        assert "step evaluate-bundle failed: rows.csv: row 7 is empty." in said
        assert "ends at once" in said
    assert pod.reason() == reason


def test_a_persons_retry_runs_the_step_anew(pod):
    pod.run(ERROR)
    code, out, _ = pod.run("pass", attempt=0)
    assert code == 0 and pod.ran
    assert not pod.record.exists()
    assert "rows" in out


def test_a_preempted_attempt_leaves_no_reason_and_its_retry_runs(pod):
    process = pod.start("time.sleep(60)")
    while not pod.ran:
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGTERM
    assert not pod.record.exists()
    assert pod.run("pass", attempt=1)[0] == 0 and pod.ran


def test_an_error_after_a_preemption_is_not_repeated_either(pod):
    assert pod.run(ERROR, attempt=1)[0] == 3 and pod.ran
    assert pod.run(ERROR, attempt=2)[0] == 3 and not pod.ran
    assert pod.reason()["attempt"] == 1


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        ('raise errors.GateRefused("too slow", "")', "gate", 6),
        ('raise errors.Busy("locked", "")', "busy", 7),
        ('raise ValueError("odd")', "fault", 1),
        ("raise MemoryError", "error", 7),
        ('raise OSError(28, "No space left on device")', "error", 7),
    ],
)
def test_kinds_of_reasons(pod, body, kind, code):
    assert pod.run(body)[0] == code
    assert (pod.reason()["kind"], pod.reason()["exit_code"]) == (kind, code)


def test_a_missing_folder_for_temporary_files_is_said_before_the_work(pod, tmp_path):
    code, _, error = pod.run(TMPDIR=str(tmp_path / "gone"))
    assert code == 7 and not pod.ran
    assert f"TMPDIR names {tmp_path}/gone" in error


def test_which_disk_is_full_is_said(pod):
    body = 'raise OSError(28, "No space left on device", "/volume/models/x")'
    code, _, error = pod.run(body)
    assert code == 7 and "No space left on the disk for /volume/models/x" in error


def test_a_step_that_takes_too_long_fails_with_a_reason(pod):
    began = time.monotonic()
    code, _, said = pod.run("time.sleep(60)", BERTWORKS_TIMEOUT="1.5")
    assert time.monotonic() - began < 30
    assert code == 7 and "time-out" in said
    assert "resources.steps.evaluate.timeout_minutes" in pod.reason()["message"]
    assert pod.reason()["kind"] == "timeout"


def test_a_step_that_is_in_time_is_left_alone(pod):
    assert pod.run("pass", BERTWORKS_TIMEOUT="600")[0] == 0


def test_a_volume_that_refuses_hides_neither_message_nor_exit_code(pod):
    (pod.root / "failures").write_text("a file, no folder")
    code, _, said = pod.run(ERROR)
    assert code == 3 and "row 7 is empty" in said and "does not take the reason" in said


def test_numbers_that_json_has_not_are_left_out(pod):
    """KFP keeps metrics as JSON numbers: a NaN would fail the step after its work."""
    code, out, said = pod.run()
    assert code == 0 and out.strip() == "{'rows': 1.0}"
    assert "broken is nan" in said and "nothing is None" in said
    assert json.loads((pod.root / "scores").read_text())["metrics"] == {"rows": 1.0}


def test_notices_reach_the_log_the_event_the_artifact_and_the_page(pod):
    """A cached step and a cluster read the artifact's file; `runs show` reads the log."""
    told = Notice("12 rows of <a> were\ndropped: data.x", "warning", 12, "rejected.jsonl")
    note = Notice("3 texts were merged")
    records = [note, told, note]
    events = pod.root / "events.jsonl"
    code, _, said = pod.run(f"notices = {records!r}", BERTWORKS_EVENTS=str(events))
    assert code == 0
    assert said.splitlines()[-3:-1] == [
        "step evaluate-bundle warning: 12 rows of <a> were dropped: data.x [see rejected.jsonl]",
        "step evaluate-bundle note: 3 texts were merged",
    ]
    assert [one.level for one in from_log("evaluate-bundle", said)] == ["warning", "note"]
    ended = json.loads(events.read_text().splitlines()[-1])
    assert ended["notices"] == [told.to_json(), note.to_json()]
    assert json.loads((pod.root / "scores").read_text())["notices"] == ended["notices"]
    page = (pod.root / "view.html").read_text()
    assert "12 rows of &lt;a&gt; were" in page and page.index("12 rows") > page.index("</h1>")
    kept = json.loads(ast.literal_eval((pod.root / "metadata").read_text())["notices"])
    assert kept == ended["notices"]


def test_a_step_that_fails_tells_its_notices_too(pod):
    body = (
        'error = errors.DataError("too few rows", "add some"); '
        'error.notices = [Notice("7 rows were dropped", "warning")]; raise error'
    )
    events = pod.root / "events.jsonl"
    code, _, said = pod.run(body, BERTWORKS_EVENTS=str(events))
    assert code == 3 and "step evaluate-bundle warning: 7 rows were dropped" in said
    failed = json.loads(events.read_text().splitlines()[-1])
    assert (failed["state"], failed["notices"][0]["text"]) == ("failed", "7 rows were dropped")
