"""From a source's URI to local files: download, verify, look inside archives."""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertworks.data.sources import cache
from bertworks.data.sources.archives import MissingMember, extract
from bertworks.data.sources.uri import Location, content_of, parse, parts_of
from bertworks.errors import SourceError
from bertworks.retries import retrying
from bertworks.secrets import filled_in, masked, without_values
from bertworks.shortened import listed
from bertworks.storage import temporary

_TRIES = 3
_SHOWN = 5  # names of files in a message
_BEHIND = re.compile(r"[?#!:/|]+(?=.)")
_BRACKET = re.compile(r"\[[\[*?]\]|\[")  # one that is escaped already is taken as a whole
DRIVERS = {"s3": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub", "abfs": "adlfs"}


@dataclass(frozen=True)
class Fetched:
    """One file to read.

    Attributes:
        name: For messages and for the format: the URI without credentials, with the inner path.
        path: Where its bytes are now.
        sha256: Of the fetched file (for archives: of the archive).
    """

    name: str
    path: Path
    sha256: str


@contextmanager
def fetch(uri: str, sha256: str | None, folder: Path) -> Iterator[list[Fetched]]:
    """Yields the files that a URI stands for; copies made for reading are removed afterwards.

    Args:
        uri: See `spec.Source.uri`.
        sha256: The pin of the fetched file, or None.
        folder: What local paths are relative to.

    Raises:
        SourceError: Nothing there, no network, or not the pinned bytes.
        EnvironmentFault: There is no room for downloads or for what is read out of archives.
    """
    location = parse(uri)
    with temporary.scratch() as scratch:
        files = _outer(uri, location, sha256, folder, scratch)
        for depth, pattern in enumerate(location.inner):
            package = depth == 0 and location.kind in ("pypi", "npm")
            with temporary.writing():
                files = [
                    Fetched(f"{file.name}{'/' if package else '!/'}{member}", path, file.sha256)
                    for number, file in enumerate(files)
                    for member, path in extract(
                        file.path, pattern, scratch / f"{depth}-{number}", file.name
                    )
                ]
        yield files


@contextmanager
def fetch_one(
    uri: str, sha256: str | None, folder: Path, setting: str, likely: Sequence[str] = ()
) -> Iterator[Fetched]:
    """Yields the one file that a URI stands for; else as `fetch`.

    Args:
        uri: As for `fetch`.
        sha256: Likewise.
        folder: Likewise.
        setting: Where the URI stands, for messages: "dialogue.knowledge.uri".
        likely: Endings that such a file mostly has.

    Raises:
        SourceError: As `fetch`; or it stands for a folder, or for several files.
    """
    check_one(uri, folder, setting, likely)
    with fetch(uri, sha256, folder) as files:
        if len(files) != 1:
            names = listed([file.name for file in files], _SHOWN)
            raise SourceError(
                f"{setting}: {masked(uri)} stands for {len(files)} files, where one is needed: {names}.",
                f"Name one of them: {setting}: {files[0].name}",
            )
        yield files[0]


def check_one(uri: str, folder: Path, setting: str, likely: Sequence[str] = ()) -> None:
    """Refuses a folder where one file is needed; arguments and error are those of `fetch_one`."""
    location = parse(uri)
    if location.kind == "local":
        path = folder / Path(location.outer).expanduser()
        if os.path.isdir(path):  # noqa: PTH112 (False for what can be no path)
            raise _is_folder(path, location.outer, setting, likely)


def _is_folder(
    path: Path, given: str, setting: str = "", likely: Sequence[str] = ()
) -> SourceError:
    """What is said of a folder where a file is needed; without a setting a glob would do, too."""
    try:
        inside = [one.name for one in path.iterdir() if one.is_file()]
    except OSError:
        inside = []
    names = sorted(one for one in inside if not one.startswith("."))
    names.sort(key=lambda name: not name.lower().endswith((*likely,)))
    key = f"{setting}: " if setting else ""
    told = f"{key}{path} is a folder, where a file is needed"
    if not names:
        return SourceError(f"{told}; there is no file in it.", "Name a file, not its folder.")
    named = f"{given.rstrip('/')}/{names[0]}"
    ending = Path(names[0]).suffix
    all_of_them = "" if setting else f" or a glob: {given.rstrip('/')}/*{ending}"
    return SourceError(
        f"{told}. It holds {listed(names, _SHOWN)}.",
        f"Name a file in it: {key}{named}{all_of_them}",
    )


def combined_sha256(files: list[Fetched]) -> str:
    """One sha256 for the record: the file's own, or that over all files of a glob."""
    distinct = sorted({file.sha256 for file in files})
    if len(distinct) == 1:
        return distinct[0]
    return hashlib.sha256("\n".join(distinct).encode()).hexdigest()


def local_files(pattern: str, folder: Path) -> list[Path]:
    """The files that a local path or glob names, sorted.

    Raises:
        SourceError: No such file, nothing matches, or it is a folder.
    """
    path = folder / Path(pattern).expanduser()
    try:
        path.is_file()
    except (OSError, ValueError) as error:  # a name of thousands of characters, or with a NUL
        raise SourceError(
            f"No file can be called {str(path)[:80]!r}…: {getattr(error, 'strerror', error)}.",
            _check_path(pattern),
        ) from None
    if path.is_file():
        return [_readable(path)]
    if path.is_dir():
        raise _is_folder(path, pattern)
    if glob.has_magic(pattern):
        if files := _matching(pattern, folder):
            return [_readable(file) for file in files]
        raise MissingMember(
            f"No file matches {path}.",
            _meant_member(pattern, folder)
            or "Check the pattern; paths are relative to the spec's folder. A bracket that belongs to a "
            "name is written [[].",
        )
    fix = _meant_member(pattern, folder) or _check_path(pattern)
    raise MissingMember(f"There is no file {path}.", fix)


def _meant_member(pattern: str, folder: Path) -> str:
    """What to write where a file in an archive seems to be meant; "" where none does."""
    for found in _BEHIND.finditer(pattern):
        archive, inner = pattern[: found.start()], pattern[found.end() :]
        if (folder / Path(archive).expanduser()).is_file():
            return f"A file in {archive} is written {archive}!/{inner}."
    return ""


def _check_path(given: str) -> str:
    if Path(given).expanduser().is_absolute():
        return "Check the path."
    return "Check the path; a spec's are relative to its folder."


def _matching(pattern: str, folder: Path) -> list[Path]:
    """The files of a glob, sorted; where none match, brackets are taken for parts of names."""
    asked = Path(pattern).expanduser()
    root = "" if asked.is_absolute() else glob.escape(str(folder)) + os.sep
    for wanted in (str(asked), _BRACKET.sub(_escaped, str(asked))):
        names = glob.glob(root + wanted, recursive=True)  # noqa: PTH207 (absolute patterns)
        if files := sorted(Path(name) for name in names if Path(name).is_file()):
            return files
    return []


def _escaped(found: re.Match[str]) -> str:
    return "[[]" if found[0] == "[" else found[0]


def _readable(path: Path) -> Path:
    if not os.access(path, os.R_OK):
        raise SourceError(f"{path} may not be read.", "Give yourself read permission on it.")
    return path


def remote_files(uri: str) -> tuple[Any, list[str]]:
    """The fsspec filesystem and the sorted paths that a remote URI or glob names.

    Raises:
        SourceError: A package is missing, nothing there, or no connection.
    """
    try:
        import fsspec
    except ImportError:
        raise SourceError(f"{masked(uri)} needs fsspec.", "pip install fsspec") from None
    try:
        system, path = fsspec.core.url_to_fs(filled_in(uri))
        paths = sorted(system.glob(path)) if "*" in path else [path]
        # Not isfile(): it takes a lost connection for a missing file.
        paths = [item for item in paths if system.info(item)["type"] == "file"]
    except SourceError:
        raise
    except FileNotFoundError as error:
        # A web server that does not answer is a "missing file" to fsspec; the cause tells them apart.
        if isinstance(error.__cause__, OSError):
            raise _unreachable(uri, error.__cause__) from None
        paths = []
    except ImportError as error:
        scheme = uri.partition("://")[0]
        driver = DRIVERS.get(scheme, "its fsspec driver")
        raise SourceError(
            f"{scheme}:// needs a package that is not installed: {error}.",
            f"Install it: {shlex.quote(sys.executable)} -m pip install {driver}",
        ) from None
    except Exception as error:  # drivers raise their own classes: connection, credentials, …
        raise _unreachable(uri, error) from None
    if not paths:
        raise MissingMember(
            f"There is no file {masked(uri)}.",
            "Check the URI. A server may say so, too, where it lets nobody in without a key.",
        )
    return system, paths


def _outer(
    uri: str, location: Location, sha256: str | None, folder: Path, scratch: Path
) -> list[Fetched]:
    """The fetched files, before any look inside."""
    if location.kind == "inline":
        path = scratch / "inline"
        with temporary.writing():
            path.write_bytes(content_of(location))
        return [Fetched(masked(uri), path, cache.check(masked(uri), path, sha256))]
    if location.kind in ("pypi", "npm"):
        key = f"{location.kind}://{location.outer}{'?sdist' if location.sdist else ''}"

        def download(into: Path) -> Path:
            from bertworks.data.sources import registries  # with requests: not at every start

            if location.kind == "npm":
                return registries.download_npm(location.outer, into)
            return registries.download_pypi(location.outer, location.sdist, into, sha256)

        path, actual = cache.cached(key, sha256, download)
        return [Fetched(key, path, actual)]
    if location.kind == "parts":
        return [_joined(location.outer, sha256, folder)]
    if location.kind == "local":
        paths = local_files(location.outer, folder)
        _one_if_pinned(uri, sha256, len(paths))
        return [Fetched(str(path), path, cache.check(str(path), path, sha256)) for path in paths]
    system, names = remote_files(location.outer)
    _one_if_pinned(uri, sha256, len(names))
    return [_remote(system, name, location.outer, sha256) for name in names]


def _joined(uri: str, sha256: str | None, folder: Path) -> Fetched:
    """A file whose parts lie at several places; only the whole one is kept.

    Raises:
        SourceError: There is no pin: nothing else tells that all parts are there.
    """
    parts = parts_of(uri)
    if sha256 is None:
        raise SourceError(
            f"{masked(uri)} is a file in {len(parts)} parts, and no sha256 says what it is.",
            "Give the sha256 of the whole file: cat PARTS | sha256sum.",
        )

    def download(into: Path) -> Path:
        target = into / "file"
        with target.open("wb") as whole:
            for number, part in enumerate(parts):
                # Beside the whole one, where there must be room for it: what is fetched is not kept.
                with cache.cache_in(into / str(number)), fetch(part, None, folder) as files:
                    for file in files:
                        with file.path.open("rb") as stream:
                            shutil.copyfileobj(stream, whole)
                shutil.rmtree(into / str(number), ignore_errors=True)
        return target

    path, actual = cache.cached(uri, sha256, download)
    return Fetched(masked(uri), path, actual)


def _remote(system: Any, name: str, uri: str, sha256: str | None) -> Fetched:
    """Downloads one remote file. An unpinned one is keyed by its present version on the server."""

    def download(into: Path) -> Path:
        target = into / "file"
        tried = retrying([2.0**number for number in range(_TRIES - 1)], _of_the_other_side)
        try:
            tried(system.get_file, name, str(target))
        except Exception as error:
            if _of_the_other_side(error):
                raise _unreachable(uri, error) from None
            raise
        return target

    key = f"{uri}#{without_values(name, uri)}"
    key += "" if sha256 else f"#{version_of(system, name, uri)}"
    shown = masked(without_values(name, uri) if "*" in uri else uri)
    path, actual = cache.cached(key, sha256, download, shown)
    return Fetched(shown, path, actual)


def _of_the_other_side(error: Exception) -> bool:
    """Whether a download failed there, and not because the disk here is full."""
    return not (isinstance(error, OSError) and temporary.full(error))


def version_of(system: Any, name: str, uri: str) -> str:
    """What tells one version of a remote file from the next: its etag, or size and time.

    Args:
        system: The fsspec filesystem.
        name: The file's path there.
        uri: What the path came from, for messages.
    """
    try:
        info = system.info(name)
    except Exception as error:
        raise _unreachable(uri, error) from None
    keys = ("etag", "ETag", "md5Hash", "crc32c", "generation", "LastModified", "mtime", "updated")
    known = {key: str(info[key]) for key in keys if info.get(key) is not None}
    return str(sorted({**known, "size": str(info.get("size"))}.items()))


def _one_if_pinned(uri: str, sha256: str | None, count: int) -> None:
    if sha256 is not None and count > 1:
        raise SourceError(
            f"{masked(uri)} names {count} files, but sha256 pins only one.",
            "Leave sha256 out, or list the files as sources of their own.",
        )


def _unreachable(uri: str, error: Exception) -> SourceError:
    text = masked(without_values(f"{type(error).__name__}: {error}", uri))[:300]
    return SourceError(
        f"{masked(uri)} cannot be read: {text}",
        "Check the URI, the network and the credentials (they come from the environment).",
    )
