"""The writer of an audit log: one a folder.

What is written survives the end of this process, however it ends, as soon as `write` is back: the
system has it. It is written through to the disk once a second, when a file is full, and at the end; a
machine that loses power loses a second at most. `sync="each"` writes every line through.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from bertworks import __version__
from bertworks.errors import EnvironmentFault
from bertworks.serving.audit import chain, files
from bertworks.storage.locks import lock

Sync = Literal["second", "each"]
SECOND = 1.0
BLOCK = 1 << 16


def stamp() -> str:
    """The time, as lines have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class AuditLog:
    """Appends records; any number of threads may.

    Args:
        folder: Where it is; made when needed, for the owner alone.
        max_bytes: From which size on the next file begins.
        sync: When lines are written through to the disk.
        tell: Is told what a person should know: a torn line, lost records, the head of a full file.

    Attributes:
        lost: Records that could not be written.

    Raises:
        EnvironmentFault: Another server writes there, or nobody can.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int = 64 * 2**20,
        sync: Sync = "second",
        tell: Callable[[str], None] = lambda message: None,
    ) -> None:
        self._folder, self._max, self._sync, self._tell = folder, max_bytes, sync, tell
        self._guard = threading.Lock()
        self._head, self._size, self._number, self._file = chain.NONE, 0, 0, -1
        self.lost = self._untold = 0
        self._failed = False
        self._held = _taken(folder)
        try:
            with self._guard:
                self._open()
        except OSError as error:
            self._held.release()
            raise EnvironmentFault(
                f"The audit log in {folder} cannot be written: {error.strerror}.",
                "Free some space, make it writable, or name another folder with --audit.",
            ) from None
        self._dirty, self._over = threading.Event(), threading.Event()
        self._flusher = threading.Thread(target=self._flush, name="audit", daemon=True)
        self._flusher.start()

    @property
    def head(self) -> str:
        """SHA-256 of the last line."""
        return self._head

    def write(self, record: Mapping[str, Any]) -> bool:
        """Appends a record; it is in the system's hands when this is back.

        Returns:
            Whether it could be written. What could not is counted, and told in the log once it can.
        """
        return self.write_all([record]) == 1

    def write_all(self, records: Sequence[Mapping[str, Any]]) -> int:
        """Appends records, which are written through together where each is; returns how many."""
        written = 0
        with self._guard:
            for record in records:
                written += self._attempt(lambda record=record: self._append(record))  # type: ignore[misc]
            self.lost += len(records) - written
            self._untold += len(records) - written
            if written and self._sync == "each" and not self._attempt(lambda: os.fsync(self._file)):
                self.lost += written  # The disk has not taken them.
                self._untold += written
                written = 0
        return written

    def lose(self, count: int) -> None:
        """Notes that so many records never came here, in the log itself."""
        with self._guard:
            self.lost, self._untold = self.lost + count, self._untold + count
            self._attempt(lambda: None)

    def _attempt(self, write: Callable[[], None]) -> bool:
        """Writes, behind a line on what was lost before; returns whether that was possible."""
        try:
            if self._file < 0:
                self._open()
            self._tell_lost()
            write()
        except (OSError, EnvironmentFault) as error:
            if not self._failed:
                self._tell(f"The audit log in {self._folder} cannot be written: {error}")
            self._failed = True
            self._close()
            return False
        self._failed = False
        return True

    def close(self) -> None:
        """Writes through what is there, tells its head and lets another server write here."""
        self._over.set()
        self._dirty.set()
        self._flusher.join()
        with self._guard:
            self._close()
            self._tell(f"The audit log in {self._folder} ends with {self._head}.")
            self._held.release()

    def _open(self) -> None:
        """Goes on behind the last whole line; what stands behind it is closed as torn."""
        present = files.numbers(self._folder)
        self._number = present[-1] if present else 1
        file = files.path_of(self._folder, self._number)
        if files.head_of(file).exists():  # it was full, and then the server was killed
            self._head = _tail(file)[0] or chain.NONE
            self._number += 1
            file = files.path_of(self._folder, self._number)
        elif file.exists():
            found, fragments, ended = _tail(file)
            self._begin(file)
            self._head = found or self._before()
            if found is None and not fragments:
                self._start_file()
                return
            if not ended:
                self._put(b"\n")
            if fragments:
                self._tell(
                    f"{file} ended with {len(fragments)} torn lines of "
                    f"{sum(map(len, fragments))} bytes; they are marked as such."
                )
                self._append(chain.torn(fragments), rotate=False)
            self._append({"kind": "start", "time": stamp(), "bertworks": __version__})
            return
        elif self._number > 1:
            self._head = self._before()
        self._begin(file)
        self._start_file()

    def _before(self) -> str:
        """The head of the file before this one."""
        file = files.path_of(self._folder, self._number - 1)
        return (_tail(file)[0] if file.exists() else None) or chain.NONE

    def _begin(self, file: Path) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._file).st_size

    def _start_file(self) -> None:
        self._append(
            {"kind": chain.BEGIN, "file": self._number, "time": stamp(), "bertworks": __version__},
            rotate=False,
        )

    def _tell_lost(self) -> None:
        if self._untold:
            self._append({"kind": "lost", "time": stamp(), "records": self._untold}, rotate=False)
            how = (
                "The audit log can be written again;"
                if self._failed
                else "Requests came faster than the audit log could be written:"
            )
            self._tell(f"{how} {self._untold} records are lost.")
            self._untold = 0

    def _append(self, record: Mapping[str, Any], rotate: bool = True) -> None:
        line = chain.line_of(record, self._head)
        if rotate and self._size + len(line) >= self._max:
            self._rotate()
            line = chain.line_of(record, self._head)
        self._put(line + b"\n")
        self._head = chain.digest(line)
        if self._sync == "second" and hasattr(self, "_dirty"):
            self._dirty.set()

    def _put(self, data: bytes) -> None:
        # In one call, so that a process that is killed leaves a torn line at most, and hardly ever that.
        written = os.write(self._file, data)
        self._size += written
        if written < len(data):
            raise OSError(28, "No space left on device")

    def _rotate(self) -> None:
        file = files.path_of(self._folder, self._number)
        os.fsync(self._file)
        files.finish(file, self._head)
        self._tell(f"{file} is full and ends with {self._head}.")
        self._close()
        self._number += 1
        self._begin(files.path_of(self._folder, self._number))
        self._start_file()

    def _flush(self) -> None:
        while not self._over.is_set():
            self._dirty.wait()
            self._dirty.clear()
            with contextlib.suppress(OSError):  # no descriptor is left: the next second again
                with self._guard:
                    descriptor = os.dup(self._file) if self._file >= 0 else -1
                if descriptor >= 0:  # without the lock: a slow disk holds nobody up
                    try:
                        os.fsync(descriptor)
                    finally:
                        os.close(descriptor)
            self._over.wait(SECOND)

    def _close(self) -> None:
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.fsync(self._file)
            os.close(self._file)
            self._file = -1


def _tail(file: Path) -> tuple[str | None, list[bytes], bool]:
    """The end of a file.

    Returns:
        SHA-256 of the last whole line, None where there is none; the torn ones behind it; and whether
        the file's last line is ended.
    """
    size, data = file.stat().st_size, b""
    with file.open("rb") as opened:
        at = size
        while True:
            step = min(BLOCK, at)
            at -= step
            opened.seek(at)
            data = opened.read(step) + data
            lines = data.split(b"\n")
            ended = lines[-1] == b""
            if ended:
                lines.pop()
            # The first may be cut by the block's edge.
            for place in range(len(lines) - 1, 0 if at else -1, -1):
                if chain.read(lines[place]) is not None:
                    return chain.digest(lines[place]), lines[place + 1 :], ended
            if at == 0:
                return None, lines if size else [], ended or not size


def _taken(folder: Path) -> Any:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = lock(folder / files.LOCK)
        held.acquire()
    except TimeoutError:
        raise EnvironmentFault(
            f"Another server writes its audit log to {folder}.",
            "Give each server a folder of its own with --audit.",
        ) from None
    except OSError as error:
        raise EnvironmentFault(
            f"{folder} cannot hold the audit log: {error.strerror}.",
            "Name a folder that may be written with --audit.",
        ) from None
    return held
