"""One tarball of one exact version from an npm registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from bertworks.data.sources.registries.access import host_of
from bertworks.data.sources.registries.faults import RegistryFault, Untrusted, not_fetched
from bertworks.data.sources.registries.http import Client
from bertworks.data.sources.registries.npm_settings import PUBLIC, NpmSettings, npm_settings
from bertworks.data.sources.registries.verify import check, integrity_hashes, nearest
from bertworks.errors import SourceError

_ACCEPT = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8"

FIXES = {
    "denied": "Put them into ~/.npmrc: //{host}/:_authToken=…; for a pod into a Secret: "
    "resources.steps.ingest.secrets, as npm_config__authToken.",
    "not_there": "Check the name and the version, or name the registry that has it: "
    "npm_config_registry=https://…",
    "untrusted": "Name the certificates of your network (npm_config_cafile=/path/to/bundle.crt), or "
    "another registry (npm_config_registry).",
    "silent": "Check the network, or name a mirror: npm_config_registry=https://…; for a pod: "
    "resources.steps.ingest.env.",
}


def download_npm(package: str, folder: Path) -> Path:
    """Downloads the tarball of `NAME@VERSION` into `folder`, and returns its path.

    Raises:
        SourceError: The registry does not answer or has it not, or the tarball is not the file whose
            integrity the registry announces.
        OSError: `folder` cannot be written.
    """
    name, _, version = package.rpartition("@")
    settings = npm_settings(name)
    target = folder / f"{name.lstrip('@').replace('/', '-')}-{version}.tgz"
    with Client(settings.access) as client:
        try:
            page = client.page(f"{settings.registry}/{quote(name, safe='@')}", _ACCEPT)
            dist = _dist(page.body, name, version, host_of(page.url), settings)
            client.download(_tarball(dist.tarball, page.url, settings.registry), target)
        except RegistryFault as fault:
            said = f"npm's settings: {settings.place}."
            what = f"npm package {package}"
            raise not_fetched(what, "registry", fault, said, FIXES) from None
    hashes = integrity_hashes(dist.integrity)
    if not hashes and dist.shasum:
        hashes = {"sha1": dist.shasum}
    check(f"npm package {package}", target, hashes)
    return target


class _Dist(NamedTuple):
    """Where a version's tarball is, and the hashes that the registry announces; "" for none."""

    tarball: str
    integrity: str
    shasum: str


def _dist(body: bytes, name: str, version: str, host: str, settings: NpmSettings) -> _Dist:
    """The version's part of a package's record."""
    try:
        record = json.loads(body)
        versions, tags = record["versions"], record.get("dist-tags") or {}
        if version in versions:
            dist = versions[version]["dist"]
            hashes = (dist.get(kind) or "" for kind in ("integrity", "shasum"))
            return _Dist(str(dist["tarball"]), *hashes)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Untrusted(host, "its record of the package is not readable") from None
    said = f"npm's settings: {settings.place}."
    if version in tags:
        raise SourceError(
            f"npm package {name}@{version}: {version!r} is a tag, which may move on. {said}",
            f"Name the version: npm://{name}@{tags[version]}/…",
        )
    raise SourceError(
        f"npm package {name}@{version}: there is no version {version}. {said}",
        f"Take one that is there: {', '.join(nearest(version, versions))}.",
    )


def _tarball(url: str, page: str, registry: str) -> str:
    """Where the tarball is; a mirror that repeats the public registry's addresses has it itself."""
    url = urljoin(page, url)
    if host_of(url) != host_of(PUBLIC) or host_of(registry) == host_of(PUBLIC):
        return url
    return registry + urlsplit(url).path
