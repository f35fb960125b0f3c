"""Why a step of a run failed: one small file a task, where pods, and whoever asks later, find it.

    ROOT/RUN/TASK.json   {"task", "message", "exit_code", "kind", "attempt", "time", "node"}
    ROOT/RUN/TASK.begun  while the task runs: one that is left over names a pod that vanished

ROOT is BERTWORKS_FAILURES, a folder or an fsspec URI; RUN is KFP_RUN_ID. Without both nothing is kept.

The file also ends blind retries. Which failed pods are tried again is up to the workflow controller:
some policies repeat every failure. A preempted pod leaves no reason behind, so its retry goes on from
the checkpoint. A step that failed by itself leaves one, and a retry that finds it ends at once with the
same words. A person's retry of the run is let through: Argo counts the attempts of a pod, and of the
groups that hold it, in its node's name. The controller's retries count on from the attempt that failed;
a person's begin anew at or before it, as the failed nodes are dropped.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from bertworks.storage import buckets

ROOT = "BERTWORKS_FAILURES"
RUN = "KFP_RUN_ID"
NODE = "BERTWORKS_NODE"  # Argo's name of the pod's node: "run.root.finetune.executor(2)"
_BEGUN = ".begun"


@dataclass(frozen=True)
class Failure:
    """One task's last failure in a run.

    Attributes:
        task: The task's name in the DAG.
        message: What is wrong and what to do about it.
        exit_code: As in `bertworks.errors`; 1 for a fault of ours.
        kind: "gate", "error" (of the user's spec, data, sources or machine), "busy" (somebody else is
            at work, and a retry may find them gone), "timeout" or "fault".
        attempt: From 0; more on a retry by the controller.
        time: When, ISO 8601, UTC.
        node: Argo's name of the pod's node.
    """

    task: str
    message: str
    exit_code: int
    kind: str
    attempt: int
    time: str
    node: str = ""


def attempt() -> int:
    """Which attempt of its task this pod is, from 0."""
    return sum(_indices(os.environ.get(NODE, "")))


def _indices(node: str) -> tuple[int, ...]:
    """The attempts that a node's name counts, outermost first."""
    return tuple(int(index) for index in re.findall(r"\((\d+)\)", node))


def record(task: str, message: str, exit_code: int, kind: str) -> None:
    """Keeps the reason. What goes wrong here is told on stderr and never hides the failure itself."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    node = os.environ.get(NODE, "")
    reason = Failure(task, message, exit_code, kind, attempt(), now, node)
    try:
        if (place := _place()) is not None:
            place.write(task, json.dumps(asdict(reason), ensure_ascii=False, indent=1).encode())
    except Exception as error:
        print(f"note: {os.environ.get(ROOT)} does not take the reason: {error}", file=sys.stderr)


def before(task: str) -> Failure | None:
    """The reason why an earlier attempt of this task failed by itself; None lets the task run.

    A reason that does not hold any more, as a person tries the run again, is forgotten.
    """
    try:
        if (place := _place()) is None or (found := place.read(task)) is None:
            return None
        counted_on = _indices(os.environ.get(NODE, "")) > _indices(found.node)
        if counted_on and found.kind != "busy":
            return found
        place.remove(task)
        return None
    except Exception as error:
        print(f"note: {os.environ.get(ROOT)} cannot be read: {error}", file=sys.stderr)
        return None


def begin(task: str) -> None:
    """Marks a task as begun, so that one whose pod vanishes (out of memory, evicted) can be named."""
    try:
        if (place := _place()) is not None:
            place.mark(task)
    except Exception as error:
        print(f"note: {os.environ.get(ROOT)} cannot be written: {error}", file=sys.stderr)


def end(task: str) -> None:
    """Takes the mark away: the task ended well, or left its reason."""
    try:
        if (place := _place()) is not None:
            place.unmark(task)
    except Exception as error:
        print(f"note: {os.environ.get(ROOT)} cannot be written: {error}", file=sys.stderr)


def silent(root: str, run: str) -> list[str]:
    """The tasks of a run that began and have not ended: all is over when this is asked.

    Raises:
        OSError: The place cannot be read.
    """
    return _Place(root, run).marked()


def read(root: str, run: str) -> list[Failure]:
    """The reasons of a run, the oldest first: the first is what the run failed of.

    Raises:
        OSError: The place cannot be read.
    """
    place = _Place(root, run)
    found = [reason for task in place.tasks() if (reason := place.read(task)) is not None]
    return sorted(found, key=lambda reason: reason.time)


def _place() -> _Place | None:
    root, run = os.environ.get(ROOT), os.environ.get(RUN)
    return _Place(root, run) if root and run else None


class _Place:
    """A run's folder of reasons, on a disk or behind fsspec."""

    def __init__(self, root: str, run: str) -> None:
        import fsspec

        self.uri = f"{root.rstrip('/')}/{run}"
        self._files: Any
        self._files, self._folder = fsspec.core.url_to_fs(self.uri)

    def _at(self, task: str) -> str:
        return f"{self._folder}/{task}.json"

    def write(self, task: str, value: bytes) -> None:
        buckets.make_folder(self._files, self._folder)
        buckets.put_whole(self._files, self._at(task), value)

    def read(self, task: str) -> Failure | None:
        try:
            return Failure(**json.loads(self._files.cat_file(self._at(task))))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):  # Half a file, or not one of ours.
            return None

    def remove(self, task: str) -> None:
        if self._files.exists(self._at(task)):
            self._files.rm_file(self._at(task))

    def mark(self, task: str) -> None:
        self._files.makedirs(self._folder, exist_ok=True)
        self._files.pipe_file(f"{self._folder}/{task}{_BEGUN}", b"")

    def unmark(self, task: str) -> None:
        if self._files.exists(f"{self._folder}/{task}{_BEGUN}"):
            self._files.rm_file(f"{self._folder}/{task}{_BEGUN}")

    def marked(self) -> list[str]:
        return self._named(_BEGUN)

    def tasks(self) -> list[str]:
        return self._named(".json")

    def _named(self, ending: str) -> list[str]:
        self._files.invalidate_cache()
        try:
            names = [one.rpartition("/")[2] for one in self._files.ls(self._folder, detail=False)]
        except FileNotFoundError:
            return []
        return sorted(
            name.removesuffix(ending)
            for name in names
            if name.endswith(ending) and not name.startswith(".")
        )
