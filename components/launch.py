"""Runs a step as a KFP task: the few things that every component does around `step.run`.

A failing step ends with a message that a person can act on and a non-zero exit code; a traceback is
printed only when BERTWORKS_DEBUG is set. When the runner gives a folder for logs (BERTWORKS_LOGS), all
that the step and its libraries print goes to a file there.

On a cluster the reason is also kept (`bertworks.failures`), and a retry of a step that failed by itself
ends at once; a step that was killed leaves no reason, and its retry goes on from the checkpoint.
BERTWORKS_TIMEOUT bounds the step's work, in seconds.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import select
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bertworks import cpus, failures, progress
from bertworks.contracts.files import to_json
from bertworks.errors import BertworksError, EnvironmentFault
from bertworks.notices import Notice, in_order, to_log
from bertworks.storage import temporary
from bertworks.storage.artifacts import MANIFEST, write_json
from bertworks.storage.checkpoints import CODE
from components import shown, tracked
from components.contract import StepResult

BOX = "BERTWORKS_BOX"
DEBUG = "BERTWORKS_DEBUG"
LOGS = "BERTWORKS_LOGS"
RUNNER = "BERTWORKS_RUNNER_PID"
TIMEOUT = "BERTWORKS_TIMEOUT"
METADATA_CHARACTERS = 16_000  # of notices in ML Metadata; the artifact's file has all


def launch(
    task: str,
    step: str,
    section: str,
    inputs: Mapping[str, Any],
    outputs: Mapping[str, Any],
    metrics: Any,
    view: Any,
    confusion: Any = None,
    values: Mapping[str, str] | None = None,
) -> None:
    """Runs `components.<step>.step.run` with KFP artifacts as its inputs and outputs.

    Args:
        task: The task's name in the DAG ("evaluate-bundle" where the step is "evaluate").
        step: The folder in components/.
        section: The step's part of the spec, as JSON.
        inputs: Parameter name to KFP input artifact.
        outputs: Parameter name to KFP output artifact; a folder is written at each path.
        metrics: KFP Metrics artifact.
        view: KFP HTML artifact.
        confusion: KFP ClassificationMetrics artifact, for steps that have one.
        values: Parameter name to what the DAG alone knows, for steps that take such.
    """
    die_with_runner()
    cpus.bound_threads(os.environ)
    # Who runs the DAG may know it by a longer name: "understanding-gate", in that of a dialogue.
    task = os.environ.get(BOX) or task
    os.environ[progress.STEP] = task
    _redirect_output(task)
    in_paths = {name: Path(artifact.path) for name, artifact in inputs.items()}
    out_paths = {name: Path(artifact.path) for name, artifact in outputs.items()}
    _emit("started", inputs=in_paths, outputs=out_paths, section=section)
    _end_blind_retry(task)
    failures.begin(task)
    began = time.monotonic()
    timer = _limit_time(task, step)
    try:
        temporary.check()
        result = run_step(step, section, in_paths, out_paths, values)
        notices = in_order(result.notices)
        seconds = round(time.monotonic() - began, 3)
        numbers = _publish(task, result, notices, seconds, out_paths, metrics, view, confusion)
    except BertworksError as error:
        _fail(task, str(error), error.exit_code, error.kind, error.notices)
    except MemoryError:
        _fail(task, str(_out_of_memory(step)), EnvironmentFault.exit_code)
    except Exception as error:
        traceback.print_exc()
        if isinstance(error, OSError) and temporary.full(error):
            full = _full_disk(error)
            _fail(task, str(full), full.exit_code)
        _fail(
            task,
            f"{type(error).__name__}: {error}\n  fix: This is a fault in bertworks or in a library "
            "under it; the log has the traceback.",
            1,
            "fault",
        )
    finally:
        timer.cancel()
    failures.end(task)
    said = ", ".join(f"{key}={_exact(value)}" for key, value in numbers.items())
    # `bertworks runs show` reads these lines from the pod's log.
    print(to_log(task, notices), end="", file=sys.stderr)
    print(f"step {task} succeeded in {seconds:.0f} s: {said}", file=sys.stderr, flush=True)
    tracked.tell(task, section, numbers, out_paths, Path(view.path), time.time() - seconds)
    _emit(
        "succeeded",
        outputs=out_paths,
        seconds=seconds,
        work_seconds=result.work_seconds,
        answer=result.answer,
        metrics=dict(result.metrics),
        notices=[notice.to_json() for notice in notices],
    )


def run_step(
    step: str,
    section: str,
    inputs: Mapping[str, Path],
    outputs: Mapping[str, Path],
    values: Mapping[str, str] | None = None,
) -> StepResult:
    """Calls the step as a plain function, its section as the step's type; adds what it took.

    Raises:
        SpecError: The section is not what the step takes.
    """
    module = importlib.import_module(f"components.{step}.step")
    given = json.loads(section)
    # Checkpoints of other code must not be gone on from.
    os.environ[CODE] = given.get("code", "")
    began = time.monotonic()
    settings = module.Section.of(given["settings"])
    result: StepResult = module.run(settings, **inputs, **outputs, **(values or {}))
    seconds = time.monotonic() - began
    for name, path in outputs.items():
        if not (path / MANIFEST).is_file():
            raise RuntimeError(f"step {step} returned without writing its output {name!r}")
    return replace(result, work_seconds=round(seconds, 3))


def _end_blind_retry(task: str) -> None:
    """Ends this attempt where an earlier one of the same run failed by itself."""
    earlier = failures.before(task)
    if earlier is not None:
        print(
            f"attempt {earlier.attempt + 1} of this run failed by itself, which trying again does not "
            "mend: this attempt ends at once. `bertworks runs retry` runs the step anew.",
            file=sys.stderr,
        )
        _fail(task, earlier.message, earlier.exit_code, kind=None)


def _limit_time(task: str, step: str) -> threading.Timer:
    """Fails the step when its time is over, so that the reason is kept; the pod's end would lose it."""
    limit = os.environ.get(TIMEOUT)
    seconds = float(limit or 0)

    def over() -> None:
        fault = EnvironmentFault(
            f"The step was still at work after {seconds / 60:g} minutes, its time-out.",
            f"Raise resources.steps.{step}.timeout_minutes, or give the step "
            "less to do or more to do it with. A run that trains goes on from its last checkpoint.",
        )
        _fail(task, str(fault), fault.exit_code, "timeout")

    timer = threading.Timer(seconds, over)
    timer.daemon = True
    if limit:
        timer.start()
    return timer


def die_with_runner() -> None:
    """Makes this process end when the local runner ends, however that ends.

    Without it a killed runner would leave a step running, and the next run would start it again
    beside itself. A death signal from the parent is not enough: KFP puts a shell in between.
    """
    runner = os.environ.get(RUNNER)
    if runner is None or not hasattr(os, "pidfd_open"):
        return
    try:
        descriptor = os.pidfd_open(int(runner))
    except ProcessLookupError:
        os._exit(143)

    def wait() -> None:
        watch = select.poll()
        watch.register(descriptor, select.POLLIN)
        watch.poll()
        os._exit(143)

    threading.Thread(target=wait, name="die-with-runner", daemon=True).start()


def _redirect_output(task: str) -> None:
    folder = os.environ.get(LOGS)
    if folder:
        log = os.open(Path(folder) / f"{task}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        sys.stdout.flush()
        sys.stderr.flush()
        os.dup2(log, 1)
        os.dup2(log, 2)


def _out_of_memory(step: str) -> EnvironmentFault:
    module = importlib.import_module(f"components.{step}.step")
    less = getattr(module, "SAVES_MEMORY", "data.max_rows")
    memory = f"resources.steps.{step}.memory"
    return EnvironmentFault(
        "The step ran out of memory.",
        f"Lower {less}, or give the step more memory; on a cluster: {memory}.",
    )


def _full_disk(error: OSError) -> EnvironmentFault:
    """Which disk is full: that of temporary files, or another one."""
    try:
        temporary.check()
    except EnvironmentFault as fault:
        return fault
    where = f" for {error.filename}" if error.filename else ""
    return EnvironmentFault(f"No space left on the disk{where}.", "Free some, or change --root.")


def _emit(state: str, **facts: Any) -> None:
    plain = {
        key: {name: str(path) for name, path in value.items()} if key.endswith("puts") else value
        for key, value in facts.items()
    }
    if os.environ.get(progress.EVENTS):
        progress.emit({"event": "step", "state": state, "pid": os.getpid(), **plain})


def _fail(
    task: str,
    message: str,
    exit_code: int,
    kind: str | None = "error",
    notices: Sequence[Notice] = (),
) -> None:
    """Tells why and ends the process; the reason is kept unless `kind` is None."""
    if os.environ.get(DEBUG) and sys.exc_info()[0] is not None:
        traceback.print_exc()
    print(to_log(task, notices), end="", file=sys.stderr)
    print(f"step {task} failed: {message}", file=sys.stderr, flush=True)
    told = [notice.to_json() for notice in notices]
    _emit("failed", message=message, exit_code=exit_code, notices=told)
    if kind is not None:
        failures.record(task, message, exit_code, kind)
        tracked.tell_failure(task, message)
    failures.end(task)
    sys.stderr.flush()
    # Not sys.exit: threads that a library left behind must not keep a failed step alive.
    os._exit(exit_code)


def _publish(
    task: str,
    result: StepResult,
    notices: Sequence[Notice],
    seconds: float,
    outputs: Mapping[str, Path],
    metrics: Any,
    view: Any,
    confusion: Any,
) -> dict[str, float]:
    """Shows the step's numbers, notices and pictures in the Kubeflow UI; returns the numbers.

    The file of the Metrics artifact has all of it: a run that takes the step from the cache reads it.
    """
    numbers: dict[str, float] = {}
    for name, value in result.metrics.items():
        # KFP keeps numbers as JSON, which has no NaN: one would fail the step after its work.
        if value is None or not math.isfinite(value):
            print(f"note: {name} is {value}: not shown", file=sys.stderr)
            continue
        numbers[name] = float(value)
        metrics.log_metric(name, float(value))
    Path(metrics.path).parent.mkdir(parents=True, exist_ok=True)
    records = [notice.to_json() for notice in notices]
    write_json(metrics.path, {"metrics": numbers, "notices": records, "seconds": seconds})
    # ML Metadata has them too, where whoever cannot read the file can ask for them.
    view.metadata["notices"] = _that_fit(records)
    own = result.html
    if own:
        page = (next(iter(outputs.values())) / own).read_text(encoding="utf-8")
    else:
        page = shown.page(task, numbers, outputs)
    Path(view.path).write_text(shown.with_notices(page, notices), encoding="utf-8")
    if confusion is not None:
        table = result.confusion
        if table is not None:
            confusion.log_confusion_matrix(table.labels, table.matrix)
        write_json(confusion.path, to_json(table) or {})
    return numbers


def _exact(value: float) -> str:
    """Whole numbers with all their digits, since they are counts."""
    return str(int(value)) if value == int(value) else f"{value:.6g}"


def _that_fit(records: Sequence[Mapping[str, object]]) -> str:
    """As many records as ML Metadata should be asked to keep, as JSON."""
    kept = list(records)
    while len(text := json.dumps(kept)) > METADATA_CHARACTERS:
        kept.pop()
    return text
