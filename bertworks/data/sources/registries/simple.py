"""The links of a simple index (PEP 503 pages, PEP 691 JSON), of a page or of a folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion

from bertworks.data.sources.registries.access import host_of
from bertworks.data.sources.registries.faults import Untrusted
from bertworks.data.sources.registries.http import Client

_ACCEPT = (
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, "
    "text/html;q=0.1"
)
_SOURCES = (".tar.gz", ".tgz", ".zip", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar")


@dataclass(frozen=True)
class Link:
    """A file that an index offers.

    Attributes:
        url: Where it is, without credentials and fragment.
        filename: Its name.
        hashes: Algorithm to hex digest, as far as the index tells them.
    """

    url: str = field(repr=False)
    filename: str
    hashes: dict[str, str]

    def version(self, package: str) -> tuple[str, bool] | None:
        """The version and whether it is a source archive; None: of another package, or neither."""
        if "/" in self.filename or "\\" in self.filename:
            return None  # it becomes a name on disk
        if self.filename.endswith(".whl"):
            try:
                name, _, _, _ = parse_wheel_filename(self.filename)
            except (InvalidWheelFilename, InvalidVersion):
                return None
            return (self.filename.split("-")[1], False) if name == package else None
        ending = next((one for one in _SOURCES if self.filename.endswith(one)), None)
        if ending is None:
            return None
        parts = self.filename.removesuffix(ending).split("-")
        for cut in range(1, len(parts)):
            if canonicalize_name("-".join(parts[:cut])) == package:
                return "-".join(parts[cut:]), True
        return None


def links_at(client: Client, address: str) -> list[Link]:
    """The links on one page, in one local folder, or the file that the address itself is."""
    scheme = urlsplit(address).scheme
    if scheme not in ("http", "https"):
        path = unquote(urlsplit(address).path) if scheme == "file" else address
        return _local_links(Path(path).expanduser().absolute())
    if address.endswith((".whl", *_SOURCES)):
        return [_link(address, address)]
    page = client.page(address, _ACCEPT)
    try:
        if page.type.endswith("json"):
            links = list(_json_links(page.body, page.url))
        else:
            links = list(_html_links(page.body.decode("utf-8", "replace"), page.url))
        # A page from elsewhere names no file of this machine.
        return [link for link in links if urlsplit(link.url).scheme in ("http", "https")]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Untrusted(host_of(page.url), "its page of links is not readable") from None


def _local_links(place: Path) -> list[Link]:
    """As `_links`, of a folder or file on this machine."""
    if (place / "index.html").is_file():
        place /= "index.html"
    try:
        if place.is_dir():
            return [Link(file.as_uri(), file.name, {}) for file in sorted(place.iterdir())]
        if not place.is_file():
            return []
        if place.suffix in (".html", ".htm"):
            text = place.read_text(encoding="utf-8", errors="replace")
            return list(_html_links(text, place.as_uri()))
    except OSError as error:
        raise Untrusted(str(place), str(error.strerror).lower()) from None
    return [Link(place.as_uri(), place.name, {})]


def _json_links(body: bytes, base: str) -> Iterator[Link]:
    for file in json.loads(body)["files"]:
        url, _ = urldefrag(urljoin(base, file["url"]))
        yield Link(url, file["filename"], dict(file.get("hashes") or {}))


def _html_links(text: str, base: str) -> Iterator[Link]:
    page = _Anchors()
    page.feed(text)
    if page.base:
        base = urljoin(base, page.base)
    for href in page.hrefs:
        yield _link(href, base)


def _link(href: str, base: str) -> Link:
    """The link of an anchor; its fragment names a hash: #sha256=…"""
    url, fragment = urldefrag(urljoin(base, href))
    hashes = dict(re.findall(r"(?:^|&)(\w+)=([0-9A-Fa-f]+)", fragment))
    return Link(url, unquote(urlsplit(url).path.rpartition("/")[2]), hashes)


class _Anchors(HTMLParser):
    """Collects what a page's anchors point to."""

    def __init__(self) -> None:
        super().__init__()
        self.hrefs: list[str] = []
        self.base: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        href = dict(attrs).get("href")
        if href and tag == "a":
            self.hrefs.append(href)
        elif href and tag == "base" and self.base is None:
            self.base = href
