"""Folders for a process's passing files, which the next command removes where the process was killed.

A folder `bertworks-…` in the place for such files (TMPDIR) holds a lock that goes with the process,
however that ends. Process numbers would not do: containers that share the place count their own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "bertworks-"
LOCK = ".owner"


class Scratch(tempfile.TemporaryDirectory[str]):
    """A temporary folder, as the standard library's, that tells whether its process is alive.

    Args:
        prefix: What its name begins with: `PREFIX`, or what begins with that.
    """

    def __init__(self, prefix: str = PREFIX) -> None:
        super().__init__(prefix=prefix, ignore_cleanup_errors=True)
        self._owner = open(Path(self.name) / LOCK, "w")  # noqa: SIM115 - open as long as we live
        with contextlib.suppress(OSError):  # a file system without locks: then nobody removes it
            fcntl.flock(self._owner, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def cleanup(self) -> None:
        """Removes the folder."""
        super().cleanup()
        self._owner.close()


def remove_abandoned() -> list[Path]:
    """Removes this user's scratch folders whose process has ended; returns them."""
    removed = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            # One without the file is just being made, or is not one of these.
            with open(folder / LOCK, "r+") as owner:
                fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
    return removed
