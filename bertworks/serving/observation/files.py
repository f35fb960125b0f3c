"""Files of rows that a server keeps: one grows, full ones are Parquet that a data source can read.

The open file, `.KIND-*.open`, holds a JSON object a line, each written at once: a server that is killed
loses nothing but the line that it was at. The next server on that folder closes what it finds there, and
says how many rows that were. Where pyarrow is not installed, as in a lean image, closed files are JSON
lines packed by gzip, which a data source reads as well.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bertworks.errors import EnvironmentFault
from bertworks.serving import log
from bertworks.storage.locks import lock
from bertworks.storage.replacing import named_place_fault, replacing

if TYPE_CHECKING:
    from filelock import FileLock


class SampleFiles:
    """Rows of one kind in a folder. Threads may share it.

    Args:
        folder: Where the files are; made when needed.
        kind: Beginning of the files' names.
        most_bytes: At this size the open file is closed.
        most_seconds: Likewise at this age, when the next row comes or it is closed.
        clock: Seconds that only grow.

    Raises:
        EnvironmentFault: The folder cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        kind: str,
        most_bytes: float,
        most_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder, self._kind = folder, kind
        self._most_bytes, self._most_seconds, self._clock = most_bytes, most_seconds, clock
        self._lock = threading.Lock()
        self._stream: IO[bytes] | None = None
        self._held: FileLock | None = None
        self._size, self._began = 0, 0.0
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied", str(folder))
        except OSError as error:
            raise EnvironmentFault(
                f"Samples cannot be kept in {folder}: {error.strerror or error}.",
                "Name a folder that the server may write, or keep no samples.",
            ) from None
        self._close_left()

    def add(self, row: Mapping[str, Any]) -> None:
        """Keeps a row."""
        # Halves of surrogate pairs, which no file can hold, become question marks.
        line = json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        with self._lock:
            if self._stream is None:
                self._open()
            assert self._stream is not None
            self._stream.write(line)
            self._stream.flush()
            self._size += len(line)
            old = self._clock() - self._began >= self._most_seconds
            if old or self._size >= self._most_bytes:
                self._close()

    def close(self) -> None:
        """Closes the open file."""
        with self._lock:
            self._close()

    def _open(self) -> None:
        # Small hours sort before large ones: the name is the time, and none is used twice.
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        place = self.folder / f".{self._kind}-{now}-{uuid.uuid4().hex[:8]}.open"
        self._held = lock(place.with_name(f"{place.name}.lock"))
        self._held.acquire()
        self._stream = place.open("ab")
        place.chmod(0o600)
        self._size, self._began = 0, self._clock()

    def _close(self) -> None:
        if self._stream is None or self._held is None:
            return
        place = Path(self._stream.name)
        self._stream.close()
        _finish(place)
        self._held.release()
        Path(self._held.lock_file).unlink(missing_ok=True)
        self._stream = self._held = None

    def _close_left(self) -> None:
        """Closes the open files of servers that are no more."""
        for place in sorted(self.folder.glob(f".{self._kind}-*.open")):
            guard = place.with_name(f"{place.name}.lock")
            with contextlib.suppress(TimeoutError), lock(guard):
                if not place.exists():
                    continue
                rows, torn = _finish(place)
                guard.unlink(missing_ok=True)
                log.LOGGER.warning(
                    "samples: a server that was killed has left %d rows in %s; they are kept%s",
                    rows, self.folder, f", but for {torn} that was half written" if torn else "",
                )  # fmt: skip


def read_rows(place: Path) -> list[dict[str, Any]]:
    """The rows of a closed file, of either format."""
    if place.suffix == ".parquet":
        import pyarrow.parquet as pq

        table = pq.read_table(place)
        return [
            {key: value for key, value in row.items() if value is not None}
            for row in table.to_pylist()
        ]
    with gzip.open(place, "rt", encoding="utf-8") as stream:
        return [json.loads(line) for line in stream]


def _finish(place: Path) -> tuple[int, int]:
    """Writes an open file's rows as a closed file, and removes it; rows, and half ones that were cut."""
    lines = place.read_bytes().split(b"\n")
    torn = int(bool(lines.pop()))
    if lines:
        name = place.name.removeprefix(".").removesuffix(".open")
        packed = find_spec("pyarrow") is None
        target = place.with_name(f"{name}.jsonl.gz" if packed else f"{name}.parquet")
        with replacing(target, durable=True, fault=named_place_fault) as path:
            if packed:
                path.write_bytes(gzip.compress(b"\n".join([*lines, b""])))
            else:
                _write_parquet([json.loads(line) for line in lines], path)
            path.chmod(0o600)
    place.unlink()
    return len(lines), torn


def _write_parquet(rows: list[dict[str, Any]], path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: pa.array([row.get(name) for row in rows]) for name in names}
    pq.write_table(pa.table(columns), path)
