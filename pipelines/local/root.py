"""The folder that local runs live in, `.bertworks` unless told otherwise.

downloads/       fetched archives, by sha256
pipeline_root/   the artifacts, and KFP's cache of them
checkpoints/     what a step resumes from
models/          the model store
rows/            rows given in Python (a DataFrame, a list), by sha256
failures/RUN/    why steps failed, for the step that tells how a retraining ended
runs/ID/         run.json, events.jsonl, pipeline.yaml, logs/, report.html
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from bertworks.contracts.runs import RUN, RunRecord
from bertworks.errors import ArtifactError, EnvironmentFault
from bertworks.storage import temporary
from bertworks.storage.locks import lock
from bertworks.storage.scratch import remove_abandoned

ROOT = "BERTWORKS_ROOT"
DEFAULT = ".bertworks"
LOCK = "lock"  # has the number of the process that runs, and is empty when none does
TIDYING_SECONDS = 3.0
MINIMUM_FREE_BYTES = 1_500_000_000


@dataclass(frozen=True)
class Root:
    """The places inside the root folder."""

    path: Path

    @property
    def downloads(self) -> Path:
        """What BERTWORKS_DOWNLOADS names, else a folder of the root."""
        named = os.environ.get("BERTWORKS_DOWNLOADS")
        return Path(named).expanduser().absolute() if named else self.path / "downloads"

    @property
    def pipeline_root(self) -> Path:
        return self.path / "pipeline_root"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def rows(self) -> Path:
        return self.path / "rows"

    @property
    def failures(self) -> Path:
        return self.path / "failures"

    @property
    def runs(self) -> Path:
        return self.path / "runs"

    def environment(self) -> dict[str, str]:
        """The variables that tell the steps where things are."""
        return {
            "BERTWORKS_DOWNLOADS": str(self.downloads),
            "BERTWORKS_CHECKPOINTS": str(self.checkpoints),
        }


def find_root(path: str | None) -> Root:
    """The root folder as it is, for commands that only read; what a killed run left is put right."""
    root = Root(Path(path or os.environ.get(ROOT) or DEFAULT).absolute())
    _tidy(root)
    return root


def open_root(path: str | None) -> Root:
    """The root folder, for commands that write: made when it is not there.

    Raises:
        EnvironmentFault: It cannot be written, its disk is nearly full, or there is no place for
            temporary files.
    """
    temporary.check()
    root = find_root(path)
    folder = root.path
    try:
        for place in (root.downloads, root.pipeline_root, root.checkpoints, root.models, root.runs):
            place.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
        raise EnvironmentFault(
            f"The run folder {folder} cannot be written: {reason}.",
            "Choose another one with --root, or set BERTWORKS_ROOT.",
        ) from None
    free = shutil.disk_usage(folder).free
    minimum = int(os.environ.get("BERTWORKS_MINIMUM_FREE_BYTES", MINIMUM_FREE_BYTES))
    if free < minimum:
        raise EnvironmentFault(
            f"The disk that holds {folder} has {free / 1e9:.1f} GB free; a run needs "
            f"{minimum / 1e9:.1f} GB.",
            "Free some space, or choose another disk with --root.",
        )
    return root


@contextlib.contextmanager
def locked(root: Root) -> Iterator[None]:
    """Holds the root for one run; the lock goes with the process, however that ends.

    Raises:
        EnvironmentFault: Another run holds it.
    """
    holder = root.path / LOCK
    try:
        # With patience: a command that puts things right holds it for a moment.
        taken = lock(holder, TIDYING_SECONDS).acquire()
    except TimeoutError:
        number = holder.read_text("utf-8", "replace").strip() or "unknown"
        raise EnvironmentFault(
            f"Another run (process {number}) is at work in {root.path}.",
            "Wait for it, or run beside it with another --root.",
        ) from None
    with taken:
        holder.write_text(str(os.getpid()))
        with _emptied(holder):
            _put_right(root)
            remove_abandoned()
            yield


@contextlib.contextmanager
def _emptied(holder: Path) -> Iterator[None]:
    """Ends with an empty file, unless we are told to end at once: then what we leave is put right."""
    try:
        yield
    except Exception:
        os.truncate(holder, 0)
        raise
    os.truncate(holder, 0)


def _tidy(root: Root) -> None:
    """Puts right what a run left that was killed: its process's number still stands in the lock."""
    with contextlib.suppress(OSError):
        if (root.path / LOCK).stat().st_size:
            with lock(root.path / LOCK):
                _put_right(root)
                os.truncate(root.path / LOCK, 0)
    with contextlib.suppress(OSError):  # where there is no lock, too: `init` needs no root
        remove_abandoned()


def _put_right(root: Root) -> None:
    """Marks and removes what a killed run left; nobody else runs while we hold the lock."""
    for file in root.runs.glob("*/run.json"):
        with contextlib.suppress(OSError, ArtifactError):
            run = RUN.read(file.parent)
            if run.state == "running":
                RUN.write(file.parent, _interrupted(run, file.parent / "events.jsonl"))
    _remove_partial(root.pipeline_root)
    for model in root.models.glob("*"):
        # In its turn, as who promotes a version takes it; where somebody has that, nothing is removed.
        with contextlib.suppress(OSError), lock(model / ".lock"):
            _remove_partial(model)


def _interrupted(run: RunRecord, events: Path) -> RunRecord:
    """The record of a run whose process was killed, up to the last that was heard of it."""
    steps = [
        replace(step, state="interrupted") if step.state == "running" else step
        for step in run.steps
    ]
    heard = events.stat().st_mtime if events.exists() else 0.0
    began = run.started if isinstance(run.started, float) else heard
    message = "Interrupted: its process was killed. The same command goes on from there."
    seconds = round(max(heard - began, 0.0), 3)
    return replace(run, state="interrupted", message=message, seconds=seconds, steps=steps)


def _remove_partial(place: Path) -> None:
    for ending in ("partial*", "old"):
        for leftover in place.glob(f"**/.*.{ending}"):
            shutil.rmtree(leftover, ignore_errors=True)
            with contextlib.suppress(OSError):
                leftover.unlink(missing_ok=True)
