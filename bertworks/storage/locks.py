"""Locks between processes, which the system frees when their holder ends, however it ends."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import FileLock


def lock(file: Path, seconds: float = 0.0) -> FileLock:
    """A lock on a file, which is made when needed and stays: `with lock(file): ...`.

    Args:
        file: What the processes agree on; its folder is there.
        seconds: How long to wait for another holder.

    Returns:
        The lock, not yet taken. Taking it raises TimeoutError where another holds it for so long, and
        OSError where the file cannot be opened or its file system knows no locks.
    """
    from filelock import FileLock  # not at the start of every command

    # A soft lock would outlive its holder; whoever ends may be another thread than who began.
    return FileLock(file, timeout=seconds, thread_local=False, fallback_to_soft=False)
