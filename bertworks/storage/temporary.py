"""Folders for temporary files, and what is said where there is no place for them."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bertworks.errors import EnvironmentFault
from bertworks.storage.scratch import Scratch

_PROBE_BYTES = 1 << 20


@contextmanager
def scratch(prefix: str = "bertworks-") -> Iterator[Path]:
    """A new folder for temporary files, in TMPDIR or the system's usual place, removed at the end.

    Where the process is killed, a later command removes it: no other way is used to make one.

    Raises:
        EnvironmentFault: It cannot be made.
    """
    try:
        opened = Scratch(prefix)
    except OSError as error:
        raise _fault(error) from None
    with opened as path:
        yield Path(path)


@contextmanager
def writing() -> Iterator[None]:
    """Around writes into a folder for temporary files.

    Raises:
        EnvironmentFault: Its disk is full.
    """
    try:
        yield
    except OSError as error:
        if full(error):
            raise _fault(error) from None
        raise


def check() -> None:
    """Tries the place for temporary files before work begins.

    Python goes to /tmp in silence where TMPDIR does not exist or is full, and the shell that starts a
    step does not: it ends before it can say why.

    Raises:
        EnvironmentFault: TMPDIR names no folder, or what is written there does not fit.
    """
    named = os.environ.get("TMPDIR")
    if named and not Path(named).is_dir():
        raise EnvironmentFault(
            f"TMPDIR names {named}, which is no folder.",
            f"Make it (mkdir -p {named}), or unset TMPDIR: then /tmp is used.",
        )
    try:
        # In the folder itself: without being told, Python turns to another where that is full.
        with tempfile.TemporaryFile(prefix="bertworks-", dir=named or None) as probe:
            probe.write(b"\0" * _PROBE_BYTES)
            probe.flush()
    except OSError as error:
        raise _fault(error) from None


def full(error: OSError) -> bool:
    """Whether a write failed for want of room."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def _fault(error: OSError) -> EnvironmentFault:
    place = os.environ.get("TMPDIR") or tempfile.tempdir or "/tmp"
    reason = "the disk is full" if full(error) else error.strerror or str(error)
    return EnvironmentFault(
        f"The folder for temporary files, {place}, cannot be written: {reason}.",
        "Make room there, or name another folder: TMPDIR=/path/with/room.",
    )
