"""Checkpoints: what a killed training run goes on from.

They lie under BERTWORKS_CHECKPOINTS, in a folder named by what determines the result: the step's
section of the spec and its inputs' digests. So a run that differs in any of these never picks up
another's state, and the same run finds its own. Without the variable none are written.

A checkpoint is one safetensors file, written beside its place, flushed to disk and renamed into it.
The best weights so far are a file of their own, which the checkpoint names.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import bertworks
from bertworks.errors import EnvironmentFault

ROOT = "BERTWORKS_CHECKPOINTS"
CODE = "BERTWORKS_CODE"  # a fingerprint of the code, where the runner gives one
LATEST = "latest.safetensors"

Arrays = dict[str, np.ndarray]


class Checkpoints:
    """The checkpoints of one training run. Use as a context: it holds a lock on the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer: threading.Thread | None = None
        self._failure: OSError | None = None
        self._lock: Any = None

    @classmethod
    def for_run(cls, section: Mapping[str, Any], inputs: Mapping[str, str]) -> Checkpoints | None:
        """The checkpoints of the run that is determined by a section and its inputs' digests.

        Returns:
            None where BERTWORKS_CHECKPOINTS is not set.
        """
        root = os.environ.get(ROOT)
        if not root:
            return None
        code = os.environ.get(CODE, "")
        identity = json.dumps([bertworks.__version__, code, section, dict(inputs)], sort_keys=True)
        return cls(Path(root) / hashlib.sha256(identity.encode()).hexdigest()[:32])

    def __enter__(self) -> Checkpoints:
        """Takes the lock, which the system frees when the process dies.

        Raises:
            EnvironmentFault: Another process trains the same run now, or the folder is not writable.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock = (self.folder / "lock").open("w")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EnvironmentFault(
                f"Another process is training the same run (it holds {self.folder / 'lock'}).",
                "Wait for it, or end it first.",
            ) from None
        except OSError as error:
            raise _fault(error, self.folder) from None
        return self

    def __exit__(self, *failure: object) -> None:
        if self._writer is not None:
            self._writer.join()
        self._lock.close()

    def save(self, state: Mapping[str, Any], arrays: Arrays) -> None:
        """Writes a checkpoint in a thread; a failure of the write before this one is raised here.

        Args:
            state: JSON; `best_file` names the best weights' file, when there is one.
            arrays: Weights and moments; they must not change afterwards.
        """
        self.flush()
        self._writer = threading.Thread(target=self._save, args=(dict(state), arrays))
        self._writer.start()

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

    def load(self) -> tuple[dict[str, Any], Arrays, Arrays | None] | None:
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
            return state, arrays, _read(self.folder / best)[1] if best else None
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            print(f"{latest} cannot be read, training begins anew: {error}", file=sys.stderr)
            return None

    def remove(self) -> None:
        """Removes the run's checkpoints: its result is safe elsewhere."""
        self.flush()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _save(self, state: dict[str, Any], arrays: Arrays) -> None:
        try:
            _write(self.folder / LATEST, arrays, state)
            for file in self.folder.glob("best-*.safetensors"):
                if file.name != state.get("best_file"):
                    file.unlink(missing_ok=True)
        except OSError as error:
            self._failure = error


def _write(target: Path, arrays: Arrays, state: dict[str, Any]) -> None:
    from safetensors.numpy import save

    beside = target.with_suffix(".partial")
    try:
        with beside.open("wb") as stream:
            stream.write(save(arrays, metadata={"state": json.dumps(state)}))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def _read(file: Path) -> tuple[dict[str, Any], Arrays]:
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
