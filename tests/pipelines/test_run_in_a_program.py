"""A run inside somebody's program or notebook leaves nothing of that changed."""

import json
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bertworks import progress
from bertworks.data.sources.cache import cache_folder, cache_in
from pipelines.local import notebook
from pipelines.local.run import _ended_by_signals

ENDINGS = (signal.SIGTERM, signal.SIGHUP)


SIGNALLED = """
import signal
from pipelines.local.run import _ended_by_signals, _Terminated
endings, heard = (signal.SIGTERM, signal.SIGHUP), []
signal.signal(signal.SIGHUP, lambda number, frame: heard.append(number))
found = [signal.getsignal(one) for one in endings]
ended = False
try:
    with _ended_by_signals():
        signal.raise_signal(signal.SIGTERM)
except _Terminated:
    ended = True
assert ended and [signal.getsignal(one) for one in endings] == found
signal.raise_signal(signal.SIGHUP)
assert heard == [signal.SIGHUP]
"""


def test_signals_end_a_run_and_then_do_what_they_did_before() -> None:
    """In a process of its own: a signal that comes late must not end those that test."""
    subprocess.run([sys.executable, "-c", SIGNALLED], check=True)


UNDER_NOHUP = """
import signal
from pipelines.local.run import _ended_by_signals
signal.signal(signal.SIGHUP, signal.SIG_IGN)
with _ended_by_signals():
    signal.raise_signal(signal.SIGHUP)
print("goes on")
"""


def test_nohup_keeps_a_run_from_ending_with_its_terminal() -> None:
    done = subprocess.run([sys.executable, "-c", UNDER_NOHUP], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "goes on\n"), done.stderr


INTERRUPTED = """
import signal, sys
from bertworks import Agent
from pipelines.local import run
number = signal.Signals(int(sys.argv[1]))
found = {one: signal.getsignal(one) for one in signal.valid_signals()}
run._take = lambda *_: signal.raise_signal(number)
rows = [{"text": f"the plot {one}", "label": ["good", "bad"][one % 2]} for one in range(60)]
ended = None
try:
    try:
        Agent.fit(rows, root=sys.argv[2], progress=False)
    except Exception as error:
        print("a sweep goes on after", error)
except BaseException as error:
    ended = error
assert {one: signal.getsignal(one) for one in signal.valid_signals()} == found
if ended is not None:
    raise ended
"""


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, 143)],
    ids=["INT", "TERM"],
)
def test_a_signal_ends_a_program_that_goes_on_after_errors(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    command = [sys.executable, "-c", INTERRUPTED, str(int(number)), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (code, "")
    assert "Interrupted in step" in done.stderr and "The same call goes on" in done.stderr
    (record,) = (tmp_path / "runs").glob("*/run.json")
    assert json.loads(record.read_text("utf-8"))["state"] == "interrupted"


def test_a_run_in_another_thread_leaves_signals_alone() -> None:
    found = [signal.getsignal(one) for one in ENDINGS]

    def inside() -> list[object]:
        with _ended_by_signals():
            return [signal.getsignal(one) for one in ENDINGS]

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(inside).result() == found


def test_each_thread_has_its_own_cache_and_the_environment_stays(tmp_path: Path) -> None:
    before, usual = dict(os.environ), cache_folder()
    both = threading.Barrier(2)

    def inside(name: str) -> Path:
        with cache_in(tmp_path / name):
            both.wait()  # both are in their blocks now
            found = cache_folder()
            both.wait()
        assert cache_folder() == usual
        return found

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(inside, "ab")) == [tmp_path / "a", tmp_path / "b"]
    assert dict(os.environ) == before and cache_folder() == usual


def test_a_quiet_thread_reports_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(progress.EVENTS, raising=False)
    with progress.quiet(), progress.stage("reading"):
        pass
    assert capsys.readouterr().err == ""
    with progress.stage("reading"):
        pass
    assert "reading: done" in capsys.readouterr().err


def test_this_is_no_notebook() -> None:
    assert not notebook.is_one()
