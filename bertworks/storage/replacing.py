"""Files and folders that readers see whole or not at all.

Whatever is to be there is written beside its place, on the same disk, and renamed into it. What a killed
writer leaves is named `.NAME.HEX.partial`, or `.NAME.HEX.old`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from bertworks.errors import EnvironmentFault

Fault = Callable[[OSError, Path], EnvironmentFault | None]


def environment_fault(error: OSError, target: Path) -> EnvironmentFault | None:
    """What a full disk or a missing permission is told as; None: another fault."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EnvironmentFault(
            f"No space left on the disk that holds {target.parent}.",
            "Free some space, or choose another disk with --root; what was finished is kept.",
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return EnvironmentFault(
            f"{error.filename or target.parent} cannot be written: {error.strerror}.",
            "Make the folder writable, or choose another one with --root.",
        )
    return None


def named_place_fault(error: OSError, target: Path) -> EnvironmentFault:
    """The same of a file or folder that the user named: another one is the way out, whatever it is."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return EnvironmentFault(
            f"No space left on the disk that holds {target.parent}.",
            "Free some space, or name a place on another disk.",
        )
    return EnvironmentFault(
        f"{target} cannot be written: {error.strerror or error}.",
        "Name a place that you may write.",
    )


@contextlib.contextmanager
def replacing(
    target: str | os.PathLike[str],
    *,
    durable: bool = False,
    ending: bool = False,
    fault: Fault = environment_fault,
) -> Iterator[Path]:
    """A path beside `target` for a file or a folder; it is renamed into place when the block ends well.

    Its folder is made when needed. An older file is replaced in one go; an older folder is moved away
    first, then removed.

    Args:
        target: Where it is to be.
        durable: Also written through to the disk first, so that it outlives a loss of power. Files only.
        ending: The path ends as `target` does, for libraries that judge by that. Else by no ending that
            somebody may look for: what a killed writer leaves is not taken for a whole file.
        fault: What an OSError is told as; where that is None it is raised as it is.

    Raises:
        EnvironmentFault: As `fault` says.
    """
    final = Path(target)
    try:
        with beside(final, ending=ending) as path:
            yield path
            if durable:
                _flush(path)
            _put(path, final)
            if durable:
                with contextlib.suppress(OSError):  # some file systems cannot do it for a folder
                    _flush(final.parent)
    except OSError as error:
        raise fault(error, final) or error from error


@contextlib.contextmanager
def beside(target: Path, *, ending: bool = False) -> Iterator[Path]:
    """A path beside `target`, whose folder is made when needed; what is left there at the end goes."""
    kept = target.suffix if ending else ""
    path = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.partial{kept}")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield path
    finally:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _put(path: Path, final: Path) -> None:
    if not (path.is_dir() and final.exists()):
        os.replace(path, final)
        return
    older = final.with_name(f".{final.name}.{uuid.uuid4().hex[:8]}.old")
    os.rename(final, older)
    os.rename(path, final)
    shutil.rmtree(older, ignore_errors=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
