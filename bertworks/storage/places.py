"""Where a model store lies: a folder on a disk, or a bucket behind fsspec."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

from bertworks.errors import ArtifactError, EnvironmentFault
from bertworks.storage.locks import lock
from bertworks.storage.replacing import beside, replacing
from bertworks.storage.scratch import Scratch

NOTHING: Mapping[str, str] = {}
_WAIT_SECONDS = 60.0
_STALE_SECONDS = 86_400.0


class Place(Protocol):
    """What a store needs of a disk or bucket; paths are relative to its root."""

    def uri(self, path: str) -> str:
        """The full path or URI."""

    def read(self, path: str) -> bytes | None:
        """The bytes of a file, None when there is none."""

    def replace(self, path: str, value: bytes) -> None:
        """Puts a file into place: readers see all of the old one or all of the new one."""

    def create(self, path: str, value: bytes) -> bool:
        """Puts a file into place, whole, where there is none; returns whether this one did.

        Of several that do so at once one does: on a disk, and in a bucket that can create an object
        only if it is absent (s3, gs).
        """

    def names(self) -> list[str]:
        """The folders in the root, sorted."""

    def numbers(self, name: str) -> list[int]:
        """The whole versions of an agent, sorted."""

    def publish(
        self, name: str, parts: Mapping[str, Path], same: Mapping[str, str] = NOTHING
    ) -> int:
        """Copies files and folders into a new version and returns its number.

        Args:
            name: The agent.
            parts: Name to file or folder.
            same: Name to a path in the store that holds the same bytes: a disk links them.
        """

    def attach(self, path: str, source: Path) -> None:
        """Copies a folder to a path; what is there from a writer that was killed is replaced."""

    def files(self, folder: str) -> list[str]:
        """The names of the files in a folder, sorted; none where there is no folder."""

    def stamp(self, folder: str) -> str:
        """A text that changes when anything in a folder does; "" where it is not there.

        It goes by names, sizes and the store's own marks of change (a disk's times, a bucket's ETags or
        times), so that it costs no reading.
        """

    def remove(self, path: str) -> None:
        """Removes a file or a folder; one that is not there is no error."""

    def local(self, path: str) -> Path:
        """A folder as a path on this machine."""

    def turn(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Waits until no other writer is at work on the agent, where the place can tell.

        On a disk the agent's folder is made for it.
        """


def place(uri: str) -> Place:
    """The place that a path or URI means."""
    if "://" in uri and not uri.startswith("file://"):
        return Bucket(uri)
    return Disk(Path(uri.removeprefix("file://")).expanduser())


class Disk:
    """A folder on a disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def uri(self, path: str) -> str:
        return str(self.root / path)

    def read(self, path: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ArtifactError(
                f"{self.root / path} cannot be read: {error.strerror}.", "Look at the disk."
            ) from None

    def replace(self, path: str, value: bytes) -> None:
        with replacing(self.root / path, durable=True, fault=self._fault) as file:
            file.write_bytes(value)

    def create(self, path: str, value: bytes) -> bool:
        target = self.root / path
        try:
            with beside(target) as file:
                file.write_bytes(value)
                try:
                    os.link(file, target)  # a rename would take the place of another's
                except FileExistsError:
                    return False
        except OSError as error:
            raise _fault(self.root, error) from error
        return True

    def names(self) -> list[str]:
        return sorted(folder.name for folder in _folders(self.root))

    def numbers(self, name: str) -> list[int]:
        folders = _folders(self.root / name / "versions")
        return sorted(int(folder.name) for folder in folders if folder.name.isdigit())

    def publish(
        self, name: str, parts: Mapping[str, Path], same: Mapping[str, str] = NOTHING
    ) -> int:
        versions = self.root / name / "versions"
        try:
            versions.mkdir(parents=True, exist_ok=True)
            _sweep(versions)
            with beside(versions / "new") as folder:
                folder.mkdir()
                for part, source in parts.items():
                    if not source.is_dir():
                        shutil.copy2(source, folder / part)
                    elif not (part in same and _linked(self.root / same[part], folder / part)):
                        shutil.copytree(source, folder / part)
                return self._take_number(name, folder)
        except OSError as error:
            raise _fault(self.root, error) from error

    def attach(self, path: str, source: Path) -> None:
        with replacing(self.root / path, fault=self._fault) as folder:
            shutil.copytree(source, folder)

    def files(self, folder: str) -> list[str]:
        try:
            found = list((self.root / folder).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(one.name for one in found if one.is_file() and not one.name.startswith("."))

    def stamp(self, folder: str) -> str:
        root = self.root / folder
        lines = []
        for file in sorted(root.rglob("*")):
            with contextlib.suppress(FileNotFoundError):  # it was a writer's passing one
                facts = file.stat()
                if not file.is_dir():
                    lines.append(f"{file.relative_to(root)} {facts.st_size} {facts.st_mtime_ns}")
        return _stamp(lines)

    def remove(self, path: str) -> None:
        target = self.root / path
        try:
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
        except OSError as error:
            raise _fault(self.root, error) from error

    def _fault(self, error: OSError, _: Path) -> EnvironmentFault:
        return _fault(self.root, error)

    def _take_number(self, name: str, folder: Path) -> int:
        """Renaming onto a folder that is not empty fails, so no number is taken twice."""
        number = max(self.numbers(name), default=0) + 1
        while True:
            try:
                os.rename(folder, folder.parent / str(number))
                return number
            except OSError:
                if not (folder.parent / str(number)).exists():
                    raise
                number += 1

    def local(self, path: str) -> Path:
        return self.root / path

    @contextlib.contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """A lock that the system lets go of when its holder ends, however it ends."""
        folder = self.root / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            taken = lock(folder / ".lock", _WAIT_SECONDS).acquire()
        except TimeoutError:
            raise EnvironmentFault(
                f"Another process holds {folder / '.lock'} for over a minute.",
                "Wait for it to finish, or end it, and run the command again.",
            ) from None
        except OSError as error:
            raise _fault(self.root, error) from error
        with taken:
            yield


class Bucket:
    """A bucket, or any other fsspec file system, where single objects are replaced whole.

    Two writers at the same time get different numbers where the file system can create an object
    only if it is absent (s3, gs); elsewhere let one run at a time register.
    """

    def __init__(self, uri: str) -> None:
        import fsspec

        self._root_uri = uri.rstrip("/")
        try:
            self._files, root = fsspec.core.url_to_fs(self._root_uri)
        except (ImportError, ValueError) as error:
            raise EnvironmentFault(
                f"The model store {uri} cannot be opened: {error}.",
                "Install the fsspec driver that it names, or use a folder.",
            ) from None
        self._root = root.rstrip("/")
        self._copies: list[Scratch] = []

    def uri(self, path: str) -> str:
        return f"{self._root_uri}/{path}"

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def read(self, path: str) -> bytes | None:
        try:
            return bytes(self._files.cat_file(self._at(path)))
        except FileNotFoundError:
            return None

    def replace(self, path: str, value: bytes) -> None:
        where = self._at(path)
        self._files.makedirs(where.rpartition("/")[0], exist_ok=True)
        self._files.pipe_file(where, value)

    def create(self, path: str, value: bytes) -> bool:
        where = self._at(path)
        self._files.makedirs(where.rpartition("/")[0], exist_ok=True)
        try:
            self._files.pipe_file(where, value, mode="create")
        except FileExistsError:
            return False
        return True

    def names(self) -> list[str]:
        return self._children("")

    def numbers(self, name: str) -> list[int]:
        found = sorted(int(one) for one in self._children(f"{name}/versions") if one.isdigit())
        return [
            one
            for one in found
            if self._files.exists(self._at(f"{name}/versions/{one}/record.json"))
        ]

    def attach(self, path: str, source: Path) -> None:
        self.remove(path)
        self._put(path, source)

    def _put(self, path: str, source: Path) -> None:
        for file in sorted(path for path in source.rglob("*") if path.is_file()):
            where = self._at(f"{path}/{file.relative_to(source)}")
            self._files.makedirs(where.rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(file), where)

    def files(self, folder: str) -> list[str]:
        return [
            one for one in self._children(folder) if self._files.isfile(self._at(f"{folder}/{one}"))
        ]

    def stamp(self, folder: str) -> str:
        self._files.invalidate_cache()
        try:
            found = self._files.find(self._at(folder), detail=True)
        except FileNotFoundError:
            return ""
        marks = ("ETag", "etag", "LastModified", "updated", "created", "mtime")
        return _stamp(
            f"{path} {facts.get('size')} {[str(facts[key]) for key in marks if key in facts]}"
            for path, facts in sorted(found.items())
        )

    def remove(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._files.rm(self._at(path), recursive=True)

    def publish(
        self, name: str, parts: Mapping[str, Path], same: Mapping[str, str] = NOTHING
    ) -> int:
        number = self._claim(name)
        folder = f"{name}/versions/{number}"
        last = []
        for part, source in parts.items():
            if source.is_dir():
                self._put(f"{folder}/{part}", source)
            else:
                last.append((part, source))
        for part, source in last:
            self._files.pipe_file(self._at(f"{folder}/{part}"), source.read_bytes())
        return number

    def _claim(self, name: str) -> int:
        taken = [int(one) for one in self._children(f"{name}/versions") if one.isdigit()]
        number = max(taken, default=0) + 1
        while True:
            claim = self._at(f"{name}/versions/{number}/claim")
            self._files.makedirs(claim.rpartition("/")[0], exist_ok=True)
            try:
                self._files.pipe_file(claim, b"", mode="create")
                return number
            except FileExistsError:
                number += 1

    def _children(self, path: str) -> list[str]:
        self._files.invalidate_cache()
        try:
            found = self._files.ls(self._at(path).rstrip("/"), detail=True)
        except FileNotFoundError:
            return []
        names = {one["name"].rstrip("/").rpartition("/")[2] for one in found}
        return sorted(names)

    def local(self, path: str) -> Path:
        folder = Scratch()
        self._copies.append(folder)  # Lives as long as the store.
        target = Path(folder.name) / "copy"
        self._files.invalidate_cache()  # or files that came since it was last listed would be left
        try:
            self._files.get(self._at(path).rstrip("/") + "/", str(target) + "/", recursive=True)
        except FileNotFoundError:
            raise ArtifactError(
                f"{self.uri(path)} is missing.", "Register the bundle again."
            ) from None
        return target

    @contextlib.contextmanager
    def turn(self, name: str) -> Iterator[None]:
        yield


def _stamp(lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


def _linked(source: Path, target: Path) -> bool:
    """Fills a folder with hard links to another one's files; False where the disk has none."""
    try:
        shutil.copytree(source, target, copy_function=os.link)
    except (OSError, shutil.Error):
        shutil.rmtree(target, ignore_errors=True)
        return False
    return True


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]


def _sweep(versions: Path) -> None:
    """Removes what killed writers left; another machine's writer may be at work on younger ones."""
    for left in versions.glob(".*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(left)


def _fault(root: Path, error: OSError) -> EnvironmentFault:
    return EnvironmentFault(
        f"The model store {root} cannot be written: {error.strerror or error}.",
        "Make the folder writable and free some space, or choose another store.",
    )
