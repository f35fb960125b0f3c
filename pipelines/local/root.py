"""The folder that local runs live in, `.bertworks` unless told otherwise.

downloads/       fetched archives, by sha256
pipeline_root/   the artifacts, and KFP's cache of them
checkpoints/     what a step resumes from
models/          the model store
failures/RUN/    why steps failed, for the step that tells how a retraining ended
runs/ID/         run.json, events.jsonl, pipeline.yaml, logs/, report.html
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bertworks import temporary
from bertworks.errors import EnvironmentFault

ROOT = "BERTWORKS_ROOT"
DEFAULT = ".bertworks"
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
    """The root folder as it is, for commands that only read."""
    return Root(Path(path or os.environ.get(ROOT) or DEFAULT).absolute())


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
    lock = root.path / "lock"
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 100).decode(errors="replace").strip() or "unknown"
            raise EnvironmentFault(
                f"Another run (process {holder}) is at work in {root.path}.",
                "Wait for it, or run beside it with another --root.",
            ) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        _remove_leftovers(root)
        yield
    finally:
        os.close(descriptor)


def _remove_leftovers(root: Root) -> None:
    """Removes folders that a killed run left half-written; nobody else writes while we hold the lock."""
    for place in (root.pipeline_root, root.models):
        for ending in ("partial*", "old"):
            for leftover in place.glob(f"**/.*.{ending}"):
                shutil.rmtree(leftover, ignore_errors=True)
                leftover.unlink(missing_ok=True)
