"""Cheap content fingerprints of sources, taken when the DAG is built: new data breaks the cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from bertworks.data.sources.cache import cache_folder
from bertworks.data.sources.fetch import check_one, local_files, remote_files, version_of
from bertworks.data.sources.uri import parse
from bertworks.errors import EnvironmentFault
from bertworks.secrets import without_values
from bertworks.spec.bases import AUTO, CATALOGUE
from bertworks.storage.artifacts import sha256_of, write_json

if TYPE_CHECKING:
    from bertworks.spec import AgentSpec, Base, Source


UNSEEN = "unseen"  # of a source that only the step can read: nothing is known of its content


def fingerprint(source: Source, spec_folder: str | os.PathLike[str]) -> str:
    """64 hex digits that change when the bytes behind a source change.

    A pinned source, and an exact version in a registry, cannot change: their URI and pin are enough.
    Local files are hashed (again only when size or time changed); of remote ones the server's etag,
    or size and time, is asked.

    A setting for masked utterances stands for the files that it names, too.

    Raises:
        SourceError: A local or remote file is not there.
        SpecError: Such a setting does not fit.
    """
    folder = Path(spec_folder)
    found = _of_uri(source.uri, source.sha256, folder)
    location = parse(source.uri)
    if source.format != "utterances" or location.kind != "local" or location.inner:
        return found
    from bertworks.data.utterances.setting import load

    named = []
    for file in local_files(location.outer, folder):
        setting = load(file)
        for key, one in (("templates", setting.templates), ("knowledge", setting.knowledge)):
            beside = file.absolute().parent
            named.append(of_file(one.uri, one.sha256, beside, f"{file}: {key}.uri"))
    return _digest(found, *named)


def of_file(uri: str, sha256: str | None, folder: Path, setting: str) -> str:
    """The same of a file that is no source of rows, such as a knowledge base.

    Raises:
        SourceError: It is not there, or a folder; `setting` is where it is named.
    """
    check_one(uri, folder, setting)
    return _of_uri(uri, sha256, folder)


def fingerprints(
    spec: AgentSpec, spec_folder: str | os.PathLike[str], unseen: Collection[str] = ()
) -> dict[str, str]:
    """The fingerprint of every source of a spec, by its place: data.0, corpus.0, base.

    Args:
        spec: The agent spec.
        spec_folder: What local paths are relative to.
        unseen: Places of sources that are not on this machine: theirs is UNSEEN, unless their sha256
            is given, which says as much.
    """
    folder = Path(spec_folder)
    sources = {f"data.{i}": item for i, item in enumerate(spec.data.sources)}
    sources |= {f"corpus.{i}": item for i, item in enumerate(spec.corpus.sources)}
    found = {
        place: UNSEEN if place in unseen and not item.sha256 else fingerprint(item, folder)
        for place, item in sources.items()
    }
    hidden = {"base", "base.tokenizer"} & {*unseen}
    return {**found, "base": UNSEEN if hidden else _of_base(spec.base, folder)}


def _of_base(base: Base, folder: Path) -> str:
    from bertworks.data.sources.base import folder_of, pin_of

    if base.uri == "scratch":
        return _digest("scratch")
    if base.uri == AUTO:
        return _digest(AUTO, *(one.checkpoint.sha256 for one in CATALOGUE))
    if base.tokenizer is not None:
        where = base.model_copy(update={**base.tokenizer.model_dump(), "tokenizer": None})
        without = base.model_copy(update={"tokenizer": None})
        return _digest(_of_base(without, folder), _of_base(where, folder))
    location = parse(base.uri)
    if location.kind == "local" and not location.inner:
        return _of_uri(f"{folder_of(base.uri)}/*", None, folder)
    if location.kind == "remote" and not location.inner:
        return _of_uri(f"{folder_of(base.uri)}/*", pin_of(base), folder)
    return _of_uri(base.uri, pin_of(base), folder)


def _of_uri(uri: str, sha256: str | None, folder: Path) -> str:
    location = parse(uri)
    if sha256 is not None or location.kind in ("pypi", "npm", "inline", "parts"):
        return _digest(uri, str(sha256))
    if location.kind == "local":
        files = local_files(location.outer, folder)
        return _digest(uri, *(f"{file.name} {digest}" for file, digest in _hashed(files)))
    system, names = remote_files(location.outer)
    return _digest(
        uri, *(f"{without_values(name, uri)} {version_of(system, name, uri)}" for name in names)
    )


def _hashed(files: list[Path]) -> list[tuple[Path, str]]:
    """sha256 of local files, remembered in the cache folder by path, size and time."""
    memory = cache_folder() / "fingerprints.json"
    known: dict[str, list[str]] = {}
    with contextlib.suppress(OSError, ValueError):
        known = json.loads(memory.read_text(encoding="utf-8"))
    result, news = [], False
    for file in files:
        status = file.stat()
        state = f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
        entry = known.get(str(file.resolve()))
        if entry is None or entry[0] != state:
            entry = known[str(file.resolve())] = [state, sha256_of(file)]
            news = True
        result.append((file, entry[1]))
    if news:
        # Only a memory: without it, files are hashed again.
        with contextlib.suppress(OSError, EnvironmentFault):
            memory.parent.mkdir(parents=True, exist_ok=True)
            write_json(memory, known)
    return result


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
