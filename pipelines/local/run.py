"""`bertworks run` and `bertworks retrain`: one pass of a DAG on this machine, watched and recorded."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bertworks import failures
from bertworks.errors import BertworksError, GateRefused, StepFailed
from bertworks.progress import EVENTS
from bertworks.spec import Track
from bertworks.spec.file import DialogueFile, SpecFile
from bertworks.storage import temporary
from bertworks.storage.artifacts import open_artifact, write_json
from components.launch import DEBUG, LOGS, RUNNER
from pipelines.box import Kind
from pipelines.cli.command import called
from pipelines.local.display import Display
from pipelines.local.events import Event, StepEvent, read_event
from pipelines.local.record import Run, Step, newest_first
from pipelines.local.root import Root, locked
from pipelines.site import REPOSITORY

# What TensorFlow says at every start on a machine without a GPU is never the cause.
NOISE = re.compile(r"cuda|cuInit|oneDNN|absl::|cpu_feature_guard", re.IGNORECASE)
NO_ROOM = ("No space left on device", "No usable temporary directory", "mktemp: failed")


def run(
    loaded: SpecFile | DialogueFile,
    root: Root,
    *,
    kind: Kind = "agent",
    cache: bool = True,
    debug: bool = False,
    until: float | None = None,
    again: bool = False,
    display: Display,
) -> Run:
    """Runs the DAG of a spec, the training or the retraining, and returns its record.

    Finished steps of earlier runs are taken from the cache; a step that was interrupted goes on from
    its last checkpoint.

    Args:
        loaded: The spec, as read.
        root: Where it is kept.
        kind: The training of the agent, or its retraining.
        cache: Take finished steps of earlier runs.
        debug: Print tracebacks.
        until: When it should be over, in seconds since 1970; None: the spec's `minutes` from now on.
        again: Whether another run follows in that time, see `Pace`.
        display: Shows how it goes.

    Raises:
        StepFailed: A step failed: which, why, where its log is, and how to run just that step again.
        GateRefused: The bundle was made but refused.
        Interrupted: A signal ended it.
        BertworksError: Its runner ended before a step began.
    """
    with locked(root), temporary.scratch() as scratch:
        current = _prepare(loaded, root, kind, cache, until, again)
        display.start(current)
        try:
            _watch(current, root, debug, display, scratch)
        except Exception as error:
            if current.state == "running":
                current.state, current.message = "failed", str(error)
            raise
        else:
            # Nobody else writes there while we hold the lock: what is left is of abandoned runs.
            shutil.rmtree(root.checkpoints, ignore_errors=True)
        finally:
            current.seconds = time.time() - current.started
            current.save()
            _write_report(current)
            display.stop(current)
            _track(current, loaded.spec.track)
        return current


def _prepare(
    loaded: SpecFile | DialogueFile,
    root: Root,
    kind: Kind,
    cache: bool,
    until: float | None,
    again: bool,
) -> Run:
    if until is None and isinstance(loaded, SpecFile) and loaded.spec.minutes is not None:
        until = time.time() + 60 * loaded.spec.minutes
    from bertworks.data.sources.cache import cache_in
    from pipelines.planned import dag_here, to_json

    with cache_in(root.downloads):
        dag = dag_here(loaded, kind, str(root.models), partial(_baseline, root))
    folder = root.runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{dag.name}"
    while folder.exists():
        folder = folder.with_name(folder.name + "-again")
    (folder / "logs").mkdir(parents=True)
    plan = {
        "root": str(root.path),
        "cache": cache,
        "until": until,
        "again": again,
        "imports": {box.name: box.imports for box in dag.boxes},
        "dag": to_json(dag),
        "sections": dag.sections(),
    }
    write_json(folder / "plan.json", plan)
    current = Run(
        folder=folder,
        fingerprints=dict(dag.site.fingerprints),
        name=loaded.spec.name,
        kind=kind,
        spec=loaded.spec.model_dump(mode="json", by_alias=True),
        spec_file=str(loaded.path),
        steps={box.name: Step.of(box, dag.graph) for box in dag.boxes},
        branches=dag.graph.branches(kind),
    )
    current.save()
    return current


def _baseline(root: Root, name: str, fingerprints: dict[str, str]) -> str:
    """The statistics of the newest good run of this agent on other data, or "none".

    Retrainings do not count: they look at a part of the rows. Runs on the same data do not count
    either: an unchanged run must find the baseline, and so the cache, of the run before it.
    """
    for done in newest_first(root):
        good = (done.name, done.state, done.kind) == (name, "succeeded", "agent")
        if good and done.fingerprints != fingerprints:
            statistics = done.artifacts.get("statistics", "")
            return statistics if Path(statistics).exists() else "none"
    return "none"


class Interrupted(BertworksError):
    """A signal ended the run, whose record says so; what was finished is kept.

    Attributes:
        signal: Which one: SIGINT (Ctrl-C), SIGTERM or SIGHUP.
    """

    def __init__(self, message: str, fix: str, number: signal.Signals) -> None:
        super().__init__(message, fix)
        self.signal = number


class _Terminated(BaseException):
    """SIGTERM or SIGHUP: ends the run as an interrupt from the keyboard does."""

    def __init__(self, number: signal.Signals) -> None:
        self.signal = number


def _terminate(number: int, frame: object) -> None:
    raise _Terminated(signal.Signals(number))


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Turns SIGTERM and SIGHUP into _Terminated in the block; then they do what they did before.

    Only the main thread may say what signals do: a run in another thread leaves them alone. A SIGHUP
    that is ignored stays so: `nohup` asked that the run outlive its terminal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    endings = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        endings.append(signal.SIGHUP)
    before = {ending: signal.signal(ending, _terminate) for ending in endings}
    try:
        yield
    finally:
        for ending, handler in before.items():
            # None: what the program that Python is embedded in had set, which Python cannot say.
            signal.signal(ending, signal.SIG_DFL if handler is None else handler)


def _watch(current: Run, root: Root, debug: bool, display: Display, scratch: Path) -> None:
    events = current.folder / "events.jsonl"
    events.touch()
    log = current.folder / "run.log"
    environment = {
        **os.environ,
        **root.environment(),
        "PYTHONPATH": os.pathsep.join(
            [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
        ),
        EVENTS: str(events),
        LOGS: str(current.folder / "logs"),
        RUNNER: str(os.getpid()),
        # KFP leaves a folder there for each step, and whatever was at work when it was killed.
        "TMPDIR": str(scratch),
        # What the notify step of a retraining asks for.
        failures.RUN: current.id,
        failures.ROOT: str(root.failures),
        "PYTHONIOENCODING": "utf-8",  # logs are files, whatever the terminal can show
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
        **({DEBUG: "1"} if debug else {}),
    }
    # Steps start in seconds only when Python may keep what it compiled.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with open(log, "wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "pipelines.local.child", str(current.folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        with _ended_by_signals():
            reader = _new_events(events)
            while (exit_code := child.poll()) is None:
                _take(current, reader, display)
                time.sleep(0.2)
            _take(current, reader, display)
    except (KeyboardInterrupt, _Terminated) as ending:
        current.state, current.message = "interrupted", "Interrupted."
        raise Interrupted(
            f"Interrupted in step {_unfinished(current)}; what was finished is kept.",
            "The same command goes on from here.",
            ending.signal if isinstance(ending, _Terminated) else signal.SIGINT,
        ) from None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    _judge(current, exit_code, log)


def _take(current: Run, reader: Iterator[list[Event]], display: Display) -> None:
    news = next(reader)
    for event in news:
        current.apply(event)
    if any(isinstance(event, StepEvent) for event in news):
        current.save()
    display.update(current, news)


def _new_events(file: Path) -> Iterator[list[Event]]:
    """Yields, at each call, the events that were appended since the last one; whole lines only."""
    rest = b""
    with open(file, "rb") as stream:
        while True:
            *lines, rest = (rest + stream.read()).split(b"\n")
            yield [event for line in lines if (event := read_event(line)) is not None]


def _judge(current: Run, exit_code: int, log: Path) -> None:
    """Decides from every step's own word, not from the runner's alone, whether the run succeeded."""
    failed = next((step for step in current.steps.values() if step.state == "failed"), None)
    if failed is None and exit_code == 0 and all(s.finished for s in current.steps.values()):
        for step in current.steps.values():
            for path in step.outputs.values():
                open_artifact(path)
        current.state = "succeeded"
        return
    current.state = "failed"
    unfinished = failed or current.steps.get(_unfinished(current))
    if unfinished is None:
        current.message = f"The runner ended with exit code {exit_code}."
        raise BertworksError(current.message, f"See {log}.")
    step_log = current.folder / "logs" / f"{unfinished.name}.log"
    if failed is None:
        unfinished.state = "failed"
        unfinished.message = _last_words(step_log if step_log.exists() else log)
    current.message = f"{unfinished.name}: {unfinished.message}"
    reason, _, fix = unfinished.message.partition("\n  fix: ")
    found = StepFailed(
        unfinished.name,
        reason,
        fix=fix,
        log=str(step_log if step_log.exists() else log),
        alone=f"{called()} step {unfinished.name} --run {current.id} --root "
        f"{shlex.quote(str(current.folder.parent.parent))} --debug",
    )
    kind = GateRefused if unfinished.exit_code == GateRefused.exit_code else None
    error = kind(str(found)) if kind else found
    error.exit_code = unfinished.exit_code or 1
    raise error


def _unfinished(current: Run) -> str:
    return next((step.name for step in current.steps.values() if not step.finished), "")


def _last_words(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace").strip()
    # Where the disk that is full holds the events too, the step's own reason stands in its log alone.
    _, own, reason = text.rpartition(f"step {log.stem} failed: ")
    if own:
        return reason
    lines = text.splitlines()
    said = [line.strip() for line in lines if line.strip() and not NOISE.search(line)]
    if full := next((line for line in said if any(sign in line for sign in NO_ROOM)), None):
        return (
            f"There was no room for the step's files: {full[:300]}"
            "\n  fix: Make room, or name folders with room: TMPDIR for temporary files, --root for "
            "the run."
        )
    return (
        "The step's process ended without a word (killed, or out of memory)."
        + (f" Last line of its log: {said[-1][:300]}" if said else "")
        + "\n  fix: Run the same command again; it goes on from the last checkpoint."
    )


def _write_report(current: Run) -> None:
    try:
        from bertworks.pages.report import page as report

        report.build(current.record(), current.folder / "report.html")
    except Exception as error:  # the report must never turn a good run into a failed one
        (current.folder / "report.error.txt").write_text(f"{type(error).__name__}: {error}\n")


def _track(current: Run, track: Track) -> None:
    """Tells the tracking server that the spec names; whatever comes of it, the run is as it is."""
    if track.mlflow is None:
        return
    from bertworks.tracking.report import tell

    told = tell(current.record(), track, current.folder / "report.html")
    print(told.line(), file=sys.stderr)
