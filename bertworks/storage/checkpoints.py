"""Checkpoints: what a killed training run goes on from.

They lie under BERTWORKS_CHECKPOINTS, in a folder named by what determines the result: the step's
section of the spec and its inputs' digests. So a run that differs in any of these never picks up
another's state, and the same run finds its own. Without the variable none are written.

A checkpoint is one safetensors file, written beside its place, flushed to disk and renamed into it.
The best weights so far are a file of their own, which the checkpoint names. Where the variable is a
bucket's URI, the files are kept in a temporary folder and copied to the bucket after each checkpoint,
see `checkpoint_bucket.py`.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import bertworks
from bertworks.errors import Busy, EnvironmentFault
from bertworks.storage import temporary
from bertworks.storage.checkpoint_bucket import CheckpointBucket
from bertworks.storage.locks import lock
from bertworks.storage.replacing import replacing

if TYPE_CHECKING:
    from filelock import FileLock

ROOT = "BERTWORKS_CHECKPOINTS"
CODE = "BERTWORKS_CODE"  # a fingerprint of the code, where the runner gives one
LATEST = "latest.safetensors"
KEPT_SECONDS = 30 * 86_400  # of runs that were given up
LOCK_WAIT = 120.0  # seconds: a pod that was evicted may still be at its end
QUICK_SECONDS = 0.5  # of a save that may come as often as it likes
MOST_SHARE = 0.05  # of the time, for slower ones
LONGEST_WAIT_SECONDS = 120.0  # for one that is slower still
NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}

Arrays = dict[str, np.ndarray]
State = Mapping[str, object]
"""What a training keeps beside its arrays, as JSON has it: its own, but for `best_file`."""


class Checkpoints:
    """The checkpoints of one training run. Use as a context: it holds a lock on the folder.

    Args:
        folder: Where they lie; None: copies, of what the bucket keeps, lie in a temporary folder.
        bucket: Where they are kept; None: in the folder.
        lock_wait: Seconds to wait for another process that trains the same run.
    """

    def __init__(
        self,
        folder: Path | None,
        bucket: CheckpointBucket | None = None,
        lock_wait: float = LOCK_WAIT,
    ) -> None:
        if folder is not None:
            self.folder = folder
        self.bucket = bucket
        self._lock_wait = lock_wait
        self._writer: threading.Thread | None = None
        self._took, self._saved = 0.0, 0.0
        self._failure: OSError | None = None
        self._lock: FileLock | None = None
        self._copies = contextlib.ExitStack()
        self._followed = (0, 0)  # inode and time of the file

    @classmethod
    def for_run(cls, section: Mapping[str, Any], inputs: Mapping[str, str]) -> Checkpoints | None:
        """The checkpoints of the run that is determined by a section and its inputs' digests.

        Returns:
            None where BERTWORKS_CHECKPOINTS is not set.

        Raises:
            EnvironmentFault: It is a bucket without a driver.
        """
        root = os.environ.get(ROOT)
        if not root:
            return None
        code = os.environ.get(CODE, "")
        identity = json.dumps([bertworks.__version__, code, section, dict(inputs)], sort_keys=True)
        name = hashlib.sha256(identity.encode()).hexdigest()[:32]
        if "://" in root and not root.startswith("file://"):
            return cls(None, CheckpointBucket(f"{root.rstrip('/')}/{name}"))
        return cls(Path(root.removeprefix("file://")) / name)

    def __enter__(self) -> Checkpoints:
        """Takes the lock, which the system frees when the process dies; fetches from the bucket.

        Raises:
            EnvironmentFault: Another process trains the same run now, or the place is not writable.
        """
        if self.bucket is not None:
            with contextlib.ExitStack() as opened:
                # A folder in it, for `remove` leaves nothing: not what says whose the outer one is.
                self.folder = opened.enter_context(temporary.scratch()) / "copies"
                self.folder.mkdir()
                self.bucket.fetch(self.folder)
                self._copies = opened.pop_all()
            return self
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if self._take_lock():
                for left in self.folder.glob(".*.partial"):
                    left.unlink(missing_ok=True)
                _remove_given_up(self.folder)
        except OSError as error:
            raise _fault(error, self.folder) from None
        return self

    def __exit__(self, *failure: object) -> None:
        if self._writer is not None:
            self._writer.join()
        if self._lock is not None:
            self._lock.release()
        self._copies.close()

    def _take_lock(self) -> bool:
        """Whether the folder is ours alone.

        Waits for the lock; a volume that knows none (some network file systems) is used without.

        There two processes that trained the same run at the same time could each remove what the
        other goes on from; work would be lost, but nothing wrong computed.
        """
        self._lock = lock(self.folder / ".lock", self._lock_wait)
        try:
            try:
                self._lock.acquire(timeout=0.0)
            except TimeoutError:
                print("waiting for a process that trains the same run", file=sys.stderr)
                self._lock.acquire()
        except TimeoutError:
            raise Busy(
                f"Another process is training the same run (it holds {self.folder / '.lock'}).",
                "Wait for it, or end it first.",
            ) from None
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise
            print(f"note: {self.folder} cannot be locked: {error.strerror}", file=sys.stderr)
            return False
        return True

    def save(self, state: State, arrays: Arrays) -> None:
        """Writes a checkpoint in a thread; a failure of the write before this one is raised here.

        Args:
            state: JSON; `best_file` names the best weights' file, when there is one.
            arrays: Weights and moments; they must not change afterwards.
        """
        self.flush()
        self._writer = threading.Thread(target=self._save, args=(state, arrays))
        self._writer.start()

    def affordable(self) -> bool:
        """Whether to save now is worth its time: the last save was quick, or is long enough ago.

        Saves that take long (large models, slow volumes) come so rarely that they cost a twentieth of
        the time, but every two minutes all the same. What is computed does not hang on it.
        """
        if self._writer is None or self._took <= QUICK_SECONDS:
            return True
        wait = min(self._took * (1 / MOST_SHARE - 1), LONGEST_WAIT_SECONDS)
        return time.monotonic() - self._saved >= wait

    def flush(self) -> None:
        """Waits until the last checkpoint is on disk.

        Raises:
            EnvironmentFault: It could not be written.
        """
        if self._writer is not None:
            self._writer.join()
        if self._failure is not None:
            raise _fault(self._failure, self.folder)

    def save_best(self, name: str, arrays: Arrays) -> None:
        """Writes the best weights so far, before the checkpoint that names them."""
        self.flush()
        try:
            _write(self.folder / name, arrays, {})
        except OSError as error:
            raise _fault(error, self.folder) from None

    def weights(self, name: str) -> Arrays:
        """What `save_best` wrote under this name."""
        self.flush()
        return _read(self.folder / name)[1]

    def load(self) -> tuple[State, Arrays, Arrays | None] | None:
        """The last checkpoint: its state, its arrays and the best weights; None where there is none.

        One that cannot be read (a disk that lost it) is named on stderr and taken as none.
        """
        from safetensors import SafetensorError

        latest = self.folder / LATEST
        if not latest.exists():
            return None
        try:
            state, arrays = _read(latest)
            best = state.get("best_file")
            return state, arrays, _read(self.folder / str(best))[1] if best else None
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            print(f"{latest} cannot be read, training begins anew: {error}", file=sys.stderr)
            return None

    def remove(self) -> None:
        """Removes the run's checkpoints: its result is safe elsewhere."""
        self.flush()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.bucket is not None:
            self.bucket.remove()

    def _save(self, state: State, arrays: Arrays) -> None:
        began = time.monotonic()
        try:
            self._keep(state, arrays)
        finally:
            self._saved = time.monotonic()
            self._took = self._saved - began

    def _keep(self, state: State, arrays: Arrays) -> None:
        try:
            _write(self.folder / LATEST, arrays, state)
            for file in self.folder.glob("best-*.safetensors"):
                if file.name != state.get("best_file"):
                    file.unlink(missing_ok=True)
        except OSError as error:
            self._failure = error
            return
        self._push(self.folder)

    def follow(self) -> None:
        """Takes to the bucket what another process has saved in the folder since the last time.

        That process has no driver for the bucket; it goes on writing meanwhile. What is taken is one
        checkpoint and the best weights that it names: links to files that are replaced, never changed.
        """
        latest = self.folder / LATEST
        if self.bucket is None or not latest.is_file():
            return
        state = latest.stat()
        if (state.st_ino, state.st_mtime_ns) == self._followed:
            return
        with temporary.scratch() as place:
            try:
                os.link(latest, place / LATEST)
                if best := _read(place / LATEST)[0].get("best_file"):
                    os.link(self.folder / str(best), place / str(best))
            except FileNotFoundError:
                return  # It is at the next one.
            self._push(place)
            state = (place / LATEST).stat()
            self._followed = (state.st_ino, state.st_mtime_ns)

    def _push(self, folder: Path) -> None:
        if self.bucket is None:
            return
        try:
            self.bucket.push(folder)
        except Exception as error:  # a network that is down must not cost the training
            print(
                f"note: a checkpoint did not reach {self.bucket.uri}, the next one is tried again: "
                f"{type(error).__name__}: {error}",
                file=sys.stderr,
            )


def _remove_given_up(folder: Path) -> None:
    """Removes the checkpoints beside these that nobody went on from for a month.

    A volume would fill up with them; a bucket has rules of its own for that.
    """
    for other in folder.parent.glob("*"):
        if other == folder or re.fullmatch("[0-9a-f]{32}", other.name) is None:
            continue
        with contextlib.suppress(OSError):
            newest = max(file.stat().st_mtime for file in [other, *other.iterdir()])
            if time.time() - newest > KEPT_SECONDS:
                shutil.rmtree(other)


def _write(target: Path, arrays: Arrays, state: State) -> None:
    from safetensors.numpy import save

    with replacing(target, durable=True, fault=lambda *_: None) as beside:
        beside.write_bytes(save(arrays, metadata={"state": json.dumps(state)}))


def _read(file: Path) -> tuple[State, Arrays]:
    from safetensors import safe_open

    with safe_open(file, framework="numpy") as opened:
        state = json.loads((opened.metadata() or {})["state"])
        return state, {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118


def _fault(error: OSError, folder: Path) -> EnvironmentFault:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return EnvironmentFault(
        f"Checkpoints cannot be written to {folder}: {error.strerror}.",
        "Free some space; training goes on from the last checkpoint."
        if full
        else f"Make the folder writable, or set {ROOT} to another one.",
    )
