"""Folders for a process's passing files, which the next command removes where the process was killed.

A folder `bertworks-…` in the place for such files (TMPDIR) holds a lock that goes with the process,
however that ends. Process numbers would not do: containers that share the place count their own.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from bertworks.storage.locks import lock

PREFIX = "bertworks-"
LOCK = ".owner"


class Scratch(tempfile.TemporaryDirectory[str]):
    """A temporary folder, as the standard library's, that tells whether its process is alive.

    Args:
        prefix: What its name begins with: `PREFIX`, or what begins with that.
    """

    def __init__(self, prefix: str = PREFIX) -> None:
        super().__init__(prefix=prefix, ignore_cleanup_errors=True)
        made = Path(self.name) / f"{LOCK}.new"
        self._owner = lock(made)
        with contextlib.suppress(OSError):  # a file system without locks: then nobody removes it
            self._owner.acquire()
            made.rename(made.with_name(LOCK))  # nobody finds the lock before it is held

    def cleanup(self) -> None:
        """Removes the folder."""
        _empty(Path(self.name))
        super().cleanup()
        self._owner.release()


def remove_abandoned() -> list[Path]:
    """Removes this user's scratch folders whose process has ended; returns them."""
    removed = []
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            if not (folder / LOCK).exists():
                continue  # just being made, or not one of these
            with lock(folder / LOCK):
                _empty(folder)
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
    return removed


def _empty(folder: Path) -> None:
    """Removes all but the lock, which goes last: who is killed over it leaves what others can tell."""
    with contextlib.suppress(OSError):
        for one in folder.iterdir():
            if one.is_dir() and not one.is_symlink():
                shutil.rmtree(one, ignore_errors=True)
            elif one.name != LOCK:
                one.unlink(missing_ok=True)
