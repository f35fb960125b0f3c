"""The download cache: a fetched file is stored once, whole, and checked at every use."""

from __future__ import annotations

import atexit
import contextlib
import errno
import functools
import hashlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path

from bertworks import progress
from bertworks.errors import EnvironmentFault, SourceError
from bertworks.notices import Notice
from bertworks.secrets import masked
from bertworks.storage import temporary
from bertworks.storage.artifacts import sha256_of
from bertworks.storage.replacing import beside

FOLDER = "BERTWORKS_DOWNLOADS"
_RECORD = ".sha256"
_STALE_SECONDS = 3600
_chosen: ContextVar[Path | None] = ContextVar("cache_folder", default=None)


@contextlib.contextmanager
def cache_in(folder: Path) -> Iterator[None]:
    """Makes `folder` the cache of what this thread does in the block.

    Not by BERTWORKS_DOWNLOADS: the environment is the whole process's, which may be a notebook with
    other runs in other threads.
    """
    before = _chosen.set(folder)
    try:
        yield
    finally:
        _chosen.reset(before)


def cache_folder() -> Path:
    """The folder of `cache_in`, or in BERTWORKS_DOWNLOADS, or bertworks/downloads in the user's cache.

    The user's cache is XDG_CACHE_HOME or ~/.cache.

    Where nothing is named and the usual place cannot be written (a read-only root), it is a folder of
    this process in TMPDIR, which goes with the process.

    Raises:
        EnvironmentFault: There is no place for temporary files either.
    """
    if (chosen := _chosen.get()) is not None:
        return chosen
    if named := os.environ.get(FOLDER):
        return Path(named).expanduser().absolute()
    kept = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    usual = Path(kept) / "bertworks" / "downloads"
    return usual if _writable(usual) else _of_this_process(usual)


def notices() -> list[Notice]:
    """What the user should know about where downloads went, for the result of a step."""
    if not _of_this_process.cache_info().currsize:
        return []
    text = (
        f"Downloads are not kept: the usual cache folder cannot be written. {FOLDER} names another."
    )
    return [Notice(text)]


def cached(
    uri: str, sha256: str | None, download: Callable[[Path], Path], name: str = ""
) -> tuple[Path, str]:
    """The file of `uri`, downloaded unless the cache holds it, and its sha256.

    Args:
        uri: What is fetched; with `sha256` it is the cache's key.
        sha256: The sha256 that the file must have; None: any, but a stored file must still be the
            one that was stored.
        download: Writes the file into the empty folder it is given and returns its path.
        name: What it is called in messages, where `uri` says more than that, as its version.

    Raises:
        SourceError: The bytes are not the pinned ones. The wrong file is deleted.
        EnvironmentFault: The cache folder cannot be written.
    """
    slot = cache_folder() / hashlib.sha256(f"{uri}\n{sha256}".encode()).hexdigest()[:24]
    if (found := _stored(slot, sha256)) is not None:
        return found
    _sweep(slot)
    try:
        with beside(slot) as folder:
            folder.mkdir()
            with progress.stage(f"fetching {name or masked(uri)}"):
                file = download(folder)
            actual = sha256_of(file)
            if sha256 is not None and actual != sha256:
                raise _wrong(name or uri, sha256, actual, file.stat().st_size)
            (folder / _RECORD).write_text(actual, encoding="ascii")
            _store(folder, slot)
    except OSError as error:
        raise EnvironmentFault(
            f"The download cache {slot.parent} cannot be written: {error.strerror or error}.",
            f"Make room or make it writable, or name another folder in {FOLDER}.",
        ) from error
    return slot / file.name, actual


def held(uri: str, sha256: str | None) -> Path | None:
    """The file that `cached` would return without a download; None where it would fetch it."""
    slot = cache_folder() / hashlib.sha256(f"{uri}\n{sha256}".encode()).hexdigest()[:24]
    found = _stored(slot, sha256)
    return None if found is None else found[0]


def _writable(folder: Path) -> bool:
    """Whether files can be put there; makes it where it is not."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        # A full disk is said when it matters; it is no reason to fill another one.
        return error.errno in (errno.ENOSPC, errno.EDQUOT)


@functools.cache
def _of_this_process(usual: Path) -> Path:
    """A folder that nobody else can have prepared, removed when the process ends."""
    opened = contextlib.ExitStack()
    folder = opened.enter_context(temporary.scratch("bertworks-downloads-"))
    atexit.register(opened.close)
    print(
        f"note: downloads go to {folder} and are not kept: {usual} cannot be written. "
        f"{FOLDER} names another folder.",
        file=sys.stderr,
    )
    return folder


def check(uri: str, file: Path, sha256: str | None) -> str:
    """The sha256 of a file that is not in the cache.

    Raises:
        SourceError: It is not the pinned one.
    """
    actual = sha256_of(file)
    if sha256 is not None and actual != sha256:
        raise _wrong(uri, sha256, actual, file.stat().st_size)
    return actual


def _stored(slot: Path, sha256: str | None) -> tuple[Path, str] | None:
    """The file in a slot, if it is still the one that was stored; a damaged slot is removed."""
    if not slot.is_dir():
        return None
    files = [file for file in slot.iterdir() if file.name != _RECORD]
    record = slot / _RECORD
    if len(files) == 1 and record.is_file():
        actual = sha256_of(files[0])
        if actual == (sha256 or record.read_text(encoding="ascii")):
            return files[0], actual
    shutil.rmtree(slot, ignore_errors=True)
    return None


def _sweep(slot: Path) -> None:
    """Removes what killed downloads of the same file left behind; a running one is younger."""
    for left in slot.parent.glob(f".{slot.name}.*.partial"):
        if time.time() - left.stat().st_mtime > _STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)


def _store(folder: Path, slot: Path) -> None:
    """Renames a finished folder into the cache; where another process was faster, its is read."""
    try:
        os.rename(folder, slot)
    except OSError:
        if not slot.is_dir():
            raise


def _wrong(uri: str, expected: str, actual: str, size: int) -> SourceError:
    return SourceError(
        f"{masked(uri)} is not the file that was pinned (truncated, changed, or another one): "
        f"expected sha256 {expected}, got {actual} ({size} bytes).",
        "The download was deleted: run again. If it comes again, compare the pinned sha256 with the "
        "registry's, and see whether a mirror or proxy changes files.",
    )
