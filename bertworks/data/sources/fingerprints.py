"""Cheap content fingerprints of sources, taken when the DAG is built: new data breaks the cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bertworks.data.sources.cache import cache_folder
from bertworks.data.sources.fetch import check_one, fetch, local_files, remote_files, version_of
from bertworks.data.sources.uri import parse
from bertworks.errors import EnvironmentFault
from bertworks.secrets import without_values
from bertworks.spec.bases import AUTO, CATALOGUE
from bertworks.storage.artifacts import sha256_of, write_json

if TYPE_CHECKING:
    from bertworks.data.utterances.setting import Setting
    from bertworks.spec import AgentSpec, Base, Source


UNSEEN = "unseen"
"""Of what only a step can look at, where and when it runs: nothing is known of its content."""
_EXACT = ("pypi", "npm", "inline", "parts")
"""Kinds of places whose content their URI tells: a version is published once, parts need a pin."""


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
    named = [
        of_file(one.uri, one.sha256, beside, f"{name}: {key}.uri")
        for name, beside, setting in _settings(source, folder)
        for key, one in (("templates", setting.templates), ("knowledge", setting.knowledge))
    ]
    return _digest(found, *named) if named else found


def of_file(uri: str, sha256: str | None, folder: Path, setting: str) -> str:
    """The same of a file that is no source of rows, such as a knowledge base.

    Raises:
        SourceError: It is not there, or a folder; `setting` is where it is named.
    """
    check_one(uri, folder, setting)
    return _of_uri(uri, sha256, folder)


def of_base(base: Base, spec_folder: str | os.PathLike[str]) -> str:
    """The same of the encoder to start from, and of its tokenizer where that is another place's.

    Raises:
        SourceError: It is not there.
    """
    from bertworks.data.sources.base import folder_of, pin_of

    folder = Path(spec_folder)
    if base.uri == "scratch":
        return _digest("scratch")
    if base.uri == AUTO:
        return _digest(AUTO, *(one.checkpoint.sha256 for one in CATALOGUE))
    if base.tokenizer is not None:
        return _digest(*(of_base(one, folder) for one in _apart(base)))
    location = parse(base.uri)
    if location.kind == "local" and not location.inner:
        return _of_uri(f"{folder_of(base.uri)}/*", None, folder)
    if location.kind == "remote" and not location.inner:
        return _of_uri(f"{folder_of(base.uri)}/*", pin_of(base), folder)
    return _of_uri(base.uri, pin_of(base), folder)


def fingerprints(
    spec: AgentSpec, spec_folder: str | os.PathLike[str], unseen: Collection[str] = ()
) -> dict[str, str]:
    """The fingerprint of every source of a spec, by its place: data.0, corpus.0, base.

    Args:
        spec: The agent spec.
        spec_folder: What local paths are relative to.
        unseen: Places of which nothing can be known now: theirs is UNSEEN.
    """
    folder = Path(spec_folder)
    found = {
        place: UNSEEN if place in unseen else fingerprint(item, folder)
        for place, item in sources_of(spec).items()
    }
    return {**found, "base": UNSEEN if "base" in unseen else of_base(spec.base, folder)}


def sources_of(spec: AgentSpec) -> dict[str, Source]:
    """Every source of a spec, by its place: data.0, corpus.0."""
    sources = {f"data.{i}": item for i, item in enumerate(spec.data.sources)}
    return sources | {f"corpus.{i}": item for i, item in enumerate(spec.corpus.sources)}


def may_change(uri: str, sha256: str | None) -> bool:
    """Whether other bytes may come to lie where a URI points: no pin and no exact version holds them."""
    return sha256 is None and parse(uri).kind not in _EXACT


def open_places(spec: AgentSpec) -> dict[str, list[str]]:
    """The places of a spec's sources whose content may change (data.0, base), to the URIs that tell.

    No source is looked at. A setting for masked utterances in a file may name files that change.
    """
    from bertworks.data.sources.base import pin_of

    found: dict[str, list[str]] = {}
    for place, source in sources_of(spec).items():
        location, pin = parse(source.uri), source.sha256
        if source.format == "utterances" and location.kind == "local" and not location.inner:
            pin = None
        files = [(source.uri, pin)]
        if location.kind == "inline":
            for _, _, setting in _settings(source, Path()):
                files += [(one.uri, one.sha256) for one in (setting.templates, setting.knowledge)]
        found[place] = [uri for uri, sha256 in files if may_change(uri, sha256)]
    if spec.base.uri not in ("scratch", AUTO):
        found["base"] = [
            one.uri
            for one in _apart(spec.base)
            # A plain folder's files are told apart by what is in them, whatever its weights' pin.
            if may_change(one.uri, None if parse(one.uri).kind == "local" else pin_of(one))
        ]
    return {place: uris for place, uris in found.items() if uris}


def _settings(source: Source, folder: Path) -> Iterator[tuple[str, Path, Setting]]:
    """The settings for masked utterances that a source is, each with the folder of what it names."""
    location = parse(source.uri)
    if source.format != "utterances" or location.inner:
        return
    from bertworks.data.utterances.setting import load

    if location.kind == "local":
        for file in local_files(location.outer, folder):
            yield str(file), file.absolute().parent, load(file)
    elif location.kind == "inline":
        with fetch(source.uri, None, folder) as files:
            for one in files:
                yield one.name, folder, load(one.path)


def _apart(base: Base) -> list[Base]:
    """The encoder and its tokenizer, where these come from two places."""
    if base.tokenizer is None:
        return [base]
    where = base.model_copy(update={**base.tokenizer.model_dump(), "tokenizer": None})
    return [base.model_copy(update={"tokenizer": None}), where]


def _of_uri(uri: str, sha256: str | None, folder: Path) -> str:
    location = parse(uri)
    if not may_change(uri, sha256):
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
