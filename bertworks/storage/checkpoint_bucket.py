"""Checkpoints in a bucket: copies of a local folder's files, and a pointer that names them.

    RUN/latest.json                      which objects belong together: size and sha256 of each
    RUN/latest.safetensors-1f0c…         the objects; every upload has a name of its own

The pointer is put into place last and names only whole objects, so an upload that is cut off at any
moment leaves the checkpoint before it as it was. Objects of other writers are never overwritten: two
processes that train the same run (one of them cut off from the cluster, say) cannot harm each other, as
each one's pointer names whole checkpoints of the same computation.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from bertworks.errors import EnvironmentFault
from bertworks.retries import retrying
from bertworks.storage import buckets
from bertworks.storage.artifacts import sha256_of

POINTER = "latest.json"
T = TypeVar("T")
WAITS = (1.0, 5.0)  # seconds before the second and the third try


class _Listed(NamedTuple):
    """What the pointer says of a file: which object holds it."""

    object: str
    size: int
    sha256: str


@dataclass(frozen=True)
class _Object:
    name: str
    size: int
    sha256: str
    local: tuple[int, int]  # size and time of the file that it is a copy of


class CheckpointBucket:
    """One run's checkpoints behind fsspec.

    Args:
        uri: The run's folder, e.g. s3://agents/checkpoints/RUN.

    Raises:
        EnvironmentFault: There is no driver for it.
    """

    def __init__(self, uri: str) -> None:
        import fsspec

        self.uri = uri
        self._objects: dict[str, _Object] = {}
        self._files: Any
        try:
            self._files, self._root = fsspec.core.url_to_fs(uri)
        except (ImportError, ValueError) as error:
            raise EnvironmentFault(
                f"The place for checkpoints {uri} cannot be opened: {error}.",
                "Install the fsspec driver that it names, or use a folder.",
            ) from None

    def fetch(self, folder: Path) -> None:
        """Copies the last whole checkpoint into a folder, and makes sure that others can be written.

        One that is damaged is named on stderr and taken as none.

        Raises:
            EnvironmentFault: The bucket cannot be read or written.
        """
        try:
            buckets.make_folder(self._files, self._root)
            probe = self._at(f"probe-{uuid.uuid4().hex[:8]}")
            _persistently(lambda: self._files.pipe_file(probe, b"probe"))
            self._files.rm_file(probe)
            pointer = _persistently(self._pointer)
            if pointer is not None:
                _persistently(lambda: self._download(pointer, folder))
        except Exception as error:
            raise EnvironmentFault(
                f"Checkpoints cannot be kept in {self.uri}: {type(error).__name__}: {error}.",
                "Check the bucket's name, and that the step's secrets allow to read and write it.",
            ) from None

    def push(self, folder: Path) -> None:
        """Makes the folder's files the last checkpoint.

        Raises:
            Exception: Whatever the driver raises, after three tries.
        """
        found: dict[str, _Object] = {}
        for file in sorted(folder.iterdir()):
            if not file.name.startswith("."):
                found[file.name] = self._uploaded(file)
        listed = {
            name: _Listed(one.name, one.size, one.sha256)._asdict() for name, one in found.items()
        }
        pointer = json.dumps(listed).encode()
        _persistently(lambda: buckets.put_whole(self._files, self._at(POINTER), pointer))
        now = {one.name for one in found.values()}
        for old in {one.name for one in self._objects.values()} - now:
            self._forget(old)
        self._objects = found

    def remove(self) -> None:
        """Removes the run's checkpoints; what cannot be removed stays."""
        try:
            self._files.rm(self._root, recursive=True)
        except Exception as error:
            print(f"note: {self.uri} could not be removed: {error}", file=sys.stderr)

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _pointer(self) -> dict[str, _Listed] | None:
        self._files.invalidate_cache()
        try:
            listed = json.loads(self._files.cat_file(self._at(POINTER)))
        except FileNotFoundError:
            return None
        except ValueError:
            self._say_damaged(f"{POINTER} is not JSON")
            return None
        return {name: _Listed(**entry) for name, entry in listed.items()}

    def _download(self, pointer: dict[str, _Listed], folder: Path) -> None:
        found: dict[str, _Object] = {}
        for name, entry in pointer.items():
            file = folder / Path(name).name
            try:
                self._files.get_file(self._at(entry.object), str(file))
            except FileNotFoundError:
                file.unlink(missing_ok=True)
            if not file.exists() or sha256_of(file) != entry.sha256:
                self._say_damaged(f"{entry.object} is missing or damaged")
                for taken in (*found, file.name):
                    (folder / taken).unlink(missing_ok=True)
                return
            found[name] = _Object(entry.object, entry.size, entry.sha256, _state(file))
        self._objects = found

    def _say_damaged(self, reason: str) -> None:
        print(f"{self.uri}: {reason}, training begins anew", file=sys.stderr)

    def _uploaded(self, file: Path) -> _Object:
        state, known = _state(file), self._objects.get(file.name)
        if known is not None and known.local == state:
            return known
        name = f"{file.name}-{uuid.uuid4().hex[:12]}"
        _persistently(lambda: self._files.put_file(str(file), self._at(name)))
        return _Object(name, state[0], sha256_of(file), state)

    def _forget(self, name: str) -> None:
        try:
            self._files.rm_file(self._at(name))
        except Exception as error:
            print(f"note: {self.uri}/{name} could not be removed: {error}", file=sys.stderr)


def _state(file: Path) -> tuple[int, int]:
    status = file.stat()
    return status.st_size, status.st_mtime_ns


def _persistently(call: Callable[[], T]) -> T:
    """Calls again where a call fails: networks do."""
    return retrying(WAITS, lambda error: not isinstance(error, FileNotFoundError))(call)
