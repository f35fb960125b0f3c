"""A memory limit such as a container has, for a process of a test: a control group of its own."""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path("/sys/fs/cgroup")


@dataclass
class Group:
    """A control group.

    Attributes:
        folder: Its files.
        version: Of Linux' control groups.
    """

    folder: Path
    version: int

    def enter(self) -> None:
        """Puts the calling process in; for `Popen`'s preexec_fn."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    @property
    def kills(self) -> int:
        """Processes that were killed for want of memory."""
        file = "memory.oom_control" if self.version == 1 else "memory.events"
        told = dict(line.split() for line in (self.folder / file).read_text().splitlines())
        return int(told["oom_kill"])

    @property
    def peak(self) -> int:
        """Bytes that were held at most, files in memory included."""
        file = "memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"
        return int((self.folder / file).read_text())


@contextlib.contextmanager
def limited(limit: int) -> Iterator[Group]:
    """A group of at most `limit` bytes; skips the test, visibly, where none can be made."""
    version = 1 if (ROOT / "memory").is_dir() else 2
    folder = (ROOT / "memory" if version == 1 else ROOT) / f"bertworks-{uuid.uuid4().hex}"
    try:
        folder.mkdir()
        name = "memory.limit_in_bytes" if version == 1 else "memory.max"
        (folder / name).write_text(str(limit))
    except OSError as error:
        with contextlib.suppress(OSError):
            folder.rmdir()
        pytest.skip(f"no control group can be made here: {error}")
    try:
        yield Group(folder, version)
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()
